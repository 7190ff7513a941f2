"""dreamlab rm RUN...: to the trash, and back."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.tell import shown_path, visible
from dreamlab.core.errors import InputError


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "rm",
        help="remove runs, in a way that can be undone",
        description="Move runs to the trash, the folder .trash beside them, from which --restore brings them "
        "back and --empty deletes them for good. A run that is being worked on stays.",
        **examples(
            "dreamlab rm 3 5",
            "dreamlab rm --list",
            "dreamlab rm --restore 3",
            "dreamlab rm --empty --yes",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folder, name or number, or latest")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--list", action="store_true", help="list what is in the trash")
    way.add_argument("--restore", action="store_true", help="bring these runs back; none named: the newest")
    way.add_argument("--empty", action="store_true", help="delete for good what is in the trash")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    if args.runs and (args.list or args.empty):
        raise InputError(f"--{'list' if args.list else 'empty'} is about the whole trash", got="a run")
    if args.list:
        return _list(args)
    if args.restore:
        return _restore(args)
    if args.empty:
        return _empty(args)
    if not args.runs:
        raise InputError("which run is to go", expected="its number, name or folder, such as dreamlab rm 3")
    return _discard(args)


def _discard(args: argparse.Namespace) -> int:
    from dreamlab.run.folders import at_work_on
    from dreamlab.run.trash import discard, removable, size_of

    runs = list(dict.fromkeys(removable(args.out, name) for name in args.runs))
    for run in runs:
        if at_work_on(run):
            raise InputError(f"another process is working on {run}", mend="Wait for it, or stop it")
    lines = [f"{run.name} ({_size(size_of(run))})" for run in runs] + _needed(args.out, runs)
    if not _agreed(args, lines, "Move to the trash?"):
        return 0
    _tell(args, "removed", [discard(args.out, run) for run in runs])
    if not args.quiet and not args.json:
        names = " ".join(run.name for run in runs)
        sys.stdout.write(visible(f"back with: dreamlab rm --restore {names}{_out(args)}\n"))
    return 0


def _needed(root: Path, runs: Sequence[Path]) -> list[str]:
    """A line of each run that begins with one of these."""
    from dreamlab.cli.list import looked_at

    going = {run.resolve() for run in runs}
    return [
        f"needed by {other.path.name}, which begins with it and could not be resumed: "
        f"{Path(other.begins_with).name}"
        for other in looked_at(root)[0]
        if other.begins_with and Path(other.begins_with) in going and other.path.resolve() not in going
    ]


def _list(args: argparse.Namespace) -> int:
    from dreamlab.run.trash import size_of, trashed

    runs = trashed(args.out)
    if args.json:
        rows = [{"folder": str(run), "bytes": size_of(run)} for run in runs]
        sys.stdout.write(json.dumps({"event": "trash", "runs": rows}) + "\n")
    elif args.quiet:
        sys.stdout.write("".join(f"{shown_path(run)}\n" for run in runs))
    elif not runs:
        sys.stdout.write(f"the trash of {visible(str(args.out))} is empty\n")
    else:
        rows = [(run.name, _size(size_of(run))) for run in runs]
        sys.stdout.write("".join(f"{size:>9}  {visible(name)}\n" for name, size in rows))
    return 0


def _restore(args: argparse.Namespace) -> int:
    from dreamlab.run.trash import bring_back

    names = list(dict.fromkeys(args.runs)) or ["latest"]
    _tell(args, "restored", [bring_back(args.out, name) for name in names])
    return 0


def _empty(args: argparse.Namespace) -> int:
    from dreamlab.run.trash import empty, size_of, trashed

    runs = trashed(args.out)
    lines = [f"{run.name} ({_size(size_of(run))})" for run in runs]
    if runs and not _agreed(args, lines, "Delete for good?"):
        return 0
    count = empty(args.out)
    if args.json:
        sys.stdout.write(json.dumps({"event": "emptied", "runs": count}) + "\n")
    elif not args.quiet:
        sys.stdout.write(f"deleted {count} run{'s' * (count != 1)}\n")
    return 0


def _agreed(args: argparse.Namespace, lines: Sequence[str], question: str) -> bool:
    """Whether it may be done: --yes, or y at a terminal. InputError where nobody can be asked."""
    if args.yes:
        return True
    if args.json or not sys.stdin.isatty():
        raise InputError("nobody can be asked whether that is meant", mend="Say it with --yes")
    sys.stderr.write("".join(f"{visible(line)}\n" for line in lines) + f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    sys.stderr.write("nothing was done\n")
    return False


def _tell(args: argparse.Namespace, event: str, runs: Sequence[Path]) -> None:
    if args.json:
        sys.stdout.write(json.dumps({"event": event, "runs": [str(run) for run in runs]}) + "\n")
        return
    for run in runs:
        sys.stdout.write(f"{shown_path(run)}\n" if args.quiet else f"{event:<10} {visible(str(run))}\n")


def _out(args: argparse.Namespace) -> str:
    import shlex

    return "" if args.out == Path("outputs") else f" --out {shlex.quote(str(args.out))}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
