"""The XML of a 3MF: its elements, with the many numbers of meshes and colours kept as they come."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.io.text import numbers, too_large, whole_numbers

COLORED = {"basematerials": ("base", "displaycolor"), "colorgroup": ("color", "color")}
COLORS = dict(COLORED.values())
KEPT = {
    "model", "resources", "object", "mesh", "components", "component", "build", "item", *COLORED,
    "Relationships", "Relationship",
}  # fmt: skip
SAID = {
    "beamlattice": "lattices of beams", "texture2dgroup": "textures", "compositematerials": "mixed materials",
    "multiproperties": "mixed materials", "slicestack": "slices", "displacementmesh": "displacement",
    "levelset": "volumes", "volumedata": "volumes",
}  # fmt: skip
"""What else a model says that one would see, by element."""
PAINTED = ("paint_color", "mmu_segmentation")  # attributes of triangles, of slicers' own
MOST_ELEMENTS = 1_000_000  # besides vertices, triangles and colours
WHITE = -1


@dataclass
class Triangles:
    """Numbers of one mesh: x, y, z; v1, v2, v3; and what a triangle says of its colour: the number of its
    group among `groups`, p1, p2 and p3, -1 for none."""

    vertices: array[float] = field(default_factory=lambda: array("d"))
    faces: array[int] = field(default_factory=lambda: array("q"))
    styles: array[int] = field(default_factory=lambda: array("q"))
    groups: dict[str, int] = field(default_factory=dict)

    def arrays(self) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"], Int[np.ndarray, "F 4"]]:
        vertices = np.array(self.vertices, np.float64).reshape(-1, 3)
        faces, styles = (np.array(numbers, np.int64) for numbers in (self.faces, self.styles))
        return vertices, faces.reshape(-1, 3), styles.reshape(-1, 4)


class Tree(ElementTree.TreeBuilder):
    """The elements of KEPT. `meshes` has the triangles of each mesh, `colors` the 0xRRGGBB of each group
    (WHITE for what cannot be read), `lost` what else is said, by name.

    Raises DamagedError for a DTD, which 3MF forbids and bombs are made of, and for numbers that are none;
    InputError for more than MOST_ELEMENTS.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.elements, self.lost = name, 0, dict[str, None]()
        self.meshes: dict[ElementTree.Element, Triangles] = {}
        self.colors: dict[ElementTree.Element, array[int]] = {}
        self._mesh: Triangles | None = None
        self._group: array[int] | None = None

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DamagedError(f"{self.name} is damaged: its XML has a DTD")

    def data(self, data: str) -> None:
        """Nothing is said in text."""

    def start(self, tag: str, attrs: dict[str, str]) -> ElementTree.Element:
        kind = tag.rpartition("}")[2]
        if kind == "vertex" and self._mesh is not None:
            self._mesh.vertices.extend(self._floats([attrs.get(axis, "nan") for axis in "xyz"]))
        elif kind == "triangle" and self._mesh is not None:
            self._triangle(self._mesh, attrs)
        elif kind in COLORS and self._group is not None:
            self._group.append(self._color(attrs.get(COLORS[kind], "#FFFFFF")))
        elif kind in KEPT:
            self.elements += 1
            if self.elements > MOST_ELEMENTS:
                raise too_large(self.name, f"at most {MOST_ELEMENTS} elements besides its triangles")
            element = super().start(tag, attrs)
            if kind == "mesh":
                self._mesh = self.meshes[element] = Triangles()
            elif kind in COLORED:
                self._group = self.colors[element] = array("q")
            return element
        elif kind in SAID:
            self.lost[SAID[kind]] = None
        return _NONE

    def end(self, tag: str) -> ElementTree.Element:
        kind = tag.rpartition("}")[2]
        if kind == "mesh":
            self._mesh = None
        elif kind in COLORED:
            self._group = None
        return super().end(tag) if kind in KEPT else _NONE

    def _triangle(self, mesh: Triangles, attrs: dict[str, str]) -> None:
        mesh.faces.extend(self._ints([attrs.get(v, "-1") for v in ("v1", "v2", "v3")]))
        group, first = attrs.get("pid"), attrs.get("p1", "-1")
        number = -1 if group is None else mesh.groups.setdefault(group, len(mesh.groups))
        mesh.styles.append(number)
        mesh.styles.extend(self._ints([first, attrs.get("p2", first), attrs.get("p3", first)]))
        if len(attrs) > 3 and any(key.endswith(PAINTED) for key in attrs):
            self.lost["colours painted in a slicer"] = None

    def _floats(self, words: list[str]) -> list[float]:
        try:
            return [float(word) for word in words]
        except ValueError:
            return numbers(words, self.name).tolist()

    def _ints(self, words: list[str]) -> list[int]:
        try:
            out = [int(word) for word in words]
        except ValueError:
            out = whole_numbers(words, self.name).tolist()
        return out if max(out) < 2**62 and min(out) > -(2**62) else whole_numbers(words, self.name).tolist()

    def _color(self, code: str) -> int:
        try:
            if len(code) not in (7, 9) or not code.startswith("#"):
                raise ValueError
            if code[7:].upper() not in ("", "FF"):
                self.lost["transparency"] = None
            return int(code[1:7], 16)
        except ValueError:
            self.lost["colours that cannot be read"] = None
            return WHITE


_NONE = ElementTree.Element("none")
