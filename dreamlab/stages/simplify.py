"""A mesh becomes as light as its use wants it, and keeps its sharp edges."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Literal

from torch import Tensor

from dreamlab.mesh.geometry.shape import creased
from dreamlab.mesh.io.export import check_packages
from dreamlab.mesh.surface.clean import SimplifyConfig, simplify, solidity
from dreamlab.mesh.texture.bake import BakeConfig, bake_colors
from dreamlab.stages.protocol import Context, Measured, StageConfig, StageEvent, SurfaceMesh


class SimplifyStageConfig(SimplifyConfig, StageConfig):
    """How many faces the mesh may have."""

    kind: Literal["simplify"] = "simplify"
    name: str = "simplify"

    def check(self) -> None:
        check_packages((), quads=self.remesh == "quads")

    def build(self) -> SimplifyStage:
        return SimplifyStage(self)


class SimplifyStage:
    """See SimplifyStageConfig. Measures "vertices" and "watertight" (0 or 1)."""

    def __init__(self, config: SimplifyStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        mesh = scene.mesh
        if self.config.color_weight > 0:
            how = BakeConfig() if scene.volume else BakeConfig(depth=0)
            mesh = bake_colors(mesh, scene.colors(), how, surface=scene.painted)
        light = simplify(mesh, self.config)
        yield Measured(
            {"vertices": float(len(light.vertices)), "watertight": float(solidity(light).watertight)}
        )
        quads = self.config.remesh == "quads"
        return replace(scene, mesh=creased(light), painted=scene.painted or scene.mesh, quads=quads)
