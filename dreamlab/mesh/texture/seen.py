"""The colour that a field shows at points of a surface: what a camera in front of them would see."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import DreamlabError
from dreamlab.core.quadrature import absorb
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.surface.extract import CHUNK
from dreamlab.mesh.texture.palette_bake import Look


def looking(field: Field, depth: float, samples: int, surface: Mesh | None) -> Look:
    """What says the colour [N,3] that the field shows at points [N,3], looked at along normals [N,3]: see
    `seen_color`. Points are put onto the `surface`, if one is given."""

    def look(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
        place = x if surface is None else put_onto(surface, x)
        points, ways = (torch.from_numpy(v).float() for v in (place, normal))
        return seen_color(field, points, ways, depth, samples).double().numpy()

    return look


def put_onto(surface: Mesh, points: np.ndarray) -> np.ndarray:
    """Points [N,3] moved along the normal of the surface's nearest corner into its tangent plane there."""
    from scipy.spatial import KDTree

    corners = surface.vertices.double().numpy()
    near = KDTree(corners).query(points)[1]
    normal = normals_of(surface)[near]
    return points - normal * np.einsum("ni,ni->n", points - corners[near], normal)[:, None]


def seen_color(
    field: Field,
    x: Float[Tensor, "N 3"],
    normal: Float[Tensor, "N 3"],
    depth: float,
    samples: int,
    *,
    spread: Float[Tensor, "N S 3"] | None = None,
) -> Float[Tensor, "N 3"]:
    """sRGB in 0..1 composited along rays from x + normal * depth / 2 to x - normal * depth / 2, front to
    back.

    Light that comes through is given the colour of the densest sample, so a faint surface is not black. With
    a depth of 0 the density does not count: the mean of the samples, which then only `spread` tells apart.
    `spread` moves each sample of each point. Raises DreamlabError where the field gives no numbers.
    """
    device = next((p.device for p in field.parameters()), torch.device("cpu"))
    offsets = (0.5 - (torch.arange(samples) + 0.5) / samples) * depth
    out = []
    with torch.no_grad():
        for rows in torch.arange(len(x)).split(max(1, CHUNK // samples)):
            points = x[rows, None] + normal[rows, None] * offsets[:, None]
            if spread is not None:
                points = points + spread[rows]
            sigma, rgb = field(points.reshape(-1, 3).clamp(-1, 1).to(device))
            sigma = sigma.reshape(-1, samples).float().cpu()
            rgb = rgb.reshape(-1, samples, 3).float().cpu()
            if depth == 0:
                out.append(rgb.mean(1))
                continue
            weight, through = absorb(sigma, depth / samples)
            weight.scatter_add_(1, sigma.argmax(1, keepdim=True), through)
            out.append((weight[..., None] * rgb).sum(1))
    seen = torch.cat(out)
    bad = int((~torch.isfinite(seen)).any(-1).sum())
    if bad:
        raise DreamlabError(
            "the field's colour is not finite",
            expected="numbers",
            got=f"NaN or infinity at {bad} of {len(seen)} points of the surface",
            mend="Go back to an earlier checkpoint",
        )
    return seen.clamp(0, 1)
