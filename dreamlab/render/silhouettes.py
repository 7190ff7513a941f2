"""Antialiasing by silhouette edges: the path by which a mesh's corners feel what its pixels show.

As Laine et al. 2020 (section 3.6): where a silhouette passes between two pixel centres, the one whose half it
invades takes some of the other's colour, by how far. There the edge is looked for among those of the faces
that the two pixels show. But near an outline faces are seen from the side, and small ones own no pixel at
all: of the gradient of a ball's outline, with 5,000 faces at 128 x 128 pixels, one or two percent is left.
Here all silhouette edges are followed along the pixels that they pass, however small they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dreamlab.ops.raster.rasterise import Fragments

_BEHIND = 1e-6  # z / w by which a surface must lie behind an edge to be covered by it


class Edges(NamedTuple):
    """The edges of a mesh. Those of exactly two faces stand once, others once for each of their faces.

    ends [E,2] vertices; faces [E,2], the second -1 unless there are exactly two; flipped [E]: the two are
    wound against each other; opposite [E] the first face's vertex that is not on the edge.
    """

    ends: Int[Tensor, "E 2"]
    faces: Int[Tensor, "E 2"]
    flipped: Bool[Tensor, " E"]
    opposite: Int[Tensor, " E"]

    @staticmethod
    def of(faces: Int[Tensor, "F 3"]) -> Edges:
        start, end = faces.reshape(-1), faces.roll(-1, 1).reshape(-1)
        across = faces.roll(-2, 1).reshape(-1)
        ends = torch.stack([torch.minimum(start, end), torch.maximum(start, end)], dim=-1)
        _, edge, count = torch.unique(ends, dim=0, return_inverse=True, return_counts=True)
        order = edge.argsort(stable=True)
        paired = count[edge[order]] == 2
        first, second = order[paired].view(-1, 2).unbind(1)
        alone = order[~paired]
        uses = torch.cat([first, alone])
        other = torch.cat([second // 3, torch.full_like(alone, -1)])
        flipped = torch.cat([start[first] == start[second], torch.zeros_like(alone, dtype=torch.bool)])
        return Edges(ends[uses], torch.stack([uses // 3, other], dim=-1), flipped, across[uses])


class _Crossings(NamedTuple):
    """Where silhouettes pass between two neighbouring pixel centres.

    first, second: the pixels' places in the flattened images; s [N] how far along from the first the edge is,
    0..1; depth [N] z / w of the edge there; inner [N]: the second pixel is on the surface's side.
    """

    first: Int[Tensor, " N"]
    second: Int[Tensor, " N"]
    s: Float[Tensor, " N"]
    depth: Float[Tensor, " N"]
    inner: Bool[Tensor, " N"]


def antialias(
    image: Float[Tensor, "B H W C"],
    clip: Float[Tensor, "B V 4"],
    facing: Bool[Tensor, "B F"],
    edges: Edges,
    fragments: Fragments,
) -> Float[Tensor, "B H W C"]:
    """Blend neighbouring pixels across the silhouettes between them. Differentiable with respect to image and
    clip positions.

    facing says which faces are seen from their front. Of several silhouettes in one place the nearest counts.
    Edges that reach behind the camera stay as they are.
    """
    flat, depth = image.flatten(0, 2), fragments.depth.detach().flatten()
    out = flat
    view, edge = silhouettes(facing, edges).nonzero(as_tuple=True)
    size = fragments.face_index.shape[1:]
    for axis in (0, 1):
        found = _visible(_crossings(clip, view, edge, edges, (size[0], size[1]), axis), depth)
        lean = (0.5 - found.s).to(image.dtype)[:, None]  # what the first takes or, negative, the second
        change = flat.index_select(0, found.second) - flat.index_select(0, found.first)
        out = out.index_add(0, found.first, lean.clamp(min=0) * change)
        out = out.index_add(0, found.second, lean.clamp(max=0) * change)
    return out.view_as(image)


def silhouettes(facing: Bool[Tensor, "B F"], edges: Edges) -> Bool[Tensor, "B E"]:
    """Edges between a face that is seen from its front and one that is not, and those without second face."""
    first, second = facing[:, edges.faces[:, 0]], facing[:, edges.faces[:, 1].clamp_min(0)]
    return (first ^ second ^ edges.flipped) | (edges.faces[:, 1] < 0)


def _crossings(
    clip: Tensor, view: Tensor, edge: Tensor, edges: Edges, size: tuple[int, int], axis: int
) -> _Crossings:
    """Where the edges pass between neighbours in a row (axis 0, steep edges) or a column (axis 1, flat ones).

    Distances are in pixels; the centre of pixel k is at k.
    """
    height, width = size
    corners = clip.shape[1]
    flat = clip.reshape(-1, 4)
    p, q, o = (
        flat.index_select(0, view * corners + index[edge]).double()
        for index in (edges.ends[:, 0], edges.ends[:, 1], edges.opposite)
    )
    ahead = ((p[:, 3] > 0) & (q[:, 3] > 0) & (o[:, 3] > 0)).nonzero()[:, 0]
    view, p, q, o = view[ahead], p[ahead], q[ahead], o[ahead]
    p, q, o = (_pixels(corner, size) for corner in (p, q, o))
    steep = (q[:, 1] - p[:, 1]).abs() >= (q[:, 0] - p[:, 0]).abs()
    mine = (steep if axis == 0 else ~steep).nonzero()[:, 0]
    view, p, q, o = view[mine], p[mine], q[mine], o[mine]
    along, across = (1, 0) if axis == 0 else (0, 1)
    lines, pairs = (height, width - 1) if axis == 0 else (width, height - 1)

    low = torch.minimum(p[:, along], q[:, along]).detach().ceil().clamp(0, lines).long()
    high = torch.maximum(p[:, along], q[:, along]).detach().ceil().clamp(0, lines).long()
    count = high - low
    row = torch.arange(len(count), device=count.device).repeat_interleave(count)
    line = low[row] + torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    p, q, o, view = p.index_select(0, row), q.index_select(0, row), o[row].detach(), view[row]

    run = q[:, along] - p[:, along]
    t = (line - p[:, along]) / run
    at = p[:, across] + t * (q[:, across] - p[:, across])
    place = at.detach().floor()
    kept = ((place >= 0) & (place < pairs)).nonzero()[:, 0]
    beside = p[:, across] + (o[:, along] - p[:, along]) / run * (q[:, across] - p[:, across])
    inner = (o[:, across] > beside.detach())[kept]
    depth = (p[:, 2] + t * (q[:, 2] - p[:, 2])).detach()[kept]
    s, place, line, view = (at - place)[kept], place[kept].long(), line[kept], view[kept]
    y, x = (line, place) if axis == 0 else (place, line)
    first = (view * height + y) * width + x
    return _Crossings(first, first + (1 if axis == 0 else width), s, depth, inner)


def _pixels(corner: Float[Tensor, "N 4"], size: tuple[int, int]) -> Float[Tensor, "N 3"]:
    """Column, row and z / w of clip positions."""
    ndc = corner[:, :3] / corner[:, 3:]
    column = (ndc[:, 0] + 1) / 2 * size[1] - 0.5
    row = (1 - ndc[:, 1]) / 2 * size[0] - 0.5
    return torch.stack([column, row, ndc[:, 2]], dim=-1)


def _visible(found: _Crossings, depth: Float[Tensor, " P"]) -> _Crossings:
    """Those that hide what lies beyond them; of several between the same pixels the nearest."""
    outer = torch.where(found.inner, found.first, found.second)
    inner = torch.where(found.inner, found.second, found.first)
    hides = (depth[outer] > found.depth + _BEHIND) & (depth[inner] < depth[outer])
    rows = hides.nonzero()[:, 0]
    rows = rows[found.depth[rows].argsort(stable=True)]
    rows = rows[found.first[rows].argsort(stable=True)]
    pair = found.first[rows]
    new = torch.ones_like(pair, dtype=torch.bool)
    new[1:] = pair[1:] != pair[:-1]
    return _Crossings(*(part[rows[new]] for part in found))
