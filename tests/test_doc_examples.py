"""The numbered examples of docs/examples run as they stand, in one folder and after the first, with a prior
that knows one object and settings so small that each takes seconds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior
from PIL import Image
from torch import Tensor

from dreamlab import api
from dreamlab.core.types import Cameras, Condition
from dreamlab.mesh.io.load import load
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.resolve import resolve

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
SMALL = [
    "stages.shape.steps=21",
    "stages.refine.steps=2",
    "stages.extract.resolution=24",
    "stages.extract.views=4",
    "stages.extract.view_size=24",
    "stages.texture.resolution=64",
    'stages.texture.palette.mode="off"',
    "stages.turntable.frames=0",
]


class Ball(TargetImagesPrior):
    """The red ball for every prompt; it knows its mean, as the presets of the embedded prior ask."""

    def __init__(self) -> None:
        self.__dict__.update(red_ball_prior().__dict__)

    def mean(self, condition: Condition, cameras: Cameras) -> Tensor:
        return self.images[:1].expand(len(cameras), -1, -1, -1)

    def with_mean_color_of(self, x0: Tensor, like: Tensor, blur: float | None = None) -> Tensor:
        return x0


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The first example's names, and its folder to work in: the others go on with its object."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Ball())
        patch.setattr(api, "resolve", smaller)
        yield run(1)


def smaller(prompt: str, *, overrides: list[str], **rest: Any) -> Any:
    """What the example asks for, in the sizes of a test."""
    return resolve(prompt, overrides=[*overrides, *SMALL], **rest)


def run(number: int, *arguments: str, **changes: str) -> dict[str, Any]:
    """The names that the example leaves behind. `changes`: other values for constants that it begins with."""
    path = EXAMPLES[number - 1]
    text, names = path.read_text("utf-8"), {"__name__": "__main__"}
    for name, value in changes.items():
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.M)
        assert found == 1, f"{path.name} has no {name}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), *arguments])
        exec(compile(text, str(path), "exec"), names)
    return names


def test_they_are_numbered_without_a_gap_and_shown_on_their_page() -> None:
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    page = (FOLDER.parent / "examples.md").read_text("utf-8")
    for path in EXAMPLES:
        assert page.count(f"```{{literalinclude}} examples/{path.name}\n") == 1
        assert f"](examples/{path.name})" in page
        assert len(path.read_text("utf-8").splitlines()) <= 65


def test_the_first_makes_an_object(first: dict[str, Any]) -> None:
    result = first["result"]
    assert set(result.files) == {"glb", "obj", "html"}
    assert result.folder == Path("outputs/0001-a-red-mushroom")
    assert first["kind"] == "html" and (first["high"] > first["low"]).all()


def test_the_second_tells_every_step_and_leaves_a_checkpoint(
    first: dict[str, Any], capsys: pytest.CaptureFixture
) -> None:
    left = run(2)["left"]
    output = capsys.readouterr().out
    assert output.count("residual") == 15 and "shape: distil, 21 steps" in output
    assert left.prompt == "a blue car" and left.files == {} and list((left.folder / "checkpoints").iterdir())


@pytest.mark.slow
def test_the_third_draws_three_seeds_that_differ(first: dict[str, Any]) -> None:
    run(3)
    with Image.open("seeds.png") as image:
        assert image.size == (2048, 1536)
    runs = sorted(Path("outputs").glob("*-a-red-mushroom"))
    assert len({(folder / "mesh.glb").read_bytes() for folder in runs}) == 4
    extent = load(runs[-1] / "mesh.glb").vertices
    assert float((extent.amax(0) - extent.amin(0)).max()) == pytest.approx(0.12, rel=1e-3)


def test_the_fourth_writes_other_formats_and_a_blue_one(first: dict[str, Any]) -> None:
    files = run(4)["files"]
    assert files == [Path("blue.glb")]
    size = load("mushroom.stl").vertices
    assert float((size.amax(0) - size.amin(0)).max()) == pytest.approx(0.08, rel=1e-3)
    assert len(load("small.glb").faces) <= 500
    red, blue = (load(name).colors for name in ("palette.glb", "blue.glb"))
    assert red is not None and red.mean(0).argmax() == 0
    assert blue is not None and blue.mean(0).argmax() == 2


def test_the_fifth_makes_levels_and_a_budget(first: dict[str, Any]) -> None:
    budget = run(5)["budget"]
    faces = [level["faces"] for level in budget["levels"]]
    assert faces == sorted(faces, reverse=True) and len(faces) > 1
    assert budget["collision"]["hulls"] <= 4


def test_the_sixth_reads_what_it_wrote(first: dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    run(6)
    output = capsys.readouterr().out
    assert output.count("(128, 128, 4) a red mushroom") == 6


def test_the_seventh_makes_ten_captioned_models(first: dict[str, Any]) -> None:
    run(7, "my-glbs")
    lines = [json.loads(line) for line in Path("my-glbs/captions.jsonl").read_text().splitlines()]
    assert len(lines) == len(list(Path("my-glbs").glob("*.glb"))) == 10
    for line in lines:
        assert Path("my-glbs", line["file"]).is_file()
        assert len(line["captions"][0]) >= len(line["captions"][-1])


def test_the_eighth_distils_by_hand(first: dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    run(8, STEPS="40", SIZE="16")
    told = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 4 and told[-1] < 0.7 * told[0]
    with Image.open("own_method.png") as image:
        assert image.size == (1024, 256)  # four sides


def test_the_ninth_is_called_with_every_step(first: dict[str, Any]) -> None:
    told = run(9)["curves"].told
    rows = Path("curves/curves.csv").read_text().splitlines()
    assert rows[0] == "step,loss,residual,opacity" and len(rows) == 1 + 21 + 2
    assert sorted(path.name for path in Path("curves").glob("*.png")) == ["0010.png", "0020.png"]
    assert re.fullmatch(r"\d{4}-a-red-mushroom: \d+ faces", told)
