"""A field becomes a triangle mesh: its surface, or an iso level with evidence, then marching cubes near
it."""

from __future__ import annotations

import logging
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting
from torch import Tensor

from dreamlab.core.errors import ConfigError, DreamlabError
from dreamlab.core.types import Cameras, Field, HasDistance, Mesh
from dreamlab.mesh.geometry.topology import unique_rows
from dreamlab.mesh.surface.closing import close_pits
from dreamlab.mesh.surface.levels import (
    BAND,
    CHUNK,
    DensityLevel,
    DistanceLevel,
    Level,
    on_lattice,
    sample_lattice,
)
from dreamlab.mesh.surface.silhouettes import march_grid, silhouette_iou, silhouette_level, survey_cameras

log = logging.getLogger(__name__)

BLOCK = 32  # cells along a side of one marching-cubes block
COARSE = 128  # cells of the survey grid; finer lattices are only sampled near the surface it shows
OPAQUE = 0.5  # a pixel belongs to the silhouette from this opacity on
NUDGE = 1e-3  # smallest |depth| at a lattice point: keeps every vertex strictly inside its edge

__all__ = ["CHUNK", "ExtractConfig", "ExtractReport", "Extraction", "extract", "sample_lattice", "surface"]


class ExtractConfig(BaseModel):
    """How the surface is taken from the field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Setting(
        default=128, ge=16, le=1024, description="lattice cells along each side of [-1, 1]^3"
    )
    iso: Literal["auto"] | float = Setting(
        default="auto", description="density level, or 'auto': a field's own surface, or to match silhouettes"
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
    """What the surface was taken at and how well it fits: iso is the density level, or 0 for a field that
    knows its distance; silhouette_iou compares the rendered mesh with the rendered opacity over all views;
    fill_fraction is the share of the box that lies inside."""

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

    A field that knows its distance has its surface where that is 0. Of others, with `iso="auto"`, the level
    is the one whose silhouettes match the opacity seen from many views: those of `silhouettes` (opacity in
    0..1 and its cameras) where given, else views rendered here from the sampled density. Marching cubes:
    Lorensen and Cline 1987, Lewiner et al. 2003 for the ambiguous cases.

    Raises:
        DreamlabError: the field is not finite somewhere, or no surface can be seen (the message says why).
        ConfigError: a density level was given for a field that knows its distance.
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
    if isinstance(field, HasDistance):
        level: Level = _own_surface(field, config)
        grid = on_lattice(level.at, cells)
    elif config.iso != "auto":
        level = DensityLevel(field, float(config.iso))
    elif inside.any():
        level = DensityLevel(field, silhouette_level(peak, inside))
    else:
        raise _nothing_there(max_density, float(opacity.max()), 0.0)
    fill = float(level.inside(grid).float().mean())
    mesh = surface(level, grid, config.resolution, config.refine, config.close)
    if mesh is None:
        raise _nothing_there(max_density, float(opacity.max()), fill, level.iso)
    iou = silhouette_iou(mesh, inside, cameras)
    report = ExtractReport(level.iso, iou, max_density, fill, len(mesh.vertices), len(mesh.faces))
    log.info("surface at level %.3g: silhouette IoU %.3f, %d faces", level.iso, iou, len(mesh.faces))
    return Extraction(mesh, report)


def _own_surface(field: HasDistance, config: ExtractConfig) -> DistanceLevel:
    if config.iso != "auto":
        raise ConfigError(
            "a density level means nothing to a field that knows its distance",
            got=f"extract.iso={config.iso:g}",
            mend="Set stages.extract.iso=auto",
        )
    return DistanceLevel(field, config.resolution)


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


def surface(
    level: Level, grid: Float[Tensor, "n n n"], resolution: int, refine: int, close: float = 0.0
) -> Mesh | None:
    """The level set on a lattice of `resolution` cells, its vertices pulled onto the field's surface; None if
    the lattice holds none.

    Only blocks near the surface that the survey `grid` of the level's values shows are sampled and marched:
    cost and memory follow the surface's area, save for one half-precision lattice. The box's own faces count
    as outside, so the mesh is closed. Pits are filled as `close_pits` says, with a ball of radius `close` in
    world units.
    """
    lattice, blocks = _narrow_band(level, grid, resolution)
    if close > 0:  # what is filled may end where nothing was sampled, and hidden holes are gone everywhere
        lattice = close_pits(lattice, close * resolution / 2, BAND)
        side = range(0, resolution, BLOCK)
        blocks = [(x, y, z) for x in side for y in side for z in side]
    vertices, faces = _march_blocks(lattice, blocks)
    if len(faces) == 0:
        return None
    x = _pull_onto_surface(level, torch.from_numpy(vertices), resolution, refine)
    return Mesh(vertices=x, faces=torch.from_numpy(faces))


def _narrow_band(level: Level, grid: Tensor, resolution: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Depths at lattice points of the blocks that the surface may cross, and those blocks' corners."""
    n = resolution + 1
    lattice = np.full((n, n, n), -BAND, dtype=np.float16)
    near = np.argwhere(level.near(grid))
    cells = np.unique(near * resolution // ((grid.shape[0] - 1) * BLOCK), axis=0)
    axis = torch.linspace(-1, 1, n)
    blocks = [tuple(int(i) * BLOCK for i in c) for c in cells if (c * BLOCK < resolution).all()]
    for corner in blocks:
        span = tuple(slice(c, min(c + BLOCK, resolution) + 1) for c in corner)
        if grid.shape[0] == n:
            values = grid[span]
        else:
            points = torch.stack(torch.meshgrid(*(axis[s] for s in span), indexing="ij"), -1)
            values = level.at(points.reshape(-1, 3)).reshape(points.shape[:-1])
        w = level.depth(values)
        lattice[span] = torch.where(w.abs() < NUDGE, torch.where(w < 0, -NUDGE, NUDGE), w).numpy()
    for side in (0, -1):
        lattice[side], lattice[:, side], lattice[:, :, side] = -BAND, -BAND, -BAND
    return lattice, blocks


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


def _pull_onto_surface(level: Level, v: Tensor, resolution: int, steps: int) -> Tensor:
    """Slide every vertex along its lattice edge to where its depth is 0 (Illinois regula falsi).

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
        x[rows] = _root_between(level, a, b, found, steps).to(x)
    return x.float()


def _root_between(level: Level, a: Tensor, b: Tensor, found: Tensor, steps: int) -> Tensor:
    """Points between a and b [N,3] where the depth crosses zero, never quite at an end.

    Where the ends do not bracket it (a lattice point lies on the surface, or a pit was filled): where `found`
    [N] says, as a share of the way.
    """

    def depth(s: Tensor) -> Tensor:
        return level.depth(level.at(a + (b - a) * s[:, None]))

    low, high = torch.zeros(len(a)), torch.ones(len(a))
    f_low, f_high = depth(low), depth(high)
    bracketed = f_low * f_high < 0
    side = torch.zeros(len(a))
    for _ in range(steps):
        s = _secant(low, high, f_low, f_high)
        f = depth(s)
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
