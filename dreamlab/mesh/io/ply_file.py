"""The container of PLY (Turk 1994): elements with properties, as text or in either byte order."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.io.companions import plain_name
from dreamlab.mesh.io.text import MOST_TEXT, is_number, numbers, too_large

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
MOST_HEADER = 1 << 20
LONGEST_ROW = 1 << 16  # bytes of a row that is read as one of many alike
END = re.compile(rb"[\r\n][ \t]*end_header[ \t]*(\r\n|\n|\r|\Z)")


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
    """What each element has by the names of its properties: one number a row, or Lists; how many rows it has;
    and the textures that comments name."""

    elements: dict[str, dict[str, np.ndarray | Lists]]
    rows: dict[str, int]
    textures: list[str]


def parse_ply(data: bytes, name: str) -> PlyFile:
    """The whole of a PLY file.

    Numbers of a text that their type cannot hold stay float64. Raises DamagedError where it breaks off or is
    none, InputError for a text beyond MOST_TEXT.
    """
    end = END.search(data, 0, MOST_HEADER)
    if not data.startswith(b"ply") or end is None:
        raise DamagedError(f"{name} is not a PLY file", expected="ply ... end_header", got=repr(data[:8]))
    head, start = data[: end.start()], end.end()
    if end[1] == b"\r\n" and b"\n" not in head:  # a \r ends the lines, and the \n is the first of the data
        start -= 1
    order, layout = _layout(head.decode("latin-1"), name)
    if not order and len(data) > MOST_TEXT:
        raise too_large(name, f"at most {MOST_TEXT >> 30} GiB of text")
    source = _Words(data[start:], name) if not order else _Binary(data, start, order, name)
    out = {element: source.element(rows, properties) for element, rows, properties in layout}
    return PlyFile(out, {element: rows for element, rows, _ in layout}, textures_of(head))


def header_of(data: bytes) -> bytes:
    """The beginning of a file up to its end_header, or all of it."""
    end = END.search(data, 0, MOST_HEADER)
    return data[:MOST_HEADER] if end is None else data[: end.start()]


def textures_of(header: bytes) -> list[str]:
    """The files that comments "TextureFile NAME" name, as MeshLab writes them, in UTF-8 or Latin-1."""
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    lines = (line.split(maxsplit=2) for line in text.replace("\r", "\n").split("\n"))
    return [
        words[2].strip()
        for words in lines
        if len(words) == 3 and words[0] in ("comment", "obj_info") and words[1].lower() == "texturefile"
    ]


def _layout(text: str, name: str) -> tuple[str, list[tuple[str, int, list[Property]]]]:
    """The order of bytes ("" for text), and the elements."""
    order, layout = None, list[tuple[str, int, list[Property]]]()
    for line in text.replace("\r", "\n").split("\n"):
        try:
            match line.split():
                case ["format", kind, *_]:
                    order = ORDERS[kind]
                case ["element", element, rows]:
                    layout.append((element, int(rows), []))
                case ["property", "list", count, kind, label]:
                    layout[-1][2].append(Property(label, TYPES[kind.lower()], TYPES[count.lower()]))
                case ["property", kind, label]:
                    layout[-1][2].append(Property(label, TYPES[kind.lower()]))
                case ["element" | "property" | "format", *_]:
                    raise ValueError
        except (KeyError, ValueError, IndexError) as error:
            raise DamagedError(
                f"{name} is damaged: a line of its header cannot be read", got=plain_name(line)
            ) from error
    if order is None or any(rows < 0 for _, rows, _ in layout):
        raise DamagedError(f"{name} is not a PLY file", expected="a format and elements")
    return order, layout


class _Words:
    """Elements of a text file: its numbers are a stream, however the lines break."""

    def __init__(self, data: bytes, name: str) -> None:
        words, self.at, self.name, self.bad = data.split(), 0, name, ""
        try:
            self.values = numbers(words, name)
        except DamagedError as error:  # told only if it stands where a number is needed
            good = next(k for k, word in enumerate(words) if not is_number(word.decode("latin-1")))
            self.values, self.bad = numbers(words[:good], name), error.got

    def element(self, rows: int, properties: list[Property]) -> dict[str, np.ndarray | Lists]:
        if rows == 0 or not properties:
            return {p.name: _column(p, np.zeros(0), np.zeros(0, np.int64)) for p in properties}
        lengths, width = self._row(self.at, properties)
        if self.at + rows * width <= len(self.values):
            table = self.values[self.at : self.at + rows * width].reshape(rows, width)
            lists = [k for k, p in enumerate(properties) if p.count is not None]
            places = np.cumsum([0] + [n + (k in lists) for k, n in enumerate(lengths)])
            if all((table[:, places[k]] == lengths[k]).all() for k in lists):
                self.at += rows * width
                columns = [table[:, places[k + 1] - n : places[k + 1]] for k, n in enumerate(lengths)]
                return {
                    p.name: _column(p, column.reshape(-1), np.full(rows, n))
                    for p, n, column in zip(properties, lengths, columns, strict=True)
                }
        return self._ragged(rows, properties)

    def _ragged(self, rows: int, properties: list[Property]) -> dict[str, np.ndarray | Lists]:
        counts: list[list[int]] = [[] for _ in properties]
        values: list[list[np.ndarray]] = [[] for _ in properties]
        for _ in range(rows):
            lengths, _ = self._row(self.at, properties)
            for k, n in enumerate(lengths):
                self.at += properties[k].count is not None
                counts[k].append(n)
                values[k].append(self.values[self.at : self.at + n])
                self.at += n
        return {
            p.name: _column(p, np.concatenate(values[k]), np.array(counts[k], np.int64))
            for k, p in enumerate(properties)
        }

    def _row(self, at: int, properties: list[Property]) -> tuple[list[int], int]:
        """How many numbers each property has in the row that begins there, and how many all have."""
        lengths, begin = [], at
        for p in properties:
            n = 1
            if p.count is not None:
                n = _length(float(self.values[at]), self.name) if at < len(self.values) else 1
                at += 1
            lengths.append(n)
            at += n
            if at > len(self.values):
                if self.bad:
                    raise DamagedError(f"{self.name} is damaged: a number cannot be read", got=self.bad)
                more = at - len(self.values)
                raise DamagedError(f"{self.name} is cut off", expected=f"{more} more numbers")
        return lengths, at - begin


class _Binary:
    """Elements of a binary file. Those whose lists are all of one length are read at once."""

    def __init__(self, data: bytes, at: int, order: str, name: str) -> None:
        self.data, self.at, self.order, self.name = data, at, order, name

    def element(self, rows: int, properties: list[Property]) -> dict[str, np.ndarray | Lists]:
        if rows == 0 or not properties:
            return {p.name: _column(p, np.zeros(0), np.zeros(0, np.int64)) for p in properties}
        begin = self.at
        lengths = [int(counts[0]) for _, counts in self._scan(1, properties)]
        fields: list[tuple] = []
        for k, (p, n) in enumerate(zip(properties, lengths, strict=True)):
            if p.count is not None:
                fields.append((f"n{k}", self.order + p.count))
            fields.append((f"v{k}", self.order + p.kind, (n,)))
        if self.at - begin <= LONGEST_ROW and begin + rows * (self.at - begin) <= len(self.data):
            table = np.frombuffer(self.data, np.dtype(fields), rows, begin)
            lists = [k for k, p in enumerate(properties) if p.count is not None]
            if all((table[f"n{k}"] == lengths[k]).all() for k in lists):
                self.at = begin + table.nbytes
                return {
                    p.name: _column(p, table[f"v{k}"].reshape(-1), np.full(rows, lengths[k]))
                    for k, p in enumerate(properties)
                }
        self.at = begin
        found = self._scan(rows, properties)
        return {
            p.name: _column(p, self._gathered(p.kind, *where), where[1])
            for p, where in zip(properties, found, strict=True)
        }

    def _scan(self, rows: int, properties: list[Property]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where in the file each property's numbers begin, row by row, and how many there are."""
        sizes = [np.dtype(p.kind).itemsize for p in properties]
        codes = [None if p.count is None else self.order + np.dtype(p.count).char for p in properties]
        heads = [None if code is None else struct.Struct(code) for code in codes]
        starts: list[list[int]] = [[] for _ in properties]
        counts: list[list[int]] = [[] for _ in properties]
        at, end, n = self.at, len(self.data), 1
        for _ in range(rows):
            for k, head in enumerate(heads):
                n = 1
                if head is not None and at + head.size <= end:
                    n = _length(head.unpack_from(self.data, at)[0], self.name)
                at += 0 if head is None else head.size
                starts[k].append(at)
                counts[k].append(n)
                at += n * sizes[k]
            if at > end:
                raise DamagedError(f"{self.name} is cut off", expected="more bytes", got=str(end))
        self.at = at
        return [(np.array(s, np.int64), np.array(c, np.int64)) for s, c in zip(starts, counts, strict=True)]

    def _gathered(
        self, kind: str, starts: Int[np.ndarray, " N"], counts: Int[np.ndarray, " N"]
    ) -> np.ndarray:
        """The numbers that begin at these bytes, one list after another."""
        size = np.dtype(kind).itemsize
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(starts, counts) + place * size
        rows = np.frombuffer(self.data, np.uint8)[at[:, None] + np.arange(size)]
        return rows.reshape(-1).view(self.order + kind)


def _length(value: float, name: str) -> int:
    """How long a list says that it is."""
    if not 0 <= value < 2**32:  # also false for nan
        raise DamagedError(f"{name} is damaged: a list of it says that it has {value:.6g} entries")
    return int(value)


def _column(p: Property, values: np.ndarray, counts: Int[np.ndarray, " N"]) -> np.ndarray | Lists:
    values = _typed(values, np.dtype(p.kind))
    return values if p.count is None else Lists(counts, values)


def _typed(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        out = values.astype(kind)
    return out if kind.kind == "f" or (out == values).all() else values
