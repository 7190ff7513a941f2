"""dreamlab open [RUN]: its report in the browser, its folder or its mesh in the program for it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.tell import shown_path, visible
from dreamlab.core.errors import InputError

_PATIENCE = 5.0  # seconds for what opens things to say that it cannot


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "open",
        help="open a run's report in the browser",
        description="Open a run's report, and print its path. Where there is no browser, as over ssh, the "
        "path is all.",
        **examples("dreamlab open", "dreamlab open 3 --mesh", "dreamlab open latest --folder"),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="folder, name or number (default: latest)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--folder", action="store_true", help="the run's folder, in the file manager")
    what.add_argument("--mesh", action="store_true", help="the GLB, in the program that opens such files")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.run.folders import find_run

    run = find_run(args.out, args.run)
    path = run if args.folder else run / ("mesh.glb" if args.mesh else "report.html")
    if not path.exists():
        raise InputError(f"{path} is not there", mend=_mend(run))
    reason = open_path(path.resolve(), browser=not args.folder and not args.mesh)
    if args.json:
        facts = {"event": "opened" if reason is None else "not opened", "path": str(path)}
        sys.stdout.write(json.dumps(facts | ({} if reason is None else {"reason": reason})) + "\n")
        return 0
    if reason is not None and not args.quiet:
        sys.stderr.write(f"dreamlab: not opened: {visible(reason)}\n")
    sys.stdout.write(f"{shown_path(path)}\n")
    return 0


def open_path(path: Path, browser: bool) -> str | None:
    """Have the system open it, without waiting for the program; None, or why that cannot be done."""
    return _opened(str(path), path.as_uri() if browser else None)


def open_page(address: str, patience: float | None = None) -> str | None:
    """Have the system show a page of the web, as `open_path` does a file. patience: seconds for what opens it
    to say that it cannot, instead of a few."""
    return _opened(address, address, patience)


def _opened(what: str, page: str | None, patience: float | None = None) -> str | None:
    if sys.platform == "win32":
        os.startfile(what)
        return None
    command = _command(what, page)
    if command is None:
        return "there is no screen, or no program that opens things on it"
    try:
        opener = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives us, and Ctrl-C here is none there
        )
        code = opener.wait(_PATIENCE if patience is None else patience)
    except subprocess.TimeoutExpired:  # some openers are the program itself, and stay
        return None
    except OSError as error:
        return f"{command[0]}: {error.strerror or error}"
    return f"{command[0]} says no ({code})" if code else None


def _command(what: str, page: str | None) -> list[str] | None:
    """What opens it: $BROWSER for pages, wherever it shows them; else the desktop's way, if there is one."""
    if page and os.environ.get("BROWSER"):
        return [sys.executable, "-m", "webbrowser", page]
    if sys.platform == "darwin":
        return ["open", what]
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not screen:
        return None
    if shutil.which("xdg-open"):
        return ["xdg-open", what]
    return [sys.executable, "-m", "webbrowser", page] if page else None


def _mend(run: Path) -> str:
    from dreamlab.run.glance import glance

    found = glance(run)
    if found.state == "done":
        return "What the run has written: dreamlab open --folder"
    if found.state == "running":
        return f"The run is at step {found.step or 0} of {found.steps}"
    return f"The run came to step {found.step or 0} of {found.steps}; go on with: dreamlab resume {run}"
