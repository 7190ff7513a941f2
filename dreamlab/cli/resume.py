"""dreamlab resume [RUN]: go on with a run that was stopped, exactly where it was."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    examples,
    set_up_messages,
    view_mode,
)
from dreamlab.cli.watching import add_watch_options, chosen_watch

if TYPE_CHECKING:
    from dreamlab.run.config import RunConfig
    from dreamlab.run.run_dir import RunDir


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "resume",
        help="go on with a run that was stopped",
        description="Go on with a run from its last checkpoint; the result is the one it would have had.",
        **examples(
            "dreamlab resume",
            "dreamlab resume 3 --device cuda",
            "dreamlab resume 3 --set stages.shape.steps=600",
            "dreamlab resume 3 --finish",
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="folder, name or number (default: latest)"
    )
    parser.add_argument("--device", metavar="NAME", help="another device than the run was started on")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="go on with another setting, such as stages.0.steps=200; config.yaml keeps it",
    )
    parser.add_argument(
        "--finish",
        action="store_true",
        help="no more steps: make the files of what there is; config.yaml says so as stop_after",
    )
    add_runs_option(parser)
    add_watch_options(parser, flag=True)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.drive import drive
    from dreamlab.run.machine import pick_device
    from dreamlab.run.run_dir import RunDir

    run, watch = RunDir.find(args.out, args.run), chosen_watch(args)
    config = changed(run, args.set) if args.set else run.config()
    if args.finish:
        from dreamlab.run.finish import finish_here

        config = finish_here(run)
    if args.device is not None:
        config = config.model_copy(update={"device": args.device})
    pick_device(config.device)
    return drive(config, run, view_mode(args), watch=watch)


def changed(run: RunDir, overrides: Sequence[str]) -> RunConfig:
    """The run's config with other settings, which it keeps from now on. Another prompt is heard as it is.

    Raises ConfigError, InputError for what cannot be set, or not any more.
    """
    from dreamlab.run.changed import settings_changed
    from dreamlab.run.checkpoints import load_latest
    from dreamlab.run.resolve import assign, forget_expansion, from_values

    with run.at_work():
        values = run.config().model_dump(mode="json", by_alias=True)
        before = deepcopy(values)
        for override in overrides:
            assign(values, override)
        forget_expansion(values, before)
        config = from_values(values)
        checkpoint, _ = load_latest(run.path / "checkpoints")
        if checkpoint is not None:
            settings_changed(checkpoint, config)  # refuses what the checkpoint cannot go on with
        run.change(config)
    return config
