"""A glTF file that is read, changed in places, and written as GLB: what is not changed stays, to the byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from dreamlab.mesh.io import meshopt
from dreamlab.mesh.io.gltf import container
from dreamlab.mesh.io.gltf_file import KINDS, GltfFile

HARMLESS = {"KHR_lights_punctual", "KHR_materials_variants"}
"""Extensions of a whole document that name no texture; of others nobody knows, and all images are kept."""
OF_LOOKS = re.compile(r"[A-Z]+_(materials|texture)_")
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
NUMBERS = {np.dtype(kind): number for number, kind in KINDS.items()}
MIMES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class GltfEdit:
    """A file's document, whose lists may be changed, and its buffers as one to which bytes are added.

    Pictures that lie beside the file come into it.
    """

    def __init__(self, file: GltfFile) -> None:
        self.file, self.document, self.binary = file, deepcopy(file.json), bytearray()
        self._join_buffers()
        for image in self.list("images"):
            if not (uri := image.get("uri", "data:")).startswith("data:"):
                data = file.resource(uri)
                mime = next((m for head, m in MIMES.items() if data.startswith(head)), "image/png")
                del image["uri"]
                image |= {"bufferView": self.view(data), "mimeType": mime}

    def _join_buffers(self) -> None:
        """All buffers that have bytes become the first."""
        buffers, places = self.list("buffers"), dict[int, tuple[int, int]]()
        kept: list[dict[str, Any]] = [{"byteLength": 0}]
        for index, buffer in enumerate(buffers):
            if "uri" not in buffer and (index > 0 or self.file.binary is None):
                kept.append(buffer)  # what a decoder fills
                places[index] = len(kept) - 1, 0
            else:
                places[index] = 0, self.append(self.file.buffer(index)[: buffer["byteLength"]])
        for view in self._placed(self.list("bufferViews")):
            view["buffer"], shift = places[view["buffer"]]
            view["byteOffset"] = view.get("byteOffset", 0) + shift
        self.document["buffers"] = kept

    @staticmethod
    def _placed(views: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Whatever says where bytes lie: views, and what is packed in them."""
        for view in views:
            yield view
            if (packed := meshopt.packed_view(view)) is not None:
                yield packed

    def list(self, name: str) -> list[Any]:
        """A list at the top of the document, made where it has none."""
        return self.document.setdefault(name, [])

    def append(self, data: bytes) -> int:
        """Where the bytes begin: at a multiple of four."""
        self.binary += bytes(-len(self.binary) % 4)
        self.binary += data
        return len(self.binary) - len(data)

    def add(self, name: str, row: Any) -> int:
        """A row at the end of a list; its number."""
        self.list(name).append(row)
        return len(self.list(name)) - 1

    def view(self, data: bytes, **more: Any) -> int:
        row = {"buffer": 0, "byteOffset": self.append(data), "byteLength": len(data), **more}
        return self.add("bufferViews", row)

    def picked(self, accessor: int, rows: np.ndarray) -> int:
        """A new accessor with these rows of another, as they are written."""
        values = self.file.rows(accessor)[rows]
        same = {key: v for key, v in self.file.json["accessors"][accessor].items() if key in ("normalized",)}
        if "min" in self.file.json["accessors"][accessor]:
            same |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self.rows(values, **same)

    def rows(self, values: np.ndarray, **more: Any) -> int:
        """An accessor over rows [N,W], each of which begins at a multiple of four bytes."""
        count, width = values.shape
        size = values.itemsize * width
        stride = size if width == 1 else size + -size % 4
        padded = np.zeros((count, stride), np.uint8)
        padded[:, :size] = np.ascontiguousarray(values).view(np.uint8).reshape(count, size)
        view = self.view(padded.tobytes(), **({"byteStride": stride} if stride != size else {}))
        row = {
            "bufferView": view,
            "componentType": NUMBERS[values.dtype],
            "count": count,
            "type": TYPES[width],
        }
        return self.add("accessors", row | more)

    def declare(self, extension: str) -> None:
        """Say that the document uses an extension, which readers need not know."""
        if extension not in self.list("extensionsUsed"):
            self.add("extensionsUsed", extension)

    def finish(self) -> bytes:
        """The whole file, without textures that no material has any more, their images and their bytes, and
        extensions of either."""
        if not set(self.document.get("extensions", {})) - HARMLESS:
            self._drop_pictures()
        there = repr([self.document.get(name) for name in ("materials", "textures", "meshes", "extensions")])
        for name in ("extensionsUsed", "extensionsRequired"):
            needed = [word for word in self.list(name) if word in there or not OF_LOOKS.match(word)]
            self.document[name] = needed
        self.document = {key: value for key, value in self.document.items() if value != []}
        self.document["buffers"][0]["byteLength"] = len(self.binary)
        return container(self.document, bytes(self.binary))

    def _drop_pictures(self) -> None:
        textures, images = self.list("textures"), self.list("images")
        slots = list(_slots(self.list("materials")))
        used = sorted({slot["index"] for slot in slots})
        for slot in slots:
            slot["index"] = used.index(slot["index"])
        textures[:] = [textures[k] for k in used]
        sources = [place for texture in textures for place in _sources(texture)]
        shown = sorted({place["source"] for place in sources})
        for place in sources:
            place["source"] = shown.index(place["source"])
        hidden = [image for k, image in enumerate(images) if k not in shown]
        gone = {image["bufferView"] for image in hidden if "bufferView" in image}
        images[:] = [images[k] for k in shown]
        self._drop_views(gone - {place["bufferView"] for place in _naming_views(self.document)})

    def _drop_views(self, gone: set[int]) -> None:
        """Take views away with their bytes, unless others share those."""
        views = self.list("bufferViews")
        left = [k for k in range(len(views)) if k not in gone]
        for place in _naming_views(self.document):
            place["bufferView"] = left.index(place["bufferView"])
        rest = [views[k] for k in left]
        spans = sorted((views[k]["byteOffset"], views[k]["byteLength"]) for k in gone)
        for begin, length in reversed(spans):  # from the back: what lies before stays where it is
            here = [place for place in self._placed(rest) if place["buffer"] == 0]
            ends = [(place["byteOffset"], place["byteOffset"] + place["byteLength"]) for place in here]
            if begin % 4 or any(start < begin + length and begin < end for start, end in ends):
                continue
            cut = length // 4 * 4
            del self.binary[begin : begin + cut]
            for place in here:
                place["byteOffset"] -= cut if place["byteOffset"] > begin else 0
        views[:] = rest


def _slots(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever in materials names a texture, also in extensions that nobody here knows."""
    if isinstance(value, list):
        for part in value:
            yield from _slots(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key.endswith("Texture") and isinstance(part, dict) and isinstance(part.get("index"), int):
                yield part
            yield from _slots(part)


def _sources(texture: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for place in (texture, *texture.get("extensions", {}).values()):
        if isinstance(place.get("source"), int):
            yield place


def _naming_views(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever has the number of a view."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _naming_views(part)
    if isinstance(value, dict) and isinstance(value.get("bufferView"), int):
        yield value
