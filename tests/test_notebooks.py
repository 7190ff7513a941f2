"""The notebook's cells run as they stand, one after another, with a prior that knows one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from known import red_ball_prior
from PIL.Image import Image
from torch import Tensor

from dreamlab.core.types import Cameras, Condition
from dreamlab.priors.analytic import TargetImagesPrior
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

SMALL = {"stages.shape.steps": 21, "stages.refine.steps": 2, "stages.extract.resolution": 24}
SMALL |= {"stages.texture.resolution": 64, "stages.texture.palette.mode": "off"}


class Ball(TargetImagesPrior):
    """The red ball for every prompt; it knows its mean, as the presets of the embedded prior ask."""

    def __init__(self) -> None:
        self.__dict__.update(red_ball_prior().__dict__)

    def mean(self, condition: Condition, cameras: Cameras) -> Tensor:
        return self.images[:1].expand(len(cameras), -1, -1, -1)

    def with_mean_color_of(self, x0: Tensor, like: Tensor, blur: float | None = None) -> Tensor:
        return x0


def cells(notebook: Path) -> list[dict[str, Any]]:
    return json.loads(notebook.read_text("utf-8"))["cells"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(notebook: Path) -> None:
    for cell in cells(notebook):
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not cell["metadata"]


@pytest.mark.slow
def test_the_first_steps_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": Ball())
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: list[Any] = []
    for cell in cells(FOLDER / "first_steps.ipynb"):
        if cell["cell_type"] == "code":
            *body, last = "".join(cell["source"]).split("\n")
            try:
                value = compile(last, "cell", "eval")
            except SyntaxError:
                body, value = [*body, last], None
            exec(compile("\n".join(body), "cell", "exec"), names)
            if value is not None:
                shown.append(eval(value, names))
            names["settings"] |= SMALL
            for stage in names.get("stages", ()):
                if "steps" in stage:
                    stage["steps"] = 4
    pictures = [value for value in shown if isinstance(value, Image)]
    assert [picture.size for picture in pictures] == [(2048, 512), (1152, 192), (256, 256), (2048, 512)]
    assert len(names["residuals"]) == 20 and names["half"].files == {}
    assert "The nearest is simplify" in names["mistake"]
    assert set(names["own"].files) == {"glb", "stl", "html"}
    extent = names["own"].mesh.vertices.amax(0) - names["own"].mesh.vertices.amin(0)
    assert float(extent.max()) == pytest.approx(0.12, rel=1e-3)
    assert torch.isfinite(names["density"]).all() and names["density"][0] > names["density"][1]
