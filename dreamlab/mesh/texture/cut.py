"""Cut a mesh along the borders of its palette: every face then has one colour, and corners can carry it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.texture.palette import Palette, lab_of, rgb_of
from dreamlab.mesh.texture.refine import split

NEAR = 0.15  # share of an edge that a border keeps off its ends: no slivers


class Cut(NamedTuple):
    """A mesh whose faces have one colour of a palette each, labels [F], and its corners too, label [V]: those
    on a border are doubled. Every corner lies on an edge of the palette's surface: `ends` [V,2] are its
    corners there, `share` [V] that of the second."""

    mesh: Mesh
    labels: Int[np.ndarray, " F"]
    label: Int[np.ndarray, " V"]
    ends: Int[np.ndarray, "V 2"]
    share: Float[np.ndarray, " V"]

    def paint(self, palette: Palette) -> Float[np.ndarray, "V 3"]:
        """sRGB in 0..1 of the corners, with the palette's gradients."""
        out = palette.colors[self.label]
        bent = np.asarray(palette.gradient.any((0, 2)))[self.label]
        if bent.any():
            slope = palette.gradient[self.ends[bent], self.label[bent][:, None]]
            share = np.stack([1 - self.share[bent], self.share[bent]], -1)
            out[bent] = rgb_of(lab_of(out[bent]) + np.einsum("vk,vki->vi", share, slope))
        return out


def cut_along_borders(mesh: Mesh, corner: Int[np.ndarray, " V"], palette: Palette) -> Cut:
    """The same surface, closed where it was, with new corners where two colours are equally likely.

    `corner` is where the mesh's own corners are on the palette's surface: those that are doubled along seams
    are one there, and their edges are cut in the same places, to the bit. A face of three colours keeps a
    middle piece, which has the likeliest. Normals and uv are interpolated.
    """
    columns = [mesh.vertices.double().numpy(), normals_of(mesh)]
    columns += [] if mesh.uv is None else [mesh.uv.double().numpy()]
    values, faces = np.concatenate(columns, 1), mesh.faces.numpy()
    own = palette.probability[corner].argmax(1)
    edges = topo.directed_edges(faces)
    edges = np.where((corner[edges[:, 0]] > corner[edges[:, 1]])[:, None], edges[:, ::-1], edges)
    first, index = topo.unique_rows(edges)
    crossed = np.diff(own[edges[first]], axis=1)[:, 0] != 0
    ends = edges[first[crossed]]
    share = _crossing(palette.probability[corner[ends]], own[ends])
    middle = np.where(crossed, len(values) + crossed.cumsum() - 1, -1)[index].reshape(-1, 3)
    between = values[ends[:, 0]] + share[:, None] * (values[ends[:, 1]] - values[ends[:, 0]])
    values = np.concatenate([values, between])
    pieces = split(values[:, :3], faces, middle)
    every = np.concatenate([np.repeat(corner[:, None], 2, 1), corner[ends]])
    share = np.concatenate([np.zeros(len(corner)), share])
    labels = _labels(pieces, own, every, share, palette)
    key, corners = topo.unique_rows(np.stack([pieces.reshape(-1), np.repeat(labels, 3)], -1))
    source = pieces.reshape(-1)[key]
    rows = torch.from_numpy(values[source]).float()
    cut = replace(
        mesh,
        vertices=rows[:, :3],
        faces=torch.from_numpy(corners.reshape(-1, 3)),
        normals=torch.nn.functional.normalize(rows[:, 3:6], dim=1),
        uv=None if mesh.uv is None else rows[:, 6:],
        colors=None,
    )
    return Cut(cut, labels, np.repeat(labels, 3)[key], every[source], share[source])


def _crossing(probability: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How far along edges [E] the colours of their two ends [E,2] are equally likely, by the ends'
    probabilities [E,2,K]."""
    rows, (a, b) = np.arange(len(own)), own.T
    lead = probability[rows, 0, a] - probability[rows, 0, b]
    lag = probability[rows, 1, b] - probability[rows, 1, a]
    return (lead / np.maximum(lead + lag, 1e-12)).clip(NEAR, 1 - NEAR)


def _labels(
    pieces: np.ndarray, own: np.ndarray, ends: np.ndarray, share: np.ndarray, palette: Palette
) -> np.ndarray:
    """The colour of each piece: that of its old corners, else the likeliest between its new ones."""
    old = pieces < len(own)
    known = own[np.take_along_axis(pieces, old.argmax(1)[:, None], 1)[:, 0].clip(max=len(own) - 1)]
    p = palette.probability[ends]
    at = (p[:, 0] * (1 - share[:, None]) + p[:, 1] * share[:, None])[pieces].sum(1)
    return np.where(old.any(1), known, at.argmax(1))
