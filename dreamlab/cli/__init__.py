"""The command line. Arguments are parsed first; torch and the rest load only inside the command that needs
them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, NoReturn, TextIO

from dreamlab import __version__
from dreamlab.cli import (
    app,
    batch,
    compare,
    completion,
    config,
    dataset,
    doctor,
    edit,
    evaluate,
    export,
    mcp,
    priors,
    render,
    resume,
    rm,
    run,
    scene,
    serve,
    studio,
    texture,
    view,
)
from dreamlab.cli import list as list_
from dreamlab.cli import open as open_
from dreamlab.cli.memory import FEWER
from dreamlab.cli.options import fill_defaults, set_up_messages
from dreamlab.cli.tell import visible
from dreamlab.core.errors import DreamlabError
from dreamlab.core.memory import out_of_memory, reason_of
from dreamlab.core.waiting import wait_for_work
from dreamlab.run.presets import did_you_mean

# Each module has add_parser(subparsers); the parser's `execute` default is what runs. To add one, list it
# here.
COMMANDS = (
    run, resume, batch, scene, view, list_, open_, compare, rm, export, texture, edit, render, dataset,
    evaluate,
    priors, config, completion, doctor, studio, serve, app, mcp,
)  # fmt: skip

_EXAMPLES = """\
examples:
  dreamlab run "a red mushroom"              a mesh in outputs/0001-a-red-mushroom/
  dreamlab run "a blue car" --preset fast    sooner and coarser
  dreamlab resume                            go on with the latest run
  dreamlab list                              the runs, and how far each came
  dreamlab evaluate                          what the runs are worth, in figures
  dreamlab doctor                            what works on this machine, and what not
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 a bug, 2 something the user can mend, 129 / 130 / 143
    interrupted.
    """
    wait_for_work()  # before anything loads torch
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what it may complete
        from dreamlab.cli.completers import complete

        complete(parser)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        if hasattr(args, "debug"):
            set_up_messages(args)
        fill_defaults(args)
        code = args.execute(args)
        sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except DreamlabError as error:
        return _failed(args, str(error), 2, error)
    except KeyboardInterrupt as error:
        return _failed(args, "interrupted", 130, error)
    except BrokenPipeError:
        _silence(sys.stdout)
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        reason = f"{place}{error.strerror or error}"
        return _failed(args, reason if _can_be_written() else f"cannot write the output: {reason}", 2, error)
    except Exception as error:
        if out_of_memory(error):
            return _failed(args, f"there is not enough memory; {reason_of(error)}. {FEWER}", 2, error)
        message = f"{type(error).__name__}: {reason_of(error)}"
        return _failed(args, f"this is a bug in dreamlab: {message} (--debug shows where)", 1, error)


def _failed(args: argparse.Namespace, message: str, code: int, error: BaseException) -> int:
    if getattr(args, "debug", False):
        raise error
    line = f"dreamlab: {visible(message)}\n"
    try:
        if getattr(args, "json", False):
            import json

            event = {"event": "error", "message": message, "exit_code": code}
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()
            return code
    except OSError:  # the output is what fails: the one line goes to the other
        _silence(sys.stdout)
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except OSError:  # nobody is left to be told, as after a closed terminal
        _silence(sys.stderr)
    return code


def _can_be_written() -> bool:
    """Whether the output takes what is still to be written; it is silenced if not."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Let what is left in the stream go nowhere: else Python complains of it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake is told in one line, with the nearest valid name."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"dreamlab: {visible(message)}. See `{self.prog} --help`\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown and not unknown[0].startswith("-") and hasattr(parsed, "prompt"):
            words = [parsed.prompt or "", *takewhile(lambda word: not word.startswith("-"), unknown)]
            self.error(f'the prompt must be in quotes: {self.prog} "{" ".join(words).strip()}"')
        if unknown:
            options = [text for text in self._option_string_actions if text.startswith("--")]
            hint = did_you_mean(unknown[0].partition("=")[0], options)
            self.error(f"unknown argument {unknown[0]!r}" + (f". {hint}" if hint else ""))
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else action.dest
            hint = did_you_mean(str(value), names)
            self.error(
                f"unknown {what} {value!r}; expected one of {', '.join(names)}"
                + (f". {hint}" if hint else "")
            )


class _Version(argparse.Action):
    """dreamlab, its commit if it runs from a clone, Python and torch; torch is not loaded for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata
        from platform import python_version

        from dreamlab.core.version import commit

        found, torch = commit(), "missing"
        with suppress(metadata.PackageNotFoundError):
            torch = metadata.version("torch")
        changed = ", changed since" if found and found.changed else ""
        of = f" (commit {found.sha[:12]}{changed})" if found else ""
        sys.stdout.write(f"dreamlab {__version__}{of}\npython {python_version()}, torch {torch}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dreamlab",
        description="Text to 3D: a prompt becomes a mesh, distilled from a frozen 2D diffusion model.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show versions and commit, and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser
