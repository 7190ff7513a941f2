"""The end of a run without the run: a field through some stages."""

from __future__ import annotations

from dreamlab.core.types import Field, Mesh
from dreamlab.run.context import RunContext
from dreamlab.run.machine import pick_device
from dreamlab.run.resolve import from_values
from dreamlab.stages import StageConfig
from dreamlab.stages.protocol import Measured, Scene, SurfaceMesh


def finished(field: Field, *stages: StageConfig) -> tuple[Mesh, dict[str, float]]:
    """The mesh that the stages make of the field, and what they measure."""
    context = RunContext(from_values({"prompt": "it"}), pick_device("cpu"))
    scene: Scene = field
    measures: dict[str, float] = {}
    for stage in stages:
        events = stage.build().run(scene, context)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                scene = end.value
                break
            assert isinstance(event, Measured)
            measures |= event.values
    assert isinstance(scene, SurfaceMesh)
    return scene.mesh, measures
