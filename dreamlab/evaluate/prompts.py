"""What a prior is asked when it is measured: prompts and cameras sampled at random, and real renders of the
same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.embedded.sampling import sample_in_mean_color
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.studio import shapes
from dreamlab.studio.render import render_views
from dreamlab.studio.shapes.grammar import with_article

HELD_OUT = 7919
"""First number of every seed used to measure; trainings use others, so no object is ever shared."""
VIEWS = 4
"""Views that are sampled of one object, looking at each other."""


class MeasureConfig(BaseModel):
    """prompts: how many "a COLOUR NOUN" are asked for, each from four sides. nouns: which, or None for all.
    scenes: two-object prompts. judge_objects: objects a noun that each judge learns from. batch: prompts
    sampled at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: int = Field(default=60, ge=1)
    nouns: tuple[str, ...] | None = None
    scenes: int = Field(default=24, ge=0)
    judge_objects: int = Field(default=40, ge=2)
    steps: int = Field(default=20, ge=2)
    guidance_scale: float = 2.0
    batch: int = Field(default=16, ge=1)
    seed: int = 0

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The nouns that are asked for and told apart."""
        return shapes.NOUNS if self.nouns is None else self.nouns


def known_nouns(vocabulary: Vocabulary) -> tuple[str, ...]:
    """The procedural nouns that a prior has learned."""
    learned = set(vocabulary.learned())
    return tuple(noun for noun in shapes.NOUNS if noun in learned)


class EvalPrompt(NamedTuple):
    """A prompt "a COLOUR NOUN" with its answers: the noun's number in the vocabulary, the colour's in
    COLOURS, and the azimuth (radians) of the first of its ring of cameras.
    """

    prompt: str
    noun: int
    color: int
    turn: float

    def real(self, nouns: Sequence[str], rng: np.random.Generator) -> shapes.Shape:
        """An object that answers the prompt."""
        return shapes.make(rng, nouns[self.noun], shapes.COLORS[self.color])


Sampler = Callable[[Sequence[str], Cameras, int], Tensor]
"""Prompts (one a view), their cameras and a seed to pictures [n,5,S,S] in model space."""


def sample_prompts(nouns: Sequence[str], count: int, seed: tuple[int, ...]) -> list[EvalPrompt]:
    """Nouns, colours and sides, each sampled evenly."""
    rng = np.random.default_rng((HELD_OUT, *seed))
    sampled = []
    for _ in range(count):
        noun, color = int(rng.integers(len(nouns))), int(rng.integers(len(shapes.COLORS)))
        prompt = with_article(f"{shapes.COLORS[color].word} {nouns[noun]}")
        sampled.append(EvalPrompt(prompt, noun, color, rng.uniform(0, 2 * math.pi)))
    return sampled


def ring(views: int, turn: float, elevation: float = 0.3, fovy: float = 0.7, size: int = 64) -> Cameras:
    """Evenly spaced cameras around the object, the first at azimuth `turn` (radians)."""
    return rings([turn], views, elevation, fovy, size)


def rings(
    turns: Sequence[float], views: int = VIEWS, elevation: float = 0.3, fovy: float = 0.7, size: int = 64
) -> Cameras:
    """A ring for every turn, one after the other."""
    one = torch.ones(views * len(turns))
    azimuth = torch.tensor([turn + k * 2 * math.pi / views for turn in turns for k in range(views)])
    distance = one / math.sin(fovy / 2)
    return orbit_cameras(azimuth % (2 * math.pi), elevation * one, distance, fovy * one, (size, size))


def render_shape(shape: shapes.Shape, cameras: Cameras) -> Float[Tensor, "n 5 S S"]:
    """Renders of a procedural object in model space."""
    return render_mesh_views(shape.vertices, shape.faces, shape.face_colors, cameras)


def render_mesh_views(
    vertices: np.ndarray, faces: np.ndarray, face_colors: np.ndarray, cameras: Cameras
) -> Float[Tensor, "n 5 S S"]:
    """Renders of any mesh in the unit sphere, in model space."""
    views = (c.numpy() for c in (cameras.azimuth, cameras.elevation, cameras.distance, cameras.fovy))
    out = torch.from_numpy(render_views(vertices, faces, face_colors, *views, size=cameras.size[0]))
    return to_model_space(out[..., :3], out[..., 3:4], out[..., 4:5])


def prior_sampler(prior: EmbeddedPrior, config: MeasureConfig) -> Sampler:
    """What a prior samples, `config.batch` prompts at a time."""

    def sampler(prompts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(config.seed * 100_003 + seed)
        distinct = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
        words, null = prior.embed(list(distinct)), prior.embed([""])
        parts = []
        for start in range(0, len(prompts), config.batch * VIEWS):
            rows = slice(start, start + config.batch * VIEWS)
            wanted = [distinct[prompt] for prompt in prompts[rows]]
            sampled = sample_in_mean_color(
                prior, words[wanted], null[[0] * len(wanted)], cameras[rows],
                steps=config.steps, guidance_scale=config.guidance_scale, generator=generator,
            )  # fmt: skip
            parts.append(visible(sampled))
        return torch.cat(parts)

    return sampler


def mean_sampler(prior: EmbeddedPrior) -> Sampler:
    """The prior's mean pictures in the place of samples."""

    def sampler(prompts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
        return visible(prior.mean(prior.embed(list(prompts)), cameras))

    return sampler


def visible(x: Float[Tensor, "n 5 S S"]) -> Float[Tensor, "n 5 S S"]:
    """What a screen would show of model-space pictures: opacity in 0..1, no colour above it."""
    alpha = x[:, 3:4].clamp(-1, 1)
    color = torch.minimum(x[:, :3].clamp_min(-1), alpha)
    return torch.cat([color, alpha, x[:, 4:]], dim=1)
