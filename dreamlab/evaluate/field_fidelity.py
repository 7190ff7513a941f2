"""How much does the mesh look like the field it was taken from? Both rendered from the same cameras."""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.cameras import camera_rays
from dreamlab.core.quadrature import absorb
from dreamlab.core.types import Cameras, Field, Mesh
from dreamlab.mesh.surface.extract import sample_lattice
from dreamlab.mesh.surface.silhouettes import survey_cameras
from dreamlab.mesh.texture.bake import Baked
from dreamlab.views.render import render_mesh

log = logging.getLogger(__name__)

CELLS = 48  # of the survey that tells which steps of a ray can be skipped
STEPS = 160  # along a ray through the box
FAINT = 0.05  # density below which space counts as empty
CHUNK = 1 << 17
SOLID = 0.9  # opacity of a field's pixel that is no edge
PALETTE_LOSS = 2.0  # dB of a mesh's pictures, edges left out, that a palette may cost
# It may cost more where most pixels look the same for all that, so that what it costs is soft borders:
PALETTE_TYPICAL = 35.0  # dB of the median pixel; the flat objects measured had 41 to 47, smooth hues 28
PALETTE_WORST = 24.0  # dB of all of them together


class Pictures(NamedTuple):
    """What a mesh should look like: albedo over white [B,H,W,3] and opacity [B,H,W,1], from these cameras."""

    cameras: Cameras
    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]


class Fidelity(NamedTuple):
    """Peak signal-to-noise ratio in dB, over the pixels where either picture shows the object: of all views
    together, and of the worst one; over those where both are solid, which leaves soft edges out; and of the
    median pixel of these."""

    psnr: float
    worst: float
    inside: float
    typical: float


def fidelity(mesh: Mesh, field: Field, *, views: int = 6, size: int = 80) -> Fidelity:
    """Albedo pictures of the mesh against albedo pictures of the field, over white, from all around.

    The mesh must lie where the field has it, in [-1, 1]^3. A mesh cannot be soft: a field's blurred edges
    count against it.
    """
    return compared(mesh, field_pictures(field, survey_cameras(views, size)))


def faithful(baked: Baked, pictures: Pictures, mode: str) -> tuple[Mesh, Fidelity]:
    """The painted mesh, or in the mode "auto" the plain one where the palette costs its pictures more than
    PALETTE_LOSS, and not only at borders; and how much it looks like what it was baked from."""
    if baked.plain is None or mode != "auto":
        return baked.mesh, compared(baked.mesh, pictures)
    painted, plain = (compared(mesh, pictures) for mesh in (baked.mesh, baked.plain))
    loss = plain.inside - painted.inside
    alike = painted.typical >= PALETTE_TYPICAL and painted.inside >= PALETTE_WORST
    if loss <= PALETTE_LOSS or alike:
        return baked.mesh, painted
    log.info("no palette: pictures would be %.1f dB farther from what they should be", loss)
    return baked.plain, plain


def compared(mesh: Mesh, pictures: Pictures) -> Fidelity:
    """The mesh's own pictures against these."""
    cameras, wanted, opacity = pictures.cameras, pictures.rgb.numpy(), pictures.opacity[..., 0].numpy()
    rendered = render_mesh(mesh, cameras, "albedo", None, "native").astype(np.float32) / 255
    alpha = rendered[..., 3:]
    error = ((rendered[..., :3] * alpha + 1 - alpha - wanted) ** 2).mean(-1)
    seen = (alpha[..., 0] > 0.02) | (opacity > 0.02)
    each = [float(error[view][seen[view]].mean()) for view in range(len(cameras)) if seen[view].any()]
    solid = (alpha[..., 0] > 0.99) & (opacity > SOLID)
    return Fidelity(
        _decibels(float(error[seen].mean()) if each else 0.0),
        _decibels(max(each, default=0.0)),
        _decibels(float(error[solid].mean()) if solid.any() else 0.0),
        _decibels(float(np.median(error[solid])) if solid.any() else 0.0),
    )


def _decibels(error: float) -> float:
    return min(-10 * math.log10(max(error, 1e-10)), 99.0)


def field_pictures(field: Field, cameras: Cameras) -> Pictures:
    """The field's albedo over white and its opacity by quadrature at STEPS points a ray, on the CPU.

    Space that a coarse lattice shows to be empty is not asked for.
    """
    grid = sample_lattice(field, CELLS)
    near = torch.nn.functional.max_pool3d(grid[None, None], 5, 1, 2)[0, 0] > FAINT
    device = next((p.device for p in field.parameters()), torch.device("cpu"))
    rays = camera_rays(cameras)
    middle = -(rays.origins * rays.directions).sum(-1, keepdim=True)
    reach = math.sqrt(3.0)
    t = (torch.arange(STEPS) + 0.5) / STEPS * 2 * reach - reach
    rgb, opacity = torch.ones(len(middle), 3), torch.zeros(len(middle), 1)
    for rows in torch.arange(len(middle)).split(CHUNK // STEPS * 8):
        x = rays.origins[rows, None] + rays.directions[rows, None] * (middle[rows] + t)[..., None]
        cell = ((x + 1) / 2 * CELLS).round().long()
        inside = ((cell >= 0) & (cell <= CELLS)).all(-1)
        i, j, k = cell.clamp(0, CELLS).unbind(-1)
        asked = inside & near[i, j, k]
        sigma, color = torch.zeros(asked.shape), torch.zeros(*asked.shape, 3)
        with torch.no_grad():
            parts = [field(p.clamp(-1, 1).to(device)) for p in x[asked].split(CHUNK)]
        if parts:
            sigma[asked] = torch.cat([s.reshape(-1).float().cpu() for s, _ in parts])
            color[asked] = torch.cat([c.float().cpu() for _, c in parts])
        weight, _ = absorb(sigma, 2 * reach / STEPS)
        opacity[rows] = weight.sum(1, keepdim=True)
        rgb[rows] = (weight[..., None] * color).sum(1) + 1 - opacity[rows]
    shape = (len(cameras), *cameras.size)
    return Pictures(cameras, rgb.reshape(*shape, 3), opacity.reshape(*shape, 1))
