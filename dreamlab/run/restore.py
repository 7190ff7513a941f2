"""The scene that a run has come to so far, from its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.types import Mesh
from dreamlab.render.background import Background
from dreamlab.render.base import Renderer
from dreamlab.render.raster import RasterRendererConfig
from dreamlab.run.checkpoints import Checkpoint, load_latest
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
from dreamlab.scenes import RadianceField
from dreamlab.scenes.mesh import MeshScene
from dreamlab.scenes.start_shape import StartShape
from dreamlab.stages import DistilConfig, FitViewsConfig
from dreamlab.stages.distil import surface_of
from dreamlab.stages.protocol import SurfaceMesh
from dreamlab.stages.sampled_views import sets_in
from dreamlab.stages.shown_colors import viewed_on
from dreamlab.stages.state import part_of

_BEFORE = "scene.initial_appearance."


def newest(run: RunDir) -> Checkpoint:
    """A run's newest good checkpoint.

    Raises InputError if the run has none yet, DamagedError if none can be trusted.
    """
    checkpoint, complaints = load_latest(run.path / "checkpoints")
    if checkpoint is None:
        if complaints:
            raise DamagedError(f"no checkpoint of {run.path} can be trusted", got=complaints[0])
        raise InputError(f"{run.path} has no checkpoint yet", mend="Let `dreamlab resume` get further first")
    return checkpoint


def field_of(run: RunDir) -> RadianceField:
    """The field of a run's newest good checkpoint, on the CPU. Within a refinement of the mesh and after it,
    that which the refinement began with: its own has colours alone.

    Raises as `newest`, and DamagedError if the checkpoint is not of the run's config.
    """
    checkpoint, config = newest(run), run.config()
    refined = any(name.startswith(_BEFORE) for name in checkpoint.state)
    with _fitting():
        return _field(config, part_of(checkpoint.state, _BEFORE if refined else "scene."))


def scene_in(checkpoint: Checkpoint, config: RunConfig) -> RadianceField | SurfaceMesh:
    """The scene of a checkpoint, on the CPU, as the next stage gets it. Raises DamagedError if it is not of
    this config."""
    scene = trained_in(checkpoint, config)
    if not isinstance(scene, MeshScene):
        return scene
    surface, stage = surface_of(scene), config.stages[checkpoint.stage]
    if isinstance(stage, FitViewsConfig) and stage.project and checkpoint.step >= stage.total_steps:
        return viewed_on(surface, *sets_in(part_of(checkpoint.state, "guidance."))[-1])
    return surface


def trained_in(checkpoint: Checkpoint, config: RunConfig) -> RadianceField | MeshScene:
    """The scene of a checkpoint, on the CPU, as its stage trains it. Raises as `scene_in`."""
    with _fitting():
        stage = config.stages[checkpoint.stage]
        assert isinstance(stage, DistilConfig | FitViewsConfig)  # only these are kept checkpoints of
        if config.scene_before(checkpoint.stage) != "mesh":
            return _field(config, part_of(checkpoint.state, "scene."))
        field = _like(config, part_of(checkpoint.state, "scene.appearance."))
        scene = MeshScene(Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])), field, stage.mesh)
        scene.load_state_dict(part_of(checkpoint.state, "scene."))
        return scene


def drawn_in(checkpoint: Checkpoint, config: RunConfig) -> tuple[Renderer, Background]:
    """What draws the scene of a checkpoint: its stage's renderer, with what that has learned, and its
    background. Raises as `scene_in`."""
    with _fitting():
        stage = config.stages[checkpoint.stage]
        assert isinstance(stage, DistilConfig | FitViewsConfig)  # only these are kept checkpoints of
        on_mesh = config.scene_before(checkpoint.stage) == "mesh"
        renderer = (stage.renderer or (RasterRendererConfig() if on_mesh else config.renderer)).build()
        renderer.load_state_dict(part_of(checkpoint.state, "renderer."))
        background = stage.background.build(torch.Generator().manual_seed(config.seed))
        background.load_state_dict(part_of(checkpoint.state, "background."))
        return renderer, background


def _field(config: RunConfig, state: dict[str, Tensor]) -> RadianceField:
    field = _like(config, state)
    field.load_state_dict(state)
    return field


def _like(config: RunConfig, state: dict[str, Tensor]) -> RadianceField:
    """A field that can take this state over: with a start shape, if that has one."""
    field = config.field.build(torch.Generator().manual_seed(config.seed))
    if (distance := state.get("start.distance")) is not None:
        field.start = StartShape(distance)
    return field


@contextmanager
def _fitting() -> Iterator[None]:
    try:
        yield
    except (IndexError, KeyError, RuntimeError) as error:
        raise DamagedError(
            "the checkpoint does not fit the run's config",
            got=(str(error).splitlines() or [""])[0],
            mend="Put back what was changed in config.yaml since it was written",
        ) from error
