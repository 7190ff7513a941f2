"""A mesh's faces in named parts of one colour each, for files that have materials or several meshes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry import topology as topo

PartKind = Literal["materials", "meshes"]


@dataclass(frozen=True)
class NamedParts:
    """Which of K materials, by name, each face has: labels [F]. As "materials" they share one mesh; as
    "meshes" every connected piece of one material is a mesh of its own."""

    labels: Int[np.ndarray, " F"]
    names: tuple[str, ...]
    kind: PartKind = "materials"


class NamedPart(NamedTuple):
    """A piece of a mesh, its name, that of its material, and the material's sRGB colour [3] in 0..1; None
    where the corners have colours of their own, as in a gradient, or none at all."""

    name: str
    material: str
    mesh: Mesh
    color: Float[np.ndarray, " 3"] | None


def split_parts(mesh: Mesh, parts: NamedParts) -> list[NamedPart]:
    """The pieces, material by material, the largest of one material first. Where one has several, they are
    numbered: "red-1", "red-2"."""
    out: list[NamedPart] = []
    for label, material in enumerate(parts.names):
        own = np.nonzero(parts.labels == label)[0]
        pieces = list(_pieces(mesh, own)) if parts.kind == "meshes" else [own] * (len(own) > 0)
        for number, faces in enumerate(pieces, 1):
            name = material if len(pieces) == 1 else f"{material}-{number}"
            piece = _picked(mesh, faces)
            out.append(NamedPart(name, material, piece, _one_color(piece)))
    return out


def _pieces(mesh: Mesh, own: np.ndarray) -> Iterator[np.ndarray]:
    """These faces by what hangs together, also over corners that are doubled; the largest area first."""
    if len(own) == 0:
        return
    vertices = mesh.vertices.double().numpy()
    place = topo.unique_rows(vertices)[1]
    faces = mesh.faces.numpy()[own]
    piece = topo.components(place[faces])
    piece = np.unique(piece, return_inverse=True)[1].reshape(-1)
    area = np.bincount(piece, weights=topo.face_normals(vertices, faces)[1])
    for k in np.argsort(-area, kind="stable"):
        yield own[piece == k]


def _picked(mesh: Mesh, faces: np.ndarray) -> Mesh:
    """These faces [N] alone, with their corners."""
    corners = mesh.faces.numpy()[faces]
    used, index = np.unique(corners, return_inverse=True)
    rows = torch.from_numpy(used)

    def of(values: torch.Tensor | None) -> torch.Tensor | None:
        return None if values is None else values[rows]

    return replace(
        mesh,
        vertices=mesh.vertices[rows],
        faces=torch.from_numpy(index.reshape(-1, 3)),
        normals=of(mesh.normals),
        colors=of(mesh.colors),
        uv=of(mesh.uv),
    )


def _one_color(mesh: Mesh) -> np.ndarray | None:
    if mesh.colors is None or bool((mesh.colors != mesh.colors[:1]).any()):
        return None
    return mesh.colors[0].double().numpy().clip(0, 1)


def materials_of(parts: Sequence[NamedPart]) -> dict[str, Float[np.ndarray, " 3"] | None]:
    """The colour of each material; None where any piece of it has none of its own."""
    out: dict[str, np.ndarray | None] = {}
    for part in parts:
        known = out.get(part.material, part.color)
        out[part.material] = None if part.color is None or known is None else known
    return out
