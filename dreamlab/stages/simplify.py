"""A mesh becomes as light as its use wants it, and keeps its sharp edges; or becomes cubes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.shape import creased
from dreamlab.mesh.io.export import check_packages
from dreamlab.mesh.surface.clean import SimplifyConfig, simplify, solidity
from dreamlab.mesh.surface.cubes import cubes_of
from dreamlab.mesh.texture.bake import BakeConfig, bake_colors
from dreamlab.stages.protocol import Context, Measured, StageConfig, StageEvent, SurfaceMesh


class SimplifyStageConfig(SimplifyConfig, StageConfig):
    """How many faces the mesh may have."""

    kind: Literal["simplify"] = "simplify"
    name: str = "simplify"
    cubes: int | None = Setting(
        default=None,
        ge=2,
        le=128,
        description="so many equal cubes along the longest side instead, whatever `faces` and `remesh` say; "
        "into: faces of the texture stage gives each one colour; null: none",
    )

    def check(self) -> None:
        check_packages((), quads=self.remesh == "quads" and self.cubes is None)

    def build(self) -> SimplifyStage:
        return SimplifyStage(self)


class SimplifyStage:
    """See SimplifyStageConfig. Measures "vertices" and "watertight" (0 or 1)."""

    def __init__(self, config: SimplifyStageConfig) -> None:
        self.config = config

    def run(
        self, scene: SurfaceMesh, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, SurfaceMesh]:
        if self.config.cubes is not None:
            return (yield from self._in_cubes(scene, self.config.cubes))
        mesh = scene.mesh
        if self.config.color_weight > 0:
            how = BakeConfig() if scene.volume else BakeConfig(depth=0)
            mesh = bake_colors(mesh, scene.colors(), how, surface=scene.painted)
        light = simplify(mesh, self.config)
        yield _measured(light)
        quads = self.config.remesh == "quads"
        painted = scene.painted or scene.mesh
        return replace(scene, mesh=creased(light), painted=painted, quads=quads, patch=None)

    def _in_cubes(self, scene: SurfaceMesh, cells: int) -> Generator[StageEvent, None, SurfaceMesh]:
        mesh, cube = cubes_of(scene.mesh, cells)
        yield _measured(mesh)
        painted = scene.painted or scene.mesh
        return replace(scene, mesh=creased(mesh), painted=painted, quads=True, patch=cube)


def _measured(mesh: Mesh) -> Measured:
    return Measured({"vertices": float(len(mesh.vertices)), "watertight": float(solidity(mesh).watertight)})
