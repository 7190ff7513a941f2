"""What makes a prior good? Small ones trained from nothing in several ways, for equal processor time, and
judged by the objects that are distilled from them.

usage: python scripts/ablate_prior.py ablation.json --minutes 5 --prompts 12
       python scripts/ablate_prior.py ablation.json --arms base,rgb,views-apart

Every arm differs from `base` in one thing. It is trained for as many steps as its own processor time allows
(measured on its first steps), on the same nouns and cameras; then prompts "a COLOUR NOUN" by lot are
distilled by the settings of `fast`, but without guidance of the mean colour, which needs an opacity. Arms
that the file holds already are not trained again. Beside it, what the judge saw of each arm's objects:
ablation-base.png and so on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from commissions import random_prompts
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Cameras, RenderOutput, Views
from dreamlab.evaluate.classifier import Judge, judge_of
from dreamlab.evaluate.objects import judge_objects, seen
from dreamlab.evaluate.prompts import EvalPrompt, MeasureConfig
from dreamlab.evaluate.sheet import save_rows
from dreamlab.priors.embedded.model_space import RELATIVE_DEPTH_SCALE
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.run.config import RunConfig
from dreamlab.run.machine import environment
from dreamlab.run.pipeline import generate
from dreamlab.run.presets import load_preset
from dreamlab.run.resolve import from_values, merge
from dreamlab.run.run_dir import RunDir
from dreamlab.studio.asset_files import read_mesh
from dreamlab.studio.batches import BatchConfig, TrainingBatch
from dreamlab.studio.captions import CaptionTable
from dreamlab.studio.corpus import Corpus, CorpusConfig, gather
from dreamlab.studio.train import TrainConfig, Trainer

NOUNS = ("mushroom", "banana", "car", "chair", "duck", "house")
SMALL = {"channels": (32, 64, 128), "embedding": 128, "light_field": (128, 4)}
BATCH = BatchConfig(images=32, views=(4,), single=0.5, shares=(1.0, 0.0, 0.0))
TIMED = 12
"""Steps on which the time of a step is measured; the first few are not counted."""

Channels = Callable[[Float[Tensor, "n 5 S S"], Float[Tensor, "n 3 h w"]], Float[Tensor, "n C S S"]]
"""What a network is shown of pictures in model space, before these backgrounds (0..1; h, w: S or 1)."""


def whole(x: Tensor, behind: Tensor) -> Tensor:
    """Colour, opacity and relative depth."""
    return x


def flat(x: Tensor, behind: Tensor) -> Tensor:
    """Colour and opacity."""
    return torch.cat([x[:, :4], torch.zeros_like(x[:, 4:])], dim=1)


def opaque(x: Tensor, behind: Tensor) -> Tensor:
    """Colour before a background, as a training render has it."""
    color = x[:, :3] + (1 - x[:, 3:4]) * behind
    return torch.cat([color, torch.zeros_like(x[:, 3:])], dim=1)


def bent(x: Tensor, behind: Tensor) -> Tensor:
    """Colour, opacity and, in the place of relative depth, the normals (right, up, to the camera) that it
    implies."""
    opacity = (x[:, 3:4] + 1) / 2
    nearness = x[:, 4:] / RELATIVE_DEPTH_SCALE / opacity.clamp_min(0.05)
    right, down = (slope(nearness, opacity, dim) * x.shape[-1] / 2 for dim in (3, 2))
    normals = torch.nn.functional.normalize(torch.cat([-right, down, torch.ones_like(down)], dim=1))
    return torch.cat([x[:, :4], opacity * normals], dim=1)


def slope(z: Tensor, opacity: Tensor, dim: int) -> Tensor:
    """The mean difference from both neighbours, a pixel apart, as far as they are there."""
    n = z.shape[dim]
    both = opacity.narrow(dim, 0, n - 1) * opacity.narrow(dim, 1, n - 1)
    edge = torch.zeros_like(both.narrow(dim, 0, 1))

    def either_side(x: Tensor) -> Tensor:
        return torch.cat([edge, x], dim) + torch.cat([x, edge], dim)

    return either_side(both * z.diff(dim=dim)) / either_side(both).clamp_min(1e-3)


@dataclass(frozen=True)
class Arm:
    """One way to make a prior: settings of network and training that differ from `base`, and its channels."""

    network: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    channels: Channels = whole

    def config(self, steps: int) -> TrainConfig:
        """Falling over the last two fifths, as the shipped prior's trainings did."""
        values = {"learning_rate": 1e-3, "warmup": 40, "ema": 0.99, "mean_first": 0} | self.training
        end = max(2, steps)
        return TrainConfig.model_validate(
            values | {"network": SMALL | self.network, "batch": BATCH, "decay": (end * 3 // 5, end)}
        )


ARMS = {
    "base": Arm(),
    "rgba": Arm(channels=flat),
    "rgb": Arm(channels=opaque),
    "normals": Arm(network={"image_channels": 7}, channels=bent),
    "views-apart": Arm(network={"view_attention": (False, False, False)}),
    "patch-4": Arm(network={"patch": 4}),
    "even-levels": Arm(training={"level_power": 1.0}),
    "wide": Arm(network={"channels": (64, 128, 256)}),
}


class ChannelsTrainer(Trainer):
    """A training whose renders are shown as an arm sees them."""

    def __init__(self, config: TrainConfig, channels: Channels) -> None:
        super().__init__(config)
        self._channels = channels

    def _update(self, views: TrainingBatch, table: CaptionTable) -> Tensor:
        random = torch.Generator().manual_seed(self.step)
        behind = torch.rand(len(views.x), 3, 1, 1, generator=random)
        return super()._update(views._replace(x=self._channels(views.x, behind)), table)


class ChannelsPrior(EmbeddedPrior):
    """A prior that sees renders as in its training: those before a background, before the render's own."""

    def __init__(self, trained: ChannelsTrainer) -> None:
        trained.network.load_state_dict(trained.average)
        super().__init__(trained.network, vocabulary=trained.vocabulary)
        self._channels = trained._channels

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        views = super().encode(render, cameras)
        return replace(views, x=self._channels(views.x, render.background.movedim(-1, 1)))


class Trained(NamedTuple):
    prior: ChannelsPrior
    steps: int
    loss: float


def train(arm: Arm, corpus: Corpus, minutes: float) -> Trained:
    """As many steps as fit into so many minutes of processor time."""
    steps = affordable(arm, corpus, minutes)
    trainer = ChannelsTrainer(arm.config(steps), arm.channels)
    losses = [event.loss for event in trainer.steps(corpus, steps)]
    late = losses[-max(1, steps // 10) :]
    return Trained(ChannelsPrior(trainer), steps, sum(late) / len(late))


def affordable(arm: Arm, corpus: Corpus, minutes: float) -> int:
    trainer = ChannelsTrainer(arm.config(TIMED), arm.channels)
    walk, begun = trainer.steps(corpus, TIMED), 0.0
    for event in walk:
        if event.step == TIMED // 2:
            begun = time.process_time()
    each = (time.process_time() - begun) / (TIMED - TIMED // 2)
    return max(TIMED, round(60 * minutes / each))


def fast(prompt: str, seed: int) -> RunConfig:
    """The settings of `fast` as far as every arm can follow them; colours at corners, no turntable."""
    changes = {
        "prompt": prompt,
        "seed": seed,
        "cfg": {"mean_color": None},
        "stages": {
            "texture": {"into": "vertices"},
            "export": {"formats": ["glb"]},
            "turntable": {"frames": 0},
        },
    }
    return from_values(merge(load_preset("fast"), changes))


def distilled(
    prior: EmbeddedPrior, prompts: Sequence[EvalPrompt], seed: int, home: Path
) -> list[Tensor | None]:
    """What is distilled for each prompt, as the judge sees it; None where nothing came of it."""
    shown: list[Tensor | None] = []
    for prompt in prompts:
        config = fast(prompt.prompt, seed)
        run = RunDir.create(home, config, environment())
        try:
            for _ in generate(config, run, prior):
                pass
            shown.append(seen(read_mesh(run.path / "mesh.glb")))
        except DreamlabError as error:
            sys.stderr.write(f"{prompt.prompt}: {error}\n")
            shown.append(None)
    return shown


def ablated(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """The figures of every arm that was asked for, those known already as they are; written as they come."""
    corpus, _ = gather(CorpusConfig(nouns=NOUNS, per_noun=args.objects, scenes=0))
    prompts = random_prompts(NOUNS, args.prompts, args.seed)
    judge: Judge = judge_of(MeasureConfig(nouns=NOUNS), args.judge)
    for name in args.arms:
        if name in known:
            continue
        prior, steps, loss = train(ARMS[name], corpus, args.minutes)
        with tempfile.TemporaryDirectory() as home:
            shown = distilled(prior, prompts, args.seed, Path(home))
        if any(x is not None for x in shown):
            save_rows([x for x in shown if x is not None], args.out.with_name(f"{args.out.stem}-{name}.png"))
        figures, _ = judge_objects(judge, shown, prompts)
        kept = {key: figures[key] for key in ("noun", "color", "form_noun", "noun_view", "form_noun_view")}
        ceiling = {f"{key}_ceiling": figures[f"{key}_ceiling"] for key in kept}
        known[name] = {"minutes": args.minutes, "steps": steps, "loss": loss, **kept, **ceiling}
        write_atomic(args.out, (json.dumps(known, indent=1) + "\n").encode())
        sys.stdout.write(f"{name}: {json.dumps(known[name])}\n")
    return known


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="JSON, which is added to")
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="processor time an arm (%(default)s)")
    parser.add_argument("--objects", type=int, default=100, help="of each noun to learn from (%(default)s)")
    parser.add_argument("--prompts", type=int, default=12, help="to distil (default %(default)s)")
    parser.add_argument("--judge", type=Path, help="file to keep the trained judge in")
    parser.add_argument("--seed", type=int, default=0, help="of draw and runs (default %(default)s)")
    args = parser.parse_args(arguments)
    args.arms = args.arms.split(",")
    try:
        strange = [name for name in args.arms if name not in ARMS]
        if strange:
            raise InputError("no such arm", expected=", ".join(ARMS), got=", ".join(strange))
        ablated(args, json.loads(args.out.read_text()) if args.out.is_file() else {})
    except DreamlabError as error:
        sys.stderr.write(f"ablate_prior: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
