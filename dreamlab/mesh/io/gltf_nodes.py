"""The nodes of a glTF scene: which meshes it shows, and where in the world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.io.gltf_file import GltfFile

INSTANCING = "EXT_mesh_gpu_instancing"
VISIBILITY = "KHR_node_visibility"
INSTANCED = ("TRANSLATION", "ROTATION", "SCALE")
MOST_PLACES = 20_000  # of nodes, or twice as many as there are: a kilobyte can double them thirty times


class Placed(NamedTuple):
    """A node with a mesh, and the world matrices [I,4,4] at which the scene shows it."""

    node: Mapping[str, Any]
    worlds: Float[np.ndarray, "I 4 4"]


def placed_meshes(file: GltfFile) -> Iterator[Placed]:
    """Every node of the scene that shows a mesh. Collapsed ones are left out: that is how programs hide.

    Raises DamagedError for nodes that form a ring, or multiply beyond MOST_PLACES.
    """
    nodes = file.list("nodes")
    if not nodes:  # a library of meshes
        yield from (Placed({"mesh": i}, np.eye(4)[None]) for i in range(len(file.list("meshes"))))
    todo, visited = [(i, np.eye(4)) for i in reversed(_roots(file))], 0
    while todo:
        index, parent = todo.pop()
        visited += 1
        if visited > max(MOST_PLACES, 2 * len(nodes)):
            raise DamagedError(f"{file.path.name} is damaged: its nodes form a ring or multiply without end")
        node = nodes[index]
        if node.get("extensions", {}).get(VISIBILITY, {}).get("visible") is False:
            continue
        world = parent @ local_matrix(node)
        todo += [(child, world) for child in reversed(node.get("children", []))]
        if "mesh" in node:
            worlds = world @ _instances(file, node)
            worlds = worlds[np.linalg.matrix_rank(worlds[:, :3, :3]) > 1]
            if len(worlds) or "skin" in node:
                yield Placed(node, worlds)


def joint_matrices(file: GltfFile, skin: Mapping[str, Any]) -> Float[np.ndarray, "J 4 4"]:
    """Where the pose moves what is bound to each joint. The mesh's own node has no say in it."""
    parents = {child: i for i, node in enumerate(file.list("nodes")) for child in node.get("children", [])}
    world = np.stack([_world(file, joint, parents) for joint in skin["joints"]])
    if "inverseBindMatrices" not in skin:
        return world
    inverse = file.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    return world @ inverse[: len(world)]


def _world(file: GltfFile, index: int, parents: Mapping[int, int]) -> Float[np.ndarray, "4 4"]:
    world, seen = local_matrix(file.json["nodes"][index]), {index}
    while (index := parents.get(index, index)) not in seen:
        seen.add(index)
        world = local_matrix(file.json["nodes"][index]) @ world
    return world


def _roots(file: GltfFile) -> list[int]:
    scenes, nodes = file.list("scenes"), file.list("nodes")
    if scenes:
        return scenes[file.json.get("scene", 0)].get("nodes", [])
    below = {child for node in nodes for child in node.get("children", [])}
    return [i for i in range(len(nodes)) if i not in below]


def _instances(file: GltfFile, node: Mapping[str, Any]) -> Float[np.ndarray, "I 4 4"]:
    """Matrices of EXT_mesh_gpu_instancing, below the node's own; without it one that does nothing."""
    spec = node.get("extensions", {}).get(INSTANCING, {}).get("attributes", {})
    found = {name: file.accessor(i) for name, i in spec.items() if name in INSTANCED}
    if not found:
        return np.eye(4)[None]
    count = min(len(rows) for rows in found.values())
    out = np.tile(np.eye(4), (count, 1, 1))
    if "ROTATION" in found:
        out[:, :3, :3] = _turns(found["ROTATION"][:count])
    if "SCALE" in found:
        out[:, :3, :3] *= found["SCALE"][:count, None]
    if "TRANSLATION" in found:
        out[:, :3, 3] = found["TRANSLATION"][:count]
    return out


def local_matrix(node: Mapping[str, Any]) -> Float[np.ndarray, "4 4"]:
    """A node's own transform (glTF 2.0, section 3.5.3)."""
    if "matrix" in node:
        return np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    out = np.eye(4)
    turn = _turns(np.asarray([node.get("rotation", [0.0, 0.0, 0.0, 1.0])], np.float64))[0]
    out[:3, :3] = turn * np.asarray(node.get("scale", [1.0, 1.0, 1.0]))
    out[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return out


def _turns(quaternions: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N 3 3"]:
    """Rotations of quaternions (x, y, z, w), which need not be quite of length one."""
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    x, y, z, w = (quaternions / np.where(length > 0, length, 1)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
