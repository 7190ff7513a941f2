"""dreamlab mcp: tools for assistants, over standard input and output."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamlab.cli.job_options import add_job_options, job_settings
from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "mcp",
        help="make, list, render and export as tools of an assistant (MCP)",
        description="Speak the Model Context Protocol over standard input and output: an assistant starts "
        "this command, and has the tools make, job, cancel, list_runs, describe, render and export.",
        **examples(
            "dreamlab mcp",
            "dreamlab mcp --out ~/dreams --preset fast --limit steps=500",
            "dreamlab mcp --pictures ~/Pictures/toys    whose pictures may be named",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="a folder whose pictures may be named, by their bare names; all others must be sent",
    )
    add_job_options(parser)
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.core.extras import extra

    with extra("mcp", "`dreamlab mcp` needs the package mcp", "use `dreamlab run`"):
        from dreamlab.server.tools import create_tools

    from dreamlab.core.errors import InputError
    from dreamlab.server.api import ServerSettings

    if args.pictures is not None and not args.pictures.expanduser().is_dir():
        raise InputError(f"--pictures {args.pictures}: there is no such folder")
    pictures = None if args.pictures is None else args.pictures.expanduser()
    create_tools(ServerSettings(**job_settings(args)), pictures).run("stdio")
    return 0
