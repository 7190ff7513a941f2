"""Read 3MF: every item of the build where it stands, in millimetres, with the colours of its triangles."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.companions import plain_name
from dreamlab.mesh.io.parts import Part
from dreamlab.mesh.io.text import numbers, too_large
from dreamlab.mesh.io.threemf_xml import Tree, Triangles

UNITS = {
    "micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0,
}  # fmt: skip
MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that 3MF allows
CHUNK = 1 << 20
MOST_BYTES = 1 << 30  # of all models, unpacked: a small archive can hold any number of zeros
MOST_TRIANGLES = 20_000_000  # of the build, or corners: a kilobyte can double an object thirty times
PLACE = 100  # triangles that take as long as a place of one more object
DEEPEST = 200  # objects in objects

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
    """All items of the build as one part, and what else the file says. Without a build, all objects.

    Raises DamagedError for an archive that is none or contradicts itself, InputError for one that unfolds
    beyond MOST_BYTES or MOST_TRIANGLES.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DamagedError(f"{path.name} is not a 3MF file", expected="a zip archive") from error
    with archive:
        return _Archive(path.name, archive).parts()


class _Archive:
    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        self.name, self.archive, self.lost = name, archive, list[str]()
        self.entries = {_plain(entry.filename): entry for entry in archive.infolist()}
        self.objects: dict[Key, _Object] = {}
        self.shown: set[Key] = set()
        self.models: set[str] = set()
        self.left = MOST_BYTES

    def parts(self) -> tuple[list[Part], list[str]]:
        start = self._start()
        root = self._model(start)
        unit = root.get("unit", "millimeter")
        if unit not in UNITS:
            known = ", ".join(UNITS)
            raise DamagedError(f"{self.name} has no known unit", expected=known, got=plain_name(unit))
        placed = list(self._placed(self._items(root, start)))
        hidden = sum(len(self.objects[key].faces) > 0 for key in self.objects.keys() - self.shown)
        self.lost += [f"{hidden} objects that its build does not show"] * (hidden > 0)
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
        relations = self._xml("_rels/.rels")[0] if "_rels/.rels" in self.entries else ()
        named = [self._path(r.get("Target", "")) for r in relations if r.get("Type") == MODEL]
        there = sorted(name for name in self.entries if name.endswith(".model"))
        found = next((name for name in (*named, *there) if name in self.entries), None)
        if found is None:
            raise DamagedError(f"{self.name} holds no 3D model", expected="3D/3dmodel.model")
        return found

    def _path(self, target: str) -> str:
        """The entry that a relation or a component names."""
        plain = _plain(target)
        return plain if plain in self.entries else _plain(unquote(target))

    def _xml(self, name: str) -> tuple[ElementTree.Element, Tree]:
        """The root of an entry, and all that it says."""
        entry, tree = self.entries.get(name), Tree(self.name)
        if entry is None:
            raise DamagedError(f"{self.name} is damaged: a part of it is not there", got=plain_name(name))
        if entry.compress_type not in PACKED or entry.flag_bits & 1:
            raise DamagedError(f"{self.name} is encrypted, or compressed in a way that 3MF does not have")
        parser = ElementTree.XMLParser(target=tree)
        try:
            with self.archive.open(entry) as file:
                while data := file.read(CHUNK):
                    self.left -= len(data)
                    if self.left < 0:
                        raise too_large(self.name, f"at most {MOST_BYTES / 2**30:.3g} GiB unpacked")
                    parser.feed(data)
            root = parser.close()  # None, where it is none of KEPT
            return ElementTree.Element("none") if root is None else root, tree
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DamagedError(f"{self.name} is damaged or cut off", got=str(error)) from error
        except (ElementTree.ParseError, LookupError, ValueError) as error:  # also an unknown encoding
            raise DamagedError(f"{self.name} is damaged: its XML cannot be read", got=str(error)) from error

    def _model(self, name: str) -> ElementTree.Element:
        """The root of a model, whose objects are kept."""
        self.models.add(name)
        root, tree = self._xml(name)
        if root.tag.rpartition("}")[2] != "model":
            raise DamagedError(
                f"{self.name} is damaged: a model of it is something else", got=plain_name(name)
            )
        groups = {e.get("id", ""): _linear(codes) for e, codes in tree.colors.items()}
        for element in root.iterfind("{*}resources/{*}object"):
            mesh = element.find("{*}mesh")
            out = _Object(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
            if mesh is not None:
                out = self._mesh(tree.meshes[mesh], groups, element.get("pid"), element.get("pindex", "-1"))
            components = element.iterfind("{*}components/{*}component")
            out.components = [self._component(e, name) for e in components]
            self.objects[name, element.get("id", "")] = out
        self.lost += tree.lost
        return root

    def _mesh(self, mesh: Triangles, groups: dict[str, np.ndarray], pid: str | None, pindex: str) -> _Object:
        vertices, faces, styles = mesh.arrays()
        if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise DamagedError(f"{self.name} is damaged: it names corners that are not there")
        names = [*mesh.groups, pid]  # -1, for none, is the object's
        if not any(name in groups for name in names):
            return _Object(vertices, faces)
        color = np.full((len(faces), 3, 3), np.nan)
        group, chosen = styles[:, 0], styles[:, 1:]
        own = np.array([name == pid for name in names])[group]
        usual = int(pindex) if pindex.isdecimal() and len(pindex) < 10 else -1
        chosen = np.where((chosen < 0) & own[:, None], usual, chosen)
        for k, name in enumerate(names):
            of = np.flatnonzero(group == (k if k < len(mesh.groups) else -1))
            swatches = groups.get(name or "")
            if swatches is None or not len(of):
                continue
            there = ((chosen[of] >= 0) & (chosen[of] < len(swatches))).all(1)
            color[of[there]] = swatches[chosen[of[there]]]
            self.lost += ["colours that are not there"] * bool((chosen[of[~there]] != -1).any())
        return _Object(vertices, faces, color)

    def _items(self, root: ElementTree.Element, start: str) -> list[_Component]:
        """What is built. Of a file without a build: all objects that are not part of another."""
        items = [self._component(e, start) for e in root.iterfind("{*}build/{*}item")]
        if items or not self.objects:
            return items
        inner = {part.key for found in self.objects.values() for part in found.components}
        self.lost.append("its build, which is empty: all of its objects are taken")
        place = np.eye(4, 3)
        return [_Component(key, place) for key in self.objects if key not in inner]

    def _component(self, element: ElementTree.Element, here: str) -> _Component:
        """A component or an item of the build, which may be in another model of the archive."""
        path = next((value for name, value in element.attrib.items() if name.endswith("}path")), None)
        model = here if path is None else self._path(path)
        row = numbers(element.get("transform", "1 0 0 0 1 0 0 0 1 0 0 0").split(), self.name)
        if len(row) != 12:
            raise DamagedError(f"{self.name} is damaged: a transform has {len(row)} numbers", expected="12")
        return _Component((model, element.get("objectid", "")), row.reshape(4, 3))

    def _placed(self, items: list[_Component]) -> Iterator[tuple[_Object, Float[np.ndarray, "4 3"]]]:
        """Every mesh of the build with its place in the whole."""
        todo: list[tuple[_Component, np.ndarray, tuple[Key, ...]]]
        todo = [(item, item.transform, ()) for item in reversed(items)]
        left = MOST_TRIANGLES
        while todo:
            (key, _), transform, above = todo.pop()
            if key in above:
                raise DamagedError(f"{self.name} is damaged: an object is made of itself")
            if len(above) > DEEPEST:
                raise too_large(self.name, f"at most {DEEPEST} objects inside each other")
            if key[0] not in self.models:
                self._model(key[0])
            found = self.objects.get(key)
            if found is None:
                raise DamagedError(f"{self.name} is damaged: it shows an object that is not there")
            self.shown.add(key)
            left -= max(len(found.faces), len(found.vertices), PLACE)
            if left < 0:
                raise too_large(self.name, f"at most {MOST_TRIANGLES} triangles")
            if len(found.faces):
                yield found, transform
            for part in reversed(found.components):
                inner = part.transform[:3] @ transform[:3]
                moved = np.concatenate([inner, part.transform[3:] @ transform[:3] + transform[3:]])
                todo.append((part, moved, (*above, key)))


def _plain(target: str) -> str:
    """A path in the archive, in small letters and from its root."""
    return posixpath.normpath("/" + target.replace("\\", "/").lower()).lstrip("/")


def _linear(codes: Sequence[int]) -> Float[np.ndarray, "N 3"]:
    """The colours of a group in linear light; white is -1."""
    rgb = np.array(codes, np.int64)[:, None] >> np.array([16, 8, 0]) & 255
    return srgb_to_linear(rgb / 255)


def _colored(part: Part, placed: list[tuple[_Object, np.ndarray]]) -> Part:
    """With the colours of its corners, which are doubled where they differ; white where there are none."""
    if all(found.color is None for found, _ in placed):
        return part
    none = [np.full((len(o.faces), 3, 3), np.nan) if o.color is None else o.color for o, _ in placed]
    mirrored = [c[:, ::-1] if np.linalg.det(t[:3]) < 0 else c for c, (_, t) in zip(none, placed, strict=True)]
    color = np.nan_to_num(np.concatenate(mirrored), nan=1.0).reshape(-1, 3)
    out, of_corners = part.doubled(color)
    return replace(out, color=of_corners)
