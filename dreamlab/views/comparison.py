"""Runs beside each other: an offline page with pictures and tables, or a sheet of pictures alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np

from dreamlab.core.files import write_atomic
from dreamlab.views.contact import write_contact_sheet
from dreamlab.views.figures import figure
from dreamlab.views.report import data_uri, page_file, told

SIDE = 256  # pixels of a picture in a sheet
MOST_BYTES = 50_000_000  # of a picture in a page
_VIEW = 30 / 360  # of a turntable's way round: three-quarter


class Shown(NamedTuple):
    """A run: what it is called, in a word where there is little room, its prompt, and its folder, whose
    turntable or newest preview is shown."""

    name: str
    short: str
    prompt: str
    folder: Path


class Section(NamedTuple):
    """A table: a value for each run, by what is compared; one that has none is not in the row."""

    title: str
    rows: Mapping[str, Mapping[str, Any]]


def write_comparison(
    path: str | os.PathLike[str], runs: Sequence[Shown], sections: Sequence[Section]
) -> None:
    """Write the page. It holds all it needs and may load nothing. InputError where it cannot be written."""
    page = Template(page_file("comparison.html")).substitute(
        title=escape(", ".join(dict.fromkeys(run.prompt for run in runs))),
        style=page_file("report.css"),
        pictures="\n".join(_figure(run) for run in runs),
        sections="\n".join(_table(section, runs) for section in sections if section.rows),
    )
    write_atomic(path, page.encode())


def write_comparison_sheet(path: str | os.PathLike[str], runs: Sequence[Shown]) -> None:
    """A picture of each, with its short name and prompt under it, in the format that the suffix names."""
    pictures = [still(run.folder) for run in runs]
    captions = [f"{run.short}: {run.prompt}" for run in runs]
    write_contact_sheet(path, pictures, captions, columns=min(5, len(runs)))


def picture_of(folder: Path) -> Path | None:
    """The run's turntable, else its newest preview."""
    previews = sorted(folder.glob("previews/[0-9]*.png"))
    for path in (folder / "turntable.webp", *reversed(previews)):
        if path.is_file() and 0 < path.stat().st_size <= MOST_BYTES:
            return path
    return None


def still(folder: Path) -> np.ndarray:
    """The run in a uint8 picture [SIDE,SIDE,3]; a grey one that says so where there is none."""
    from PIL import Image

    path = picture_of(folder)
    try:
        if path is None:
            return _nothing("no picture yet")
        with Image.open(path) as image:
            image.seek(int(getattr(image, "n_frames", 1) * _VIEW))
            image = image.convert("RGBA")
    except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError):
        return _nothing("damaged picture")
    paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
    paper.alpha_composite(image)
    return np.asarray(paper.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _nothing(words: str) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (SIDE, SIDE), (226, 226, 226))
    font = ImageFont.load_default(18)
    ImageDraw.Draw(image).text((SIDE / 2, SIDE / 2), words, (90, 90, 90), font, anchor="mm")
    return np.asarray(image)


def _figure(run: Shown) -> str:
    path = picture_of(run.folder)
    if path is None:
        shown = '<div class="none">no picture yet</div>'
    else:
        shown = f'<img alt="{escape(run.prompt, quote=True)}" src="{data_uri(path)}">'
    words = f"<b>{escape(run.prompt)}</b>{escape(run.name)}"
    return f"<figure>{shown}<figcaption>{words}</figcaption></figure>"


def _table(section: Section, runs: Sequence[Shown]) -> str:
    head = "".join(f"<th>{escape(run.name)}</th>" for run in runs)
    rows = []
    for key, values in section.rows.items():
        named = figure(key)
        name = f"{named.name}, {named.unit}" if named.unit else named.name
        cells = (told(values[run.name]) if run.name in values else "" for run in runs)
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in (name, *cells))}</tr>")
    body = f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    return f'<section class="card wide"><h2>{escape(section.title)}</h2>{body}</section>'
