"""dreamlab batch FILE|PROMPT --out DIR: many prompts, seeds and presets, until each has ended."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    examples,
    formats_in,
    set_up_messages,
    view_mode,
)
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.batch.batch import Crew
    from dreamlab.batch.events import BatchEvent
    from dreamlab.batch.jobs import Job, Recipe
    from dreamlab.batch.work import Terms
    from dreamlab.cli.batch_view import BatchView
    from dreamlab.cli.stopping import StopRequest

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_SEEDS = 10_000
_MOST_COMPLAINTS = 20


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "batch",
        help="make many objects: of a file of prompts, or of one prompt with many seeds",
        description="Make an object of every line of a file, times seeds, times presets, in one folder with "
        "a table and a page. The same command goes on where it was stopped or killed.",
        **examples(
            "dreamlab batch prompts.txt --out toys",
            "dreamlab batch prompts.txt --out toys --seeds 0-3 --preset fast --jobs 2 --budget 2h",
            "dreamlab batch toys.csv --out toys --preset fast,default --dry-run",
            'dreamlab batch "a red mushroom" --seeds 0-7 --out mushrooms     variations, to pick from',
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "prompts",
        type=Path,
        metavar="FILE|PROMPT",
        help="prompts as .txt, .jsonl or .csv, the latter two also with pictures; or one of several words",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of runs, table and page"
    )
    _add_settings(parser)
    _add_work(parser)
    add_output_options(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is made, where a line says nothing else")
    group.add_argument("--seeds", metavar="LIST", help="such as 0-3 or 1,4,7; each line with each of them")
    group.add_argument("--preset", metavar="LIST", help="one or several, such as fast,default")
    group.add_argument("--config", type=Path, metavar="FILE", help="YAML settings on top of the preset")
    group.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    group.add_argument("--prior", metavar="WHICH", help="the 2D diffusion model; see `dreamlab priors`")
    group.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    group.add_argument("--export", metavar="LIST", help="mesh formats, one file each, such as glb,obj,stl")


def _add_work(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is worked on")
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="at once (default: 1; on a cluster as many as there is room for)",
    )
    group.add_argument("--budget", metavar="TIME", help="stop after this time, such as 90m or 2h30m")
    group.add_argument(
        "--retries", type=int, default=2, metavar="N", help="other seeds after a collapse (default: 2)"
    )
    group.add_argument("--ray", metavar="auto|ADDRESS", help="work on a Ray cluster, with --storage")
    group.add_argument(
        "--storage",
        metavar="URL",
        help="what all machines reach, such as s3://bucket/toys or file:///mnt/toys",
    )
    group.add_argument("--failed", action="store_true", help="try jobs that have failed once more")
    group.add_argument("--dry-run", action="store_true", help="say how many jobs and how long, and stop")


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.batch.jobs import BadLinesError, read_jobs
    from dreamlab.cli.batch_view import open_batch_view

    _check(args)
    budget = None if args.budget is None else seconds_of(args.budget)
    recipe, presets = recipe_of(args)
    try:
        jobs = read_jobs(args.prompts, recipe, presets, () if args.seeds is None else seeds_of(args.seeds))
    except BadLinesError as error:
        _tell_all(error.complaints)
        raise
    terms = terms_of(args)
    if args.dry_run:
        from dreamlab.cli.batch_estimate import show_estimate

        return show_estimate(jobs, terms, args.jobs or 1, args.failed, as_json=args.json)
    crew = None
    if args.ray is not None:
        from dreamlab.batch.ray import on_ray

        crew = on_ray(args.ray, args.storage, args.jobs)
    with open_batch_view(view_mode(args)) as view:
        return drive_batch(args, jobs, terms, budget, crew, view)


def _tell_all(complaints: Sequence[str]) -> None:
    from dreamlab.cli.tell import visible

    more = len(complaints) - _MOST_COMPLAINTS
    lines = [*complaints[:_MOST_COMPLAINTS], *([f"and {more} more"] if more > 0 else [])]
    sys.stderr.write("".join(f"dreamlab: {visible(line)}\n" for line in lines))


def drive_batch(
    args: argparse.Namespace,
    jobs: list[Job],
    terms: Terms,
    budget: float | None,
    crew: Crew | None,
    view: BatchView,
) -> int:
    """Show the batch while it is worked on; the exit code: 0, 2 where jobs have failed, or 128 + the signal
    that stopped it."""
    from dreamlab.batch.batch import run_batch, standing
    from dreamlab.batch.events import Remark
    from dreamlab.batch.ledger import Ledger
    from dreamlab.batch.page import write_page
    from dreamlab.cli.stopping import StopRequest

    in_this_process = crew is None and args.jobs in (None, 1)
    with StopRequest(patient=not in_this_process) as stop:
        events = run_batch(jobs, terms, args.jobs or 1, args.failed, crew)
        watch_batch(events, view, stop, math.inf if budget is None else budget, in_this_process)
        ledger = Ledger(terms.folder)
        now = standing(jobs, ledger, terms)
        files = write_page(terms.folder, jobs, ledger, args.prompts.name)
        if now.left:
            why = "stopped" if stop.signal is not None else "the time is used up"
            view.show(Remark(None, f"{why}; go on with: {shlex.join(['dreamlab', *sys.argv[1:]])}"))
        view.close(now, {"table": ledger.path, **files})
    if stop.signal is not None:
        return 128 + stop.signal
    return 2 if now.failed else 0


def watch_batch(
    events: Generator[BatchEvent, None, None],
    view: BatchView,
    stop: StopRequest,
    seconds: float,
    in_this_process: bool,
) -> None:
    """Show events to the last one, a request to stop, or the end of the time; runs keep checkpoints."""
    from dreamlab.batch.events import Phase
    from dreamlab.cli.stopping import Interrupted

    until = time.monotonic() + seconds
    try:
        for event in events:
            if in_this_process and isinstance(event, Phase):
                stop.patient = event.steps > 0  # elsewhere nothing need be saved
            view.show(event)
            if stop.signal is not None or time.monotonic() > until:
                return
    except Interrupted:
        pass
    finally:
        events.close()
        stop.patient = True


# ---- options ----


def _check(args: argparse.Namespace) -> None:
    for option, value, least, most in (("--jobs", args.jobs, 1, 10_000), ("--retries", args.retries, 0, 100)):
        if value is not None and not least <= value <= most:
            raise InputError(f"{option} cannot be used", expected=f"{least} to {most}", got=str(value))
    if (args.ray is None) != (args.storage is None):
        lacks, has = ("--storage", "--ray") if args.storage is None else ("--ray", "--storage")
        raise InputError(f"{has} wants {lacks} beside it", mend="See `dreamlab batch --help`")


def recipe_of(args: argparse.Namespace) -> tuple[Recipe, list[str]]:
    """The settings of all jobs, the user's defaults among them, and the presets."""
    from dreamlab.batch.jobs import Recipe
    from dreamlab.cli.defaults import chosen_defaults, settings_of
    from dreamlab.cli.prior_option import prior_settings

    chosen = chosen_defaults()
    for option, default in (("prior", "prior"), ("device", "device"), ("export", "formats")):
        if getattr(args, option) is not None:
            chosen.pop(default, None)
    settings: dict[str, object] = {}
    if args.prior is not None:
        settings["prior"] = prior_settings(args.prior)
    if args.device is not None:
        settings["device"] = args.device
    if args.export is not None:
        settings["stages"] = {"export": {"formats": formats_in(args.export)}}
    usual = chosen["preset"].value if "preset" in chosen else None
    if usual is None or args.prior is not None:
        usual = "default" if args.prior in (None, "embedded") else "pretrained"
    presets = [name.strip() for name in (args.preset or usual).split(",") if name.strip()]
    formats = chosen["formats"].value if "formats" in chosen else None
    defaults = settings_of(chosen)
    return Recipe(presets[0], defaults, formats, args.config, settings, tuple(args.set)), presets


def terms_of(args: argparse.Namespace) -> Terms:
    from dreamlab.batch.work import Terms
    from dreamlab.cli.config import told_defaults
    from dreamlab.cli.defaults import chosen_defaults
    from dreamlab.ops import threads

    runs = threads.available_cores() if args.ray is not None else args.jobs or 1  # there, many of one thread
    share = threads.override() or threads.share(threads.available_cores(), runs)
    return Terms(args.out, args.retries, share, {"defaults": told_defaults(chosen_defaults())})


def seeds_of(text: str) -> list[int]:
    """Seeds from "0-3", "1,4,7" or both. Raises InputError for what is none."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < 2**32 or last - first >= _MOST_SEEDS:
            raise InputError("--seeds cannot be used", expected="such as 0-3 or 1,4,7", got=part.strip())
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def seconds_of(text: str) -> float:
    """Seconds from "2h", "90m", "1h30m" or "45s". Raises InputError for what is no time."""
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?[smhd])+", text.strip(), re.ASCII):
        raise InputError("--budget cannot be used", expected="a time such as 90m or 2h30m", got=text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
