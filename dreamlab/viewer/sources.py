"""What can be looked at: the scene of an optimisation as its own renderer draws it, or a mesh."""

from __future__ import annotations

from typing import Any, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from dreamlab.core.types import Cameras, Mesh, RenderOutput
from dreamlab.render.base import BackgroundFunction, Renderer
from dreamlab.views.render import Style, framed, render_mesh

SCENE_PASSES: tuple[str, ...] = ("colour", "depth", "normals", "opacity")
MESH_PASSES: tuple[str, ...] = get_args(Style)


class Source(Protocol):
    """Something that can be drawn from any camera, in several ways."""

    passes: tuple[str, ...]
    """Their names; the first is what is shown first."""

    def picture(self, camera: Cameras, show: str) -> np.ndarray:
        """One picture, uint8 [H,W,3]."""
        ...


class SceneSource:
    """A scene in the midst of its optimisation. Drawing it touches no randomness and changes nothing: a run
    that is looked at has the bytes of one that is not.

    colour: what the prior sees, before any lighting. depth: nearer is lighter. normals: world space,
    (n + 1) / 2. opacity: white is solid.
    """

    passes: tuple[str, ...] = SCENE_PASSES

    def __init__(self, scene: Any, renderer: Renderer, background: BackgroundFunction) -> None:
        self.scene, self.renderer, self.background = scene, renderer, background

    @torch.no_grad()
    def picture(self, camera: Cameras, show: str) -> np.ndarray:
        device = next(iter(self.scene.parameters())).device
        buffers = ("normal",) if show == "normals" else ()
        out = self.renderer(self.scene, camera.to(device), background=self.background, buffers=buffers)
        shown = (_shown(out, show, float(camera.distance[0]))[0].clamp(0, 1) * 255).round()
        return shown.to(torch.uint8).cpu().numpy()


def _shown(out: RenderOutput, show: str, distance: float) -> Tensor:
    """A pass in 0..1, [1,H,W,3]."""
    if show == "opacity":
        return out.opacity.expand_as(out.rgb)
    if show == "depth":  # the object is no further than 1 from the origin
        expected = out.depth / out.opacity.clamp_min(1e-6)
        near = (1 - (expected - (distance - 1)) / 2).clamp(0, 1)
        return (near * out.opacity).expand_as(out.rgb)
    if show == "normals" and out.normal is not None:
        unit = torch.nn.functional.normalize(out.normal, dim=-1)
        return (unit / 2 + 0.5) * out.opacity + (1 - out.opacity)
    return out.rgb


class MeshSource:
    """A mesh, moved and scaled into the unit sphere, in the styles of dreamlab.views.render."""

    passes: tuple[str, ...] = MESH_PASSES

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = framed(mesh)

    def picture(self, camera: Cameras, show: str) -> np.ndarray:
        style: Any = show
        return render_mesh(self.mesh, camera, style)[0]
