"""One picture of a mesh that fills it."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8

from dreamlab.core.cameras import distance_to_fit, orbit_cameras
from dreamlab.core.types import Mesh
from dreamlab.views.render import WHITE, Background, RendererName, Style, framed, render_mesh
from dreamlab.views.turntable import FOVY


def still_of(
    mesh: Mesh,
    azimuth: float,
    elevation: float,
    size: int,
    style: Style = "lit",
    background: Background = WHITE,
    renderer: RendererName = "auto",
    *,
    fovy: float = FOVY,
    margin: float = 1.02,
) -> UInt8[np.ndarray, "size size C"]:
    """The mesh, framed, from an angle in radians; see `render_mesh`.

    margin: how many times as far away as the unit sphere would fill the picture from.
    """
    lens = torch.tensor([fovy])
    angles = torch.tensor([azimuth]), torch.tensor([elevation])
    camera = orbit_cameras(*angles, distance_to_fit(lens) * margin, lens, (size, size))
    return render_mesh(framed(mesh), camera, style, background, renderer)[0]
