"""dreamlab priors: which 2D diffusion models can be used, where they lie, under which licence."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dreamlab.cli.options import Subparsers, add_output_options, set_up_messages


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "priors",
        help="list the diffusion models that can be used",
        description="List the priors that can be used.",
    )
    parser.set_defaults(execute=execute)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    rows = [_embedded()]
    if args.json:
        sys.stdout.write(json.dumps({"event": "priors", "priors": rows}) + "\n")
    elif args.quiet:
        sys.stdout.write("".join(f"{row['name']}\n" for row in rows if row["usable"] == "yes"))
    else:
        _table(rows)
    return 0


def _embedded() -> dict[str, Any]:
    """The shipped prior: read its header only."""
    from dreamlab.errors import DreamlabError
    from dreamlab.priors.embedded import SHIPPED, load_network

    row: dict[str, Any] = {"name": "embedded", "where": str(SHIPPED), "licence": "MIT"}
    try:
        network = load_network(Path(SHIPPED))
    except DreamlabError as error:
        return row | {"usable": "no", "why": str(error)}
    count = sum(p.numel() for p in network.parameters())
    about = f"{count / 1e6:.1f} M parameters, {count * 4 / 2**20:.0f} MiB in memory"
    return row | {"usable": "yes", "why": about}


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("prior", "usable", "licence", "where", "about")
    for row in rows:
        table.add_row(*(Text(str(row[key])) for key in ("name", "usable", "licence", "where", "why")))
    Console().print(table)
