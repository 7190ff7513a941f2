"""What requests may not ask for: too much, and the machine's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlab.core.errors import ConfigError, DreamlabError, InputError
from dreamlab.run.config import RunConfig
from dreamlab.server.jobs import Order
from dreamlab.server.limits import CEILINGS, FREE, NOT_ASKED, SAID_BESIDE, Limits
from dreamlab.server.requests import JobRequest, Offer, orders_of
from tests.cli.shelf import make_run


def orders(root: Path, offer: Offer | None = None, limits: Limits | None = None, **asked: Any) -> list[Order]:
    request = JobRequest.model_validate({"prompt": "a red mushroom", "preset": "fast"} | asked)
    return orders_of(request, root, offer or Offer(), limits or Limits())


def test_a_request_is_resolved_when_it_is_submitted(tmp_path: Path) -> None:
    (order,) = orders(tmp_path, seed=7, negative="blue", formats=["stl"], settings={"stages.shape.steps": 9})
    stages = {stage["name"]: stage for stage in order.config["stages"]}
    assert (order.prompt, order.preset, order.seed) == ("a red mushroom", "fast", 7)
    assert order.config["seed"] == 7 and order.config["negative_prompt"] == "blue"
    assert stages["shape"]["steps"] == 9 and stages["export"]["formats"] == ["stl"]
    assert order.steps == 9 + stages["refine"]["steps"]


def test_settings_take_whatever_set_takes(tmp_path: Path) -> None:
    settings = {"stages.shape.lr": {"start": 0.1, "end": 0.01}, "expand": "off", "cfg.text": 2.5}
    (order,) = orders(tmp_path, settings=settings | {"guidance.kind": "csd"})
    config = order.config
    assert config["stages"][0]["lr"]["end"] == 0.01 and config["expand"] == "off"
    assert config["cfg"]["text"] == 2.5 and config["guidance"]["kind"] == "csd"


def test_variations_differ_in_their_seeds_alone(tmp_path: Path) -> None:
    found = orders(tmp_path, seed=5, variations=3)
    assert [order.seed for order in found] == [order.config["seed"] for order in found] == [5, 6, 7]
    assert len({str(dict(order.config) | {"seed": 0}) for order in found}) == 1
    with pytest.raises(InputError, match="seed"):
        orders(tmp_path, seed=2**32 - 1, variations=2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stages.shape.steps": 3001}, "the steps of all stages"),
        ({"stages.shape.views": 33}, "stages.shape.views"),
        ({"stages.shape.size": {"start": 64, "end": 1024}}, "stages.shape.size"),
        ({"stages.extract.resolution": 400}, "stages.extract.resolution"),
        ({"stages.texture.resolution": 8192}, "stages.texture.resolution"),
        ({"stages.turntable.frames": 241}, "stages.turntable.frames"),
        ({"stages.turntable.size": 2048}, "stages.turntable.size"),
        ({"stages.simplify.faces": 10**6}, "stages.simplify.faces"),
        ({"field.log2_table_size": 24}, "field.log2_table_size"),
        ({"guidance.max_batch": 10**9}, "guidance.max_batch"),
        ({"stages": [{"kind": "distil", "name": f"s{k}", "steps": 1} for k in range(17)]}, "stages"),
    ],
)
def test_more_than_the_server_gives_is_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told) as refused:
        orders(tmp_path, settings=settings)
    assert "more than this server gives" in str(refused.value) and refused.value.mend == "Ask for less"


def test_views_that_are_drawn_are_counted_with_how_often(tmp_path: Path) -> None:
    orders(tmp_path, preset="drawn")
    for settings, told in (
        ({"stages.0.every": 1}, "denoising steps"),
        ({"stages.0.rings": [[33, 15.0]]}, "rings"),
        ({"stages.0.sampling_steps": 300}, "sampling_steps"),
    ):
        with pytest.raises(InputError, match=told):
            orders(tmp_path, preset="drawn", settings=settings)


@pytest.mark.parametrize("preset", Offer().presets)
def test_what_is_offered_is_within_the_limits(tmp_path: Path, preset: str) -> None:
    assert len(orders(tmp_path, preset=preset)) == 1


def test_limits_are_the_operators(tmp_path: Path) -> None:
    orders(tmp_path, limits=Limits(steps=10**6), settings={"stages.shape.steps": 90_000})
    for limits, asked in (
        (Limits(prompt=5), {}),
        (Limits(variations=2), {"variations": 3}),
        (Limits(settings=1), {"settings": {"seed": 1, "expand": "off"}}),
    ):
        with pytest.raises(InputError):
            orders(tmp_path, limits=limits, **asked)
    with pytest.raises(InputError, match="negative prompt is too long"):
        orders(tmp_path, limits=Limits(prompt=20), negative="x" * 21)


@pytest.mark.parametrize("key", [*NOT_ASKED, "prior.weights", "prior.kind", "priors.x.model", "saving.keep"])
def test_files_models_and_devices_of_the_machine_are_not_for_requests(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="not for requests"):
        orders(tmp_path, settings={key: "/etc/passwd"})


@pytest.mark.parametrize("key", ["prompt", "seed", "negative_prompt", "images", "images.0.path"])
def test_what_has_a_place_of_its_own_is_no_setting(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="stands beside"):
        orders(tmp_path, settings={key: 1})


def test_a_run_to_begin_with_is_one_of_the_library_by_its_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    make_run(tmp_path / "others", "a blue car")
    root = tmp_path / "runs"
    (order,) = orders(root, settings={"begin": run.name})
    assert order.config["begin"] == str(run.resolve())
    for name in (
        "../others/0001-a-blue-car",
        str(tmp_path / "others" / "0001-a-blue-car"),
        "/etc/passwd",
        ".",
        7,
    ):
        with pytest.raises(InputError, match="run to begin with"):
            orders(root, settings={"begin": name})


def test_no_setting_smuggles_a_path_in_by_another_way(tmp_path: Path) -> None:
    for settings in (
        {"stages": [{"kind": "distil", "prior": {"weights": "/etc/passwd"}}]},
        {"stages.shape.prior": "x"},
        {"guidance": {"kind": "sds", "prior": "/x"}},
    ):
        with pytest.raises(ConfigError):
            orders(tmp_path, settings=settings)


def test_presets_that_are_not_offered_are_refused(tmp_path: Path) -> None:
    for preset in ("dreamfusion", "refine", "../configs/fast", "nothing"):
        with pytest.raises(InputError, match="not offered"):
            orders(tmp_path, preset=preset)
    offer = Offer(presets=("quality",), usual="quality")
    assert orders(tmp_path, offer, preset=None)[0].preset == "quality"


def test_wrong_settings_are_refused_in_one_line(tmp_path: Path) -> None:
    for asked in (
        {"settings": {"stages.shape.stepz": 3}},
        {"settings": {"stages.shape.steps": "many"}},
        {"settings": {"stages.shape.steps": None}},
        {"settings": {"cfg.text": [[[[]]]]}},
        {"formats": ["exe"]},
        {"prompt": "   "},
        {"prompt": "a\nb"},
    ):
        with pytest.raises(DreamlabError) as refused:
            orders(tmp_path, **asked)
        assert "\n" not in str(refused.value)


def test_every_setting_of_a_run_is_for_requests_or_not() -> None:
    asked = set("expand view_dependent view_words begin cfg noise guidance field renderer stages".split())
    assert asked | {*NOT_ASKED} | {*SAID_BESIDE} == set(RunConfig.model_fields)
    assert not asked & {*NOT_ASKED, *SAID_BESIDE}


def whole_numbers() -> Iterator[tuple[str, str]]:
    """Each setting of a run that is a whole number or a ramp: what it is a setting of, and its name."""
    schema = RunConfig.model_json_schema()
    classes = {name: part for name, part in schema["$defs"].items() if "Prior" not in name}
    for owner, part in classes.items():
        kind = part.get("properties", {}).get("kind", {}).get("const", owner)
        for name, value in part.get("properties", {}).items():
            text = str(value)
            if "'type': 'integer'" in text or "/Ramp'" in text:
                yield kind, name


def test_every_setting_that_may_cost_has_been_thought_of() -> None:
    found = set(whole_numbers())
    assert len(found) > 40
    known = {name for name in CEILINGS} | FREE
    passed = {"saving", "SavingConfig"}  # not for requests
    assert {
        (k, n) for k, n in found if n not in known and f"{k}.{n}" not in known and k not in passed
    } == set()
    names = {name for _, name in found} | {f"{kind}.{name}" for kind, name in found}
    assert set(CEILINGS) | FREE <= names  # none is listed that is none
