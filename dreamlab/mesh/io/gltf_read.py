"""Read GLB and glTF 2.0: triangles of every node where the scene has them, colours in the right space."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import InputError
from dreamlab.mesh.io import draco, meshopt
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.gltf_material import SOURCES, TRANSFORM, Look, Looks
from dreamlab.mesh.io.gltf_nodes import (
    INSTANCING,
    VISIBILITY,
    Placed,
    joint_matrices,
    placed_meshes,
)
from dreamlab.mesh.io.gltf_primitive import Triangles, cofactors, skin_matrices, triangles
from dreamlab.mesh.io.parts import Part

MOST_REPEATED = 10_000_000  # faces of meshes that the scene shows more than once
# KHR_materials_* are looked at one by one, and KHR_texture_basisu where a texture has nothing else
UNDERSTOOD = {
    "KHR_mesh_quantization",
    "KHR_texture_basisu",
    TRANSFORM,
    INSTANCING,
    VISIBILITY,
    draco.EXTENSION,
    *meshopt.EXTENSIONS,
    *SOURCES,
}


class Reading(NamedTuple):
    """What a file holds: its parts, what else it says (by name), and the pictures that cannot be read."""

    parts: list[Part]
    lost: list[str]
    missing: list[str]


def read_gltf(path: Path, colors_only: bool = False) -> Reading:
    """One Part for every triangle primitive that the scene shows, in world space; without normal maps and the
    like, if only colours are wanted.

    Raises DamagedError for a broken file, UnavailableError for compression that this reader or this machine
    lacks, InputError for buffers that are not there and for scenes beyond MOST_REPEATED.
    """
    reader = _Reader(GltfFile(path), colors_only)
    parts = [part for placed in placed_meshes(reader.file) for part in reader.parts(placed)]
    missing = list(dict.fromkeys(reader.looks.missing))
    return Reading(parts, sorted(reader.lost | reader.looks.lost), missing)


class Surface(NamedTuple):
    """A primitive of a file: the numbers of its mesh, itself and its material, the part that it is where the
    scene has it first, and which of its rows [F,3] the corners of its faces are. Its own layout for textures
    is the set of coordinates that its first texture is read by, else the first one: their number, and those
    of the corners [F,3,2], v up; None without any."""

    mesh: int
    primitive: int
    material: int | None
    part: Part
    rows: Int[np.ndarray, "F 3"]
    channel: int = 0
    uv: Float[np.ndarray, "F 3 2"] | None = None


def surfaces(file: GltfFile) -> list[Surface]:
    """Every triangle primitive that the scene shows, once. Raises as `read_gltf`."""
    reader, out = _Reader(file, True), dict[tuple[int, int], Surface]()
    for placed in placed_meshes(file):
        index = placed.node["mesh"]
        for number, found, part in reader.numbered(placed._replace(worlds=placed.worlds[:1])):
            material = file.json["meshes"][index]["primitives"][number].get("material")
            surface = Surface(index, number, material, part, found.faces)
            names = (name for name in found.rows if name.startswith("TEXCOORD_"))
            if sets := sorted(int(name.removeprefix("TEXCOORD_")) for name in names):
                mapped = reader.looks.look(material, frozenset(sets)).mapped
                channel = mapped.channel if mapped else sets[0]
                uv = found.rows[f"TEXCOORD_{channel}"][found.faces] * [1, -1] + [0, 1]
                surface = surface._replace(channel=channel, uv=uv)
            out.setdefault((index, number), surface)
    return list(out.values())


class _Reader:
    def __init__(self, file: GltfFile, colors_only: bool) -> None:
        self.file, self.looks, self.lost = file, Looks(file, colors_only), set(_losses(file))
        self._triangles: dict[tuple[int, int], Triangles | None] = {}
        self._shown: set[int] = set()
        self._repeated = 0

    def parts(self, placed: Placed) -> list[Part]:
        """The node's mesh, wherever the scene has it."""
        return [part for _, _, part in self.numbered(placed)]

    def numbered(self, placed: Placed) -> list[tuple[int, Triangles, Part]]:
        """The same with the number of each primitive, and its triangles as the file has them."""
        node, index = placed.node, placed.node["mesh"]
        mesh = self.file.json["meshes"][index]
        weights = node.get("weights", mesh.get("weights", []))
        out = []
        for number, primitive in enumerate(mesh["primitives"]):
            key = index, number
            if "weights" in node:
                found = triangles(self.file, primitive, weights)
            else:
                if key not in self._triangles:
                    self._triangles[key] = triangles(self.file, primitive, weights)
                found = self._triangles[key]
            if found is None:
                self.lost.add("points and lines")
                continue
            self._count(len(found.faces) * (len(placed.worlds) - (index not in self._shown)))
            out.append((number, found, self._part(primitive, found, placed)))
        self._shown.add(index)
        return out

    def _count(self, repeated: int) -> None:
        self._repeated += max(repeated, 0)
        if self._repeated > MOST_REPEATED:
            raise InputError(
                f"{self.file.path.name} shows its meshes too often",
                expected=f"at most {MOST_REPEATED} faces that are copies",
                got="more",
                mend="Export it without instances, or fewer of them",
            )

    def _part(self, primitive: Mapping[str, Any], found: Triangles, placed: Placed) -> Part:
        rows = found.rows
        vertices, normals, faces, copies = self._moved(found, placed)
        sets = frozenset(int(n.removeprefix("TEXCOORD_")) for n in rows if n.startswith("TEXCOORD_"))
        look = self.looks.look(primitive.get("material"), sets)
        uv = None if look.mapped is None else look.mapped.uv(rows[f"TEXCOORD_{look.mapped.channel}"])
        color, factor = _colors(look, rows.get("COLOR_0"))
        if color is not None and not look.opaque and (rows["COLOR_0"][:, 3:] < 1).any():
            self.lost.add("transparency of corners")
        return Part(
            vertices,
            faces,
            normals,
            None if uv is None else np.tile(uv, (copies, 1)),
            None if color is None else np.tile(color, (copies, 1)),
            factor,
            look.albedo,
            look.normal_map,
            opaque=look.opaque,
            material=look.material,
            rough_metal=look.rough_metal,
        )

    def _moved(
        self, found: Triangles, placed: Placed
    ) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "V 3"] | None, Int[np.ndarray, "F 3"], int]:
        """Corners, normals and faces in the world, as often as the scene shows them."""
        rows, faces = found
        if "skin" in placed.node and "JOINTS_0" in rows and "WEIGHTS_0" in rows:
            joints = joint_matrices(self.file, self.file.json["skins"][placed.node["skin"]])
            moves = skin_matrices(rows, joints)[None]  # a matrix a corner
        else:
            moves = placed.worlds[:, None]  # a matrix a copy
        copies, count = len(moves), len(rows["POSITION"])
        linear = moves[..., :3, :3]
        vertices = _times(linear, rows["POSITION"]) + moves[..., :3, 3]
        turns = np.sign(np.median(np.linalg.det(linear), axis=1))
        faces = np.concatenate([faces[:, ::-1] if turn < 0 else faces for turn in turns] or [faces[:0]])
        faces = faces + np.repeat(np.arange(copies) * count, len(found.faces))[:, None]
        normals = None
        if "NORMAL" in rows:
            normals = _times(cofactors(linear), rows["NORMAL"]) * np.where(turns < 0, -1, 1)[:, None, None]
            normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-300)
            normals = normals.reshape(-1, 3)
        return vertices.reshape(-1, 3), normals, np.ascontiguousarray(faces), copies


def _colors(
    look: Look, rows: Float[np.ndarray, "V C"] | None
) -> tuple[Float[np.ndarray, "V 3"] | None, Float[np.ndarray, " 4"] | None]:
    """Colours at the corners and the factor, with the light that the surface emits added to them."""
    color = None if rows is None else rows[:, :3].clip(0, 1)
    if look.emission is None:
        return color, look.factor
    base = np.ones(4) if look.factor is None else look.factor
    if color is None:
        return None, np.append((base[:3] + look.emission).clip(0, 1), base[3])
    return (color * base[:3] + look.emission).clip(0, 1), np.append(np.ones(3), base[3])


def _times(
    matrix: Float[np.ndarray, "I W 3 3"], rows: Float[np.ndarray, "V 3"]
) -> Float[np.ndarray, "I V 3"]:
    """Rows moved by one matrix a copy (W is 1) or one a corner (W is V)."""
    if matrix.shape[1] == 1:
        return rows @ matrix[:, 0].transpose(0, 2, 1)
    return np.einsum("cvij,vj->cvi", matrix, rows)


def _losses(file: GltfFile) -> list[str]:
    """What the file says about more than its meshes, and extensions that it requires and are not known."""
    said = [word for key, word in (("animations", "animation"), ("cameras", "cameras")) if file.list(key)]
    extensions = file.json.get("extensions", {})
    said += ["lights"] * ("KHR_lights_punctual" in extensions)
    said += ["further variants of its materials"] * ("KHR_materials_variants" in extensions)
    said += ["further scenes"] * (len(file.list("scenes")) > 1)
    needed = set(file.list("extensionsRequired")) - UNDERSTOOD - {"KHR_lights_punctual"}
    return said + [name for name in sorted(needed) if not name.startswith("KHR_materials_")]
