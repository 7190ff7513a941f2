"""Runs of dreamlab for a list of prompts, each in a folder of its own: done once, kept, gone on with.

Shared by contact_sheet.py, measure_distilled.py and compare_guidance.py. A commission's folder is named by
its prompt and a hash of everything that decides the result (prompt, preset, seed, settings, weights), so a
changed preset or prior is a new commission, and an old result is never mistaken for a new one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.evaluate.prompts import EvalPrompt, known_nouns, sample_prompts
from dreamlab.priors.embedded.prior import SHIPPED, read_vocabulary
from dreamlab.run.presets import load_preset, presets_folder
from dreamlab.studio.shapes import NOUNS


@dataclass(frozen=True)
class Commission:
    """One object to be made. weights: of the embedded prior, or None for those that ship."""

    prompt: str
    preset: str = "fast"
    seed: int = 0
    settings: tuple[str, ...] = ()
    weights: Path | None = None

    def folder(self, home: Path) -> Path:
        """Where it lies, by what decides it."""
        decides = hashlib.sha256(json.dumps([self.prompt, self.preset, self.seed, self.settings]).encode())
        decides.update((presets_folder() / f"{self.preset}.yaml").read_bytes())
        decides.update((self.weights or SHIPPED).read_bytes())
        slug = re.sub(r"[^a-z0-9]+", "-", self.prompt.lower()).strip("-")[:40]
        return home / f"{slug}-{self.preset}-{self.seed}-{decides.hexdigest()[:10]}"


@dataclass(frozen=True)
class Outcome:
    """What became of a commission: the GLB, or what failed. seconds: by phase, and `wall` in all. peak: the
    most memory that the process held, in bytes, or None where it left no note.
    """

    prompt: str
    preset: str
    seed: int
    glb: Path | None
    failure: str
    seconds: dict[str, float]
    peak: int | None = None

    def row(self, home: Path) -> dict[str, Any]:
        """As plain values; the GLB by its place below the folder of all runs."""
        return {**asdict(self), "glb": self.glb and self.glb.relative_to(home).as_posix()}


def fulfil(commissions: Iterable[Commission], home: Path) -> Iterator[Outcome]:
    """Make what is not made yet, one process at a time. What was interrupted goes on; what failed stays
    failed until its folder is deleted.
    """
    for commission in commissions:
        folder = commission.folder(home)
        record = folder / "outcome.json"
        if not record.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            found = _made(commission, folder)
            write_atomic(record, (json.dumps(found, indent=1) + "\n").encode())
        found = json.loads(record.read_text())
        glb = folder / found["glb"] if found["glb"] else None
        failure = found["failure"] or ("" if glb and glb.is_file() else "its mesh is gone")
        yield Outcome(
            commission.prompt, commission.preset, commission.seed, None if failure else glb, failure,
            found["seconds"], found.get("peak"),
        )  # fmt: skip


def _made(commission: Commission, folder: Path) -> dict[str, Any]:
    """Run or resume; the last event, condensed. A run that was killed from outside leaves no record."""
    note = folder / "peak.txt"
    line = [sys.executable, str(Path(__file__).parent / "measured_run.py"), str(note)]
    if any(folder.glob("*/config.yaml")):
        line += ["resume", "latest"]
    else:
        line += ["run", commission.prompt, "--preset", commission.preset, "--seed", str(commission.seed)]
        line += [part for setting in commission.settings for part in ("--set", setting)]
        line += ["--prior", str(commission.weights)] if commission.weights else []
    began = time.perf_counter()
    alone = os.environ | {"DREAMLAB_CONFIG": ""}  # whatever the user's defaults are
    call = [*line, "--out", str(folder), "--json"]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, env=alone)
    if done.returncode < 0 or done.returncode > 128:
        raise SystemExit(f"{commission.prompt}: stopped by signal {abs(done.returncode) % 128}; start again")
    peak = int(note.read_text()) if note.is_file() else None
    last = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    seconds = {name: round(s, 2) for name, s in last.get("seconds", {}).items()}
    seconds["wall"] = round(time.perf_counter() - began, 2)
    if last.get("event") == "finished":
        glb = Path(last["files"]["glb"]).resolve().relative_to(folder.resolve())
        return {"glb": str(glb), "failure": "", "seconds": seconds, "peak": peak}
    failure = last.get("message") or f"exit code {done.returncode}"
    return {"glb": None, "failure": failure, "seconds": seconds, "peak": peak}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that decide what is made."""
    parser.add_argument("--preset", default="fast", help="(default %(default)s)")
    parser.add_argument("--weights", type=Path, help="of an embedded prior (default: those that ship)")
    parser.add_argument(
        "--nouns", help="comma-separated nouns to sample from (default: those it has learned)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the sampling and of the runs (default %(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of dreamlab run")
    parser.add_argument(
        "--runs", type=Path, default=Path("outputs/commissions"), help="(default %(default)s)"
    )


def commissions(args: argparse.Namespace, prompts: Iterable[str]) -> list[Commission]:
    """The prompts with the options that were given. Raises ConfigError for an unknown preset."""
    load_preset(args.preset)
    return [Commission(p, args.preset, args.seed, tuple(args.set), args.weights) for p in prompts]


def nouns_to_sample(args: argparse.Namespace) -> tuple[str, ...]:
    """The nouns that were given, else the procedural ones that the weights have learned.

    Raises InputError for a noun that no generator draws, and for weights that do not say what they know.
    """
    if args.nouns:
        given = tuple(noun.strip() for noun in args.nouns.split(","))
        strange = [noun for noun in given if noun not in NOUNS]
        if strange:
            raise InputError("no generator draws this", got=", ".join(strange))
        return given
    vocabulary = read_vocabulary(args.weights or SHIPPED)
    if vocabulary is None:
        mend = "Name some with --nouns, or add a vocabulary with `dreamlab studio vocabulary`"
        raise InputError("the weights do not say which nouns they know", mend=mend)
    return known_nouns(vocabulary)


def random_prompts(nouns: tuple[str, ...], count: int, seed: int) -> list[EvalPrompt]:
    """Different prompts "a COLOUR NOUN" at random: the first ones of an endless series.

    Raises InputError if there are not so many.
    """
    distinct: dict[str, EvalPrompt] = {}
    for prompt in sample_prompts(nouns, 20 * count + 100, (seed,)):
        distinct.setdefault(prompt.prompt, prompt)
    if len(distinct) < count:
        raise InputError("so many different prompts cannot be sampled", got=f"{count} of {len(nouns)} nouns")
    return list(distinct.values())[:count]


def three_quarter_view(glb: Path, size: int) -> np.ndarray:
    """A lit picture [size,size,3] from the front, a little to the right and above."""
    import torch

    from dreamlab.core.cameras import orbit_cameras
    from dreamlab.mesh.io.load import load
    from dreamlab.views.render import framed, render_mesh

    azimuth, elevation, fovy = (torch.tensor([a]) for a in (0.6, 0.35, 0.6))
    cameras = orbit_cameras(azimuth, elevation, 1.02 / torch.sin(fovy / 2), fovy, (size, size))
    return render_mesh(framed(load(glb)), cameras)[0]
