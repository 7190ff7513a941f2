"""dreamlab doctor: what works on this machine, what does not, and why."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from dreamlab.cli.options import Subparsers, add_output_options, set_up_messages
from dreamlab.cli.tell import visible

if TYPE_CHECKING:
    from dreamlab.run.doctor import Finding

_MARKS = {"ok": ("ok", "green"), "missing": ("--", "yellow"), "broken": ("NO", "red")}


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="what works on this machine, and what not",
        description="Check everything that dreamlab can use. Exit code 1 if a thing that it needs is broken.",
    )
    parser.set_defaults(execute=execute)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.run.doctor import examine

    findings = [*examine(), _defaults()]
    broken = [finding for finding in findings if finding.state == "broken"]
    if args.json:
        facts = {"event": "doctor", "findings": [vars(finding) for finding in findings]}
        sys.stdout.write(json.dumps(facts) + "\n")
    elif not args.quiet:
        _table(findings)
    return 1 if broken else 0


def _defaults() -> Finding:
    """The user's defaults of options, and where they come from."""
    from dreamlab.cli.config import told_defaults
    from dreamlab.cli.defaults import chosen_defaults
    from dreamlab.cli.user_file import config_file
    from dreamlab.core.errors import DreamlabError
    from dreamlab.run.doctor import Finding

    try:
        told, path = told_defaults(chosen_defaults()), config_file()
    except DreamlabError as error:
        return Finding("defaults", "broken", str(error))
    said = ", ".join(f"{name} {value}" for name, value in told.items())
    return Finding("defaults", "ok", said or f"all built in; {path or 'no file'} can say others")


def _table(findings: list) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "what", "found")
    for finding in findings:
        mark, color = _MARKS[finding.state]
        table.add_row(Text(mark, style=color), Text(finding.name), Text(visible(finding.detail)))
    Console().print(table)
