"""Judges distilled objects: random prompts "a COLOUR NOUN" through `dreamlab run`, seen from all sides.

usage: python scripts/measure_distilled.py --count 40 --preset fast --out distilled.json

The prompts are sampled by the seed from what the prior has learned. Each mesh is rendered through the
prior's own channels, and a judge that has only seen held-out renders names noun and colour, view by view and
by majority. Other real objects of the same prompts give the ceiling. So is the field that the mesh was taken
from (`field_...`): what it shows and the mesh does not was lost in meshing. A run that failed counts as
wrong. Runs are kept, and an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from commissions import add_options, commissions, fulfil, nouns_to_sample, random_prompts
from torch import Tensor

from dreamlab.core.errors import DamagedError, DreamlabError
from dreamlab.evaluate.classifier import judge_of
from dreamlab.evaluate.measure import beside_ceiling
from dreamlab.evaluate.objects import around, judge_objects, name_objects, seen
from dreamlab.evaluate.prompts import MeasureConfig, visible
from dreamlab.mesh.io.parts import FlatMesh
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.priors.embedded.prior import relative_depth_of
from dreamlab.render.background import SolidBackgroundConfig
from dreamlab.run.restore import field_of
from dreamlab.run.run_dir import RunDir
from dreamlab.studio.asset_files import read_mesh


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=40, help="prompts (default %(default)s)")
    parser.add_argument("--judge", type=Path, help="file to keep the trained judge in")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing it")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        report = measured(args)
    except DreamlabError as error:
        sys.stderr.write(f"measure_distilled: {error}\n")
        return 2
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)
    return 0


def measured(args: argparse.Namespace) -> dict[str, object]:
    """Run what is not run yet, then judge everything."""
    nouns = nouns_to_sample(args)
    prompts = random_prompts(nouns, args.count, args.seed)
    meshes, fields, rows = [], [], []
    for outcome in fulfil(commissions(args, [q.prompt for q in prompts]), args.runs):
        mesh, failure = read(outcome.glb) if outcome.glb else (None, outcome.failure)
        meshes.append(seen(mesh) if mesh else None)
        fields.append(field_seen(outcome.glb.parent) if outcome.glb else None)
        rows.append({**outcome.row(args.runs), "failure": failure})
        outcome_line = failure or f"{outcome.seconds['wall']:.0f} s"
        sys.stderr.write(f"{len(rows)}/{len(prompts)} {outcome.prompt}: {outcome_line}\n")
    config = MeasureConfig(nouns=nouns)
    judge = judge_of(config, args.judge)
    figures, answers = judge_objects(judge, meshes, prompts)
    before_meshing, _ = name_objects(judge, fields, prompts)
    names = ("noun", "color", "form_noun")
    figures |= beside_ceiling(
        {f"field_{name}": before_meshing.get(name, 0.0) for name in names},
        {f"field_{name}": figures[f"{name}_ceiling"] for name in names},
    )
    objects = [{**row, **answer} for row, answer in zip(rows, answers, strict=True)]
    about = {"preset": args.preset, "seed": args.seed, "nouns": len(nouns), "objects": len(objects)}
    return {**about, "failed": sum(bool(row["failure"]) for row in rows), **figures, "each": objects}


@torch.no_grad()
def field_seen(folder: Path) -> Tensor:
    """The field of a finished run as the judge sees it: rendered where it stands."""
    run, cameras = RunDir(folder), around()
    behind = SolidBackgroundConfig().build(torch.Generator())
    render = run.config().renderer.build()(field_of(run), cameras, background=behind)
    return visible(to_model_space(render.premultiplied, render.opacity, relative_depth_of(render, cameras)))


def read(glb: Path) -> tuple[FlatMesh | None, str]:
    """The mesh, or why it cannot be read."""
    try:
        return read_mesh(glb), ""
    except DamagedError as error:
        return None, str(error)


if __name__ == "__main__":
    sys.exit(main())
