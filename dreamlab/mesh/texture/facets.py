"""One colour and one normal a face: the look of low-poly models."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.geometry.shape import face_normals_of, normals_of
from dreamlab.mesh.texture.bake import BakeConfig, Baked
from dreamlab.mesh.texture.lighting import daylight, under_light
from dreamlab.mesh.texture.palette import Palette, find_palette, lab_of, rgb_of
from dreamlab.mesh.texture.palette_bake import FineSurface, colors_on, worth
from dreamlab.mesh.texture.seen import looking

SHORT = 0.2  # what a border costs by its length, in roots of the mean face's area: one clear face alone stays
SWEEPS = 10


def facets(
    mesh: Mesh,
    colors: Float[np.ndarray, "F 3"] | None = None,
    patch: Int[np.ndarray, " F"] | None = None,
) -> Mesh:
    """Every face with corners of its own, which have its normal and, if given, its sRGB colour in 0..1.
    Faces of one patch that lie in one plane and are of one colour share their corners."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    normals = torch.from_numpy(face_normals_of(mesh)).float().repeat_interleave(3, 0)
    own = None if colors is None else torch.from_numpy(colors).float().repeat_interleave(3, 0)
    whole = Mesh(corners, torch.arange(len(corners)).reshape(-1, 3), normals, own)
    if patch is None:
        return whole
    same = [corners, normals.round(decimals=5), np.repeat(patch, 3)[:, None], *([] if own is None else [own])]
    first, index = topo.unique_rows(np.concatenate(same, 1))
    pick = torch.from_numpy(first)
    faces = torch.from_numpy(index.reshape(-1, 3))
    return Mesh(corners[pick], faces, normals[pick], None if own is None else own[pick])


def bake_faces(
    mesh: Mesh,
    field: Field,
    config: BakeConfig | None = None,
    *,
    surface: Mesh | None = None,
    patch: Int[np.ndarray, " F"] | None = None,
) -> Baked:
    """The mesh in facets of one colour each, the mean of what the field shows on it; with a palette the one
    that has most of it. Faces of one patch have one colour. `surface` is as for `bake`."""
    config = config or BakeConfig()
    bare = facets(mesh)
    own = np.arange(len(mesh.faces)) if patch is None else patch
    numbers = np.repeat(own, 3)[:, None]
    fine = FineSurface(bare, np.concatenate([normals_of(bare), numbers], 1))
    seen = colors_on(fine, looking(field, config.depth, config.samples, surface))
    light = daylight(bare).reshape(-1, 3).mean(1) if config.lighting else None
    parent = _Parent.of(fine)
    middle = parent.mean(fine.vertices)

    def colored(colors: np.ndarray) -> Mesh:
        colors = config.dressed(mesh, middle, colors)[own]
        return facets(mesh, colors if light is None else under_light(colors, light), patch)

    plain = colored(parent.mean(seen))
    if config.palette.mode == "off":
        return Baked(plain)
    palette = worth(find_palette(fine.vertices, fine.surface, seen, config.palette), config.palette)
    if palette is None:
        return Baked(plain)
    labels = settled(mesh, parent.mean(palette.probability), own)

    def painted(palette: Palette) -> Mesh:
        gradient = parent.mean(palette.gradient.reshape(len(fine.vertices), -1))
        own = gradient.reshape(len(labels), -1, 3)[np.arange(len(labels)), labels]
        return colored(rgb_of(lab_of(palette.colors[labels]) + own) if own.any() else palette.colors[labels])

    return Baked(painted(palette), plain, palette, painted, labels[own])


def settled(
    mesh: Mesh, share: Float[np.ndarray, "P K"], patch: Int[np.ndarray, " F"] | None = None
) -> Int[np.ndarray, " P"]:
    """A colour for each face, or patch of faces, of which these are its shares, so that borders are short: a
    Potts model, by iterated conditional modes (Besag 1986). Spikes along a border go, faces of clear colour
    stay."""
    vertices, corners = mesh.vertices.double().numpy(), mesh.faces.numpy()
    patch = np.arange(len(corners)) if patch is None else patch
    faces = topo.unique_rows(vertices)[1][corners]
    area = np.bincount(patch, topo.face_normals(vertices, corners)[1])
    edge, uses, _ = topo.edge_uses(faces)
    order = np.argsort(edge, kind="stable")
    first = np.searchsorted(edge[order], np.nonzero(uses == 2)[0])
    ends = vertices[topo.directed_edges(corners)]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) * SHORT * np.sqrt(area.mean())
    beside: list[list[tuple[int, float]]] = [[] for _ in area]
    for a, b in zip(order[first].tolist(), order[first + 1].tolist(), strict=True):
        here, there = int(patch[a // 3]), int(patch[b // 3])
        if here != there:
            beside[here].append((there, length[a]))
            beside[there].append((here, length[a]))
    labels = share.argmax(1)
    for _ in range(SWEEPS):
        before = labels.copy()
        for own, near in enumerate(beside):
            gain = area[own] * share[own]
            for other, weight in near:
                gain[labels[other]] += weight
            labels[own] = gain.argmax()
        if (labels == before).all():
            break
    return labels


class _Parent(NamedTuple):
    """Which of the mesh's faces, or patches of them, each small face lies in, its corners and area."""

    face: Int[np.ndarray, " S"]
    corners: Int[np.ndarray, "S 3"]
    area: Float[np.ndarray, " S"]

    @classmethod
    def of(cls, fine: FineSurface) -> _Parent:
        """By the last column of what the corners carry: all three of a facet have one number."""
        face = fine.extra[fine.faces[:, 0], -1].round().astype(np.int64)
        return cls(face, fine.surface, topo.face_normals(fine.vertices, fine.surface)[1])

    def mean(self, values: Float[np.ndarray, "W C"]) -> Float[np.ndarray, "P C"]:
        """Area-weighted, of values at the corners of small faces."""
        area = np.maximum(self.area, 1e-30)
        each = values[self.corners].mean(1) * area[:, None]
        total = np.stack([np.bincount(self.face, column) for column in each.T], -1)
        return total / np.bincount(self.face, area)[:, None]
