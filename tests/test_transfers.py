"""How often a step waits for its device: whatever the host reads of a tensor, it waits for on a GPU."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from known import Balls
from pydantic import TypeAdapter
from torch.utils._python_dispatch import TorchDispatchMode

import dreamlab
from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig
from dreamlab.guidance.mixture import build_guidance
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.render import VolumeRendererConfig
from dreamlab.scenes import HashGridFieldConfig
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import optimise

PACKAGE = Path(dreamlab.__file__).parent
KINDS = [config.model_fields["kind"].default for config in get_args(get_args(GuidanceConfig)[0])]
SETTINGS: dict[str, dict[str, Any]] = {
    "dds": {"source_prompt": "a blue ball"},
    "mixture": {"parts": [{"guidance": {"kind": "sds"}}, {"guidance": {"kind": "csd"}}]},
}
MORE = {"ism": {"steps = max("}, "vsd": {"isfinite", "optimiser.step()"}, "mixture": {"weights.tolist()"}}
"""What single methods read besides: how many steps an inversion takes, and whether the score model may learn.
Adam's counts and a mixture's weights are on the CPU anyway."""
READS = ("_local_scalar_dense", "is_nonzero", "equal")
"""What operators do that hand a number to Python: float(x), x.item(), bool(x), if x, torch.equal."""


class Transfers(TorchDispatchMode):
    """Notes from where numbers were read while it is on; a list made of a tensor counts once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.places: list[str] = []
        listed = torch.Tensor.tolist

        def tolist(tensor: torch.Tensor) -> Any:
            self.note()
            return listed(tensor)

        monkeypatch.setattr(torch.Tensor, "tolist", tolist)

    def note(self) -> None:
        frames = [f for f in traceback.extract_stack() if Path(f.filename).is_relative_to(PACKAGE)]
        self.places.append(f"{Path(frames[-1].filename).name}: {frames[-1].line}" if frames else "elsewhere")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in READS:
            self.note()
        return func(*args, **(kwargs or {}))


def reads_of_a_step(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From where the fourth step of an optimisation reads."""
    prior = Balls()
    method = TypeAdapter(GuidanceConfig).validate_python({"kind": kind, **SETTINGS.get(kind, {})})
    field = HashGridFieldConfig(levels=2, log2_table_size=8, finest_resolution=16, width=16)
    events = optimise(
        OptimiseConfig(steps=6, views=4),
        field.build(torch.Generator().manual_seed(1)),
        VolumeRendererConfig(samples=24).build(),
        prior,
        build_guidance(method, prior, CFGConfig(text=2), NoiseConfig(), {}),
        ViewPrompts(prior, "a red ball", "a blue ball"),
        seed=0,
    )
    for _ in range(3):
        next(events)
    with Transfers(monkeypatch) as transfers:
        next(events)
    return transfers.places


@pytest.mark.parametrize("kind", KINDS)
def test_all_figures_of_a_step_come_in_one_transfer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    *others, last = reads_of_a_step(kind, monkeypatch)
    assert "torch.stack(figures).tolist()" in last
    allowed = MORE.get(kind, set())
    assert all(any(part in place for part in allowed) for place in others), others
    assert sum("optimiser.step()" not in place for place in others) <= 1


def test_reading_numbers_one_by_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(3.0)
    with Transfers(monkeypatch) as transfers:
        _ = float(x[0]), x[1].item(), bool(x[2]), x.tolist(), torch.equal(x, x)
        _ = x.sum() * 2
    assert len(transfers.places) == 5
