"""The loop: it brings a known object back, goes on exactly, and heals itself."""

import math
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from dreamlab import ops
from dreamlab.core.cameras import OrbitCamerasConfig, turntable
from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance import CFGConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.losses import OpacityLossConfig
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.render import OccupancyConfig, VolumeRenderer, VolumeRendererConfig
from dreamlab.render.background import LearnedBackgroundConfig, SolidBackgroundConfig
from dreamlab.render.shading import LitShadingConfig
from dreamlab.scenes import DensityConfig, FieldConfig, HashGridFieldConfig, VoxelFieldConfig
from dreamlab.stages import optimise as loop
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import StepEvent, optimise
from dreamlab.stages.watchdog import CollapseError, WatchdogConfig

FOV, ELEVATION = 40.0, 10.0
CAMERAS = OrbitCamerasConfig(elevation=(ELEVATION, ELEVATION), fovy=(FOV, FOV), distance_factor=(1, 1))


class Mushroom(nn.Module):
    """A known textured object in closed form: a chequered ball on a blue stem."""

    def density(self, x: torch.Tensor) -> torch.Tensor:
        return 200 * torch.sigmoid(-torch.minimum(self._ball(x), self._stem(x)) / 0.01)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        around = torch.atan2(x[:, 0], x[:, 2])
        chequer = (around * 3).sin() * (x[:, 1] * 8).sin() > 0
        red, yellow, blue = x.new_tensor([[0.85, 0.15, 0.1], [0.95, 0.85, 0.2], [0.2, 0.4, 0.8]])
        rgb = torch.where(chequer[:, None], red, yellow)
        return self.density(x), torch.where((self._stem(x) < self._ball(x))[:, None], blue, rgb)

    def _ball(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.new_tensor([0.0, 0.3, 0.0])).norm(dim=-1) - 0.5

    def _stem(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x[:, ::2].norm(dim=-1) - 0.22, (x[:, 1] + 0.3).abs() - 0.5)


def white() -> nn.Module:
    return SolidBackgroundConfig().build(torch.Generator())


def ring(n: int, size: int) -> Cameras:
    """n views like those that CAMERAS draws."""
    fovy = math.radians(FOV)
    return turntable(n, math.radians(ELEVATION), 1 / math.sin(fovy / 2), fovy, (size, size))


def known_views(n: int, size: int) -> tuple[TargetImagesPrior, RenderOutput]:
    renderer = VolumeRendererConfig(samples=128).build()
    cameras, shroom = ring(n, size), Mushroom()
    renderer.occupancy.refresh(shroom.density, None)
    with torch.no_grad():
        seen = renderer(shroom, cameras, background=white())
    images = torch.cat([seen.premultiplied, seen.opacity], dim=-1).permute(0, 3, 1, 2)
    return TargetImagesPrior(images, cameras), seen


def compare(field: Any, renderer: VolumeRenderer, size: int) -> tuple[float, float]:
    """PSNR in dB over white and silhouette IoU, over views halfway between the prior's."""
    views = ring(7, size)
    with torch.no_grad():
        truth_renderer = VolumeRendererConfig(samples=128).build()
        truth = truth_renderer(Mushroom(), views, background=white())
        mine = renderer(field, views, background=white())
    error = (truth.rgb - mine.rgb).square().mean()
    a, b = truth.opacity > 0.5, mine.opacity > 0.5
    return -10 * math.log10(float(error)), float((a & b).sum() / (a | b).sum())


class Fixture:
    """A small problem: everything that `optimise` wants, freshly built each time."""

    def __init__(
        self, field: FieldConfig | None = None, size: int = 16, warm_up_threshold: float = 0.001, **stage: Any
    ) -> None:
        self.prior, _ = known_views(8, size)
        self.occupancy = OccupancyConfig(warm_up_threshold=warm_up_threshold)
        self.settings = {"steps": 12, "cameras": CAMERAS, "lr": Ramp.constant(0.1), **stage}
        self.stage = OptimiseConfig(**self.settings)
        self.config = field or VoxelFieldConfig(resolution=12)

    def parts(self) -> dict[str, Any]:
        guidance = SDSConfig().build(self.prior, CFGConfig(text=1))
        return {
            "stage": self.stage,
            "scene": self.config.build(torch.Generator().manual_seed(1)),
            "renderer": VolumeRendererConfig(samples=32, occupancy=self.occupancy).build(),
            "prior": self.prior,
            "guidance": guidance,
            "prompts": ViewPrompts(self.prior, "a mushroom"),
        }

    def run(self, seed: int = 0, **changes: Any) -> Generator[StepEvent, None, None]:
        return optimise(**{**self.parts(), "seed": seed, **changes})


def last(events: Iterator[StepEvent]) -> StepEvent:
    return list(events)[-1]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---- it works ----


def test_a_known_textured_object_comes_back() -> None:
    """PSNR at least 28 dB and silhouette IoU at least 0.97 after 80 steps at 32 x 32 pixels."""
    size = 32
    prior, _ = known_views(72, size)
    field = HashGridFieldConfig().build(torch.Generator().manual_seed(1))
    renderer = VolumeRendererConfig().build()
    before = compare(field, renderer, size)
    guidance = SDSConfig().build(prior, CFGConfig(text=1), NoiseConfig(t_max=Ramp(start=0.98, end=0.3)))
    stage = OptimiseConfig(steps=80, cameras=CAMERAS)
    event = last(optimise(stage, field, renderer, prior, guidance, ViewPrompts(prior, "it"), seed=0))
    psnr, iou = compare(field, renderer, size)
    assert before[0] < 15 and before[1] < 0.6
    assert psnr >= 28 and iou >= 0.97
    assert event.metrics["residual"] < 0.1


def test_gradient_reaches_the_field_and_none_the_prior() -> None:
    fixture = Fixture(steps=1)

    class Frozen(TargetImagesPrior, nn.Module):  # the same prior, with a parameter that takes part
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.__dict__.update(fixture.prior.__dict__)
            self.gain = nn.Parameter(torch.ones(()))

        def denoise(self, *args: Any, **named: Any) -> torch.Tensor:
            return super().denoise(*args, **named) * self.gain

    prior = Frozen()
    parts = fixture.parts() | {"prior": prior, "guidance": SDSConfig().build(prior, CFGConfig(text=1))}
    before = {k: v.clone() for k, v in parts["scene"].state_dict().items()}
    last(optimise(**parts, seed=0))
    assert prior.gain.grad is None
    grid = parts["scene"].grid
    assert grid.grad[:, 0].abs().sum() > 0 and grid.grad[:, 1:].abs().sum() > 0
    assert not torch.equal(grid, before["grid"])


def test_events_tell_step_metrics_and_phases() -> None:
    events = list(Fixture(steps=3, losses=(OpacityLossConfig(),)).run())
    assert [e.step for e in events] == [1, 2, 3] and {e.n_steps for e in events} == {3}
    for event in events:
        assert {"loss", "opacity", "coverage", "parameter_grad_norm", "residual", "t"} <= event.metrics.keys()
        assert all(math.isfinite(v) for v in event.metrics.values())
        assert set(event.seconds) == {"render", "prior", "backward"}
        assert event.stage == "distil" and event.recovery is None


def test_image_size_is_the_priors_unless_said() -> None:
    sizes: list[int] = []
    fixture = Fixture(steps=1)
    spy = fixture.prior.encode
    fixture.prior.encode = lambda render, cameras: (sizes.append(render.rgb.shape[1]), spy(render, cameras))[
        1
    ]
    last(fixture.run())
    last(fixture.run(stage=OptimiseConfig.model_validate({**fixture.settings, "size": 24})))
    assert sizes == [16, 24]
    grown = {"start": 8, "end": 24, "from": 0.5, "to": 0.5}
    last(fixture.run(stage=OptimiseConfig.model_validate({**fixture.settings, "size": grown, "steps": 4})))
    assert sizes[2:] == [8, 8, 24, 24]


@pytest.mark.parametrize(
    "size", [4, 2000, 16.5, {"start": 16, "end": 16, "then": {"start": 16, "end": 7, "from": 1}}]
)
def test_a_size_that_is_no_number_of_pixels_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="whole number of pixels"):
        OptimiseConfig.model_validate({"size": size})


def test_preview_is_an_image_and_disturbs_nothing() -> None:
    quiet = last(Fixture().run()).state.state_dict()
    images, event = [], None
    for event in Fixture().run():
        images.append(event.preview(20, azimuth=1.0))
    assert event is not None and same(event.state.state_dict(), quiet)
    assert all(i.shape == (20, 20, 3) and i.dtype == torch.uint8 for i in images)
    assert images[-1].float().std() > 5 and not torch.equal(images[0], images[-1])


# ---- same bytes ----

# Everything that draws randomness or holds state at once.
FULL = {
    "background": LearnedBackgroundConfig(),
    "shading": LitShadingConfig(albedo_until=0.2),
    "losses": {
        "opacity": 1.0,
        "orientation": 1.0,
        "normal_smoothness": 1.0,
        "depth_variation": 1.0,
        "z_variance": 1.0,
    },
    "watchdog": WatchdogConfig(keep_every=4),
    "clip_norm": 5.0,
}


def test_same_seed_same_bytes() -> None:
    a, b, other = (last(Fixture(**FULL).run(seed)).state.state_dict() for seed in (3, 3, 4))
    assert same(a, b) and not same(a, other)


@pytest.mark.parametrize("stop", [1, 7, 8])
def test_resumed_run_is_the_uninterrupted_one(stop: int) -> None:
    whole = list(Fixture(**FULL).run())
    half = Fixture(**FULL).run()
    saved = [next(half).state.state_dict() for _ in range(stop)][-1]
    half.close()
    rest = list(Fixture(**FULL).run(state=saved))
    assert [e.step for e in rest] == list(range(stop + 1, 13))
    assert [e.metrics for e in rest] == [e.metrics for e in whole[stop:]]
    assert same(rest[-1].state.state_dict(), whole[-1].state.state_dict())


# ---- from stage to stage ----


def staged(fixture: Fixture, *stages: dict[str, Any]) -> Iterator[tuple[int, StepEvent]]:
    """Stages one after another on one field and one renderer, with the number of each event's stage."""
    parts, before = fixture.parts(), None
    for index, changes in enumerate(stages):
        stage = OptimiseConfig.model_validate({**fixture.settings, **changes})
        events = optimise(**{**parts, "stage": stage, "seed": index, "before": before})
        while True:
            try:
                yield index, next(events)
            except StopIteration as end:
                before = end.value
                break


def background_of(event: StepEvent) -> dict[str, torch.Tensor]:
    return {k: v for k, v in event.state.state_dict().items() if k.startswith("background.")}


def test_a_learned_background_goes_on_in_the_next_stage() -> None:
    """With a learning rate of 0 a stage ends with the background that it began with."""
    learned = {"background": {"kind": "learned"}, "steps": 3, "background_lr": 0.05}
    (_, first), (_, second) = (
        [e for e in staged(Fixture(), learned, learned | {"background_lr": 0.0}) if e[0] == stage][-1]
        for stage in (0, 1)
    )
    assert len(background_of(first)) == 2 and same(background_of(first), background_of(second))


def test_a_background_of_other_settings_begins_anew() -> None:
    learned = {"background": {"kind": "learned"}, "steps": 1, "background_lr": 0.0}
    wider = learned | {"background": {"kind": "learned", "width": 8}}
    events = [event for _, event in staged(Fixture(), learned, wider, learned)]
    widths = [background_of(event)["background.first"].shape[0] for event in events]
    assert widths == [32, 8, 32]
    assert not same(background_of(events[0]), background_of(events[2]))


def test_samples_do_not_jump_where_a_stage_begins() -> None:
    """The second stage's first steps march through no more than the last of the first one did, although a
    warm-up that counts any density would march through the whole ball."""
    first, second = samples_of_steps(Fixture(SMALL_GRID, warm_up_threshold=0), {"steps": 40}, {"steps": 8})
    assert first[0] > 1.5 * max(first[-8:])
    assert max(second) < 1.1 * max(first[-8:])


SMALL_GRID = HashGridFieldConfig(levels=2, log2_table_size=10, finest_resolution=32, width=16)


def samples_of_steps(fixture: Fixture, *stages: dict[str, Any]) -> list[list[int]]:
    """How many samples every step of every stage took."""
    counts: list[list[int]] = [[] for _ in stages]
    fixture.settings |= {"lr": Ramp.constant(0.02)}
    seen: list[int] = []

    def counting(*args: Any) -> Any:
        samples = march(*args)
        seen.append(len(samples.t0))
        return samples

    march = ops.march
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "march", counting)
        for index, _ in staged(fixture, *stages):
            counts[index].append(seen[-1])
    return counts


def test_the_first_steps_take_little_more_than_those_that_follow() -> None:
    """The warm-up's share of memory is not what a machine must be bought for."""
    ((*warm_up, after, _),) = samples_of_steps(Fixture(SMALL_GRID), {"steps": 6})
    assert len(warm_up) == 4 and 0.9 * after < min(warm_up) <= max(warm_up) < 2 * after


def test_an_object_that_leaves_the_first_ball_is_found_with_few_cells_in_warm_up() -> None:
    """The mushroom reaches .8 from the middle, the ball that it grows from .25; as well as from all cells."""
    ball = DensityConfig(radius=0.25, strength=10.0, scale=1.0)
    found, shares = {}, {}
    for threshold in (0.0, 0.001):
        field = HashGridFieldConfig(density=ball)
        fixture = Fixture(field, 24, threshold, steps=60, lr=Ramp.constant(0.02))
        events = fixture.run()
        first = next(events)
        shares[threshold] = float(first.state.renderer.state_dict()["occupied"].float().mean())
        state = last(events).state
        found[threshold] = compare(state.scene, state.renderer, 24)
    assert shares[0.001] < 0.1 < 0.5 < shares[0.0]
    (_, iou_all), (_, iou) = found[0.0], found[0.001]
    assert iou > 0.85 and iou > iou_all - 0.03, found


def test_a_restart_in_a_later_stage_warms_up_again() -> None:
    """What the watchdog begins anew may grow anywhere: the grid that was taken over is forgotten."""
    fixture = Fixture(steps=4, warm_up_threshold=0)
    state = last(fixture.run()).state
    renderer = state.renderer
    renderer.occupancy.reset()
    renderer.update(state.scene, 0, torch.Generator().manual_seed(0))
    assert float(renderer.occupancy.occupied.float().mean()) == pytest.approx(math.pi / 6, rel=0.05)


def test_a_grid_of_another_resolution_is_not_taken_over() -> None:
    fine, coarse = (OccupancyConfig(resolution=g).build(1 / 32) for g in (16, 8))
    fine.refresh(Mushroom().density, None)
    coarse.take_over(fine)
    assert coarse.cells.shape == (8, 8, 8) and not coarse.cells.any()
    other = OccupancyConfig(resolution=16, margin=True).build(1 / 16)
    other.take_over(fine)
    assert torch.equal(other.cells, fine.cells) and torch.equal(other.occupied, fine.occupied)


# ---- learning rates by group ----


def hashed(**stage: Any) -> Fixture:
    return Fixture(HashGridFieldConfig(levels=2, log2_table_size=10, width=16), steps=2, **stage)


def moved(fixture: Fixture) -> dict[str, float]:
    """How far every parameter of the field went, at most."""
    fresh = fixture.config.build(torch.Generator().manual_seed(1)).state_dict()
    learned = last(fixture.run()).state.scene.state_dict()
    return {k: float((learned[k] - v).abs().max()) for k, v in fresh.items()}


def test_a_group_learns_as_fast_as_its_factor_says() -> None:
    """Adam's first steps are as long as its rate, whatever the gradient."""
    plain, halved = moved(hashed()), moved(hashed(lr_scale={"network": 0.5}))
    assert halved["table"] == pytest.approx(plain["table"], rel=0.2)
    assert halved["weights.0"] == pytest.approx(plain["weights.0"] / 2, rel=0.2)
    frozen = moved(hashed(lr_scale={"encoding": 0.0}))
    assert frozen["table"] == 0 and frozen["weights.0"] > 0


def test_factors_of_one_change_no_byte() -> None:
    a, b = (last(hashed(lr_scale=s).run()).state.state_dict() for s in ({}, {"encoding": 1, "network": 1}))
    assert same(a, b)


def test_a_group_that_the_field_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no group of parameters 'colour'.*encoding, network"):
        next(hashed(lr_scale={"colour": 2.0}).run())


def test_a_run_with_rates_by_group_resumes_exactly() -> None:
    settings = {"lr_scale": {"network": 0.3}, "background": LearnedBackgroundConfig()}
    whole = list(hashed(**settings).run())
    half = hashed(**settings).run()
    saved = next(half).state.state_dict()
    rest = list(hashed(**settings).run(state=saved))
    assert same(rest[-1].state.state_dict(), whole[-1].state.state_dict())


# ---- state ----


def test_state_is_flat_tensors_that_stand_for_themselves() -> None:
    events = Fixture().run()
    saved = next(events).state.state_dict()
    copy = {k: v.clone() for k, v in saved.items()}
    next(events)
    assert same(saved, copy)  # later steps do not write into it
    assert all(isinstance(v, torch.Tensor) and v.is_contiguous() for v in saved.values())
    assert len({v.data_ptr() for v in saved.values() if v.numel()}) == sum(
        v.numel() > 0 for v in saved.values()
    )


def test_finished_state_has_nothing_left_to_do() -> None:
    saved = last(Fixture().run()).state.state_dict()
    assert list(Fixture().run(state=saved)) == []


def test_state_of_another_field_is_refused() -> None:
    saved = last(Fixture(steps=2).run()).state.state_dict()
    with pytest.raises(DamagedError, match="does not fit this stage"):
        next(Fixture(VoxelFieldConfig(resolution=8)).run(state=saved))
    saved.pop("generator")
    with pytest.raises(DamagedError):
        next(Fixture().run(state=saved))


# ---- it heals itself ----


class Push:
    """A guidance that does one thing to the opacity within a range of calls, and wants nothing outside."""

    def __init__(self, loss: Callable[[torch.Tensor], torch.Tensor], calls: tuple[int, int]) -> None:
        self.loss, self.calls, self.call = loss, calls, 0

    def select_cameras(self, cameras: Cameras, *args: Any) -> Cameras:
        return cameras

    def __call__(self, render: RenderOutput, *args: Any) -> GuidanceOut:
        self.call += 1
        wild = self.calls[0] <= self.call < self.calls[1]
        calm = 0.0 * render.opacity.sum()
        return GuidanceOut(self.loss(render.opacity) if wild else calm, {})

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        pass


FORCES = {
    "non-finite": lambda o: o.sum() * math.nan,
    "empty": lambda o: 1e3 * o.sum(),
    "full": lambda o: -1e3 * o.sum(),
    "smoke": lambda o: 1e3 * (o - 0.2).square().sum(),
}


def pushed(finding: str, recoveries: int = 1, **stage: Any) -> list[StepEvent]:
    """A run that is pushed over from step 31 on, until so many recoveries have been tried.

    Cameras stand close, so that a full volume fills the picture.
    """
    near = OrbitCamerasConfig(elevation=(0, 20), distance_factor=(0.4, 0.4))
    fixture = Fixture(steps=85, size=12, cameras=near, lr=Ramp.constant(0.5), **stage)
    push, events = Push(FORCES[finding], (31, 10_000)), []
    for event in fixture.run(guidance=push):
        events.append(event)
        if sum(e.recovery is not None for e in events) == recoveries:
            push.calls = (0, 0)
    return events


def sick(finding: str, metrics: dict[str, float]) -> bool:
    """Seen from outside: the moment from which the fifty steps count."""
    if finding == "non-finite":
        return "loss" not in metrics
    opacity = metrics["opacity"]
    return {"empty": opacity < 0.002, "full": opacity > 0.97, "smoke": metrics["coverage"] < 0.02}[finding]


@pytest.mark.parametrize("finding", list(FORCES))
def test_collapse_is_noticed_in_time_and_rolled_back(finding: str) -> None:
    events = pushed(finding)
    [(index, healed)] = [(i, e) for i, e in enumerate(events) if e.recovery]
    assert healed.recovery is not None
    assert healed.recovery.finding == finding and healed.recovery.kind == "rollback"
    assert "went back to the last good state" in healed.recovery.message
    began = next(i for i, e in enumerate(events) if sick(finding, e.metrics))
    assert 30 <= began <= index < began + 50
    after = events[index + 1]
    assert after.step in (26, 51)  # one after the state that was kept last
    assert 0.01 < after.metrics["opacity"] < 0.97
    assert events[-1].step == 85 and 0.01 < events[-1].metrics["opacity"] < 0.97
    assert all(math.isfinite(v) for e in events for v in e.metrics.values())
    assert all(p.isfinite().all() for p in events[-1].state.scene.parameters())


def test_trouble_that_comes_back_begins_anew_and_says_so() -> None:
    events = pushed("empty", recoveries=2)
    kinds = [e.recovery.kind for e in events if e.recovery]
    assert kinds[:2] == ["rollback", "restart"]
    anew, recovery = [(i, e.recovery) for i, e in enumerate(events) if e.recovery][1]
    assert events[anew + 1].step == 1 and "began anew" in recovery.message
    assert float(events[anew].state.scene.state_dict()["activation.blob_factor"]) > 1


def test_hopeless_run_ends_with_a_reason() -> None:
    with pytest.raises(CollapseError, match="3 recoveries did not help: a value that is no number"):
        pushed("non-finite", recoveries=99, watchdog=WatchdogConfig(attempts=3))


def test_nothing_learned_from_a_step_that_is_no_number() -> None:
    fixture = Fixture(steps=10)
    parts: dict[str, Any] = fixture.parts() | {"guidance": Push(FORCES["non-finite"], (3, 4))}
    events = optimise(**parts, seed=0)
    for _ in range(2):
        next(events)
    event = next(events)
    assert event.recovery is not None and event.state.step == 0  # the state kept last is the first
    assert "loss" not in event.metrics  # metrics hold finite numbers only
    fresh = fixture.config.build(torch.Generator().manual_seed(1))
    assert same(event.state.scene.state_dict(), fresh.state_dict())


def test_resumed_run_heals_as_the_uninterrupted_one() -> None:
    """The state to roll back to is part of what is saved."""

    class Late(Push):
        def state_dict(self) -> dict[str, torch.Tensor]:
            return {"call": torch.tensor(self.call)}

        def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
            self.call = max(self.call, int(state["call"]))

    def run(state: Any = None) -> Generator[StepEvent, None, None]:
        fixture = Fixture(steps=60, watchdog=WatchdogConfig(keep_every=10))
        return fixture.run(guidance=Late(FORCES["non-finite"], (38, 39)), state=state)

    whole = list(run())
    half = run()
    saved = [next(half).state.state_dict() for _ in range(35)][-1]
    assert any(k.startswith("good.") for k in saved)
    rest = list(run(saved))
    assert [e.recovery for e in rest if e.recovery] == [e.recovery for e in whole if e.recovery] != []
    assert [e.metrics for e in rest] == [e.metrics for e in whole[35:]]
    assert same(rest[-1].state.state_dict(), whole[-1].state.state_dict())


# ---- time ----


def test_phases_on_a_gpu_are_its_streams_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the device until the times are asked for."""
    log: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.at = 100.0 * len(log)

        def elapsed_time(self, later: "Event") -> float:
            return later.at - self.at

        def synchronize(self) -> None:
            log.append("waited")

    class Stream:
        def record_event(self, event: Event) -> Event:
            log.append("recorded")
            return event

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "Event", Event)
    clock = loop._Clock(torch.device("cuda"))
    clock.lap("render")
    clock.lap("prior")
    assert log == ["recorded"] * 3
    assert clock.seconds() == {"render": 0.1, "prior": 0.1} and log[3:] == ["waited"]
