"""The triangles of one glTF primitive: lists, strips and fans, unpacked, morphed and posed by a skin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.io import draco
from dreamlab.mesh.io.gltf_file import KINDS, GltfFile

WANTED = ("POSITION", "NORMAL", "TEXCOORD_", "COLOR_0", "JOINTS_", "WEIGHTS_")
LIST, STRIP, FAN = 4, 5, 6


class Triangles(NamedTuple):
    """Rows [V,...] in float64 by glTF's attribute names, POSITION among them, and faces [F,3]."""

    rows: dict[str, np.ndarray]
    faces: Int[np.ndarray, "F 3"]


def triangles(file: GltfFile, primitive: Mapping[str, Any], weights: Sequence[float]) -> Triangles | None:
    """A primitive with its morph targets by weight; None for points and lines.

    Raises DamagedError where its attributes have fewer rows than its positions.
    """
    mode = primitive.get("mode", LIST)
    if mode not in (LIST, STRIP, FAN) or "POSITION" not in primitive["attributes"]:
        return None
    rows, index = _unpacked(file, primitive)
    count = len(rows["POSITION"])
    for name, values in rows.items():
        if len(values) < count:
            raise DamagedError(
                f"{file.path.name} is damaged: {name} has {len(values)} rows", expected=f"{count}"
            )
    rows = {name: values[:count] for name, values in rows.items()}
    for target, weight in zip(primitive.get("targets", []), weights, strict=False):
        if weight:
            rows |= {n: rows[n] + weight * file.accessor(target[n])[:count] for n in target if n in rows}
    return Triangles(rows, _faces(index, mode))


def _faces(index: Int[np.ndarray, " N"], mode: int) -> Int[np.ndarray, "F 3"]:
    if mode == LIST:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    if len(index) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.stack([index[1:-1], index[2:], np.full(len(index) - 2, index[0])], 1)
    faces = np.stack([index[:-2], index[1:-1], index[2:]], 1)
    faces[1::2] = faces[1::2, [0, 2, 1]]  # every other one turns the other way
    same = (faces == np.roll(faces, 1, 1)).any(1)  # strips are sewn together with empty triangles
    return faces[~same]


def _unpacked(file: GltfFile, primitive: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The attributes that a Mesh can use, and the indices [N] of its corners."""
    attributes = {n: i for n, i in primitive["attributes"].items() if n.startswith(WANTED)}
    packed = primitive.get("extensions", {}).get(draco.EXTENSION)
    if packed is not None and not _also_plain(file, primitive):
        identifiers = {name: i for name, i in packed["attributes"].items() if name in attributes}
        found, faces = draco.unpack(file.view(packed["bufferView"]), identifiers)
        rows = {name: _shares(file, values, attributes[name]) for name, values in found.items()}
        return rows, faces.reshape(-1)
    rows = {name: file.accessor(index) for name, index in attributes.items()}
    if "indices" in primitive:
        return rows, file.accessor(primitive["indices"]).astype(np.int64)
    return rows, np.arange(len(rows["POSITION"]))


def _also_plain(file: GltfFile, primitive: Mapping[str, Any]) -> bool:
    """Whether the file has the same bytes without Draco, for readers that do not know it."""
    accessors = [*primitive["attributes"].values(), primitive.get("indices", 0)]
    return draco.EXTENSION not in file.list("extensionsRequired") and all(
        "bufferView" in file.json["accessors"][index] for index in accessors
    )


def _shares(file: GltfFile, values: np.ndarray, accessor: int) -> np.ndarray:
    """Unpacked rows as float64, integers as shares of one where their accessor says so."""
    spec = file.json["accessors"][accessor]
    top = np.iinfo(KINDS[spec["componentType"]]).max if spec.get("normalized") else 1
    return values.astype(np.float64) / top


def skin_matrices(
    rows: Mapping[str, np.ndarray], joints: Float[np.ndarray, "J 4 4"]
) -> Float[np.ndarray, "V 4 4"]:
    """For each corner its joints' matrices, blended by their weights."""
    sets = [n[7:] for n in rows if n.startswith("JOINTS_") and f"WEIGHTS_{n[7:]}" in rows]
    index = np.concatenate([rows[f"JOINTS_{n}"].astype(np.int64) for n in sets], 1)
    weight = np.concatenate([rows[f"WEIGHTS_{n}"] for n in sets], 1)
    total = weight.sum(1, keepdims=True)
    weight = np.where(total > 0, weight / np.where(total > 0, total, 1), np.eye(1, weight.shape[1]))
    out = np.zeros((len(index), 4, 4))
    for k in range(index.shape[1]):
        out += weight[:, k, None, None] * joints[index[:, k]]
    return out


def cofactors(matrix: Float[np.ndarray, "... 3 3"]) -> Float[np.ndarray, "... 3 3"]:
    """What turns normals as the matrix turns corners, also where it flattens: its inverse transposed times
    its determinant."""
    a, b, c = (matrix[..., k] for k in range(3))
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], -1)
