"""A raw mesh becomes one closed surface without lumps."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Literal

from torch import Tensor

from dreamlab.mesh.surface.clean import RepairConfig, denoised, repair_surface
from dreamlab.stages.protocol import Context, StageConfig, StageEvent, SurfaceMesh


class CleanStageConfig(RepairConfig, StageConfig):
    """What is kept of a raw mesh, and how its lumps are filtered out."""

    kind: Literal["clean"] = "clean"
    name: str = "clean"

    def build(self) -> CleanStage:
        return CleanStage(self)


class CleanStage:
    """See CleanStageConfig."""

    def __init__(self, config: CleanStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        surface = repair_surface(scene.mesh, self.config)
        mesh = denoised(surface, self.config.denoise)
        yield from ()
        return replace(scene, mesh=mesh, painted=scene.painted or surface, fine=mesh, patch=None)
