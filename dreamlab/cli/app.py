"""dreamlab app: making and looking through objects in the browser."""

from __future__ import annotations

import argparse

from dreamlab.cli.open import open_page
from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.cli.serve import add_serve_options, serve, settings_of


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

    def show(address: str) -> None:
        if not args.no_browser:
            open_page(address, patience=0)  # the server starts meanwhile

    routers = (library_router(Library(settings.root), Exporter()), pages_router())
    return serve(args, settings, routers, ready=show)
