"""Does it help to say a bare prompt in full? The same prompts with and without `expand`, before the judge.

usage: python scripts/measure_expansion.py --count 8 --preset fast --picture expansion.png --out expansion.json
       python scripts/measure_expansion.py --count 24 --sampled

The prompts are sampled by the seed from what the prior has learned: half of them "a NOUN", half "a COLOUR
NOUN". Each goes through `dreamlab run` twice at every seed, and a judge that has only seen held-out renders
names noun, form and, where one was asked for, colour. With --sampled the prior's own views are judged in the
place of objects, which takes seconds a prompt. With two seeds or more: how different the objects of one
prompt are. Runs are kept, and an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from commissions import Commission, Outcome, add_options, fulfil, nouns_to_sample
from contact_sheet import tile
from torch import Tensor

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.evaluate.classifier import Judge, judge_of
from dreamlab.evaluate.diversity import spread
from dreamlab.evaluate.objects import name_objects, seen
from dreamlab.evaluate.prompts import VIEWS, EvalPrompt, MeasureConfig, prior_sampler, rings, sample_prompts
from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPriorConfig, read_vocabulary
from dreamlab.studio.asset_files import read_mesh
from dreamlab.studio.expand import expand
from dreamlab.studio.shapes.grammar import with_article
from dreamlab.views.contact import write_contact_sheet

ARMS = ("off", "auto")
NO_COLOR = -1
_TILE = 176


class Trial(NamedTuple):
    """A prompt with its answers at one seed, and what the prior hears with and without expansion."""

    prompt: EvalPrompt
    seed: int
    heard: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=8, help="prompts (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, from --seed on")
    parser.add_argument("--sampled", action="store_true", help="judge the prior's views, not objects")
    parser.add_argument("--judge", type=Path, help="file to keep the trained judge in")
    parser.add_argument("--out", type=Path, help="JSON to write besides printing it")
    parser.add_argument("--picture", type=Path, help="PNG to write: without and with, side by side")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        if args.sampled and args.picture:
            raise InputError("--picture shows objects, and --sampled makes none")
        text = json.dumps(measured(args), indent=1) + "\n"
    except DreamlabError as error:
        sys.stderr.write(f"measure_expansion: {error}\n")
        return 2
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)
    return 0


def measured(args: argparse.Namespace) -> dict[str, object]:
    """Make what is not made yet, then judge both arms."""
    nouns = nouns_to_sample(args)
    lot = trials(args, nouns)
    pictures, rows = sampled(args, lot) if args.sampled else distilled(args, lot)
    judge = judge_of(MeasureConfig(nouns=nouns), args.judge)
    figures = {arm: judged(judge, pictures[arm], lot, args.seeds) for arm in ARMS}
    for number, trial in enumerate(lot):
        rows[number] |= {"prompt": trial.prompt.prompt, "seed": trial.seed, "heard": trial.heard["auto"]}
        rows[number] |= {arm: figures[arm]["each"][number] for arm in ARMS}
    about = {"judged": "sampled views" if args.sampled else f"objects of {args.preset}", "seed": args.seed}
    about |= {"prompts": args.count, "seeds": args.seeds}
    about["expanded"] = sum(trial.heard["auto"] != trial.heard["off"] for trial in lot)
    shares = {arm: {k: v for k, v in figures[arm].items() if k != "each"} for arm in ARMS}
    return {**about, **shares, "each": rows}


def trials(args: argparse.Namespace, nouns: tuple[str, ...]) -> list[Trial]:
    """Prompts by lot, no noun twice, each at its seeds; every other one says no colour."""
    vocabulary = read_vocabulary(args.weights or SHIPPED)
    if vocabulary is None:
        raise InputError("the weights do not say which words they know", got=str(args.weights))
    lot: dict[int, EvalPrompt] = {}
    for q in sample_prompts(nouns, 20 * args.count + 100, (12, args.seed)):
        bare = q._replace(prompt=with_article(nouns[q.noun]), color=NO_COLOR)
        lot.setdefault(q.noun, q if len(lot) % 2 else bare)
    if len(lot) < args.count:
        raise InputError("there are not so many nouns", got=f"{args.count} of {len(lot)}")
    found = []
    for q in list(lot.values())[: args.count]:
        for seed in range(args.seed, args.seed + args.seeds):
            full = expand(q.prompt, seed, vocabulary)
            found.append(Trial(q, seed, {"off": q.prompt, "auto": full or q.prompt}))
    return found


def sampled(args: argparse.Namespace, lot: Sequence[Trial]) -> tuple[dict[str, list[Tensor | None]], list]:
    """Views that the prior samples of each trial, both arms from the same noise."""
    prior = EmbeddedPriorConfig(weights=args.weights).build()
    sampler = prior_sampler(prior, MeasureConfig(seed=args.seed))
    cameras = rings([trial.prompt.turn for trial in lot])
    pictures: dict[str, list[Tensor | None]] = {}
    for arm in ARMS:
        texts = [trial.heard[arm] for trial in lot for _ in range(VIEWS)]
        pictures[arm] = list(sampler(texts, cameras, 50_000).split(VIEWS))
    return pictures, [{} for _ in lot]


def distilled(
    args: argparse.Namespace, lot: Sequence[Trial]
) -> tuple[dict[str, list[Tensor | None]], list[dict[str, object]]]:
    """The object of each trial, seen from all sides; None where its run failed."""
    pictures: dict[str, list[Tensor | None]] = {arm: [] for arm in ARMS}
    rows: list[dict[str, object]] = []
    outcomes: list[Outcome] = []
    for trial in lot:
        pair = list(fulfil([commission(args, trial, arm) for arm in ARMS], args.runs))
        outcomes += pair
        for arm, outcome in zip(ARMS, pair, strict=True):
            pictures[arm].append(seen(read_mesh(outcome.glb)) if outcome.glb else None)
            sys.stderr.write(f"{trial.heard[arm]}: {outcome.failure or outcome.seconds['wall']}\n")
        rows.append({f"seconds_{arm}": o.seconds["wall"] for arm, o in zip(ARMS, pair, strict=True)})
    if args.picture:
        names = [f"{trial.heard[arm]} ({trial.seed})" for trial in lot for arm in ARMS]
        args.picture.parent.mkdir(parents=True, exist_ok=True)
        write_contact_sheet(args.picture, [tile(o, _TILE) for o in outcomes], names, columns=6)
    return pictures, rows


def commission(args: argparse.Namespace, trial: Trial, arm: str) -> Commission:
    """One arm's run. What was expanded alike to nothing is the same run twice, and made once."""
    settings = (f"expand={arm if trial.heard['auto'] != trial.heard['off'] else 'off'}", *args.set)
    return Commission(trial.prompt.prompt, args.preset, trial.seed, settings, args.weights)


def judged(
    judge: Judge, pictures: Sequence[Tensor | None], lot: Sequence[Trial], seeds: int
) -> dict[str, object]:
    """noun, form_noun: shares by majority of an object's views; `_view`: of single views. colour: the same
    of the prompts that ask for one. spread: see `spread_of_seeds`.
    """
    shares, answers = name_objects(judge, pictures, [trial.prompt for trial in lot])
    figures: dict[str, object] = {
        name: round(shares.get(name, 0.0), 3) for name in ("noun", "noun_view", "form_noun", "form_noun_view")
    }
    colored = [number for number, trial in enumerate(lot) if trial.prompt.color != NO_COLOR]
    if colored:
        of_these, _ = name_objects(judge, [pictures[i] for i in colored], [lot[i].prompt for i in colored])
        figures |= {name: round(of_these.get(name, 0.0), 3) for name in ("colour", "colour_view")}
    if seeds > 1:
        figures["spread"] = round(spread_of_seeds(pictures, seeds), 4)
    return figures | {"each": answers}


def spread_of_seeds(pictures: Sequence[Tensor | None], seeds: int) -> float:
    """Median over prompts of the root mean square difference between the objects of their seeds; prompts
    whose runs failed do not count."""
    groups = [pictures[i : i + seeds] for i in range(0, len(pictures), seeds)]
    whole = [[x for x in group if x is not None] for group in groups]
    return float(np.median([spread(torch.cat(group), seeds) for group in whole if len(group) == seeds]))


if __name__ == "__main__":
    sys.exit(main())
