"""gpu_check, the preset fast: a whole run on the device beside one on the CPU, and whether resume is
exact."""

from __future__ import annotations

import tempfile
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from gpu_check_record import Check, Setting, measured

from dreamlab import api
from dreamlab.core.types import Mesh
from dreamlab.mesh.surface.silhouettes import covered, silhouette_iou, survey_cameras
from dreamlab.run.context import RunContext
from dreamlab.run.events import Finished, Step
from dreamlab.run.resolve import resolve
from dreamlab.stages import DistilConfig
from dreamlab.stages.optimise import StepEvent

_PROMPT = "a red mushroom"
_LEAST_IOU = 0.8  # of two runs that see the same noise and round differently


def fast_checks(setting: Setting) -> list[Check]:
    return [
        Check("run", lambda: _run(setting)),
        Check("silhouettes", lambda: _silhouettes(setting)),
        Check("resume", lambda: _resume(setting)),
    ]


def _settings(device: str, quick: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {"device": device, "stages.turntable.frames": 0}
    if quick:
        settings |= {"stages.shape.steps": 4, "stages.refine.steps": 2, "stages.extract.resolution": 32}
        settings |= {"stages.texture.resolution": 128, "renderer": {"samples": 32}}
    return settings


@cache
def _finished(device: str, quick: bool) -> tuple[Mesh, dict[str, float]]:
    """The mesh of a run, and its seconds by phase."""
    with tempfile.TemporaryDirectory() as folder:
        seconds: dict[str, float] = {}
        where, laps = Path(), []
        for event in api.events(_PROMPT, preset="fast", settings=_settings(device, quick), out=folder):
            if isinstance(event, Step):
                laps.append(sum(event.event.seconds.values()))
            if isinstance(event, Finished):
                where, seconds = event.folder, event.seconds
        seconds["median step"] = sorted(laps)[len(laps) // 2]
        return api.load_run(where).mesh, {name: round(value, 4) for name, value in seconds.items()}


def _run(setting: Setting) -> dict[str, Any]:
    made: list[tuple[Mesh, dict[str, float]]] = []
    found = measured(setting, lambda: made.append(_finished(str(setting.device), setting.quick)))
    mesh, phases = made[0]
    assert len(mesh.faces) > 100, f"{len(mesh.faces)} faces"
    return found | {"phases": phases, "faces": len(mesh.faces)}


def _silhouettes(setting: Setting) -> dict[str, Any]:
    """What the device's mesh covers beside what the CPU's covers, from all around."""
    mine, _ = _finished(str(setting.device), setting.quick)
    theirs, phases = _finished("cpu", setting.quick)
    cameras = survey_cameras(16, 96)
    overlap = silhouette_iou(mine, covered(theirs, cameras), cameras)
    assert overlap >= _LEAST_IOU, f"the silhouettes overlap by {overlap:.3f}"
    return {"iou": round(overlap, 4), "phases on the CPU": phases}


def _resume(setting: Setting) -> dict[str, Any]:
    """Twice without a break, then with one half way. On a GPU sums may be in another order each time: then
    the broken run may differ by no more than a hundred times what the whole ones differ by."""
    steps = 4 if setting.quick else 24
    whole, again = _parameters(setting, steps, None), _parameters(setting, steps, None)
    broken = _parameters(setting, steps, steps // 2)
    repeat, resumed = _furthest(whole, again), _furthest(whole, broken)
    assert resumed <= 100 * repeat, f"a resumed run differs by {resumed:.2e}, a repeated one by {repeat:.2e}"
    return {"repeat differs by": repeat, "resumed differs by": resumed, "exact": resumed == 0.0}


def _furthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def _parameters(setting: Setting, steps: int, pause: int | None) -> dict[str, torch.Tensor]:
    """The field's parameters after some steps, with a pause after which all is built anew from what was
    saved."""
    config = resolve(_PROMPT, preset="fast", settings={"device": str(setting.device)})
    state: dict[str, torch.Tensor] | None = None
    for end in [pause, steps] if pause else [steps]:
        context = RunContext(config, setting.device)
        stage = next(s for s in config.stages if isinstance(s, DistilConfig))
        done = int(state["step"]) if state else 0
        events = stage.build().run(None, context, state)
        last = [event for event in islice(events, end - done) if isinstance(event, StepEvent)][-1]
        state = last.state.state_dict()
        events.close()
    assert state is not None and int(state["step"]) == steps
    return {name: tensor for name, tensor in state.items() if name.startswith("scene.")}
