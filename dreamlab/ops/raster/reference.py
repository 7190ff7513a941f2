"""The rasteriser in plain torch: any device, differentiable by autograd; the oracle of the native kernels.

Visibility is decided in float64 whatever the dtype of the positions, as the kernels do: the two agree on
every pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor

_PAIRS_AT_ONCE = 1 << 21  # candidate (face, pixel) pairs that are tested together
_FLAT = 1e-14  # |det| relative to the corners' lengths: nothing to see from here


def rasterise(clip: Tensor, faces: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """face_index, barycentric, depth of every view; see `dreamlab.ops.raster.rasterise.rasterise`."""
    with torch.no_grad():
        visible = [_visible(view, faces, size) for view in clip.double()]
    index = torch.stack(visible) if visible else faces.new_empty(0, *size)
    barycentric, depth = _shade(clip, faces, index)
    return index, barycentric, depth


def interpolate(attributes: Tensor, faces: Tensor, index: Tensor, barycentric: Tensor) -> Tensor:
    seen = index >= 0
    shared = attributes.dim() == 2
    out = barycentric.new_zeros(*index.shape, attributes.shape[-1])
    view = torch.nonzero(seen)[:, 0, None]
    corners = faces[index[seen]]
    values = attributes[corners] if shared else attributes[view, corners]
    return out.index_put((seen,), (barycentric[seen][..., None] * values).sum(1))


def sample_texture(texture: Tensor, uv: Tensor, repeat: bool) -> Tensor:
    height, width, _ = texture.shape
    uv = torch.where(uv.abs() < 1e9, uv, 0.0)
    x, y = uv[..., 0] * width - 0.5, (1 - uv[..., 1]) * height - 0.5
    if not repeat:
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    x0, y0 = x.detach().floor(), y.detach().floor()
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]

    def texel(row: Tensor, column: Tensor) -> Tensor:
        i, j = row.long(), column.long()
        if repeat:
            return texture[i % height, j % width]
        return texture[i.clamp(max=height - 1), j.clamp(max=width - 1)]

    upper = (1 - fx) * texel(y0, x0) + fx * texel(y0, x0 + 1)
    lower = (1 - fx) * texel(y0 + 1, x0) + fx * texel(y0 + 1, x0 + 1)
    return (1 - fy) * upper + fy * lower


def _centres(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres in normalised device coordinates: X of every column, Y of every row (row 0 at the
    top).
    """
    height, width = size
    column = torch.arange(width, device=device, dtype=torch.float64)
    row = torch.arange(height, device=device, dtype=torch.float64)
    return (2 * column + 1) / width - 1, 1 - (2 * row + 1) / height


def _edges(points: Tensor) -> Tensor:
    """Lines [...,3,3] through the two other corners of homogeneous points (x, y, w) [...,3 corners,3]."""
    return torch.linalg.cross(points.roll(-1, -2), points.roll(-2, -2))


def _visible(clip: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
    """The nearest face [H,W] of one view, by a z-buffer over packed candidate pairs."""
    height, width = size
    xs, ys = _centres(size, clip.device)
    corners = clip[faces]
    points, z = corners[..., [0, 1, 3]], corners[..., 2]
    edges = _edges(points)
    det = (points[:, 0] * edges[:, 0]).sum(-1)
    lengths = points.norm(dim=-1).prod(-1)
    drawn = (det.abs() > _FLAT * lengths) & corners.isfinite().all(-1).all(-1) & (points[..., 2] > 0).any(-1)
    edges = edges * det.sign()[:, None, None]
    planes = (edges * z[..., None]).sum(1) / det.abs()[:, None]
    # An exact edge hit belongs to the side that a tiny step to the right, then up, would enter.
    closed = (edges[..., 0] > 0) | ((edges[..., 0] == 0) & (edges[..., 1] > 0))
    first, count = _bounds(points, drawn, size)

    best = torch.full((height * width,), float("inf"), dtype=torch.float64, device=clip.device)
    owner = torch.full((height * width,), -1, dtype=torch.int64, device=clip.device)
    none = len(faces)
    areas = count.prod(-1)
    chunk_of = (areas.cumsum(0) - areas) // _PAIRS_AT_ONCE
    for chunk in chunk_of.unique():
        candidates = torch.nonzero((chunk_of == chunk) & (areas > 0))[:, 0]
        face = candidates.repeat_interleave(areas[candidates])
        start = (areas[candidates].cumsum(0) - areas[candidates]).repeat_interleave(areas[candidates])
        local = torch.arange(len(face), device=clip.device) - start
        column = first[face, 0] + local % count[face, 0]
        row = first[face, 1] + local // count[face, 0]
        x, y = xs[column, None], ys[row, None]
        e = edges[face, :, 0] * x + (edges[face, :, 1] * y + edges[face, :, 2])
        d = planes[face, 0] * x[:, 0] + (planes[face, 1] * y[:, 0] + planes[face, 2])
        inside = torch.where(closed[face], e >= 0, e > 0).all(-1) & (d >= -1) & (d <= 1)
        pixel, d, face = (row * width + column)[inside], d[inside], face[inside]
        nearest = best.scatter_reduce(0, pixel, d, "amin")
        wins = d == nearest[pixel]  # of equally near faces the first wins
        winner = torch.full_like(owner, none).scatter_reduce(0, pixel[wins], face[wins], "amin")
        owner = torch.where(nearest < best, winner, owner)
        best = nearest
    return owner.reshape(height, width)


def _bounds(points: Tensor, drawn: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """First column and row [F,2] and their count [F,2] that each face can touch; the whole image around w =
    0.
    """
    sides = torch.tensor([size[1], size[0]], device=points.device)
    w = points[..., 2:]
    crosses = (w <= 0).any(1)
    ndc = points[..., :2] / torch.where(w > 0, w, 1.0)
    flip = torch.tensor([1.0, -1.0], dtype=points.dtype, device=points.device)
    pixel = ((ndc * flip + 1) * 0.5 * sides - 0.5).nan_to_num(0.0)
    zero = torch.zeros_like(sides)
    low = torch.minimum(torch.maximum(pixel.amin(1).floor(), zero), sides).long()
    high = torch.minimum(torch.maximum(pixel.amax(1).ceil(), zero - 1), sides - 1).long()
    low, high = torch.where(crosses, zero, low), torch.where(crosses, sides - 1, high)
    return low, (high - low + 1).clamp(min=0) * drawn[:, None]


def _shade(clip: Tensor, faces: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentrics and depth of the visible faces, differentiable with respect to positions."""
    xs, ys = _centres((index.shape[1], index.shape[2]), clip.device)
    view, row, column = torch.nonzero(index >= 0, as_tuple=True)
    corners = clip.double()[view[:, None], faces[index[view, row, column]]]
    points, z = corners[..., [0, 1, 3]], corners[..., 2]
    at = torch.stack([xs[column], ys[row], torch.ones_like(xs[column])], -1)
    e = (_edges(points) * at[:, None]).sum(-1)
    bary = (e / e.sum(-1, keepdim=True)).to(clip.dtype)
    z_over_w = ((e * z).sum(-1) / (e * points[..., 2]).sum(-1)).to(clip.dtype)
    barycentric = clip.new_zeros(*index.shape, 3).index_put((view, row, column), bary)
    depth = clip.new_ones(index.shape).index_put((view, row, column), z_over_w)
    return barycentric, depth
