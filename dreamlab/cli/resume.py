"""dreamlab resume [RUN]: go on with a run that was stopped, exactly where it was."""

from __future__ import annotations

import argparse

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    examples,
    set_up_messages,
    view_mode,
)


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "resume",
        help="go on with a run that was stopped",
        description="Go on with a run from its last checkpoint; the result is the one it would have had.",
        **examples("dreamlab resume", "dreamlab resume 3 --device cuda"),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="folder, name or number (default: latest)"
    )
    parser.add_argument("--device", metavar="NAME", help="another device than the run was started on")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.drive import drive
    from dreamlab.run.machine import pick_device
    from dreamlab.run.run_dir import RunDir

    run = RunDir.find(args.out, args.run)
    config = run.config()
    if args.device is not None:
        config = config.model_copy(update={"device": args.device})
    pick_device(config.device)
    return drive(config, run, view_mode(args))
