"""dreamlab list [WORD...]: the runs of a folder, what they are and how far they came."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.tell import console, print_lines, shown_path, visible
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.run.glance import Glance

_COLORS = {"done": "green", "running": "cyan", "stopped": "yellow", "failed": "red"}
_NARROW = 76  # columns of a terminal below which preset and faces would leave the prompt no room


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "list",
        help="list the runs: prompt, preset, state, time, faces",
        description="List the runs of a folder, the newest last. A narrow terminal is shown less of each; a "
        "pipe gets one whole line a run.",
        **examples(
            "dreamlab list",
            "dreamlab list mushroom done     of red mushrooms and brown ones what is finished",
            "dreamlab list --last 5 --json",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="only runs with all these in folder, prompt, preset or state (running, done, stopped, failed)",
    )
    parser.add_argument("--last", type=int, metavar="N", help="only the newest N of them")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.run.glance import matches
    from dreamlab.run.trash import trashed

    if args.last is not None and args.last < 1:
        raise InputError("--last cannot be used", expected="1 or more", got=str(args.last))
    if not args.out.is_dir() and args.out.exists():
        raise InputError(f"{args.out} is no folder", expected="the folder of all runs")
    runs, damaged = looked_at(args.out)
    shown = [run for run in runs if matches(run, args.words)][-(args.last or len(runs)) :]
    if args.json:
        facts = {"event": "list", "runs": [facts_of(run) for run in shown]}
        facts |= {"damaged": damaged, "in_trash": len(trashed(args.out))}
        sys.stdout.write(json.dumps(facts) + "\n")
    elif args.quiet:
        sys.stdout.write("".join(f"{shown_path(run.path)}\n" for run in shown))
    else:
        _tell(args, shown, damaged, len(runs), len(trashed(args.out)))
    return 0


def looked_at(root: Path) -> tuple[list[Glance], dict[str, str]]:
    """Every run of the folder, oldest first; and of what cannot be read, why, by the folder's name."""
    from dreamlab.core.errors import DamagedError
    from dreamlab.run.folders import age, number_of, runs_in
    from dreamlab.run.glance import glance

    runs, damaged = [], {}
    for path in sorted(runs_in(root), key=age):
        try:
            runs.append(glance(path))
        except DamagedError as error:
            damaged[path.name] = str(error)
    known = {run.path.name for run in runs} | damaged.keys()
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if number_of(path.name) and path.name not in known and path.is_dir():
            damaged[path.name] = "it has no config.yaml."
    return runs, damaged


def facts_of(run: Glance) -> dict[str, Any]:
    """A run as `--json` tells it."""
    return {"folder": str(run.path), "number": run.number} | {
        key: value for key, value in vars(run).items() if key != "path"
    }


def how_far(run: Glance) -> str:
    """The state, and of what is not done the steps."""
    if run.state == "done":
        return "done"
    return f"{run.state} {run.step or 0}/{run.steps}"


def when(started: str | None, now: datetime) -> str:
    """Local time in seven columns: the hour of today, the day of this year, else the month."""
    try:
        moment = datetime.fromisoformat((started or "").replace("Z", "+00:00"))
    except ValueError:
        return ""
    moment, now = moment.astimezone(), now.astimezone()
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}" if moment.year == now.year else f"{moment:%Y-%m}"


def _tell(args: argparse.Namespace, shown: list[Glance], damaged: dict[str, str], of: int, left: int) -> None:
    from rich.text import Text

    out = console()
    if shown:
        print_lines(out, _table(shown, out.width))
    else:
        what = f"none of {of} runs has {' and '.join(map(repr, args.words))}" if of else "there are no runs"
        out.print(Text(visible(f"{what} in {args.out}")), soft_wrap=True)
    for name, why in damaged.items():
        out.print(Text(visible(f"{name}: {why}"), style="red"), soft_wrap=True)
    if left:
        out.print(Text(f"{left} more in the trash: dreamlab rm --list", style="dim"), soft_wrap=True)


def _table(runs: list[Glance], width: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    from dreamlab.cli.progress_line import clock

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("run", no_wrap=True, justify="right")
    table.add_column("prompt", overflow="fold")
    wide = width >= _NARROW
    for name in ("preset",) * wide + ("state", "when", "time") + ("faces",) * wide:
        right = name in ("time", "faces")
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    now = datetime.now(timezone.utc)
    for run in runs:
        state = how_far(run) + (f": {run.why}" if run.why and width > 1000 else "")
        cells = [Text(str(run.number) if run.number else "-"), Text(visible(_named(run)))]
        cells += [Text(visible(run.preset or "-"))] * wide
        cells += [Text(visible(state), style=_COLORS[run.state]), Text(when(run.started, now))]
        cells += [Text("" if run.seconds is None else clock(run.seconds))]
        cells += [Text(f"{run.faces}" if run.faces is not None else "")] * wide
        table.add_row(*cells)
    return table


def _named(run: Glance) -> str:
    """The prompt; of a folder that was given another name that, too."""
    return run.prompt if run.number else f"{run.prompt} ({run.path.name})"
