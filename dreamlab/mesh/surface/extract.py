"""A density field becomes a triangle mesh: an iso level with evidence, then marching cubes near the
surface."""

from __future__ import annotations

import logging
import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.errors import DreamlabError
from dreamlab.core.types import Cameras, Field, Mesh
from dreamlab.mesh.geometry.topology import unique_rows
from dreamlab.mesh.surface.closing import close_pits
from dreamlab.mesh.surface.silhouettes import march_grid, silhouette_iou, silhouette_level, survey_cameras

log = logging.getLogger(__name__)

CHUNK = 1 << 18  # points a call: bounds the memory of the field's activations
BLOCK = 32  # cells along a side of one marching-cubes block
COARSE = 128  # cells of the survey grid; finer lattices are only sampled near the surface it shows
OPAQUE = 0.5  # a pixel belongs to the silhouette from this opacity on
BAND = (
    2.0  # log(density / iso) is clipped to +-BAND, so huge densities do not pull vertices to lattice points
)
NUDGE = 1e-3  # smallest |log(density / iso)| at a lattice point: keeps every vertex strictly inside its edge


class ExtractConfig(BaseModel):
    """How the surface is taken from the field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Setting(
        default=128, ge=16, le=1024, description="lattice cells along each side of [-1, 1]^3"
    )
    iso: Literal["auto"] | float = Setting(
        default="auto", description="density level, or 'auto' to match silhouettes"
    )
    views: int = Setting(default=16, ge=1, le=256, description="silhouettes that decide the automatic level")
    view_size: int = Setting(default=80, ge=16, le=512, description="pixels along a side of each silhouette")
    close: float = Setting(
        default=0.0,
        ge=0,
        le=0.2,
        description="world units: pits and cracks that a ball of this radius cannot enter are filled, and so "
        "are hidden holes",
    )
    refine: int = Setting(
        default=6, ge=0, le=32, description="root-finding steps that pull vertices onto the surface"
    )


class ExtractReport(NamedTuple):
    """What the surface was taken at and how well it fits: silhouette_iou compares the drawn mesh with the
    rendered opacity over all views; fill_fraction is the share of the box that is denser than `iso`."""

    iso: float
    silhouette_iou: float
    max_density: float
    fill_fraction: float
    vertices: int
    faces: int


class Extraction(NamedTuple):
    mesh: Mesh
    report: ExtractReport


def extract(
    field: Field,
    config: ExtractConfig | None = None,
    *,
    silhouettes: tuple[Float[Tensor, "B H W 1"], Cameras] | None = None,
) -> Extraction:
    """The surface of `field` in [-1, 1]^3 as a closed mesh, wound outward, and how it was found.

    With `iso="auto"` the level is the one whose silhouettes match the opacity seen from many views: those of
    `silhouettes` (opacity in 0..1 and its cameras) where given, else views rendered here from the sampled
    density. Marching cubes: Lorensen and Cline 1987, Lewiner et al. 2003 for the ambiguous cases.

    Raises:
        DreamlabError: the density is not finite somewhere, or no surface can be seen (the message says why).
    """
    config = config or ExtractConfig()
    cells = min(config.resolution, COARSE)
    grid = sample_lattice(field, cells)
    max_density = float(grid.max())
    if silhouettes is None:
        cameras = survey_cameras(config.views, config.view_size)
        peak, opacity = march_grid(grid, cameras)
    else:
        opacity, cameras = silhouettes
        peak, _ = march_grid(grid, cameras)
        opacity = opacity.reshape(-1).to(peak)
    inside = opacity > OPAQUE
    if config.iso == "auto":
        if not inside.any():
            raise _nothing_there(max_density, float(opacity.max()), 0.0)
        iso = silhouette_level(peak, inside)
    else:
        iso = float(config.iso)
    fill = float((grid > iso).float().mean())
    if iso <= 0 or max_density <= iso:
        raise _nothing_there(max_density, float(opacity.max()), fill, iso)
    mesh = surface(field, grid, iso, config.resolution, config.refine, config.close)
    iou = silhouette_iou(mesh, inside, cameras)
    report = ExtractReport(iso, iou, max_density, fill, len(mesh.vertices), len(mesh.faces))
    log.info("surface at density %.3g: silhouette IoU %.3f, %d faces", iso, iou, len(mesh.faces))
    return Extraction(mesh, report)


def _nothing_there(
    max_density: float, max_opacity: float, fill: float, iso: float | None = None
) -> DreamlabError:
    level = "" if iso is None else f" at iso level {iso:.3g}"
    return DreamlabError(
        f"the field holds no surface{level}, so no mesh was made",
        expected="something opaque",
        got=f"max density {max_density:.3g}, max opacity {max_opacity:.2f}, fill fraction {fill:.4f}",
        mend="Train longer, or raise the density's initial blob; set iso=auto if a level was given. What "
        "is thinner than a cell wants a higher extract.resolution",
    )


def density_at(field: Field, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """The field's density at N world points, in chunks, without gradients, checked and on the CPU as
    float32."""
    device = next((p.device for p in field.parameters()), torch.device("cpu"))
    with torch.no_grad():
        parts = [field.density(p.to(device)).reshape(-1).float().cpu() for p in x.split(CHUNK)]
    sigma = torch.cat(parts) if parts else torch.zeros(0)
    bad = int((~torch.isfinite(sigma)).sum())
    if bad:
        raise DreamlabError(
            "the field's density is not finite",
            expected="numbers",
            got=f"NaN or infinity at {bad} of {len(sigma)} points",
            mend="Go back to an earlier checkpoint",
        )
    return sigma


def sample_lattice(field: Field, cells: int) -> Float[Tensor, "n n n"]:
    """Density at the (cells + 1)^3 corners of a regular grid over [-1, 1]^3, indexed [x, y, z]."""
    axis = torch.linspace(-1, 1, cells + 1)
    n = cells + 1
    slabs = max(1, CHUNK // (n * n))
    out = [
        density_at(field, torch.stack(torch.meshgrid(x, axis, axis, indexing="ij"), -1).reshape(-1, 3))
        for x in axis.split(slabs)
    ]
    return torch.cat(out).reshape(n, n, n)


def surface(
    field: Field,
    grid: Float[Tensor, "n n n"],
    iso: float,
    resolution: int,
    refine: int,
    close: float = 0.0,
) -> Mesh:
    """The level set density == iso on a lattice of `resolution` cells, its vertices pulled onto the field's
    surface.

    Only blocks near the surface that the survey `grid` shows are sampled and marched: cost and memory follow
    the surface's area, save for one half-precision lattice. The box's own faces count as outside, so the mesh
    is closed. Pits are filled as `close_pits` says, with a ball of radius `close` in world units.
    """
    lattice, blocks = _narrow_band(field, grid, iso, resolution)
    lattice = close_pits(lattice, close * resolution / 2, BAND)
    vertices, faces = _march_blocks(lattice, blocks)
    if len(faces) == 0:
        raise _nothing_there(float(grid.max()), math.nan, float((grid > iso).float().mean()), iso)
    x = _pull_onto_surface(field, torch.from_numpy(vertices), iso, resolution, refine)
    return Mesh(vertices=x, faces=torch.from_numpy(faces))


def _narrow_band(
    field: Field, grid: Tensor, iso: float, resolution: int
) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """log(density / iso) at lattice points of the blocks that the surface may cross, and those blocks'
    corners."""
    from scipy.ndimage import maximum_filter, minimum_filter

    sigma = grid.numpy()
    # a survey cell counts if its neighbourhood holds outside and anything that a finer lattice may find
    # inside
    near = (maximum_filter(sigma, 3) > 0.25 * iso) & (
        minimum_filter(sigma, 3, mode="constant", cval=0.0) < iso
    )
    n = resolution + 1
    lattice = np.full((n, n, n), -BAND, dtype=np.float16)
    cells = np.unique(np.argwhere(near) * resolution // ((grid.shape[0] - 1) * BLOCK), axis=0)
    axis = torch.linspace(-1, 1, n)
    blocks = [tuple(int(i) * BLOCK for i in c) for c in cells if (c * BLOCK < resolution).all()]
    for corner in blocks:
        span = tuple(slice(c, min(c + BLOCK, resolution) + 1) for c in corner)
        if grid.shape[0] == n:
            values = grid[span]
        else:
            points = torch.stack(torch.meshgrid(*(axis[s] for s in span), indexing="ij"), -1)
            values = density_at(field, points.reshape(-1, 3)).reshape(points.shape[:-1])
        lattice[span] = _lattice_level(values, iso).numpy()
    for side in (0, -1):
        lattice[side], lattice[:, side], lattice[:, :, side] = -BAND, -BAND, -BAND
    return lattice, blocks


def _lattice_level(sigma: Tensor, iso: float) -> Tensor:
    """`_level`, kept NUDGE away from 0."""
    w = _level(sigma, iso)
    return torch.where(w.abs() < NUDGE, torch.where(w < 0, -NUDGE, NUDGE), w)


def _level(sigma: Tensor, iso: float) -> Tensor:
    """log(sigma / iso), clipped to +-BAND: near zero on the surface, and as steep on both of its sides."""
    return (sigma.clamp(min=1e-30) / iso).log().clamp(-BAND, BAND)


def _march_blocks(lattice: np.ndarray, blocks: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes block by block, welded: vertices [V,3] float64 in lattice units, faces [F,3].

    Neighbouring blocks read the same lattice values, so the vertices on their common side are equal to the
    bit.
    """
    from skimage.measure import marching_cubes

    vertices, faces, count = [np.zeros((0, 3))], [np.zeros((0, 3), dtype=np.int64)], 0
    for corner in blocks:
        block = lattice[tuple(slice(c, c + BLOCK + 1) for c in corner)].astype(np.float32)
        if min(block.shape) < 2 or not (block.min() < 0 < block.max()):
            continue
        v, f, _, _ = marching_cubes(block, 0.0, gradient_direction="ascent")
        vertices.append(v.astype(np.float64) + np.asarray(corner))
        faces.append(f.astype(np.int64) + count)
        count += len(v)
    all_vertices, all_faces = np.concatenate(vertices), np.concatenate(faces)
    first, index = unique_rows(all_vertices)
    all_faces = index[all_faces]
    a, b, c = all_faces.T
    return all_vertices[first], all_faces[(a != b) & (b != c) & (c != a)]


def _pull_onto_surface(field: Field, v: Tensor, iso: float, resolution: int, steps: int) -> Tensor:
    """Slide every vertex along its lattice edge to where the field's density is iso (Illinois regula falsi).

    The edge brackets the surface, so no vertex can leave its cell and no triangle can turn over. Vertices
    inside a cell (Lewiner's extra points) and on edges that touch the box's sides stay.
    """
    world = 2.0 / resolution
    offset = (v - v.round()).abs()
    on_edge = (offset > 1e-4).sum(-1) == 1
    start = torch.where(offset > 1e-4, v.floor(), v.round())
    step = (offset > 1e-4).to(v.dtype)
    within = ((start > 0) & (start + step < resolution)).all(-1)
    rows = (on_edge & within).nonzero()[:, 0]
    x = v * world - 1
    if len(rows) and steps:
        a = (start[rows] * world - 1).float()
        b = ((start + step)[rows] * world - 1).float()
        found = (v[rows] - start[rows]).amax(-1).float()
        x[rows] = _root_between(field, a, b, found, iso, steps).to(x)
    return x.float()


def _root_between(field: Field, a: Tensor, b: Tensor, found: Tensor, iso: float, steps: int) -> Tensor:
    """Points between a and b [N,3] where log(density / iso) crosses zero, never quite at an end.

    Where the ends do not bracket it (a lattice point lies on the surface, or a pit was filled): where `found`
    [N] says, as a share of the way.
    """

    def level(s: Tensor) -> Tensor:
        return _level(density_at(field, a + (b - a) * s[:, None]), iso)

    low, high = torch.zeros(len(a)), torch.ones(len(a))
    f_low, f_high = level(low), level(high)
    bracketed = f_low * f_high < 0
    side = torch.zeros(len(a))
    for _ in range(steps):
        s = _secant(low, high, f_low, f_high)
        f = level(s)
        left = f * f_low > 0
        # the Illinois rule: an end that is kept twice running counts half, so both ends close in
        f_high = torch.where(left, torch.where(side == 1, f_high / 2, f_high), f)
        f_low = torch.where(left, f, torch.where(side == -1, f_low / 2, f_low))
        low, high = torch.where(left, s, low), torch.where(left, high, s)
        side = torch.where(left, 1.0, -1.0)
    s = torch.where(bracketed, _secant(low, high, f_low, f_high), found)
    return a + (b - a) * s.clamp(1e-4, 1 - 1e-4)[:, None]


def _secant(low: Tensor, high: Tensor, f_low: Tensor, f_high: Tensor) -> Tensor:
    """Where the straight line through both ends is zero."""
    slope = f_high - f_low
    return torch.where(slope == 0, low, low - f_low * (high - low) / slope)
