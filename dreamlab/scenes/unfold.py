"""Moves of a mesh's corners, without those that fold it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

FOLDED = -0.5  # cosine between the normals of neighbours: two faces bent back on each other by 120 degrees
SLIVER = 1e-3  # of a face's area: with less of it left it counts as folded
HALVINGS = 4  # of a corner's move, before it is taken back whole


@torch.no_grad()
def unfolded(
    before: Float[Tensor, "V 3"], after: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "V 3"]:
    """`after` with the moves halved, at last taken back, around faces that fold or shrink to nothing by them.

    What was folded before may stay so. Corners elsewhere are where `after` has them.
    """
    pairs = face_pairs(faces)
    normal, area = _normals(before, faces)
    was = (normal[pairs[:, 0]] * normal[pairs[:, 1]]).sum(-1) < FOLDED
    halved = torch.zeros(len(before), dtype=torch.int64, device=before.device)
    while True:
        share = torch.where(halved > HALVINGS, 0.0, 0.5**halved).to(after)
        moved = before + (after - before) * share[:, None]
        moved = torch.where(halved[:, None] > 0, moved, after)
        bad = _folded(moved, faces, pairs, was, area) & (halved[faces] <= HALVINGS).any(1)
        if not bad.any():
            return moved
        halved[faces[bad].unique()] += 1


def _folded(vertices: Tensor, faces: Tensor, pairs: Tensor, was: Tensor, area: Tensor) -> Bool[Tensor, " F"]:
    normal, left = _normals(vertices, faces)
    cosine = (normal[pairs[:, 0]] * normal[pairs[:, 1]]).sum(-1)
    bad = left < SLIVER * area
    bad[pairs[(cosine < FOLDED) & ~was].flatten()] = True
    return bad


def _normals(vertices: Tensor, faces: Tensor) -> tuple[Float[Tensor, "F 3"], Float[Tensor, " F"]]:
    a, b, c = vertices[faces].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    return F.normalize(across, dim=-1, eps=1e-12), across.norm(dim=-1) / 2


def face_pairs(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 2"]:
    """The two faces of every edge that belongs to exactly two."""
    ends = torch.stack([faces, faces.roll(-1, 1)], -1).sort(-1).values.reshape(-1, 2)
    _, edge, count = torch.unique(ends, dim=0, return_inverse=True, return_counts=True)
    row = edge.argsort(stable=True)
    row = row[count[edge[row]] == 2]
    return (row // 3).view(-1, 2)
