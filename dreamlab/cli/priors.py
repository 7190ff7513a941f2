"""dreamlab priors: which 2D diffusion models can be used, where they lie, under which licence."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import Subparsers, add_output_options, set_up_messages

if TYPE_CHECKING:
    from dreamlab.priors.diffusers.aliases import Alias

_NARROW = 100  # columns of a terminal below which a table of six columns breaks words
_COLUMNS = ("name", "usable", "memory", "licence", "where", "about")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "priors",
        help="list the diffusion models that can be used",
        description="List the priors with short names; --prior also takes a hub id, a folder or a file.",
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("--check", action="store_true", help="ask the hub whether each model is still there")
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.priors.diffusers.aliases import ALIASES

    rows = [_embedded(), *(_alias(known, args.check) for known in ALIASES)]
    if args.json:
        sys.stdout.write(json.dumps({"event": "priors", "priors": rows}) + "\n")
    elif args.quiet:
        sys.stdout.write("".join(f"{row['name']}\n" for row in rows if row["usable"] == "yes"))
    else:
        _table(rows)
    return 0


def _embedded() -> dict[str, Any]:
    """The shipped prior: read its header only."""
    from dreamlab.core.errors import DreamlabError
    from dreamlab.priors.embedded.prior import SHIPPED, load_network

    row: dict[str, Any] = {"name": "embedded", "where": str(SHIPPED), "licence": "MIT", "memory": ""}
    try:
        network = load_network(Path(SHIPPED))
    except DreamlabError as error:
        return row | {"usable": "no", "about": str(error)}
    count = sum(p.numel() for p in network.parameters())
    return row | {
        "usable": "yes",
        "memory": f"{count * 4 / 1e9:.2f} GB",
        "about": f"{count / 1e6:.1f} M parameters, ships with dreamlab",
    }


def _alias(known: Alias, check: bool) -> dict[str, Any]:
    """usable: "yes" if it lies here, "download" if it could come from the hub, "offline" if the hub must not
    be asked for it, "no" if the hub says no.
    """
    from dreamlab.priors.diffusers.source import PretrainedConfig, is_offline, snapshot

    here = next((found for hub in known.hubs if (found := snapshot(hub, known.revision))), None)
    about = known.about + ("; gated: accept its licence on the hub and log in" if known.gated else "")
    row = {
        "name": known.name,
        "usable": "yes" if here else "download",
        "memory": f"{known.gigabytes:.1f} GB",
        "licence": known.licence,
        "where": str(here) if here else known.hubs[0],
        "about": about,
    }
    if here:
        return row
    if is_offline(PretrainedConfig(model=known.name)):
        return row | {"usable": "offline"}
    return row | _asked(known, about) if check else row


def _asked(known: Alias, about: str) -> dict[str, str]:
    """What the hub says of the model's homes, the first that answers well."""
    from dreamlab.core.errors import DreamlabError
    from dreamlab.priors.diffusers.source import reachable

    complaint = ""
    for hub in known.hubs:
        try:
            reachable(hub, known.revision)
            return {"where": hub, "about": f"the hub has it; {about}"}
        except DreamlabError as error:
            complaint = complaint or str(error)
    return {"usable": "no", "about": complaint}


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if console.width < _NARROW:
        for row in rows:
            head = "  ".join(str(row[key]) for key in _COLUMNS[:4] if row[key])
            console.print(Text(head), soft_wrap=True)
            console.print(Padding(Text(f"{row['where']}\n{row['about']}", overflow="fold"), (0, 0, 1, 4)))
    else:
        table = Table()
        for name in _COLUMNS:
            table.add_column(name, no_wrap=name in ("name", "usable", "memory"), overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(row[key])) for key in _COLUMNS))
        console.print(table)
    if any(row["usable"] == "offline" for row in rows):
        console.print("HF_HUB_OFFLINE is set: what is not on this machine cannot be downloaded.")
