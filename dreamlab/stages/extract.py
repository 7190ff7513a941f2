"""A field becomes a mesh: its surface, as it is."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar, Literal

from torch import Tensor

from dreamlab.core.types import Field
from dreamlab.mesh.surface.extract import ExtractConfig, extract
from dreamlab.stages.protocol import Context, Measured, SceneKind, StageConfig, StageEvent, SurfaceMesh


class ExtractStageConfig(ExtractConfig, StageConfig):
    """How the surface is taken from the field."""

    accepts: ClassVar[frozenset[SceneKind]] = frozenset({"field"})

    kind: Literal["extract"] = "extract"
    name: str = "extract"

    def returns(self, scene: SceneKind) -> SceneKind:
        return "mesh"

    def build(self) -> ExtractStage:
        return ExtractStage(self)


class ExtractStage:
    """See ExtractStageConfig. Measures "iso" and "silhouette_iou"."""

    def __init__(self, config: ExtractStageConfig) -> None:
        self.config = config

    def run(
        self, scene: Field, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        found = extract(scene, self.config)
        yield Measured({"iso": found.report.iso, "silhouette_iou": found.report.silhouette_iou})
        return SurfaceMesh(found.mesh, scene)
