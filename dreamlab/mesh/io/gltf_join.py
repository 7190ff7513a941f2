"""Objects put to a glTF file: what was in it stays as it was, to the byte."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamlab.mesh.io.encode import PackedFormat
from dreamlab.mesh.io.gltf import GlbObject, glb_scene
from dreamlab.mesh.io.gltf_edit import GltfEdit
from dreamlab.mesh.io.gltf_file import GltfFile

# What in a row of each list is the number of a row of another one.
NAMES = {
    "bufferView": "bufferViews", "source": "images", "sampler": "samplers", "index": "textures",
    "material": "materials", "mesh": "meshes", "indices": "accessors",
}  # fmt: skip
LISTS = ("samplers", "images", "textures", "accessors", "materials", "meshes", "nodes")


def joined_gltf(
    file: GltfFile,
    objects: Sequence[GlbObject],
    textures: PackedFormat = "png",
    made_by: Mapping[str, Any] | None = None,
) -> bytes:
    """The file as GLB with these objects beside what it shows: each a node at the top of its scene, as
    `glb_scene` writes them. `made_by` stands in asset.extras."""
    edit, added = GltfEdit(file), _opened(glb_scene(objects, textures=textures))
    if not edit.list("nodes"):  # a library of meshes, which is shown as it is
        edit.list("nodes").extend({"mesh": k} for k in range(len(edit.list("meshes"))))
    shift = {name: len(edit.list(name)) for name in (*LISTS, "bufferViews")}
    begin = edit.append(added.binary or b"")
    for view in added.list("bufferViews"):
        edit.add("bufferViews", view | {"buffer": 0, "byteOffset": view.get("byteOffset", 0) + begin})
    for name in LISTS:
        edit.list(name).extend(_shifted(row, shift) for row in added.list(name))
    if not edit.list("scenes"):
        below = {child for node in edit.list("nodes") for child in node.get("children", [])}
        edit.add("scenes", {"nodes": [k for k in range(shift["nodes"]) if k not in below]})
    scene = edit.list("scenes")[edit.document.get("scene", 0)]
    tops = added.list("scenes")[0]["nodes"]
    scene["nodes"] = [*scene.get("nodes", []), *(top + shift["nodes"] for top in tops)]
    for extension in added.list("extensionsUsed"):
        edit.declare(extension)
    if made_by:
        edit.document["asset"] = edit.document["asset"] | {"extras": dict(made_by)}
    return edit.finish()


def _opened(data: bytes) -> GltfFile:
    """A GLB that was just written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.glb"
        path.write_bytes(data)
        return GltfFile(path)


def _shifted(value: Any, shift: Mapping[str, int], key: str = "") -> Any:
    """A row with the numbers that it names rows of other lists by moved on."""
    if isinstance(value, dict):
        if key == "attributes":
            return {name: number + shift["accessors"] for name, number in value.items()}
        return {name: _shifted(part, shift, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_shifted(part, shift, "children" if key == "children" else "") for part in value]
    if key in NAMES and isinstance(value, int):
        return value + shift[NAMES[key]]
    return value + shift["nodes"] if key == "children" else value
