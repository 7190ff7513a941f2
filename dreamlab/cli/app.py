"""dreamlab app: making and looking through objects in the browser."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.serve import add_serve_options, serve, settings_of

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "app",
        help="make and look through objects in the browser",
        description="Serve pages that make objects and look through all runs of a folder, and open them in "
        "the browser. Answers this machine alone unless --host says otherwise; loads nothing from elsewhere.",
        **examples(
            "dreamlab app",
            "dreamlab app --out ~/dreams --port 8000 --no-browser",
            "dreamlab app --host 0.0.0.0 --token-file ~/.dreamlab-token    for a phone in the same network",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")
    add_serve_options(parser)
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.core.extras import extra

    with extra("serve", "`dreamlab app` needs FastAPI and uvicorn", "use `dreamlab run`"):
        settings = settings_of(args)
        from dreamlab.app.exporting import Exporter
        from dreamlab.app.library import Library
        from dreamlab.app.pages import pages_router
        from dreamlab.app.routes import library_router

    routers = (library_router(Library(settings.root), Exporter()), pages_router())
    return serve(args, settings, routers, ready=lambda address: None if args.no_browser else show(address))


def show(address: str) -> bool:
    """Open the address in the browser; not where there is none with a screen, such as over ssh, where a
    browser for the terminal would take it. Whether it was tried."""
    screenless = sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS)
    return not screenless and webbrowser.open(address)
