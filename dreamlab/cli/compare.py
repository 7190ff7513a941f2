"""dreamlab compare RUN RUN...: what differs, and what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.tell import console, print_lines, tell_files, visible
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from dreamlab.run.compare import Comparison, Rows

PAGES, SHEETS = (".html",), (".png", ".jpg", ".jpeg", ".webp")
_NOTHING = "-"


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "compare",
        help="what differs between runs, and what came of it",
        description="Compare runs: settings and environment where they differ, and the figures of all. "
        "With --to as a page or a sheet with their pictures beside each other.",
        **examples(
            "dreamlab compare 1 2",
            "dreamlab compare 3 latest --json",
            "dreamlab compare 1 2 3 --to mushrooms.html",
            "dreamlab compare 1 2 3 4 --to mushrooms.png",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder, name or number, or latest")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="write page.html, which needs no network, or sheet.png (.jpg, .webp), pictures alone",
    )
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.run.compare import compare
    from dreamlab.run.folders import find_run

    if args.to is not None and args.to.suffix.lower() not in PAGES + SHEETS:
        expected = "a name ending in " + ", ".join(PAGES + SHEETS)
        raise InputError(f"cannot write {args.to.name}", expected=expected, got=args.to.suffix)
    runs = {run.resolve(): run for run in (find_run(args.out, name) for name in args.runs)}
    if len(runs) < 2:
        raise InputError("a run is compared with another", expected="two or more", got=" ".join(args.runs))
    found = compare(list(runs.values()))
    if args.to is not None:
        _write(args.to, found)
        tell_files(args, {"page" if args.to.suffix.lower() in PAGES else "sheet": args.to})
    elif args.json:
        facts = {"event": "compare", "runs": {name: str(run) for name, run in found.runs.items()}}
        facts |= {key: getattr(found, key) for key in ("settings", "environment", "figures", "unfinished")}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        _tell(found)
    return 0


def _write(path: Path, found: Comparison) -> None:
    from dreamlab.views.comparison import Section, Shown, write_comparison, write_comparison_sheet

    short = _short(found)
    shown = [Shown(name, short[name], _prompt(run), run) for name, run in found.runs.items()]
    if path.suffix.lower() in SHEETS:
        write_comparison_sheet(path, shown)
        return
    sections = [Section(title, rows) for title, rows in _sections(found).items()]
    write_comparison(path, shown, sections)


def _prompt(run: Path) -> str:
    from dreamlab.run.glance import glance

    return glance(run).prompt


def _sections(found: Comparison) -> dict[str, Rows]:
    return {
        "Settings that differ": found.settings,
        "Environment that differs": found.environment,
        "Figures": found.figures,
    }


def _tell(found: Comparison) -> None:
    from rich.text import Text

    out = console()
    names = _short(found)
    for short, run in zip(names.values(), found.runs.values(), strict=True):
        out.print(Text(f"{short:>5}  {visible(str(run))}"), soft_wrap=True)
    for title, rows in _sections(found).items():
        out.print()
        out.print(Text(f"{title}{'' if rows else ': none'}", style="bold"))
        _table(out, rows, names)
    for name in found.unfinished:
        out.print(Text(f"{names[name]} has no figures: it is not finished", style="yellow"), soft_wrap=True)


def _short(found: Comparison) -> dict[str, str]:
    """What the columns are called: numbers where these tell the runs apart."""
    from dreamlab.run.folders import number_of

    numbers = [number_of(run.resolve().name) for run in found.runs.values()]
    apart = all(numbers) and len(set(numbers)) == len(numbers)
    words = map(str, numbers) if apart else (chr(ord("a") + k % 26) for k in range(len(numbers)))
    return dict(zip(found.runs, words, strict=True))


def _table(out: Console, rows: Rows, names: Mapping[str, str]) -> None:
    """A column a run, or, where the terminal has no room for these, a line a run below each name."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    told = {key: [_value(row, name) for name in names] for key, row in rows.items()}
    columns = [list(told)]
    columns += [[short, *(row[k] for row in told.values())] for k, short in enumerate(names.values())]
    if sum(2 + max(map(len, column), default=0) for column in columns) > out.width:
        for key, values in told.items():
            out.print(Text(key))
            for short, value in zip(names.values(), values, strict=True):
                out.print(Padding(Text(f"{short}  {value}", overflow="fold"), (0, 0, 0, 4)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("", *names.values()):
        table.add_column(name, no_wrap=True)
    for key, values in told.items():
        table.add_row(Text(key), *map(Text, values))
    if told:
        print_lines(out, table)


def _value(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return _NOTHING
    value = row[name]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
