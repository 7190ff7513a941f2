"""Files of prompts as rows: .txt, .jsonl and .csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dreamlab.core.errors import InputError

KINDS = (".txt", ".jsonl", ".csv")


def rows_of(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
    """Rows with their line numbers; an error in the place of one that cannot be read. Several words that are
    no file's name are a row themselves. Raises InputError for a file that cannot be read or holds none."""
    readers = {".txt": rows_of_text, ".jsonl": _rows_of_json, ".csv": _rows_of_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None and " " in path.name and not path.exists():
        return iter([(1, {"prompt": str(path)})])
    if reader is None:
        raise InputError(f"{path} cannot be read", expected=", ".join(KINDS), got=path.suffix or "no suffix")
    return iter(reader(path))


def rows_of_text(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """A prompt a line; empty lines and those that begin with # are passed over. Raises as `rows_of`."""
    lines = [(number, line.strip()) for number, line in enumerate(_text(path).splitlines(), 1)]
    rows = [(number, {"prompt": line}) for number, line in lines if line and not line.startswith("#")]
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="a prompt a line")
    return rows


def _rows_of_json(path: Path) -> list[tuple[int, dict[str, Any] | InputError]]:
    rows: list[tuple[int, dict[str, Any] | InputError]] = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            rows.append((number, InputError("it is no JSON", got=str(error).splitlines()[0])))
            continue
        wrong = InputError("it is no row", expected='an object such as {"prompt": "a red mushroom"}')
        rows.append((number, row if isinstance(row, dict) else wrong))
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="a JSON object a line")
    return rows


def _rows_of_csv(path: Path) -> list[tuple[int, dict[str, Any] | InputError]]:
    reader = csv.DictReader(_text(path).splitlines(keepends=True), strict=True)
    rows: list[tuple[int, dict[str, Any] | InputError]] = []
    try:
        for row in reader:
            if None in row:
                wrong = InputError("it has more cells than the first line", mend="Put commas in quotes")
                rows.append((reader.line_num, wrong))
            else:
                filled: dict[str, Any] = {
                    k.strip(): v.strip() for k, v in row.items() if v is not None and v.strip()
                }
                if "image" in filled:
                    filled["image"] = filled["image"].split(";")
                rows.append((reader.line_num, filled))
    except csv.Error as error:
        rows.append((reader.reader.line_num, InputError("it is no CSV", got=str(error))))
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="columns with names, one of them prompt")
    return rows


def _text(path: Path) -> str:
    """The file as text, whether or not it begins with a mark of UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
        expected = "a prompt a line" if path.suffix.lower() == ".txt" else "rows of prompts"
        raise InputError(f"{path} cannot be read", expected=expected, got=reason or "") from error
