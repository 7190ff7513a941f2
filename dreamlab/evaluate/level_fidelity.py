"""How much does a lighter mesh look like the one that it was made from?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.field_fidelity import Pictures, compared
from dreamlab.mesh.surface.silhouettes import covered, survey_cameras
from dreamlab.views.render import render_mesh


class Likeness(NamedTuple):
    """Silhouettes' intersection over union over all views; peak signal-to-noise ratio in dB of pictures of
    the colours, where either shows the object: of all views, and of the worst one."""

    silhouette: float
    psnr: float
    psnr_worst: float


def likeness(mesh: Mesh, reference: Mesh, *, views: int = 8, size: int = 128) -> Likeness:
    """Both from all around, so near that the reference fills the pictures."""
    low, high = reference.vertices.amin(0), reference.vertices.amax(0)
    middle, scale = (low + high) / 2, 2 / float((high - low).max())
    one, two = (replace(m, vertices=(m.vertices - middle) * scale) for m in (mesh, reference))
    cameras = survey_cameras(views, size)
    shown, wanted = covered(one, cameras), covered(two, cameras)
    found = compared(one, _pictures(two, cameras))
    overlap = float((shown & wanted).sum() / (shown | wanted).sum().clamp(min=1))
    return Likeness(overlap, found.psnr, found.worst)


def _pictures(mesh: Mesh, cameras: Cameras) -> Pictures:
    rgba = render_mesh(mesh, cameras, "albedo", None, "native").astype(np.float32) / 255
    values, alpha = torch.from_numpy(rgba[..., :3]), torch.from_numpy(rgba[..., 3:])
    return Pictures(cameras, values * alpha + 1 - alpha, alpha)
