"""Score distillation as a stage: a field from nothing, a field further, or a mesh refined."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import ClassVar, Literal

from torch import Tensor

from dreamlab.core.types import Field, Mesh
from dreamlab.guidance import CFGConfig, GuidanceConfig, NoiseConfig
from dreamlab.render import RendererConfig
from dreamlab.render.base import RendererSettings
from dreamlab.render.raster import RasterRendererConfig
from dreamlab.scenes import RadianceField
from dreamlab.scenes.mesh import MeshScene, MeshSceneConfig
from dreamlab.stages.base import Optimisable, OptimiseConfig
from dreamlab.stages.optimise import optimise
from dreamlab.stages.protocol import Context, Scene, SceneKind, StageConfig, StageEvent, SurfaceMesh


class DistilConfig(OptimiseConfig, StageConfig):
    """An optimisation against the prior.

    guidance: the stage's own method; null: the run's.
    cfg, noise: the prior's calibration in this stage; what they do not set is the run's.
    renderer: null: the run's for a field, and `raster` for a mesh.
    mesh: how the corners of a mesh move; with lr_scale: {geometry: 0} they stay, to the bit, and their
    gradients are not worked out.
    """

    accepts: ClassVar[frozenset[SceneKind]] = frozenset({"none", "field", "mesh"})

    kind: Literal["distil"] = "distil"
    name: str = "distil"
    guidance: GuidanceConfig | None = None
    cfg: CFGConfig | None = None
    noise: NoiseConfig | None = None
    renderer: RendererConfig | None = None
    mesh: MeshSceneConfig = MeshSceneConfig()

    def returns(self, scene: SceneKind) -> SceneKind:
        return "field" if scene == "none" else scene

    def build(self) -> DistilStage:
        return DistilStage(self)


class DistilStage:
    """See DistilConfig."""

    def __init__(self, config: DistilConfig) -> None:
        self.config = config

    def run(
        self, scene: Scene, context: Context, state: Mapping[str, Tensor] | None = None
    ) -> Generator[StageEvent, None, Scene]:
        config = self.config
        target = target_of(context.field() if scene is None else scene, config.mesh, config.lr_scale)
        target.to(context.device)
        context.left = yield from optimise(
            self.config,
            target,
            renderer_of(self.config.renderer, target, context).build(),
            context.prior,
            context.guidance(self.config),
            context.prompts,
            context.stage_seed(self.config),
            state,
            context.left,
            () if isinstance(target, MeshScene) else context.losses,
        )
        return trained(target)


def target_of(
    scene: Field | SurfaceMesh, mesh: MeshSceneConfig, lr_scale: Mapping[str, float]
) -> Optimisable:
    """What the loop trains: the field itself, or the mesh with its colours set free, and its corners unless
    their rate is 0: then they stay to the bit."""
    if isinstance(scene, SurfaceMesh):
        target = mesh_scene(scene.mesh, scene.colors(), mesh)
        target.u.requires_grad_(lr_scale.get("geometry", 1.0) > 0)
        return target
    assert isinstance(scene, Optimisable)
    return scene


def renderer_of(named: RendererConfig | None, target: Optimisable, context: Context) -> RendererSettings:
    """That which the stage names, or the run's for a field and `raster` for a mesh."""
    return named or (RasterRendererConfig() if isinstance(target, MeshScene) else context.renderer)


def trained(target: Optimisable) -> Scene:
    """What the loop has trained, on the CPU, as the next stage gets it."""
    target.to("cpu")
    if isinstance(target, MeshScene):
        return surface_of(target)
    assert isinstance(target, Field)
    return target


def mesh_scene(mesh: Mesh, colors: Field, config: MeshSceneConfig) -> MeshScene:
    """The mesh as a scene, coloured by a field that a run can train."""
    assert isinstance(colors, RadianceField)  # what `field` of a run builds
    return config.build(mesh, colors)


def surface_of(scene: MeshScene) -> SurfaceMesh:
    """A mesh that was refined, as other stages want it: its colours are right where it lies now."""
    mesh = scene.mesh()
    return SurfaceMesh(mesh, scene.appearance, painted=mesh, fine=mesh, volume=False)
