"""The container of PLY (Turk 1994): elements with properties, as text or in either byte order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dreamlab.core.errors import DamagedError

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
MOST_HEADER = 1 << 20


class Lists(NamedTuple):
    """Lists of any lengths, one after another."""

    counts: Int[np.ndarray, " N"]
    values: np.ndarray


@dataclass(frozen=True)
class Property:
    name: str
    kind: str
    count: str | None = None  # of a list: the type of its length


@dataclass(frozen=True)
class PlyFile:
    """What each element has by the names of its properties: one number a row, or Lists."""

    elements: dict[str, dict[str, np.ndarray | Lists]]
    textures: list[str]


def parse_ply(data: bytes, name: str) -> PlyFile:
    """The whole of a PLY file. Raises DamagedError where it breaks off or is none."""
    end = data.find(b"end_header", 0, MOST_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise DamagedError(f"{name} is not a PLY file", expected="ply ... end_header", got=repr(data[:8]))
    start = data.find(b"\n", end) + 1 or data.find(b"\r", end) + 1
    order, layout, textures = _header(data[:end].decode("latin-1"), name)
    out: dict[str, dict[str, np.ndarray | Lists]] = {}
    source = _Words(data[start:], name) if not order else _Binary(data, start, order, name)
    for element, rows, properties in layout:
        out[element] = source.element(rows, properties)
    return PlyFile(out, textures)


def _header(text: str, name: str) -> tuple[str, list[tuple[str, int, list[Property]]], list[str]]:
    """The order of bytes ("" for text), the elements, and the textures that comments name."""
    order, layout, textures = None, list[tuple[str, int, list[Property]]](), list[str]()
    for line in text.replace("\r", "\n").split("\n"):
        words = line.split()
        match words:
            case ["format", kind, *_]:
                order = ORDERS.get(kind)
            case ["element", element, rows]:
                layout.append((element, int(rows), []))
            case ["property", "list", count, kind, label]:
                layout[-1][2].append(Property(label, TYPES[kind], TYPES[count]))
            case ["property", kind, label]:
                layout[-1][2].append(Property(label, TYPES[kind]))
            case ["comment" | "obj_info", word, *rest] if word.lower() == "texturefile" and rest:
                textures.append(line.split(maxsplit=2)[2].strip())
    if order is None or any(rows < 0 for _, rows, _ in layout):
        raise DamagedError(f"{name} is not a PLY file", expected="a format and elements")
    return order, layout, textures


class _Words:
    """Elements of a text file: its numbers are a stream, however the lines break."""

    def __init__(self, data: bytes, name: str) -> None:
        self.words, self.at, self.name = data.replace(b",", b".").split(), 0, name

    def element(self, rows: int, properties: list[Property]) -> dict[str, np.ndarray | Lists]:
        if all(p.count is None for p in properties):
            table = self._take(rows * len(properties)).reshape(rows, -1)
            return {p.name: table[:, k].astype(p.kind) for k, p in enumerate(properties)}
        found: dict[str, list[np.ndarray]] = {p.name: [] for p in properties}
        for _ in range(rows):
            for p in properties:
                n = 1 if p.count is None else int(self._take(1)[0])
                found[p.name].append(self._take(n))
        return {p.name: _column(p, found[p.name]) for p in properties}

    def _take(self, n: int) -> np.ndarray:
        if n < 0 or self.at + n > len(self.words):
            raise DamagedError(f"{self.name} is cut off", expected=f"{n} more numbers")
        self.at += n
        return np.array(self.words[self.at - n : self.at], np.float64)


class _Binary:
    """Elements of a binary file. Those whose lists are all of one length are read at once."""

    def __init__(self, data: bytes, at: int, order: str, name: str) -> None:
        self.data, self.at, self.order, self.name = data, at, order, name

    def element(self, rows: int, properties: list[Property]) -> dict[str, np.ndarray | Lists]:
        if rows == 0 or not properties:
            return {p.name: _column(p, []) for p in properties}
        lengths = self._row(properties)[1]
        fields: list[tuple] = []
        for k, (p, n) in enumerate(zip(properties, lengths, strict=True)):
            if p.count is not None:
                fields.append((f"n{k}", self.order + p.count))
            fields.append((f"v{k}", self.order + p.kind, (n,)))
        kind = np.dtype(fields)
        if self.at + rows * kind.itemsize <= len(self.data):
            table = np.frombuffer(self.data, kind, rows, self.at)
            lists = [k for k, p in enumerate(properties) if p.count is not None]
            if all((table[f"n{k}"] == lengths[k]).all() for k in lists):
                self.at += rows * kind.itemsize
                return {p.name: _column(p, table[f"v{k}"]) for k, p in enumerate(properties)}
        found: list[list[np.ndarray]] = [[] for _ in properties]
        for _ in range(rows):
            values, _, self.at = self._row(properties)
            for column, value in zip(found, values, strict=True):
                column.append(value)
        return {p.name: _column(p, column) for p, column in zip(properties, found, strict=True)}

    def _row(self, properties: list[Property]) -> tuple[list[np.ndarray], list[int], int]:
        """The values of the next row, how many each property has, and where the row ends."""
        at, values = self.at, list[np.ndarray]()
        for p in properties:
            n = 1
            if p.count is not None:
                n, at = int(self._numbers(at, p.count, 1)[0]), at + np.dtype(p.count).itemsize
            values.append(self._numbers(at, p.kind, n))
            at += values[-1].nbytes
        return values, [len(v) for v in values], at

    def _numbers(self, at: int, kind: str, n: int) -> np.ndarray:
        if n < 0 or at + n * np.dtype(kind).itemsize > len(self.data):
            raise DamagedError(f"{self.name} is cut off", expected="more bytes", got=str(len(self.data)))
        return np.frombuffer(self.data, self.order + kind, n, at)


def _column(p: Property, rows: list[np.ndarray] | np.ndarray) -> np.ndarray | Lists:
    values = np.concatenate(rows).astype(p.kind) if len(rows) else np.zeros(0, p.kind)
    return values if p.count is None else Lists(np.array([len(row) for row in rows], np.int64), values)
