"""One offline page over many evaluated objects: a table that can be sorted, groups, and what figures mean."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from string import Template
from urllib.parse import quote

from dreamlab.core.files import write_atomic
from dreamlab.views.figures import figure
from dreamlab.views.report import page_file

YES_NO = frozenset(("watertight",))
COUNTS = frozenset(
    "crossing_faces faces handles noun_rank peak_mb pieces pinched_corners "
    "seconds uv_islands vertices".split()
)
INTERVALS = {"noun_sure": ("noun_low", "noun_high"), "color_sure": ("color_low", "color_high")}


@dataclass(frozen=True)
class PageRow:
    """picture: a WebP in base64, or "". words: shown beside the figure that they belong to. link: to a page
    about it, from this one, or ""."""

    name: str
    prompt: str
    group: str
    figures: Mapping[str, float]
    words: Mapping[str, str]
    picture: str = ""
    link: str = ""


@dataclass(frozen=True)
class PageGroup:
    """A line below the table: "all, median"."""

    name: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """key: of a figure, or with `words` of a word. head: a short name for the table."""

    key: str
    head: str
    words: bool = False


@dataclass(frozen=True)
class Page:
    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[PageRow]
    groups: Sequence[PageGroup] = ()
    notes: Sequence[str] = ()
    axes: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


def write_evaluation_page(path: str | os.PathLike[str], page: Page) -> None:
    """Write it. Everything that comes from a run is escaped; the page may load nothing from anywhere.

    Raises InputError where it cannot be written.
    """
    columns = [column for column in page.columns if any(_has(row, column) for row in page.rows)]
    head = ["<th><button>object</button></th>"]
    for column in columns:
        kind, meaning = ' class="words"' if column.words else "", escape(figure(column.key).name, quote=True)
        head.append(f'<th{kind} title="{meaning}"><button>{escape(column.head)}</button></th>')
    body = "".join(f"<tr>{_subject(row)}{''.join(_cell(row, c) for c in columns)}</tr>" for row in page.rows)
    foot = "".join(
        f"<tr><td>{escape(group.name)}</td>{''.join(_foot_cell(group, c) for c in columns)}</tr>"
        for group in page.groups
    )
    table = (
        f'<table class="sortable"><thead><tr>{"".join(head)}</tr></thead><tbody>{body}</tbody>'
        f"<tfoot>{foot}</tfoot></table>"
    )
    sections = [f'<section class="card table">{table}</section>', _meanings(columns)]
    if page.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in page.notes)
        sections.append(f'<section class="card"><h2>Notes</h2><ul>{items}</ul></section>')
    sections += [_axes(name, rows) for name, rows in page.axes.items()]
    text = Template(page_file("evaluation.html")).substitute(
        title=escape(page.title),
        subtitle=escape(page.subtitle),
        style=page_file("report.css") + page_file("evaluation.css"),
        script=page_file("sort.js"),
        sections="\n".join(sections),
    )
    write_atomic(path, text.encode())


def _has(row: PageRow, column: Column) -> bool:
    return bool(row.words.get(column.key)) if column.words else column.key in row.figures


def shown(key: str, value: float) -> str:
    """A figure as people read it."""
    if key in YES_NO and value in (0.0, 1.0):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return ""
    if key in COUNTS:
        return f"{value:,.0f}" if float(value).is_integer() or value >= 10 else f"{value:.1f}"
    return f"{value:.2f}"


def _subject(row: PageRow) -> str:
    picture = (
        f'<img alt="" src="data:image/webp;base64,{escape(row.picture, quote=True)}">' if row.picture else ""
    )
    small = " &middot; ".join(escape(text) for text in (row.name, row.group) if text)
    prompt = escape(row.prompt)
    if row.link:
        prompt = f'<a href="{escape(quote(row.link), quote=True)}">{prompt}</a>'
    text = f"<div>{prompt}<small>{small}</small></div>"
    return (
        f'<td data-value="{escape(row.prompt, quote=True)}"><div class="subject">{picture}{text}</div></td>'
    )


def _cell(row: PageRow, column: Column) -> str:
    if column.words:
        word = escape(row.words.get(column.key, ""))
        bad = " bad" if word and column.key == "collapse" else ""
        return f'<td class="words{bad}" data-value="{word}">{word}</td>'
    value = row.figures.get(column.key)
    if value is None:
        return '<td data-value=""></td>'
    low, high = (row.figures.get(key) for key in INTERVALS.get(column.key, ("", "")))
    span = f"<small>{low:.2f}&ndash;{high:.2f}</small>" if low is not None and high is not None else ""
    return f'<td data-value="{value}">{shown(column.key, value)}{span}</td>'


def _foot_cell(group: PageGroup, column: Column) -> str:
    value = None if column.words else group.figures.get(column.key)
    return f"<td>{'' if value is None else shown(column.key, value)}</td>"


def _meanings(columns: Sequence[Column]) -> str:
    rows = []
    for column in columns:
        if not column.words:
            name, unit, good = figure(column.key)
            what = f"{name} ({unit})" if unit else name
            rows.append(
                f"<tr><td>{escape(column.head)}</td><td>{escape(what)}</td><td>{escape(good)}</td></tr>"
            )
    head = "<h2>What the figures mean, and what is good</h2>"
    return f'<section class="card">{head}<table class="meanings">{"".join(rows)}</table></section>'


def _axes(name: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(axis)}</td><td>{escape(what)}</td></tr>" for axis, what in rows)
    return f'<section class="card"><h2>{escape(name)}</h2><table>{cells}</table></section>'
