"""The table of `dreamlab evaluate`: on a terminal as wide as it is, as CSV, and as the page's rows."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from dreamlab.core.files import write_atomic
from dreamlab.evaluate.axes import GPTEVAL3D, MATE_3D, Axis
from dreamlab.run.evaluation_table import Group, Row, Table
from dreamlab.views.evaluation_page import Column, Page, PageGroup, PageRow, shown, write_evaluation_page
from dreamlab.views.figures import figure

# Of the terminal's table: key, head, and the width from which on it is shown.
NARROW, USUAL, WIDE = 0, 80, 116
TERMINAL = (
    ("noun", "thing", NARROW),
    ("noun_sure", "sure", NARROW),
    ("color", "colour", NARROW),
    ("form_noun", "form", USUAL),
    ("r_precision", "R-prec", WIDE),
    ("janus", "Janus", USUAL),
    ("watertight", "closed", WIDE),
    ("clip_similarity", "CLIP", WIDE),
    ("best_region", "best", WIDE),
    ("binding", "bound", WIDE),
    ("diversity", "seeds", WIDE),
    ("seconds", "s", USUAL),
)
PAGE = (
    Column("noun", "thing"),
    Column("noun_sure", "sure"),
    Column("noun_taken_for", "taken for", words=True),
    Column("color", "colour"),
    Column("color_sure", "sure of colour"),
    Column("color_taken_for", "colour seen", words=True),
    Column("form_noun", "form"),
    Column("r_precision", "R-prec"),
    Column("clip_similarity", "CLIP"),
    Column("clip_r_precision", "CLIP R-prec"),
    Column("best_region", "best side"),
    Column("agreement", "agreement"),
    Column("clip_agreement", "CLIP agreement"),
    Column("janus", "Janus"),
    Column("repetition", "repeats"),
    Column("binding", "binding"),
    Column("diversity", "seeds"),
    Column("collapse", "collapse", words=True),
    Column("piece_share", "one piece"),
    Column("watertight", "watertight"),
    Column("crossing_faces", "crossing"),
    Column("slivers", "slivers"),
    Column("handles", "handles"),
    Column("faces", "faces"),
    Column("uv_used", "UV used"),
    Column("uv_islands", "UV islands"),
    Column("seconds", "seconds"),
    Column("peak_mb", "MB"),
)


def terminal_table(table: Table, width: int) -> object:
    """A rich table of the columns for which there is room and something to show."""
    from rich.table import Table as Drawn
    from rich.text import Text

    from dreamlab.cli.tell import visible

    keys = [c for c in TERMINAL if width >= c[2] and any(c[0] in row.figures for row in table.rows)]
    drawn = Drawn(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    drawn.add_column("object", overflow="ellipsis", no_wrap=True, ratio=3)
    for _, head, _ in keys:
        drawn.add_column(head, justify="right", no_wrap=True, min_width=max(len(head), 4))
    told = width >= USUAL
    if told:
        drawn.add_column("taken for", overflow="ellipsis", no_wrap=True, ratio=2)
    for row in table.rows:
        figures = [shown(key, row.figures[key]) if key in row.figures else "-" for key, _, _ in keys]
        drawn.add_row(Text(visible(row.name)), *figures, *([Text(taken_for(row))] if told else []))
    if len(table.rows) > 1:
        drawn.add_section()
        for group in table.groups:
            for word, values in (("mean", group.means), ("median", group.medians)):
                figures = [shown(key, values[key]) if key in values else "-" for key, _, _ in keys]
                drawn.add_row(
                    Text(f"{visible(group.name)}, {word}", style="dim"), *figures, *([""] if told else [])
                )
    return drawn


def taken_for(row: Row) -> str:
    """ "red mushroom", or how it collapsed."""
    named = f"{row.words.get('color_taken_for', '')} {row.words.get('noun_taken_for', '')}".strip()
    return f"{named} ({row.words['collapse']})" if row.words.get("collapse") else named


def write_csv(path: Path, table: Table) -> None:
    """A line an object, a column for every figure and word that any has; figures as they are, not rounded."""
    figures = list(dict.fromkeys(key for row in table.rows for key in row.figures))
    words = list(dict.fromkeys(key for row in table.rows for key in row.words))
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "prompt", "group", "seed", *figures, *words, "place"])
    for row in table.rows:
        seed = "" if row.seed is None else row.seed
        values = [row.figures.get(key, "") for key in figures] + [row.words.get(key, "") for key in words]
        writer.writerow(map(_cell, [row.name, row.prompt, row.group, seed, *values, row.place]))
    write_atomic(path, text.getvalue().encode("utf-8"))


def _cell(value: object) -> object:
    """A prompt that begins as a formula does is no formula in a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def write_page(path: Path, table: Table, notes: list[str], title: str) -> None:
    """The page over all of them, with the axes of GPTEval3D and MATE-3D."""
    rows = [PageRow(r.name, r.prompt, r.group, r.figures, r.words, r.picture) for r in table.rows]
    groups = [
        PageGroup(f"{group.name} ({group.rows}), {word}", values)
        for group in table.groups
        for word, values in (("mean", group.means), ("median", group.medians))
    ]
    whole = table.groups[0]
    axes = {
        "By the axes of GPTEval3D": [(axis.name, _said(axis, whole)) for axis in GPTEVAL3D],
        "By the axes of MATE-3D": [(axis.name, _said(axis, whole)) for axis in MATE_3D],
    }
    count = f"{len(rows)} object{'s' if len(rows) != 1 else ''}"
    write_evaluation_page(path, Page(title, count, PAGE, rows, groups, notes, axes))


def _said(axis: Axis, group: Group) -> str:
    """Means of the figures that there are, and what is missing."""
    found = [f"{figure(k).name} {shown(k, group.means[k])}" for k in axis.figures if k in group.means]
    missing = [f"not measured: {axis.missing}"] if axis.missing else []
    return "; ".join([*found, *missing]) or "not measured"
