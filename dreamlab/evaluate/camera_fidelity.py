"""Does a prior show the side that the camera asks for?

A view is compared with renders of real objects of its noun: as asked, mirrored, from the opposite side,
and from the sides between. Each hypothesis may choose the object that fits the view best, so the random
proportions of a single object blur none of them. left_right: a view from the left or the right is nearer to
renders as asked than to their mirror images. front_back: a view from the front or the back is nearer to
renders as asked than to those from the opposite side. Chance is one half; a prior that swaps sides scores
near nothing. Real objects against the others give the ceiling, and tell for which nouns the comparison makes
sense: a mushroom has no left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamlab.evaluate.prompts import HELD_OUT, VIEWS, EvalPrompt, render_shape, rings

TELLING = 0.9
"""Share of real views that must be classified right for a noun to be asked."""
_ASIDE = 0.5
"""Least |sine| (|cosine|) of the azimuth for a view to have a left or right (front or back)."""
_FORM = slice(3, 5)  # opacity and relative depth: colours differ too much from object to object
_HYPOTHESES = ("asked", "mirrored", "opposite", "beside")


@dataclass(frozen=True)
class Compared:
    """Views of one prompt against the best real object under each hypothesis.

    distance [n,4]: root mean square of opacity and relative depth; iou [n,4]: of silhouettes; columns as
    asked, mirrored, opposite, beside. left_right, front_back [n]: 1 right, 0 wrong, nan not asked.
    """

    distance: Float[Tensor, "n 4"]
    iou: Float[Tensor, "n 4"]
    left_right: Float[Tensor, " n"]
    front_back: Float[Tensor, " n"]


def camera_fidelity(
    x: Float[Tensor, "n 5 S S"], prompts: Sequence[EvalPrompt], nouns: Sequence[str], objects: int = 12
) -> dict[str, float]:
    """Both shares and the mean IoUs of pictures (VIEWS a prompt), with `_ceiling`, over telling nouns.

    nan where no noun tells. `sides_asked` is the share of prompts that count for left or right.
    """
    found: dict[str, list[Tensor]] = {"left_right": [], "front_back": [], "iou": []}
    ceiling: dict[str, list[Tensor]] = {name: [] for name in found}
    for number, prompt in enumerate(prompts):
        gallery = real_views(prompt, nouns, objects, number)
        mine = compare(x[number * VIEWS : (number + 1) * VIEWS], gallery, prompt.turn)
        others = [compare(gallery[k], gallery[_all_but(k, objects)], prompt.turn) for k in range(objects)]
        for name in ("left_right", "front_back"):
            real = torch.cat([getattr(other, name) for other in others])
            if real.nanmean() >= TELLING:
                found[name].append(getattr(mine, name))
                ceiling[name].append(real)
                if name == "left_right":
                    found["iou"].append(mine.iou)
                    ceiling["iou"].append(torch.cat([other.iou for other in others]))
    figures = _figures(found) | {f"{name}_ceiling": value for name, value in _figures(ceiling).items()}
    return figures | {"sides_asked": len(found["left_right"]) / len(prompts)}


def real_views(
    prompt: EvalPrompt, nouns: Sequence[str], objects: int, number: int
) -> Float[Tensor, "objects views 5 S S"]:
    """Renders of unseen real objects from the prompt's cameras."""
    cameras = rings([prompt.turn])
    rngs = [np.random.default_rng((HELD_OUT, 3, number, copy)) for copy in range(objects)]
    return torch.stack([render_shape(prompt.real(nouns, rng), cameras) for rng in rngs])


def compare(
    x: Float[Tensor, "views 5 S S"], real: Float[Tensor, "objects views 5 S S"], turn: float
) -> Compared:
    """A ring of views against rings of real objects, whose first camera stands at azimuth `turn`."""
    views = x.shape[0]
    hypotheses = [real, real.flip(-1), real.roll(views // 2, dims=1), real.roll(1, dims=1)]
    distance = torch.stack([_distance(x, other).amin(0) for other in hypotheses], dim=1)
    iou = torch.stack([_iou(x, other).amax(0) for other in hypotheses], dim=1)
    azimuth = turn + torch.arange(views) * 2 * torch.pi / views
    left_right, front_back = (
        torch.where(aside.abs() > _ASIDE, (distance[:, 0] < distance[:, other]).float(), torch.nan)
        for aside, other in ((azimuth.sin(), 1), (azimuth.cos(), 2))
    )
    return Compared(distance, iou, left_right, front_back)


def _distance(x: Tensor, real: Tensor) -> Float[Tensor, "objects views"]:
    return (x[:, _FORM] - real[:, :, _FORM]).square().mean((-3, -2, -1)).sqrt()


def _iou(x: Tensor, real: Tensor) -> Float[Tensor, "objects views"]:
    mine, theirs = x[:, 3] > 0, real[:, :, 3] > 0
    shared, either = (mine & theirs).sum((-2, -1)), (mine | theirs).sum((-2, -1))
    return shared / either.clamp_min(1)


def _all_but(k: int, count: int) -> Bool[Tensor, " count"]:
    return torch.arange(count) != k


def _figures(answers: dict[str, list[Tensor]]) -> dict[str, float]:
    """Means over all views of all prompts, every prompt counting alike."""
    empty = torch.tensor([torch.nan])
    shares = {
        name: torch.stack([each.nanmean() for each in answers[name]] or [empty[0]]).mean().item()
        for name in ("left_right", "front_back")
    }
    ious = torch.stack([each.mean(0) for each in answers["iou"]] or [empty.expand(4)]).mean(0)
    return shares | {f"iou_{name}": value for name, value in zip(_HYPOTHESES, ious.tolist(), strict=True)}
