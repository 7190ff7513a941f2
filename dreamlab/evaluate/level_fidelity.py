"""How much does a lighter mesh look like the one that it was made from?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.field_fidelity import Pictures, compared
from dreamlab.mesh.surface.silhouettes import covered, silhouette_iou, survey_cameras
from dreamlab.views.render import render_mesh


class Likeness(NamedTuple):
    """Silhouettes' intersection over union over all views; peak signal-to-noise ratio in dB of pictures of
    the colours, where either shows the object: of all views, and of the worst one."""

    silhouette: float
    psnr: float
    psnr_worst: float


@dataclass(frozen=True)
class Original:
    """A mesh that lighter ones are compared with: rendered once, from all around, so near that it fills the
    pictures. middle, scale: how it was moved there. shown [R]: pixels that it covers."""

    middle: Float[Tensor, " 3"]
    scale: float
    pictures: Pictures
    shown: Bool[Tensor, " R"]

    @classmethod
    def of(cls, mesh: Mesh, *, views: int = 8, size: int = 128) -> Original:
        low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
        middle, scale = (low + high) / 2, 2 / float((high - low).max())
        cameras, near = survey_cameras(views, size), _moved(mesh, middle, scale)
        return cls(middle, scale, _pictures(near, cameras), covered(near, cameras))

    def likeness(self, mesh: Mesh) -> Likeness:
        """Of a mesh that lies where the original lies."""
        near = _moved(mesh, self.middle, self.scale)
        found = compared(near, self.pictures)
        return Likeness(silhouette_iou(near, self.shown, self.pictures.cameras), found.psnr, found.worst)


def _moved(mesh: Mesh, middle: Tensor, scale: float) -> Mesh:
    return replace(mesh, vertices=(mesh.vertices - middle) * scale)


def _pictures(mesh: Mesh, cameras: Cameras) -> Pictures:
    rgba = render_mesh(mesh, cameras, "albedo", None, "native").astype(np.float32) / 255
    values, alpha = torch.from_numpy(rgba[..., :3]), torch.from_numpy(rgba[..., 3:])
    return Pictures(cameras, values * alpha + 1 - alpha, alpha)
