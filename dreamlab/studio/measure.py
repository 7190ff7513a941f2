"""How good is a prior? Figures against the ceiling that held-out renders of the same questions reach.

noun, colour: does the judge name sampled images as it names real ones. form: the same from opacity and relief
alone.
obedience: silhouettes sampled for a view overlap best with real objects seen from that view, better than with
their mirror images and with other views. binding: in two-object scenes each object wears its own colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.cameras import orbit_cameras
from dreamlab.diffusion import add_noise, per_image
from dreamlab.priors.embedded import EmbeddedPrior, alpha_sigma, from_model_space, to_model_space
from dreamlab.priors.sampling import sample
from dreamlab.studio import shapes
from dreamlab.studio.judge import COLOUR_CHANNELS, FORM_CHANNELS, Exam, Judge, draw_exam, side_of, train_judge
from dreamlab.studio.photograph import photograph
from dreamlab.studio.shapes.grammar import with_article
from dreamlab.types import Cameras

HELD_OUT = 7919
"""First number of every seed used here; trainings use others, so no object is ever shared."""


ASYMMETRIC = ("duck", "car", "teapot", "airplane", "rabbit", "mug", "boat", "chair", "sofa", "bed")
"""Nouns whose left and right, front and back look different."""


class MeasureConfig(BaseModel):
    """prompts: how many "a COLOUR NOUN" are drawn; each is sampled from four sides. nouns: which, or None for
    all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: int = Field(default=100, ge=1)
    nouns: tuple[str, ...] | None = None
    scenes: int = Field(default=40, ge=0)
    judge_objects: int = Field(default=40, ge=2)
    steps: int = Field(default=20, ge=2)
    guidance_scale: float = 3.0
    seed: int = 0

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The nouns that are asked for and told apart."""
        return shapes.NOUNS if self.nouns is None else self.nouns


@dataclass(frozen=True)
class Judges:
    """One looks at colours, one at form alone."""

    colour: Judge
    form: Judge


def train_judges(config: MeasureConfig) -> Judges:
    """Judges of all procedural nouns, trained on renders that no prior was trained on."""
    exam = draw_exam(config.vocabulary, config.judge_objects, 6, (HELD_OUT, 1))
    colour, form = (train_judge(exam, c, len(config.vocabulary)) for c in (COLOUR_CHANNELS, FORM_CHANNELS))
    return Judges(colour, form)


def ring(views: int, turn: float, elevation: float = 0.3, fovy: float = 0.7, size: int = 64) -> Cameras:
    """Evenly spaced cameras around the object, the first at azimuth `turn` (radians)."""
    one = torch.ones(views)
    azimuth = (torch.arange(views) * (2 * math.pi / views) + turn) % (2 * math.pi)
    return orbit_cameras(azimuth, elevation * one, one / math.sin(fovy / 2), fovy * one, (size, size))


def shoot(shape: shapes.Shape, cameras: Cameras) -> Float[Tensor, "n 5 S S"]:
    """Photographs of a procedural object in model space."""
    views = (c.numpy() for c in (cameras.azimuth, cameras.elevation, cameras.distance, cameras.fovy))
    out = torch.from_numpy(
        photograph(shape.vertices, shape.faces, shape.face_colours, *views, size=cameras.size[0])
    )
    return to_model_space(out[..., :3], out[..., 3:4], out[..., 4:5])


def draw(prior: EmbeddedPrior, prompt: str, cameras: Cameras, config: MeasureConfig, seed: int) -> Tensor:
    """One prompt sampled from a ring of cameras."""
    rows = [0] * len(cameras)
    generator = torch.Generator().manual_seed(config.seed * 100_003 + seed)
    return sample(
        prior, prior.embed([prompt])[rows], prior.embed([""])[rows], cameras,
        steps=config.steps, guidance_scale=config.guidance_scale, generator=generator,
    )  # fmt: skip


def naming(prior: EmbeddedPrior, judges: Judges, config: MeasureConfig) -> dict[str, float]:
    """Top-1 of noun and colour for sampled images, the same for real ones (the ceiling), and the side
    seen.
    """
    rng = np.random.default_rng((HELD_OUT, 2, config.seed))
    nouns = config.vocabulary
    sampled, real = [], []
    answers: list[tuple[int, int, int]] = []
    for number in range(config.prompts):
        noun, colour = int(rng.integers(len(nouns))), int(rng.integers(len(shapes.COLOURS)))
        cameras = ring(4, rng.uniform(0, 2 * math.pi))
        prompt = with_article(f"{shapes.COLOURS[colour].word} {nouns[noun]}")
        sampled.append(draw(prior, prompt, cameras, config, number))
        real.append(shoot(shapes.make(rng, nouns[noun], shapes.COLOURS[colour]), cameras))
        answers += [(noun, colour, int(side)) for side in side_of(cameras.azimuth.numpy())]
    noun, colour, side = torch.tensor(answers).T
    got = scores(judges, Exam(torch.cat(sampled), noun, colour, side))
    ceiling = scores(judges, Exam(torch.cat(real), noun, colour, side))
    result = {name: value for name, value in got.items()}
    result |= {f"{name}_ceiling": value for name, value in ceiling.items()}
    return result | {f"{name}_ratio": got[name] / max(ceiling[name], 1e-9) for name in got}


def scores(judges: Judges, exam: Exam) -> dict[str, float]:
    """Shares of right answers of both judges."""
    noun, colour, side = judges.colour.answers(exam.x)
    form, _, form_side = judges.form.answers(exam.x)
    share = {"noun": noun == exam.noun, "colour": colour == exam.colour, "side": side == exam.side}
    share |= {"form_noun": form == exam.noun, "form_side": form_side == exam.side}
    return {name: right.float().mean().item() for name, right in share.items()}


def obedience(
    prior: EmbeddedPrior, nouns: tuple[str, ...], config: MeasureConfig, real: int = 8
) -> dict[str, float]:
    """Mean silhouette IoU of sampled views with real objects: from the right view, mirrored, and from other
    views.
    """
    sums = {"right": 0.0, "mirror": 0.0, "other": 0.0}
    for number, noun in enumerate(nouns):
        rng = np.random.default_rng((HELD_OUT, 3, number))
        cameras = ring(4, math.pi / 4)
        mine = draw(prior, with_article(noun), cameras, config, 10_000 + number)[:, 3] > 0
        theirs = torch.stack([shoot(shapes.make(rng, noun), cameras)[:, 3] > 0 for _ in range(real)])
        sums["right"] += _iou(mine, theirs)
        sums["mirror"] += _iou(mine, theirs.flip(-1))
        sums["other"] += sum(_iou(mine, theirs.roll(k, dims=1)) for k in (1, 2, 3)) / 3
    return {f"iou_{name}": value / len(nouns) for name, value in sums.items()}


def _iou(a: Tensor, b: Tensor) -> float:
    return ((a & b).sum((-1, -2)) / (a | b).sum((-1, -2)).clamp_min(1)).mean().item()


def loss_by_level(prior: EmbeddedPrior, config: MeasureConfig, objects: int = 64) -> list[float]:
    """Mean squared error of v at ten noise levels, least noise first, on fresh objects with their bare
    captions.
    """
    rng = np.random.default_rng((HELD_OUT, 4))
    drawn = [shapes.make(rng, str(rng.choice(config.vocabulary))) for _ in range(objects)]
    cameras = ring(4, 0.4)
    x = torch.cat([shoot(shape, cameras) for shape in drawn])
    condition = prior.embed([s.captions[-1] for s in drawn])[[i // 4 for i in range(len(x))]]
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randn(x.shape, generator=generator)
    rows = cameras[torch.arange(len(x)) % 4]
    losses = []
    for level in torch.linspace(0.05, 0.95, 10):
        t = level.expand(len(x))
        alpha, sigma = alpha_sigma(t)
        z = add_noise(x, noise, alpha, sigma)
        parts = [slice(i, i + 64) for i in range(0, len(x), 64)]
        x0 = torch.cat([prior.denoise(z[p], t[p], condition[p], rows[p]) for p in parts])
        losses.append(((x0 - x) / per_image(sigma, x)).square().mean().item())
    return losses


def binding(prior: EmbeddedPrior, config: MeasureConfig) -> dict[str, float]:
    """Two-object prompts: does each half of the picture wear its own object's colour rather than the other's?

    The mean colours of the upper and lower half of "a COLOUR NOUN on a COLOUR NOUN" are compared with those
    of a real scene, and of the scene whose two colours are swapped; right where the first is nearer. The
    ceiling puts another real scene in the sample's place. Chance is one half.
    """
    wins, ceiling = 0, 0
    for number in range(config.scenes):
        rng = np.random.default_rng((HELD_OUT, 5, number))
        wanted = shapes.scene(rng, relation="on")
        over, _, under = wanted.noun.partition(" on ")
        first, second = (shapes.COLOURS[int(i)] for i in rng.choice(len(shapes.COLOURS), 2, replace=False))
        prompt = f"{with_article(f'{first.word} {over}')} on {with_article(f'{second.word} {under}')}"
        cameras = ring(4, rng.uniform(0, 2 * math.pi))
        right, swapped, other = (
            _half_colours(shoot(shapes.scene(rng, relation="on", nouns=(over, under), colours=pair), cameras))
            for pair in ((first, second), (second, first), (first, second))
        )
        mine = _half_colours(draw(prior, prompt, cameras, config, 20_000 + number))
        wins += bool((mine - right).norm() < (mine - swapped).norm())
        ceiling += bool((other - right).norm() < (other - swapped).norm())
    return {"binding": wins / config.scenes, "binding_ceiling": ceiling / config.scenes}


def _half_colours(x: Float[Tensor, "n 5 S S"]) -> Float[Tensor, "2 3"]:
    """Mean colour of the upper and the lower half of what is seen, over all views."""
    colour, opacity, _ = from_model_space(x)
    rows = (opacity[..., 0] > 0.5).any(0).any(-1).nonzero()
    top, bottom = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, x.shape[-1])
    middle = (top + bottom) // 2
    halves = (slice(top, middle), slice(middle, bottom))
    return torch.stack(
        [colour[:, h].sum((0, 1, 2)) / opacity[:, h].clamp_min(0).sum().clamp_min(1.0) for h in halves]
    )


def measure_prior(prior: EmbeddedPrior, config: MeasureConfig) -> dict[str, object]:
    """All figures of a prior, as its model card reports them."""
    figures: dict[str, object] = dict(naming(prior, train_judges(config), config))
    figures |= obedience(prior, tuple(n for n in ASYMMETRIC if n in config.vocabulary), config)
    if config.scenes:
        figures |= binding(prior, config)
    return figures | {"loss_by_level": loss_by_level(prior, config)}
