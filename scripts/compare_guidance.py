"""Makes one prompt into an object by every guidance method on the embedded prior, and sets them side by side.

usage: python scripts/compare_guidance.py methods.png --prompt "a red mushroom"
       python scripts/compare_guidance.py two.png --methods sds,vsd --steps 100 --judge judge.safetensors

Beside the picture lie a JSON file and a table in Markdown with the same name. All methods share the preset
with its guidance scales and noise levels; what is a method's own is left as it is by default. With --judge,
a judge that has only seen held-out renders names noun and colour; the file is where it is kept. Runs are
kept, and an interrupted comparison goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from commissions import Commission, Outcome, add_options, commissions, fulfil, nouns_to_sample
from contact_sheet import GRIDS, tile

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.evaluate.classifier import judge_of
from dreamlab.evaluate.objects import name_objects, seen
from dreamlab.evaluate.prompts import EvalPrompt, MeasureConfig
from dreamlab.guidance import GuidanceConfig
from dreamlab.studio.asset_files import read_mesh
from dreamlab.studio.shapes import COLORS
from dreamlab.views.contact import write_contact_sheet

KINDS = tuple(config.model_fields["kind"].default for config in get_args(get_args(GuidanceConfig)[0]))
LEFT_OUT = {
    "dds": "it changes an object that is there",
    "anchords": "the embedded prior cannot be shown a picture",
    "mixture": "it is made of others",
}
METHODS = tuple(kind for kind in KINDS if kind not in LEFT_OUT)
_ALWAYS = ("stages.turntable.frames=0", "stages.export.formats=[glb]")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="PNG to write; JSON and Markdown get the same name")
    parser.add_argument("--prompt", default="a red mushroom", help="(default %(default)s)")
    parser.add_argument("--methods", default=",".join(METHODS), help="(default %(default)s)")
    parser.add_argument("--steps", type=int, help="of every method (default: the preset's)")
    parser.add_argument("--judge", type=Path, help="have noun and colour named; file to keep the judge in")
    add_options(parser)
    parser.set_defaults(preset="default")
    args = parser.parse_args(arguments)
    try:
        prompt = asked(args) if args.judge else None
        orders = ordered(args)
        outcomes = []
        for name, outcome in zip(orders, fulfil(orders.values(), args.runs), strict=True):
            outcomes.append(outcome)
            sys.stderr.write(f"{name}: {outcome.failure or format(outcome.seconds['wall'], '.0f') + ' s'}\n")
        rows = [row(name, outcome) for name, outcome in zip(orders, outcomes, strict=True)]
        if prompt is not None:
            named = judged(args, prompt, outcomes)
            rows = [entry | names for entry, names in zip(rows, named, strict=True)]
        write(args, rows, outcomes)
    except DreamlabError as error:
        sys.stderr.write(f"compare_guidance: {error}\n")
        return 2
    return 0


def ordered(args: argparse.Namespace) -> dict[str, Commission]:
    """A commission for every method that was asked for. Raises InputError for an unknown one."""
    orders = {}
    (base,) = commissions(args, [args.prompt])
    for name in (part.strip() for part in args.methods.split(",")):
        if name not in METHODS:
            why = LEFT_OUT.get(name, "no such method")
            raise InputError(f"{name} cannot be compared: {why}", expected=", ".join(METHODS))
        settings = (*_ALWAYS, f"guidance.kind={name}")
        if args.steps:
            settings += (f"stages.0.steps={args.steps}",)
        orders[name] = replace(base, settings=settings + base.settings)
    return orders


def row(name: str, outcome: Outcome) -> dict[str, Any]:
    """What a run tells of itself. residual: at its last step, at the method's own noise level."""
    entry: dict[str, Any] = {"method": name, "failure": outcome.failure, "seconds": outcome.seconds}
    entry["peak_mb"] = None if outcome.peak is None else round(outcome.peak / 2**20)
    if outcome.glb is not None:
        folder = outcome.glb.parent
        measures = json.loads((folder / "summary.json").read_text())["measures"]
        steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        entry |= {"steps": steps[-1]["step"], "residual": round(steps[-1]["residual"], 4)}
        entry |= {key: round(measures[key], 4) for key in ("silhouette_iou", "faces")}
    return entry


def asked(args: argparse.Namespace) -> EvalPrompt:
    """The prompt "a COLOUR NOUN" as the judge needs it. Raises InputError for any other."""
    nouns, words = nouns_to_sample(args), [color.word for color in COLORS]
    _, _, phrase = args.prompt.lower().partition(" ")
    for number, word in enumerate(words):
        noun = phrase.removeprefix(f"{word} ")
        if noun != phrase and noun in nouns:
            return EvalPrompt(args.prompt, nouns.index(noun), number, 0.0)
    raise InputError(
        "the judge does not know what to look for",
        expected="a prompt such as 'a red mushroom', of a colour and a noun that it knows",
        got=args.prompt,
        mend="Leave --judge out, or name the noun with --nouns",
    )


def judged(args: argparse.Namespace, prompt: EvalPrompt, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What each object was taken for, by the majority of its views, and whether that is right."""
    config = MeasureConfig(nouns=nouns_to_sample(args))
    pictures = []
    for outcome in outcomes:
        try:
            pictures.append(seen(read_mesh(outcome.glb)) if outcome.glb else None)
        except DamagedError:
            pictures.append(None)
    _, answers = name_objects(judge_of(config, args.judge), pictures, [prompt] * len(pictures))
    right = {"noun": config.vocabulary[prompt.noun], "color": COLORS[prompt.color].word}
    return [
        {f"named_{key}": answer.get(key) for key in right}
        | {f"{key}_right": answer.get(key) == value for key, value in right.items()}
        for answer in answers
    ]


def write(args: argparse.Namespace, rows: list[dict[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """Picture, JSON and Markdown."""
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    columns, size = GRIDS["large"]
    tiles = [tile(outcome, size) for outcome in outcomes]
    write_contact_sheet(args.picture, tiles, [entry["method"] for entry in rows], columns=columns)
    about = {"prompt": args.prompt, "preset": args.preset, "seed": args.seed, "methods": rows}
    write_atomic(args.picture.with_suffix(".json"), (json.dumps(about, indent=1) + "\n").encode())
    write_atomic(args.picture.with_suffix(".md"), markdown(args.prompt, rows).encode())


def markdown(prompt: str, rows: Sequence[dict[str, Any]]) -> str:
    """The table that people read."""
    named = any("named_noun" in entry for entry in rows)
    heads = [
        "method",
        *(["taken for"] if named else []),
        "silhouette IoU",
        "residual",
        "steps",
        "seconds",
        "peak MB",
    ]
    lines = [f"{prompt!r} by every method.", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for entry in rows:
        taken = f"{entry.get('named_color') or '-'} {entry.get('named_noun') or '-'}"
        if entry["failure"]:
            cells = [entry["method"], *([taken] if named else []), f"failed: {entry['failure']}", "", ""]
        else:
            iou, residual = f"{entry['silhouette_iou']:.3f}", f"{entry['residual']:.3f}"
            cells = [entry["method"], *([taken] if named else []), iou, residual, str(entry["steps"])]
        cells += [f"{entry['seconds']['wall']:.0f}", str(entry["peak_mb"] or "")]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    lines += [
        "",
        "Silhouette IoU: of the mesh against the field. Residual: root mean square of x - x0_hat at the",
    ]
    lines += ["last step, at the method's own noise level, so not to be compared across methods."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
