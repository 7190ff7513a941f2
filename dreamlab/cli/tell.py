"""What is told of files, whatever their names are: nothing reaches a terminal but what can be shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def visible(text: str) -> str:
    """The text with every control character, unpaired surrogate and turn of direction spelt out, but for line
    ends: a file's name or a caption cannot move a terminal's cursor, colour it or type into it.
    """
    return "".join(c if c == "\n" or not _hidden(c) else _spelt(c) for c in text)


def _hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs") or unicodedata.bidirectional(character) in _TURNS


def _spelt(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def tell_line(args: argparse.Namespace, name: str, text: str) -> None:
    """One line "name: text"; with --json an object; with --quiet nothing."""
    if args.json:
        sys.stdout.write(json.dumps({"event": "said", name: text}) + "\n")
    elif not args.quiet:
        sys.stdout.write(f"{name}: {visible(text)}\n")


def tell_files(args: argparse.Namespace, files: Mapping[str, Path]) -> None:
    """One line a file; with --json one object; with --quiet bare paths."""
    if args.json:
        facts = {"event": "finished", "files": {kind: str(path) for kind, path in files.items()}}
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    for kind, path in files.items():
        sys.stdout.write(f"{shown_path(path)}\n" if args.quiet else f"{kind:<10} {visible(str(path))}\n")


def tell_notes(args: argparse.Namespace, notes: Iterable[str]) -> None:
    """One line a note, as a run has them; with --json one object; with --quiet nothing."""
    for text in () if args.quiet and not args.json else notes:
        line = json.dumps({"event": "note", "text": text}) if args.json else f"note: {visible(text)}"
        sys.stdout.write(f"{line}\n")


def shown_path(path: Path) -> str:
    """A path by itself: as it is for a script that reads it, spelt out on a terminal."""
    return visible(str(path)) if sys.stdout.isatty() or not _sayable(str(path)) else str(path)


def _sayable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8", sys.stdout.errors or "strict")
    except UnicodeEncodeError:
        return False
    return True


def console() -> Console:
    """A console for tables: as wide as the terminal, and without end where output goes to a file or pipe, so
    that what is one line stays one. COLUMNS decides where it is set."""
    from rich.console import Console

    out = Console()
    return out if out.is_terminal or "COLUMNS" in os.environ else Console(width=10_000)


def print_lines(out: Console, what: RenderableType) -> None:
    """Print a table without the blanks that fill its lines up."""
    with out.capture() as caught:
        out.print(what)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in caught.get().splitlines()))
