"""dreamlab config: the defaults of options, and where each comes from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import Subparsers, add_output_options, examples, set_up_messages
from dreamlab.cli.tell import console, print_lines, visible

if TYPE_CHECKING:
    from dreamlab.cli.defaults import Chosen

_EXPLAINED = """\
the file, in YAML:
  out: ~/dreams            folder of all runs, of every command
  preset: quality          those below are of `dreamlab run`
  prior: sd15
  device: cuda:1
  threads: 8
  expand: "off"
  formats: [glb, stl]
  log: [tensorboard]

variables say the same, one each: DREAMLAB_OUT, DREAMLAB_PRESET, DREAMLAB_FORMATS=glb,stl ...
A command line wins over a variable, a variable over the file, the file over the preset.
What they decide of a run stands in its config.yaml.
"""


def add_parser(subparsers: Subparsers) -> None:
    how = examples("dreamlab config", "dreamlab config --quiet     the file's path alone")
    parser = subparsers.add_parser(
        "config",
        help="the defaults of options, and where they come from",
        description="Show the defaults of options, and which file or variable says so.",
        epilog=f"{how['epilog']}\n{_EXPLAINED}",
        formatter_class=how["formatter_class"],
    )
    parser.set_defaults(execute=execute)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.defaults import chosen_defaults
    from dreamlab.cli.user_file import OTHERS, SECRET, config_file

    path = config_file()
    if args.quiet:
        sys.stdout.write(f"{path or ''}\n")
        return 0
    chosen = chosen_defaults()
    told = {name: "(secret)" if name in SECRET else value for name, value in os.environ.items()}
    others = {name: told[name] for name in OTHERS if name in told}
    if args.json:
        facts = {"event": "config", "file": path and str(path), "exists": bool(path and path.exists())}
        rows = {name: {"value": value, "origin": origin} for name, value, origin in _rows(chosen)}
        sys.stdout.write(json.dumps(facts | {"values": rows, "variables": others}) + "\n")
        return 0
    _table([(name, _said(value), origin or "built in") for name, value, origin in _rows(chosen)])
    there = "none: DREAMLAB_CONFIG is empty" if path is None else visible(str(path))
    sys.stdout.write(f"\nfile  {there}{'' if path is None or path.exists() else ' (not there)'}\n")
    for name, value in others.items():
        sys.stdout.write(f"{name}={visible(value)}  {OTHERS[name]}\n")
    return 0


def told_defaults(chosen: dict[str, Chosen]) -> dict[str, str]:
    """Each default in words, with its origin."""
    return {name: f"{_said(value)} ({origin})" for name, value, origin in _rows(chosen) if origin}


def _rows(chosen: dict[str, Chosen]) -> list[tuple[str, Any, str | None]]:
    """Name, plain value and origin of every default; None for what is built in."""
    from dreamlab.cli.defaults import BUILT_IN
    from dreamlab.cli.user_file import NAMES

    rows = []
    for name in NAMES:
        value = chosen[name].value if name in chosen else BUILT_IN[name]
        plain = list(value) if isinstance(value, tuple) else value if isinstance(value, int) else str(value)
        origin = chosen[name].origin if name in chosen else None
        rows.append((name, None if value is None else plain, origin))
    return rows


def _said(value: Any) -> str:
    if value is None:
        return "the machine's, shared with other runs"
    return ", ".join(value) or "nothing" if isinstance(value, list) else str(value)


def _table(rows: list[tuple[str, str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("option", "value", "from"):
        table.add_column(name, overflow="fold", no_wrap=name == "option")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    print_lines(console(), table)
