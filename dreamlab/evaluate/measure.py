"""How good is a prior? Figures against the ceiling that held-out renders for the same prompts reach.

noun, color: does the judge name sampled images as it names real ones; color_near lets neighbouring words
pass (red for dark red). form_noun: the same from outline and relative depth alone. left_right, front_back,
iou: does it show the side that the camera asks for (see camera_fidelity.py). binding: in two-object scenes
each object wears its own colour; binding_mean: the same of the mean pictures, which lead where noise is high.
reworded: the noun, asked for by other names (see rewording.py). diversity: do seeds give different objects
(see diversity.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.diffusion import add_noise, per_image
from dreamlab.core.types import Cameras, Condition, Views
from dreamlab.evaluate.camera_fidelity import camera_fidelity
from dreamlab.evaluate.classifier import Judge, LabelledImages, judge_of
from dreamlab.evaluate.diversity import diversity
from dreamlab.evaluate.prompts import (
    HELD_OUT,
    VIEWS,
    EvalPrompt,
    MeasureConfig,
    Sampler,
    mean_sampler,
    prior_sampler,
    render_shape,
    ring,
    rings,
    sample_prompts,
)
from dreamlab.evaluate.rewording import rewording
from dreamlab.priors.embedded.model_space import from_model_space
from dreamlab.priors.embedded.prior import EmbeddedPrior, alpha_sigma
from dreamlab.studio import shapes
from dreamlab.studio.shapes.grammar import NEAR, with_article

DIVERSITY_PROMPTS = 6
_WORDS = tuple(color.word for color in shapes.COLORS)


def measure_prior(
    prior: EmbeddedPrior, config: MeasureConfig, judge: Judge | None = None
) -> dict[str, object]:
    """All figures of a prior, as its model card reports them."""
    sampler, judge, nouns = prior_sampler(prior, config), judge or judge_of(config), config.vocabulary
    figures = measure_sampler(sampler, config, judge)
    if config.scenes and "on" in shapes.relations_among(nouns):
        figures["binding_mean"], _ = binding(mean_sampler(prior), config)
    figures |= rewording(sampler, judge, nouns, max(1, config.prompts // 2), config.seed)
    lot = sample_prompts(nouns, min(DIVERSITY_PROMPTS, config.prompts), (11, config.seed))
    figures |= diversity(sampler, lot, nouns, config.seed)
    return figures | {"loss_by_level": loss_by_level(prior, config)}


def measure_sampler(sampler: Sampler, config: MeasureConfig, judge: Judge) -> dict[str, object]:
    """All figures that need nothing but pictures."""
    nouns = config.vocabulary
    prompts = sample_prompts(nouns, config.prompts, (2, config.seed))
    cameras = rings([q.turn for q in prompts])
    sampled = sampler([q.prompt for q in prompts for _ in range(VIEWS)], cameras, 0)
    real = real_pictures(prompts, nouns, config.seed)
    got, ceiling = (naming(judge, labelled_images(x, prompts)) for x in (sampled, real))
    if config.scenes and "on" in shapes.relations_among(nouns):
        got["binding"], ceiling["binding"] = binding(sampler, config)
    figures: dict[str, object] = {**beside_ceiling(got, ceiling), **camera_fidelity(sampled, prompts, nouns)}
    return figures | {"colors_mistaken": mistaken(judge, labelled_images(sampled, prompts))}


def beside_ceiling(got: Mapping[str, float], ceiling: Mapping[str, float]) -> dict[str, float]:
    """Every figure with what real objects reach (`_ceiling`), and the quotient (`_ratio`)."""
    figures = {}
    for name, value in got.items():
        figures |= {name: value, f"{name}_ceiling": ceiling[name]}
        figures[f"{name}_ratio"] = value / max(ceiling[name], 1e-9)
    return figures


def real_pictures(prompts: Sequence[EvalPrompt], nouns: Sequence[str], seed: int) -> Float[Tensor, "n 5 S S"]:
    """Renders of unseen real objects as the prompts ask for them, VIEWS each."""
    rng = np.random.default_rng((HELD_OUT, 7, seed))
    return torch.cat([render_shape(q.real(nouns, rng), ring(VIEWS, q.turn)) for q in prompts])


def labelled_images(x: Float[Tensor, "n 5 S S"], prompts: Sequence[EvalPrompt]) -> LabelledImages:
    """Pictures, VIEWS a prompt, with the labels that were asked for."""
    noun, color = (torch.tensor([q[k] for q in prompts]).repeat_interleave(VIEWS) for k in (1, 2))
    return LabelledImages(x, noun, color)


def naming(judge: Judge, labelled: LabelledImages) -> dict[str, float]:
    """Shares of views whose noun and colour the judge names as asked."""
    seen, form = judge.look(labelled.x, "color"), judge.look(labelled.x, "form")
    named = seen.color.argmax(1)
    near = torch.tensor([_alike(int(a), int(b)) for a, b in zip(labelled.color, named, strict=True)])
    right = {"noun": seen.noun.argmax(1) == labelled.noun, "color": named == labelled.color}
    right |= {"color_near": near, "form_noun": form.noun.argmax(1) == labelled.noun}
    return {name: each.float().mean().item() for name, each in right.items()}


def _alike(asked: int, named: int) -> bool:
    return asked == named or _WORDS[named] in NEAR.get(_WORDS[asked], ())


def mistaken(judge: Judge, labelled: LabelledImages, most: int = 8) -> dict[str, int]:
    """The commonest "asked > named" of colours, with the number of views."""
    named = judge.look(labelled.x, "color").color.argmax(1)
    pairs = zip(labelled.color.tolist(), named.tolist(), strict=True)
    return dict(Counter(f"{_WORDS[a]} > {_WORDS[b]}" for a, b in pairs if a != b).most_common(most))


def loss_by_level(prior: EmbeddedPrior, config: MeasureConfig, objects: int = 32) -> list[float]:
    """Mean squared error of v at ten noise levels, least noise first, on fresh objects with their full
    captions.
    """
    rng = np.random.default_rng((HELD_OUT, 4))
    sampled = [shapes.make(rng, str(rng.choice(config.vocabulary))) for _ in range(objects)]
    cameras = ring(4, 0.4)
    x = torch.cat([render_shape(shape, cameras) for shape in sampled])
    condition = prior.embed([s.captions[-1] for s in sampled])[[i // 4 for i in range(len(x))]]
    rows = cameras[torch.arange(len(x)) % 4]
    return v_losses(prior, x, condition, rows, torch.linspace(0.05, 0.95, 10).tolist(), config.seed)


def v_losses(
    prior: EmbeddedPrior,
    x: Float[Tensor, "n 5 S S"],
    condition: Condition,
    cameras: Cameras,
    levels: Sequence[float],
    seed: int,
) -> list[float]:
    """Mean squared error of v on pictures, groups of four views of an object, at each noise level."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    parts = [slice(i, i + 64) for i in range(0, len(x), 64)]
    losses = []
    for level in levels:
        t = torch.full((len(x),), level)
        alpha, sigma = alpha_sigma(t)
        z = add_noise(x, noise, alpha, sigma)
        x0 = torch.cat([prior.denoise(z[p], t[p], condition[p], Views(z[p], cameras[p])) for p in parts])
        losses.append(((x0 - x) / per_image(sigma, x)).square().mean().item())
    return losses


def binding(sampler: Sampler, config: MeasureConfig) -> tuple[float, float]:
    """Two-object prompts: does each half of the picture wear its own object's colour rather than the other's?

    The mean colours of the upper and lower half of "a COLOUR NOUN on a COLOUR NOUN" are compared with those
    of a real scene, and of the scene whose two colours are swapped; right where the first is nearer. The
    ceiling, returned second, puts another real scene in the sample's place. Chance is one half.
    """
    prompts, turns, halves = [], [], []
    for number in range(config.scenes):
        rng = np.random.default_rng((HELD_OUT, 5, number))
        wanted = shapes.scene(rng, relation="on", among=config.vocabulary)
        over, _, under = wanted.noun.partition(" on ")
        first, second = (shapes.COLORS[int(i)] for i in rng.choice(len(shapes.COLORS), 2, replace=False))
        prompts.append(f"{with_article(f'{first.word} {over}')} on {with_article(f'{second.word} {under}')}")
        turns.append(rng.uniform(0, 2 * np.pi))
        cameras = ring(VIEWS, turns[-1])
        scenes = (
            shapes.scene(rng, relation="on", nouns=(over, under), colors=pair)
            for pair in ((first, second), (second, first), (first, second))
        )
        halves.append([half_colors(render_shape(scene, cameras)) for scene in scenes])
    sampled = sampler([p for p in prompts for _ in range(VIEWS)], rings(turns), 20_000)
    mine = [half_colors(x) for x in sampled.split(VIEWS)]
    wins = [_nearer(x, right, swapped) for x, (right, swapped, _) in zip(mine, halves, strict=True)]
    ceiling = [_nearer(other, right, swapped) for right, swapped, other in halves]
    return sum(wins) / config.scenes, sum(ceiling) / config.scenes


def _nearer(x: Tensor, one: Tensor, other: Tensor) -> bool:
    return bool((x - one).norm() < (x - other).norm())


def half_colors(x: Float[Tensor, "n 5 S S"]) -> Float[Tensor, "2 3"]:
    """Mean colour of the upper and the lower half of what is seen, over all views."""
    color, opacity, _ = from_model_space(x)
    rows = (opacity[..., 0] > 0.5).any(0).any(-1).nonzero()
    top, bottom = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, x.shape[-1])
    middle = (top + bottom) // 2
    halves = (slice(top, middle), slice(middle, bottom))
    return torch.stack(
        [color[:, h].sum((0, 1, 2)) / opacity[:, h].clamp_min(0).sum().clamp_min(1.0) for h in halves]
    )
