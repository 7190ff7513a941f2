"""What `dreamlab run` does with several variations of a prompt, and with what shall stay of one of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.batch.jobs import Recipe

MOST = 1000
FROZEN = {"shape": {"geometry": 0.0}, "colours": {"encoding": 0.0, "network": 0.0}}
"""Rates of the parameters of a mesh and of its colours, by what is kept; those that are not named stay."""


def folder_of(prompt: str, runs: Path) -> Path:
    """Where the variations of a prompt lie."""
    from dreamlab.run.run_dir import slug

    return runs / "variations" / slug(prompt)


def make_variations(args: argparse.Namespace, recipe: Recipe, said: Sequence[str] = ()) -> int:
    """A batch of this prompt with so many seeds; its exit code. A later call goes on, or adds more.

    said: what is to be said of how the prompt came about."""
    from dreamlab.batch.jobs import written_jobs
    from dreamlab.cli.batch import drive_batch, terms_of
    from dreamlab.cli.batch_view import open_batch_view
    from dreamlab.cli.options import view_mode

    if not 1 <= args.variations <= MOST:
        raise InputError("--variations cannot be used", expected=f"1 to {MOST}", got=str(args.variations))
    if args.prompt is None:
        raise InputError("--variations wants a prompt", mend='Say it: dreamlab run "a red mushroom"')
    if args.view:
        raise InputError("--view shows one run", mend="Take it away, or take --variations away")
    folder = folder_of(args.prompt, args.out)
    first = args.seed or 0
    rows = [{"prompt": args.prompt, "seed": first + k} for k in range(args.variations)]
    values = {"out": folder, "jobs": 1, "ray": None, "retries": 2, "failed": False}
    batch = argparse.Namespace(**{**vars(args), **values, "prompts": Path(args.prompt)})
    terms = terms_of(batch)
    if args.dry_run:
        from tempfile import TemporaryDirectory

        from dreamlab.cli.batch_estimate import show_estimate

        with TemporaryDirectory() as nowhere:
            jobs = written_jobs(rows, recipe, Path(nowhere) / "prompts.jsonl")
        jobs = [replace(job, said=tuple(said)) for job in jobs]
        return show_estimate(jobs, terms, 1, False, as_json=args.json)
    jobs = written_jobs(rows, recipe, folder / "prompts.jsonl")
    jobs = [replace(job, said=tuple(said)) for job in jobs]
    with open_batch_view(view_mode(args)) as view:
        return drive_batch(batch, jobs, terms, None, None, view)


def picked(args: argparse.Namespace) -> str:
    """The variation of this number, as --from takes it. InputError where there is none."""
    if args.begin is not None:
        raise InputError("--pick and --from exclude each other", mend="Take one of them away")
    folder = folder_of(args.prompt, args.out)
    if not folder.is_dir():
        raise InputError(
            f"there are no variations of {args.prompt!r}",
            expected=f"runs in {folder}",
            mend=f'Make them first: dreamlab run "{args.prompt}" --variations 8',
        )
    return f"{folder}#{args.pick}"


def kept(what: str, begin: str | None) -> dict[str, Any]:
    """The settings that hold the shape, or the colours, of the mesh to begin with: a file, or a run's.
    InputError where there is none."""
    if begin is None:
        raise InputError("--keep wants something to begin with", mend="Name it: --from RUN|MESH")
    mesh = Path(begin) / "mesh.glb" if Path(begin).is_dir() else Path(begin)
    if not mesh.is_file():
        raise InputError(
            f"{begin} has no mesh yet, whose {what} could be kept", mend="Let it get to its end first"
        )
    return {"begin": str(mesh), "stages": {"refine": {"lr_scale": dict(FROZEN[what])}}}
