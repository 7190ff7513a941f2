"""dreamlab edit RUN|MESH "add a hat": a thing of its own, made by itself and put to the object, as
`dreamlab scene` puts things together (GraphDreamer, Gao et al. 2024: a prompt for each)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.batch.jobs import Job, Recipe
    from dreamlab.batch.work import Terms
    from dreamlab.cli.batch_view import BatchView
    from dreamlab.cli.edit import Source
    from dreamlab.mesh.scene_words import Group
    from dreamlab.run.instructions import Edit, Part

PRESET = "fast"  # of the part: an edit shall not take longer than what it edits


def add_part(args: argparse.Namespace, source: Source, edit: Edit) -> int:
    """Make the part, and put it to the object; the exit status. Raises InputError for options that have
    nothing to say here, and for a part that the prior does not know."""
    from dreamlab.batch.scene import scene_jobs
    from dreamlab.cli.batch import recipe_of, terms_of
    from dreamlab.cli.batch_view import open_batch_view
    from dreamlab.cli.options import view_mode
    from dreamlab.cli.scene import tell_unfinished, worked
    from dreamlab.cli.tell import tell_line, tell_notes
    from dreamlab.mesh.scene_words import Group

    assert edit.part is not None  # what `edited` says of this one
    _check(args)
    _fill_in(args)
    recipe, _ = recipe_of(args)
    part, notes = _known(edit.part, recipe)
    args.out = args.out / "scenes" / _name(args, source, part)
    tell_line(args, "was", source.prompt)
    tell_line(args, "part", f"{part.prompt}, {_SAID[part.where]}")
    tell_notes(args, notes)
    terms, group = terms_of(args), Group((part.prompt,), part.where)
    jobs = scene_jobs((group,), recipe, args.seed or 0, terms.folder)
    with open_batch_view(view_mode(args)) as view:
        now, stopped = worked(args, jobs, terms, view)
        if now.left or now.failed:
            tell_unfinished(now, view)
            return 128 + stopped if stopped else 2
        view.close(now, _put_together(source, edit, group, jobs, terms, view))
    return 0


_SAID = {
    "worn": "on its top", "on": "standing on it", "under": "under it", "over": "over it",
    "left": "to its left", "right": "to its right", "beside": "beside it",
    "before": "before it", "behind": "behind it",
}  # fmt: skip


def _check(args: argparse.Namespace) -> None:
    asked = [name for name in ("mask", "strength") if getattr(args, name) not in (None, "off")]
    if asked or args.geometry != "auto":
        raise InputError(
            f"--{asked[0] if asked else 'geometry'} is for edits of the object itself: of an added part "
            "nothing in it changes",
            mend=f"Leave --{asked[0] if asked else 'geometry'} out",
        )


def _fill_in(args: argparse.Namespace) -> None:
    """What `dreamlab scene` asks for and an edit does not."""
    args.preset = PRESET if args.prior in (None, "embedded") else None
    args.config, args.export = None, "glb"
    args.set, args.jobs, args.retries, args.ray = args.set or [], None, 2, None


def _known(part: Part, recipe: Recipe) -> tuple[Part, list[str]]:
    """The part in words that the prior knows, and what is said of them."""
    from dreamlab.run.expansion import vocabulary_of
    from dreamlab.run.known_part import known_part

    vocabulary = vocabulary_of(recipe.config(part.prompt))
    if vocabulary is None:
        return part, []
    prompt, notes = known_part(part.prompt, vocabulary)
    return part._replace(prompt=prompt), notes


def _name(args: argparse.Namespace, source: Source, part: Part) -> str:
    """Of the folder: by the object's file or run, the part, its place and the seed."""
    from dreamlab.run.run_dir import asset_name, slug

    own = source.path.parent.name if source.path.name == "mesh.glb" else source.path.stem
    seed = f"-{args.seed}" if args.seed else ""
    return f"{slug(own)}-and-{part.where}-{asset_name(part.prompt)}{seed}"


def _put_together(
    source: Source, edit: Edit, group: Group, jobs: list[Job], terms: Terms, view: BatchView
) -> dict[str, Path]:
    """Scale and place the part, and write all files."""
    from dreamlab.batch.events import Remark
    from dreamlab.batch.ledger import Ledger
    from dreamlab.batch.scene import Given, put_to, write_scene
    from dreamlab.cli.before_after import write_before_after
    from dreamlab.mesh.geometry.shape import place
    from dreamlab.mesh.io.load import load
    from dreamlab.mesh.part_size import part_size
    from dreamlab.run.run_dir import RunDir

    (job,), (prompt,) = jobs, group.things
    run = RunDir(terms.folder / Ledger(terms.folder).rows[job.key].run)
    mesh = load(run.path / "mesh.glb")
    assert group.relation is not None  # what a part has
    size, notes = part_size(prompt, mesh, source.prompt, source.mesh, group.relation)
    given = Given(source.path, source.prompt)
    member, more = put_to(given, source.mesh, group, place(mesh, size=size, origin="base"))
    for note in (*notes, *more):
        view.show(Remark(None, note))
    files = write_scene(terms.folder, edit.prompt, [member], [run], ("glb",), frames=0, given=given)
    captions = source.prompt, edit.prompt
    picture = write_before_after(terms.folder, source.mesh, load(files["glb"]), captions)
    return files | {"picture": picture}
