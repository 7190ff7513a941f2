"""The subjects of `dreamlab dataset`: runs, mesh files, folders of them, and prompts that become runs."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from dreamlab.batch.jobs import Recipe, read_prompts
from dreamlab.batch.work import RunsByConfig
from dreamlab.cli.drive import drive
from dreamlab.cli.options import view_mode
from dreamlab.cli.subject import check_up, is_mesh_file, mesh_and_home
from dreamlab.core.errors import InputError
from dreamlab.dataset.scene import Subject
from dreamlab.dataset.sources import Source, of_file, of_folder, parts_of_file
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.expansion import with_expansion
from dreamlab.run.prior_cache import PriorCache
from dreamlab.run.resolve import from_values, merge
from dreamlab.run.run_dir import RunDir, slug
from dreamlab.run.styles import COLOR_WEIGHT

PROMPTS = ".txt"


def sources_of(args: argparse.Namespace) -> list[Source]:
    """What the arguments name, in their order. Raises InputError for what is not there."""
    found: list[Source] = []
    for subject in args.subjects:
        path = Path(subject)
        if path.is_dir() and not (path / "config.yaml").is_file():
            found += of_folder(path, args.up)
        elif is_mesh_file(subject):
            found.append(of_file(path, args.up))
        elif "/" in subject and not path.exists():
            raise InputError(
                f"there is no {subject}", expected="a run, a mesh file, a folder of meshes or a .txt"
            )
        else:
            found.append(_of_run(RunDir.find(args.runs, subject), args))
    return found


def _of_run(run: RunDir, args: argparse.Namespace) -> Source:
    """A run's mesh: the one it has written, or made anew from its newest checkpoint."""
    config = run.config()
    check_up(args.up, config)
    changed = _with_parts(config) if args.palette_parts else None
    written = run.path / "mesh.glb"

    def load() -> Subject:
        scene = mesh_and_home(str(run.path), args.runs, changed)[0]
        parts = scene.parts
        if parts is None and changed is None and written.is_file():
            parts = parts_of_file(written, scene.mesh)
        return Subject(slug(config.prompt), scene.mesh, config.prompt, parts)

    return Source(slug(config.prompt), config.prompt, _digest(run, changed or config, changed is None), load)


def _with_parts(config: RunConfig) -> RunConfig:
    """The run's settings, its mesh painted in the flat colours of its palette, which are its parts."""
    stages = {
        "texture": {"parts": "materials", "into": "vertices", "palette": {"mode": "on"}},
        "simplify": {"color_weight": COLOR_WEIGHT},
    }
    return from_values(merge(config.model_dump(mode="json", by_alias=True), {"stages": stages}))


def _digest(run: RunDir, config: RunConfig, as_written: bool) -> str:
    """Of the mesh that is written; where it is made anew, of the settings and the checkpoints' names."""
    written = run.path / "mesh.glb"
    if as_written and written.is_file():
        return hashlib.sha256(written.read_bytes()).hexdigest()
    folder = run.path / "checkpoints"
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return hashlib.sha256("\n".join([config.yaml(), *names]).encode()).hexdigest()


# ---- prompts ----


def is_prompts(subject: str) -> bool:
    """Whether a file of prompts is meant."""
    return Path(subject).suffix.lower() == PROMPTS and not Path(subject).is_dir()


def run_prompts(args: argparse.Namespace) -> int:
    """Put a run's folder for every prompt into the place of each file of them in the subjects. A run that is
    there already, of the same prompt and settings, is taken as it is, or goes on if it was stopped. The exit
    code: 0, or that of a run that was stopped.

    Raises as `dreamlab run` does, before the first run for what it can tell by then.
    """
    out: list[str] = []
    priors = PriorCache()
    for subject in args.subjects:
        if not is_prompts(subject):
            out.append(subject)
            continue
        recipe, runs = Recipe(args.preset), RunsByConfig(args.runs)
        for config in [with_expansion(recipe.config(prompt)) for prompt in read_prompts(Path(subject))]:
            run = runs.find(config) or new_run(config, args.runs)
            if not (run.path / "mesh.glb").is_file():
                with run.unless_stillborn():
                    code = drive(run.config(), run, view_mode(args), priors)
                if code != 0:
                    return code
            out.append(str(run.path))
    args.subjects = out
    return 0
