"""Every guard fires when it should, and none when it should not."""

import math

import pytest
import torch

from dreamlab.stages.watchdog import CollapseError, Recovery, Vitals, Watchdog, WatchdogConfig, solid_share

HEALTHY = {"loss": 1.0, "gradient_norm": 1.0, "mean_opacity": 0.3, "solid_share": 0.9}
SICK = {
    "empty": {"mean_opacity": 0.0005, "solid_share": 0.0},
    "full": {"mean_opacity": 0.99},
    "smoke": {"mean_opacity": 0.2, "solid_share": 0.05},
}


def now(step: int, **changes: float) -> Vitals:
    return Vitals(step, **{**HEALTHY, **changes})


def until_recovery(dog: Watchdog, first: int, **changes: float) -> tuple[int, Recovery]:
    for step in range(first, first + 51):
        recovery = dog.look(now(step, **changes))
        if recovery is not None:
            return step, recovery
    raise AssertionError("nothing was noticed within 50 steps")


@pytest.mark.parametrize("finding", list(SICK))
def test_collapse_is_noticed_within_fifty_steps(finding: str) -> None:
    dog = Watchdog(WatchdogConfig())
    step, recovery = until_recovery(dog, 100, **SICK[finding])
    assert step < 150 and recovery.finding == finding
    assert recovery.kind == "rollback" and recovery.lr_factor == 0.5 and recovery.attempt == 1
    assert f"step {step}" in recovery.message and "last good state" in recovery.message


@pytest.mark.parametrize("name", ["loss", "gradient_norm", "mean_opacity"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_noticed_at_once(name: str, value: float) -> None:
    recovery = Watchdog(WatchdogConfig()).look(now(7, **{name: value}))
    assert recovery is not None and recovery.finding == "non-finite"


def test_a_healthy_run_is_left_alone() -> None:
    dog = Watchdog(WatchdogConfig())
    assert all(dog.look(now(step)) is None and dog.at_ease for step in range(500))


@pytest.mark.parametrize("finding", list(SICK))
def test_a_short_faint_is_forgiven(finding: str) -> None:
    dog = Watchdog(WatchdogConfig(patience=20))
    for step in range(400):
        sick = step % 20 != 19
        assert dog.look(now(step, **(SICK[finding] if sick else {}))) is None
        assert dog.at_ease is not sick


def test_trouble_that_a_rollback_did_not_cure_begins_anew() -> None:
    dog = Watchdog(WatchdogConfig())
    step, first = until_recovery(dog, 100, **SICK["empty"])
    _, second = until_recovery(dog, step - 20, **SICK["empty"])
    assert (first.kind, second.kind) == ("rollback", "restart")
    assert second.lr_factor == 0.25 and second.blob_factor == pytest.approx(2.25)
    assert "began anew" in second.message and "first ball x2.25" in second.message


def test_trouble_long_after_is_a_new_trouble() -> None:
    dog = Watchdog(WatchdogConfig())
    step, _ = until_recovery(dog, 100, **SICK["smoke"])
    for later in range(step + 1, step + 200):
        assert dog.look(now(later)) is None
    _, second = until_recovery(dog, step + 200, **SICK["smoke"])
    assert second.kind == "rollback"


def test_a_full_volume_begins_anew_with_a_fainter_ball() -> None:
    dog = Watchdog(WatchdogConfig())
    until_recovery(dog, 1, **SICK["full"])
    _, recovery = until_recovery(dog, 1, **SICK["full"])
    assert recovery.kind == "restart" and recovery.blob_factor < 1


def test_it_gives_up_with_a_reason() -> None:
    dog = Watchdog(WatchdogConfig(attempts=2))
    for _ in range(2):
        until_recovery(dog, 1, **SICK["empty"])
    with pytest.raises(CollapseError, match=r"2 recoveries did not help: the volume is empty.*seed"):
        until_recovery(dog, 1, **SICK["empty"])


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"mean_opacity": 0.004}, False),  # nearly empty
        ({"mean_opacity": 0.96}, False),  # nearly full
        ({"solid_share": 0.25}, False),  # nearly smoke
    ],
)
def test_a_state_on_the_brink_is_not_kept(changes: dict[str, float], good: bool) -> None:
    dog = Watchdog(WatchdogConfig())
    assert dog.look(now(1, **changes)) is None
    assert dog.worth_keeping(now(1, **changes)) is good


def test_memory_goes_round_through_tensors() -> None:
    a, b = Watchdog(WatchdogConfig()), Watchdog(WatchdogConfig())
    until_recovery(a, 100, **SICK["smoke"])
    for step in range(130, 140):
        a.look(now(step, **SICK["empty"]))
    b.load_state_dict(a.state_dict())
    assert all(isinstance(v, torch.Tensor) for v in a.state_dict().values())
    for step in range(140, 160):
        assert a.look(now(step, **SICK["empty"])) == b.look(now(step, **SICK["empty"]))
    assert a.attempts == b.attempts == 2


def test_the_solid_share_tells_smoke_from_a_solid() -> None:
    solid = torch.zeros(2, 8, 8, 1)
    solid[:, 2:6, 2:6] = 1.0
    mixed = torch.tensor([0.9, 0.6, 0.25, 0.25])
    assert float(solid_share(solid)) == pytest.approx(1.0)
    assert float(solid_share(mixed)) == pytest.approx(0.75)
    assert float(solid_share(torch.full((2, 8, 8, 1), 0.25))) == 0.0
    assert float(solid_share(torch.zeros(1, 2, 2, 1))) == 0.0
