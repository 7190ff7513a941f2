"""Options that several commands share, and the few things done with them."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.tell import visible

if TYPE_CHECKING:
    from dreamlab.cli.console import Mode

Subparsers = Any  # argparse's class for it is private


def examples(*lines: str) -> dict[str, Any]:
    """What `add_parser` takes to show command lines at the end of --help."""
    text = "examples:\n" + "".join(f"  {line}\n" for line in lines)
    return {"epilog": text, "formatter_class": argparse.RawDescriptionHelpFormatter}


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """--quiet, --json and --debug."""
    group = parser.add_argument_group("what is told")
    group.add_argument("--quiet", action="store_true", help="print only the path of the result")
    group.add_argument("--json", action="store_true", help="print one JSON object a line, for scripts")
    group.add_argument("--debug", action="store_true", help="show tracebacks and every warning")


def add_runs_option(parser: argparse.ArgumentParser) -> None:
    """--out, the folder that runs are kept in; `fill_defaults` says which where none is named."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of all runs (default: outputs, see `dreamlab config`)"
    )


def fill_defaults(args: argparse.Namespace) -> None:
    """The folder of all runs where the command line names none: the user's, else outputs."""
    if getattr(args, "out", args) is not None:
        return
    from dreamlab.cli.user_file import OUTPUTS, anything_said

    args.out = OUTPUTS
    if anything_said():
        from dreamlab.cli.defaults import chosen_defaults

        chosen = chosen_defaults()
        args.out = chosen["out"].value if "out" in chosen else OUTPUTS


def formats_in(text: str) -> list[str]:
    """Formats with commas between them, with or without dots."""
    return [name.strip().lstrip(".") for name in text.split(",")]


def add_up_option(parser: argparse.ArgumentParser) -> None:
    """--up, for mesh files that do not stand as their format has it."""
    parser.add_argument(
        "--up",
        choices=("y", "z"),
        metavar="AXIS",
        help="the axis of a mesh file that points up (default: z for STL and 3MF, y for the others)",
    )


def add_shape_option(parser: argparse.ArgumentParser) -> None:
    """--bbox, the proportions of the finished object."""
    parser.add_argument(
        "--bbox",
        metavar="WxHxD|WORDS",
        help="width, height and depth to each other, such as 1x2x1, or words, such as taller or 'much wider, "
        "a little flatter': stretched so",
    )


def view_mode(args: argparse.Namespace) -> Mode:
    """How to show events."""
    return "json" if args.json else "quiet" if args.quiet else "rich"


def set_up_messages(args: argparse.Namespace) -> None:
    """Our own warnings are shown, one plain line each; those of libraries only with --debug."""
    if args.debug:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        return
    warnings.filterwarnings("ignore")
    warnings.filterwarnings("default", module=r"dreamlab(\.|$)")
    warnings.formatwarning = _one_line


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"dreamlab: {visible(str(message))}\n"
