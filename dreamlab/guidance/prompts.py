"""From one prompt to the conditions that each view needs: view words, negatives, Perp-Neg weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.core.types import Cameras, Condition
from dreamlab.priors.protocols import Prior

ViewWord = Literal["front", "side", "back", "overhead"]
VIEW_WORDS: tuple[ViewWord, ...] = ("front", "side", "back", "overhead")
FRONT, SIDE, BACK, OVERHEAD = range(4)


class ViewWordsConfig(BaseModel):
    """Where views are called what, in degrees. Views within `front` of the front and `back` of the back are
    called so, others are side views, all above `overhead` are overhead views: DreamFusion's (section 3.2),
    and threestudio's default; its ProlificDreamer has 30 for both. With `blend` a view between two is asked
    for by the mean of both texts' encodings, weighted by its azimuth, as LucidDreamer does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    front: float = Field(default=45.0, ge=0, le=90)
    back: float = Field(default=45.0, ge=0, le=90)
    overhead: float = Field(default=60.0, ge=0, le=90)
    blend: bool = False


_USUAL = ViewWordsConfig()


def view_index(cameras: Cameras, words: ViewWordsConfig = _USUAL) -> Int[Tensor, " B"]:
    """Which of VIEW_WORDS each camera sees."""
    azimuth = torch.remainder(cameras.azimuth + math.pi, 2 * math.pi) - math.pi
    index = torch.full_like(azimuth, SIDE, dtype=torch.long)
    index[azimuth.abs() < math.radians(words.front)] = FRONT
    index[azimuth.abs() > math.radians(180 - words.back)] = BACK
    index[_overhead(cameras, words)] = OVERHEAD
    return index


def _overhead(cameras: Cameras, words: ViewWordsConfig) -> Bool[Tensor, " B"]:
    return cameras.elevation > math.radians(words.overhead)


@dataclass(frozen=True)
class PerpNeg:
    """What Perp-Neg needs for B views: the wanted view between two words, and two unwanted views with their
    weights.

    weights [B,2] are at most 0; both are 0 for views from overhead.
    """

    positive: Condition
    negatives: tuple[Condition, Condition]
    weights: Float[Tensor, "B 2"]


class ViewPrompts:
    """A prompt encoded once for every view, so that the text encoder need not stay in memory.

    Its conditions are for the prior that encoded them, which it does not keep. `texts` are all texts in it.

    Args:
        prior: the model whose text encoder is asked.
        prompt: what to make. Must not be empty.
        negative_prompt: what to keep away from; empty means the unconditional prompt.
        view_dependent: add ", front view" and its like by camera. Leave it off for priors that are given the
            camera.
        words: where a view is called what.
    """

    def __init__(
        self,
        prior: Prior,
        prompt: str,
        negative_prompt: str = "",
        view_dependent: bool = True,
        words: ViewWordsConfig = _USUAL,
    ) -> None:
        if not prompt.strip():
            raise InputError("the prompt is empty", mend="Say in a few words what to make")
        self.prompt, self.negative_prompt, self.view_dependent = prompt, negative_prompt, view_dependent
        self.words = words
        texts = [f"{prompt}, {word} view" if view_dependent else prompt for word in VIEW_WORDS]
        with torch.no_grad():
            encoded = prior.embed([*texts, "", negative_prompt, prompt])
        self.texts = tuple(dict.fromkeys([*texts, negative_prompt, prompt]))
        self._views, self._null, self._negative = encoded[:4], encoded[4:5], encoded[5:6]
        self._plain = encoded[6:7]

    def reworded(
        self, prior: Prior, *, prompt: str | None = None, negative_prompt: str | None = None
    ) -> ViewPrompts:
        """Encoded by any prior, with other words where some are given."""
        negative = self.negative_prompt if negative_prompt is None else negative_prompt
        said = self.prompt if prompt is None else prompt
        return ViewPrompts(prior, said, negative, self.view_dependent, self.words)

    def positive(self, cameras: Cameras) -> Condition:
        """The prompt as seen from each camera."""
        if self.words.blend and self.view_dependent:
            return self._between(cameras)[0]
        return self._rows(view_index(cameras, self.words))

    def plain(self, n: int) -> Condition:
        """The prompt without view words, n times."""
        return _repeat(self._plain, n)

    def null(self, n: int) -> Condition:
        """The unconditional prompt, n times."""
        return _repeat(self._null, n)

    def negative(self, n: int) -> Condition:
        """The negative prompt, n times; the unconditional one if none was given."""
        return _repeat(self._negative, n)

    def perp_neg(self, cameras: Cameras) -> PerpNeg:
        """Interpolated views and repelled views with their weights (Perp-Neg: Armandpour et al. 2023, section
        4.2).

        With a = |azimuth| in quarters of a turn, from front (0) to side (1): r = 1 - a, positive = r front +
        (1 - r) side, negatives front with -(4 exp(-r / 2) - 2.426) and side with -(4 exp(-(1 - r) / 2) -
        2.426). From side (1) to back (2): r = 2 - a, positive = r side + (1 - r) back, negatives side with
        -(exp(-r / 2) - 0.606) and front with -(exp(-r / 2) + 0.967). The constants are those of the published
        implementations.

        Raises ConfigError where the prompts do not depend on the view.
        """
        if not self.view_dependent:
            raise ConfigError(
                "Perp-Neg sets views against each other, but the prompt is the same from every side",
                mend="Turn view-dependent prompts on, or Perp-Neg off",
            )
        positive, towards_back, r = self._between(cameras)
        first = torch.where(towards_back, torch.exp(-r / 2) - 0.606, 4 * torch.exp(-r / 2) - 2.426)
        second = torch.where(towards_back, torch.exp(-r / 2) + 0.967, 4 * torch.exp(-(1 - r) / 2) - 2.426)
        weights = -torch.stack([first, second], dim=1)

        other = torch.where(towards_back, FRONT, SIDE)
        return PerpNeg(
            positive,
            (self._rows(torch.where(towards_back, SIDE, FRONT)), self._rows(other)),
            weights.masked_fill(_overhead(cameras, self.words)[:, None], 0.0),
        )

    def _between(self, cameras: Cameras) -> tuple[Condition, Bool[Tensor, " B"], Float[Tensor, " B"]]:
        """The prompt as seen from between front and side or, where the second is set, side and back; and the
        former's share."""
        azimuth = torch.remainder(cameras.azimuth + math.pi, 2 * math.pi) - math.pi
        quarters = azimuth.abs() / (math.pi / 2)
        towards_back = quarters > 1.0
        r = torch.where(towards_back, 2.0 - quarters, 1.0 - quarters).clamp(0.0, 1.0)
        overhead = _overhead(cameras, self.words)
        near = torch.where(towards_back, SIDE, FRONT).masked_fill(overhead, OVERHEAD)
        far = torch.where(towards_back, BACK, SIDE).masked_fill(overhead, OVERHEAD)
        return _lerp(self._rows(near), self._rows(far), 1.0 - r), towards_back, r

    def _rows(self, index: Int[Tensor, " B"]) -> Condition:
        return self._views[index.to(self._views.tokens.device)]


def _repeat(condition: Condition, n: int) -> Condition:
    return condition[torch.zeros(n, dtype=torch.long, device=condition.tokens.device)]


def _lerp(a: Condition, b: Condition, amount: Float[Tensor, " B"]) -> Condition:
    """Between two conditions, image by image; what is not a float (ids, flags) stays a's."""

    def mix(x: Tensor, y: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        return torch.lerp(x, y, amount.to(x.device, x.dtype).reshape(-1, *[1] * (x.ndim - 1)))

    pooled = None if a.pooled is None or b.pooled is None else mix(a.pooled, b.pooled)
    extras = tuple((name, mix(value, dict(b.extras)[name])) for name, value in a.extras)
    return Condition(mix(a.tokens, b.tokens), a.mask | b.mask, pooled, extras)
