"""Read 3MF: every item of the build where it stands, in millimetres, with the colours of its triangles."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.companions import plain_name
from dreamlab.mesh.io.parts import Part

UNITS = {
    "micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0,
}  # fmt: skip
MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
MOST_BYTES = 1 << 30  # of one model, unpacked: a small archive can hold any number of zeros
MOST_TRIANGLES = 20_000_000  # of the build: a kilobyte can double an object thirty times
COLORED = {"basematerials": ("base", "displaycolor"), "colorgroup": ("color", "color")}
TEXTURED = ("texture2dgroup", "compositematerials", "multiproperties")

Key = tuple[str, str]  # a model's path in the archive, and an object's id in it


class _Component(NamedTuple):
    key: Key
    transform: Float[np.ndarray, "4 3"]


@dataclass
class _Object:
    """A mesh, or the components that an object is made of."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    color: Float[np.ndarray, "F 3 3"] | None = None  # of corners, linear light; nan for none
    components: list[_Component] = field(default_factory=list)


def read_3mf(path: Path) -> tuple[list[Part], list[str]]:
    """All items as one part, and what else the file says.

    Raises DamagedError for an archive that is none or contradicts itself, InputError for one that unfolds
    beyond MOST_BYTES or MOST_TRIANGLES.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DamagedError(f"{path.name} is not a 3MF file", expected="a zip archive") from error
    with archive:
        return _Archive(path.name, archive).parts()


class _Archive:
    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        self.name, self.archive, self.lost = name, archive, list[str]()
        self.entries = {entry.filename.lstrip("/").lower(): entry for entry in archive.infolist()}
        self.objects: dict[Key, _Object] = {}
        self.models: set[str] = set()
        self.left = MOST_BYTES

    def parts(self) -> tuple[list[Part], list[str]]:
        start = self._start()
        root = self._model(start)
        unit = root.get("unit", "millimeter")
        if unit not in UNITS:
            known = ", ".join(UNITS)
            raise DamagedError(f"{self.name} has no known unit", expected=known, got=plain_name(unit))
        items = [self._component(e, start) for e in root.iterfind("{*}build/{*}item")]
        placed = list(self._placed(items))
        if not placed:
            return [], self.lost
        points = [o.vertices @ t[:3] + t[3] for o, t in placed]
        at = np.cumsum([0] + [len(p) for p in points])
        faces = [
            (o.faces[:, ::-1] if np.linalg.det(t[:3]) < 0 else o.faces) + n
            for (o, t), n in zip(placed, at.tolist(), strict=False)
        ]
        part = Part(np.concatenate(points) * UNITS[unit], np.concatenate(faces), opaque=False)
        return [_colored(part, placed)], list(dict.fromkeys(self.lost))

    def _start(self) -> str:
        """The path of the model that the archive begins with."""
        if "_rels/.rels" in self.entries:
            for relation in self._xml("_rels/.rels"):
                if relation.get("Type") == MODEL:
                    return relation.get("Target", "").lstrip("/").lower()
        found = sorted(name for name in self.entries if name.endswith(".model"))
        if not found:
            raise DamagedError(f"{self.name} holds no 3D model", expected="3D/3dmodel.model")
        return found[0]

    def _xml(self, name: str) -> ElementTree.Element:
        entry = self.entries.get(name)
        if entry is None:
            raise DamagedError(f"{self.name} is damaged: a part of it is not there", got=plain_name(name))
        self.left -= entry.file_size
        if self.left < 0:
            raise InputError(f"{self.name} is too large", expected=f"at most {MOST_BYTES >> 30} GiB unpacked")
        data = self.archive.read(entry)
        if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:  # which 3MF forbids, and bombs are made of
            raise DamagedError(f"{self.name} is damaged: its XML has a DTD")
        return ElementTree.fromstring(data)

    def _model(self, name: str) -> ElementTree.Element:
        """The root of a model, whose objects are kept."""
        self.models.add(name)
        root = self._xml(name)
        resources = root.findall("{*}resources/*")
        groups = {e.get("id", ""): _swatches(e) for e in resources if _kind(e) in COLORED}
        if any(_kind(e) in TEXTURED for e in resources):
            self.lost.append("textures and mixed materials")
        for element in root.iterfind("{*}resources/{*}object"):
            mesh = element.find("{*}mesh")
            out = _Object(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
            if mesh is not None:
                if mesh.find("{*}beamlattice") is not None:
                    self.lost.append("lattices of beams")
                out = self._mesh(mesh, groups, element.get("pid"), element.get("pindex"))
            components = element.iterfind("{*}components/{*}component")
            out.components = [self._component(e, name) for e in components]
            self.objects[name, element.get("id", "")] = out
        return root

    def _mesh(
        self, mesh: ElementTree.Element, groups: dict[str, np.ndarray], pid: str | None, pindex: str | None
    ) -> _Object:
        rows = [[v.get(axis, "nan") for axis in "xyz"] for v in mesh.iterfind("{*}vertices/{*}vertex")]
        vertices = np.array(rows, np.float64).reshape(-1, 3)
        triangles = mesh.findall("{*}triangles/{*}triangle")
        names = ("v1", "v2", "v3")
        faces = np.array([[t.get(v, "-1") for v in names] for t in triangles]).astype(np.int64).reshape(-1, 3)
        if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise DamagedError(f"{self.name} is damaged: it names corners that are not there")
        color = None
        if groups and (pid in groups or any(t.get("pid") in groups for t in triangles)):
            color = np.full((len(faces), 3, 3), np.nan)
            for k, t in enumerate(triangles):
                group = groups.get(t.get("pid", pid or ""))
                first = t.get("p1", pindex if t.get("pid", pid) == pid else None)
                if group is not None and first is not None:
                    chosen = [int(first), int(t.get("p2", first)), int(t.get("p3", first))]
                    color[k] = group[chosen]
        return _Object(vertices, faces, color)

    def _component(self, element: ElementTree.Element, here: str) -> _Component:
        """A component or an item of the build, which may be in another model of the archive."""
        path = next((value for name, value in element.attrib.items() if name.endswith("}path")), None)
        model = here if path is None else path.lstrip("/").lower()
        numbers = np.array(element.get("transform", "1 0 0 0 1 0 0 0 1 0 0 0").split(), np.float64)
        return _Component((model, element.get("objectid", "")), numbers.reshape(4, 3))

    def _placed(self, items: list[_Component]) -> Iterator[tuple[_Object, Float[np.ndarray, "4 3"]]]:
        """Every mesh of the build with its place in the whole."""
        todo: list[tuple[_Component, np.ndarray, tuple[Key, ...]]]
        todo = [(item, item.transform, ()) for item in reversed(items)]
        left = MOST_TRIANGLES
        while todo:
            (key, _), transform, above = todo.pop()
            if key in above:
                raise DamagedError(f"{self.name} is damaged: an object is made of itself")
            if key[0] not in self.models:
                self._model(key[0])
            found = self.objects.get(key)
            if found is None:
                raise DamagedError(f"{self.name} is damaged: it shows an object that is not there")
            left -= max(len(found.faces), 100)  # also a place takes its time
            if left < 0:
                raise InputError(f"{self.name} is too large", expected=f"at most {MOST_TRIANGLES} triangles")
            if len(found.faces):
                yield found, transform
            for part in reversed(found.components):
                inner = part.transform[:3] @ transform[:3]
                moved = np.concatenate([inner, part.transform[3:] @ transform[:3] + transform[3:]])
                todo.append((part, moved, (*above, key)))


def _kind(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _swatches(group: ElementTree.Element) -> Float[np.ndarray, "N 3"]:
    """The colours of a group in linear light."""
    word, attribute = COLORED[_kind(group)]
    codes = [e.get(attribute, "#FFFFFF") for e in group.iterfind("{*}" + word)]
    rgb = [[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in codes]
    return srgb_to_linear(np.array(rgb, np.float64).reshape(-1, 3) / 255)


def _colored(part: Part, placed: list[tuple[_Object, np.ndarray]]) -> Part:
    """With the colours of its corners, which are doubled where they differ; white where there are none."""
    if all(found.color is None for found, _ in placed):
        return part
    none = [np.full((len(o.faces), 3, 3), np.nan) if o.color is None else o.color for o, _ in placed]
    mirrored = [c[:, ::-1] if np.linalg.det(t[:3]) < 0 else c for c, (_, t) in zip(none, placed, strict=True)]
    color = np.nan_to_num(np.concatenate(mirrored), nan=1.0).reshape(-1, 3)
    out, of_corners = part.doubled(color)
    return replace(out, color=of_corners)
