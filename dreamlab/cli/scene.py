"""dreamlab scene PROMPT: several things, each made by itself, put together as the prompt says."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    examples,
    formats_in,
    set_up_messages,
    view_mode,
)
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.batch.batch import Standing
    from dreamlab.batch.jobs import Job
    from dreamlab.batch.work import Terms
    from dreamlab.cli.batch_view import BatchView
    from dreamlab.mesh.scene_words import Group


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "scene",
        help="make several things and put them together: a cat on a table",
        description="Make every thing that a prompt names by itself, with its own colours, and put them "
        "together: on, under, over, beside, in front of, behind or between each other, as large as such "
        "things really are. The same command goes on where it was stopped.",
        **examples(
            'dreamlab scene "a red cat on a blue table"',
            'dreamlab scene "a dog and a cat under a tree" --preset fast --seed 4',
            'dreamlab scene "a red mushroom beside a blue chair" --size mushroom=40cm --export glb,usdz',
            'dreamlab scene "a cat between a dog and a tree" --dry-run     only what is understood',
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("prompt", metavar="PROMPT", help='such as "a red cat on a blue table"')
    parser.add_argument("--preset", metavar="NAME", help="of each thing's run (default: as dreamlab run)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML settings on top of the preset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--prior", metavar="WHICH", help="the 2D diffusion model; see `dreamlab priors`")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the first thing; the others have the next ones"
    )
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="THING=LENGTH",
        help="the longest side of a thing, such as cat=40cm, instead of how large it really is; or alike: "
        "all are as large; may be given again",
    )
    parser.add_argument("--export", metavar="LIST", help="formats of the scene (default: glb,obj)")
    parser.add_argument("--frames", type=int, default=40, metavar="N", help="of the film; 0: none")
    parser.add_argument("--jobs", type=int, metavar="N", help="things that are made at once (default: 1)")
    parser.add_argument("--name", metavar="NAME", help="of the scene's folder, in scenes/ of --out")
    parser.add_argument("--dry-run", action="store_true", help="say what is understood, with sizes, and stop")
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.batch.scene import scene_jobs, sizes_of
    from dreamlab.cli.batch import recipe_of, terms_of
    from dreamlab.cli.batch_view import open_batch_view
    from dreamlab.mesh.io.export import check_packages
    from dreamlab.mesh.scene_words import read_scene, things_of
    from dreamlab.run.run_dir import slug

    groups = read_scene(args.prompt)
    things = things_of(groups)
    if len(things) < 2:
        raise InputError(
            "the prompt names one thing",
            expected="two or more, such as a red cat on a blue table",
            mend=f"Make it with: dreamlab run {shlex.quote(args.prompt)}",
        )
    sizes = sizes_of(things, _given(args.size))
    if args.dry_run:
        return _tell_plan(groups, sizes)
    formats = formats_in(args.export or "glb,obj")
    check_packages(formats)
    name = args.name or slug(args.prompt) + (f"-{args.seed}" if args.seed else "")
    args.out, args.export, args.retries, args.ray = args.out / "scenes" / name, "glb", 2, None
    recipe, presets = recipe_of(args)
    if len(presets) > 1:
        raise InputError("a scene has one preset", got=", ".join(presets))
    terms = terms_of(args)
    jobs = scene_jobs(groups, recipe, args.seed, terms.folder)
    with open_batch_view(view_mode(args)) as view:
        now, stopped = worked(args, jobs, terms, view)
        if now.left or now.failed:
            tell_unfinished(now, view)
            return 128 + stopped if stopped else 2
        view.close(now, _finished(args, groups, jobs, sizes, formats, terms, view))
    return 0


def _given(options: list[str]) -> dict[str, str]:
    """Sizes by words of the things. InputError for what is neither a pair nor "alike"."""
    given = {}
    for option in options:
        word, sign, length = (part.strip() for part in option.partition("="))
        if not (sign and word and length) and option != "alike":
            raise InputError("--size cannot be read", expected="THING=LENGTH, or alike", got=repr(option))
        given[word] = length
    return given


def _tell_plan(groups: tuple[Group, ...], sizes: list[float]) -> int:
    left = iter(sizes)
    for group, after in zip(groups, (*groups[1:], None), strict=True):
        for thing in group.things:
            behind = [] if after is None else after.things[: 2 if group.relation == "between" else 1]
            how = "" if group.relation is None else f"{group.relation} {' and '.join(behind)}"
            sys.stdout.write(f"{thing:<40} {next(left):g} m  {how}".rstrip() + "\n")
    return 0


def worked(
    args: argparse.Namespace, jobs: list[Job], terms: Terms, view: BatchView
) -> tuple[Standing, int | None]:
    """How the things stand, and the signal that stopped the work on them."""
    from dreamlab.batch.batch import run_batch, standing
    from dreamlab.batch.ledger import Ledger
    from dreamlab.cli.batch import watch_batch
    from dreamlab.cli.stopping import StopRequest

    alone = args.jobs in (None, 1)
    with StopRequest(patient=not alone) as stop:
        watch_batch(run_batch(jobs, terms, args.jobs or 1, True), view, stop, math.inf, alone)
    return standing(jobs, Ledger(terms.folder), terms), stop.signal


def tell_unfinished(now: Standing, view: BatchView) -> None:
    """How to go on with what has failed or was stopped."""
    from dreamlab.batch.events import Remark

    why = "a thing has failed" if now.failed else "stopped"
    view.show(Remark(None, f"{why}; go on with: {shlex.join(['dreamlab', *sys.argv[1:]])}"))
    view.close(now, {})


def _finished(
    args: argparse.Namespace,
    groups: tuple[Group, ...],
    jobs: list[Job],
    sizes: list[float],
    formats: list[str],
    terms: Terms,
    view: BatchView,
) -> dict[str, Path]:
    """Put the things together; the files."""
    from dreamlab.batch.events import Remark
    from dreamlab.batch.ledger import Ledger
    from dreamlab.batch.scene import arranged, write_scene
    from dreamlab.run.run_dir import RunDir

    rows = Ledger(terms.folder).rows
    runs = [RunDir(terms.folder / rows[job.key].run) for job in jobs]
    members, notes = arranged(groups, runs, sizes)
    for note in notes:
        view.show(Remark(None, note))
    return write_scene(terms.folder, args.prompt, members, runs, formats, frames=args.frames)
