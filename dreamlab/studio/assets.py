"""A folder of captioned models as training objects, and an account of what could not be used."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.studio.asset_files import SUFFIXES, read_mesh

CAPTIONS = "captions.jsonl"
HELD_OUT_SHARE = 0.04
_ARTICLES = ("a ", "an ", "the ", "some ")


@dataclass(frozen=True)
class Asset:
    """One captioned object, centred, its furthest vertex at distance 1.

    file: path inside the folder; captions: most detailed first; held_out: kept from training for measurement.
    """

    file: str
    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_colors: Float[np.ndarray, "F 3"]
    captions: tuple[str, ...]
    noun: str
    category: str
    held_out: bool = False


@dataclass(frozen=True)
class FolderReport:
    """What a folder gave: damaged files and caption lines with reasons, and what lacks its other half."""

    loaded: int
    held_out: int
    nouns: int
    damaged: tuple[tuple[str, str], ...] = ()
    bad_lines: tuple[tuple[int, str], ...] = ()
    without_captions: tuple[str, ...] = ()
    without_files: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.loaded} objects of {self.nouns} nouns, {self.held_out} held out"]
        lines += [f"damaged, skipped: {name}: {reason}" for name, reason in self.damaged]
        lines += [f"{CAPTIONS} line {number}, skipped: {reason}" for number, reason in self.bad_lines]
        lines += _shortened("files without captions", self.without_captions)
        lines += _shortened("captions without files", self.without_files)
        return "\n".join(lines)


def read_folder(folder: Path | str) -> tuple[list[Asset], FolderReport]:
    """Read every captioned GLB, glTF and OBJ below a folder, in order of file name.

    captions.jsonl holds one JSON object a line: `file` and `captions` (most detailed first) are needed,
    `noun` (by default the last caption without its article) and `category` are welcome, other keys are
    ignored. About 4 % of the objects are held out, chosen by a hash of the file name alone, so the split
    survives reordering and growth of the folder. A noun's object of largest hash always trains: what is held
    out is an unseen instance of a seen noun.

    Raises:
        InputError: there is no such folder, or it has no captions.jsonl.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder of models", got=str(folder))
    if not (folder / CAPTIONS).is_file():
        mend = 'Write one JSON object a line: {"file": "x.glb", "captions": ["a red mushroom"]}'
        raise InputError(f"{folder} has no {CAPTIONS}", mend=mend)
    entries, bad_lines = _read_captions(folder / CAPTIONS)
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES}

    assets, damaged = [], []
    for name in sorted(files.keys() & entries.keys()):
        try:
            mesh = read_mesh(files[name])
        except DamagedError as error:
            damaged.append((name, str(error)))
        else:
            assets.append(Asset(name, *mesh, **entries[name]))
    assets = _split(assets)
    report = FolderReport(
        loaded=len(assets),
        held_out=sum(a.held_out for a in assets),
        nouns=len({a.noun for a in assets}),
        damaged=tuple(damaged),
        bad_lines=tuple(bad_lines),
        without_captions=tuple(sorted(files.keys() - entries.keys())),
        without_files=tuple(sorted(entries.keys() - files.keys())),
    )
    return assets, report


def _read_captions(path: Path) -> tuple[dict[str, dict[str, Any]], list[tuple[int, str]]]:
    """File name to captions, noun and category; and the lines that cannot be used."""
    entries: dict[str, dict[str, Any]] = {}
    bad = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, entry = _caption_entry(json.loads(line))
        except (ValueError, RecursionError) as error:
            bad.append((number, str(error)))
            continue
        if name in entries:
            bad.append((number, f"{name} was captioned before"))
        else:
            entries[name] = entry
    return entries, bad


def _caption_entry(line: Any) -> tuple[str, dict[str, Any]]:
    """Check one line of captions.jsonl; ValueError says what is wrong with it."""
    if not isinstance(line, dict) or not isinstance(line.get("file"), str):
        raise ValueError("no file name")
    captions = line.get("captions")
    if not isinstance(captions, list) or not captions:
        raise ValueError("no list of captions")
    if not all(isinstance(c, str) and c.strip() for c in captions):
        raise ValueError("an empty caption")
    captions = tuple(c.strip() for c in captions)
    noun, category = line.get("noun") or _without_article(captions[-1]), line.get("category") or ""
    if not isinstance(noun, str) or not isinstance(category, str):
        raise ValueError("noun and category must be text")
    return line["file"], {"captions": captions, "noun": noun.strip(), "category": category.strip()}


def _without_article(caption: str) -> str:
    for article in _ARTICLES:
        if caption.lower().startswith(article):
            return caption[len(article) :]
    return caption


def _split(assets: list[Asset]) -> list[Asset]:
    """Mark the held-out objects."""
    hashes = {a.file: _unit_hash(a.file) for a in assets}
    largest: dict[str, float] = defaultdict(float)
    for asset in assets:
        largest[asset.noun] = max(largest[asset.noun], hashes[asset.file])
    return [replace(a, held_out=hashes[a.file] < min(HELD_OUT_SHARE, largest[a.noun])) for a in assets]


def _unit_hash(text: str) -> float:
    """Uniform in 0..1, the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _shortened(title: str, names: tuple[str, ...], most: int = 5) -> list[str]:
    if not names:
        return []
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return [f"{len(names)} {title}: {', '.join(names[:most])}{rest}"]
