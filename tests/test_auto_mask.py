"""A mask that finds its place: where a prior's answers under two prompts differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dreamlab.core.diffusion import CosineSchedule, per_image
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views
from dreamlab.stages.auto_mask import AutoMaskConfig, FoundMask
from tests.test_given import two_halves

SPREAD = 0.3  # of the pictures that a prompt has, around their mean


class Painter:
    """Pictures under a prompt are N(mu, SPREAD^2 I), mu being the view itself, with what is red in it painted
    in the prompt's colour, or all of it: x0_hat is exact.
    """

    resolution, channels, views_per_group = 32, 4, 4
    colors: ClassVar = {"red": (0.9, 0.1, 0.1), "blue": (0.1, 0.1, 0.9), "dark": (0.0, 0.0, 0.0)}

    def embed(self, prompts: Sequence[str]) -> Condition:
        rows = [(*self.colors[p.split()[0]], float("all" in p)) for p in prompts]
        return Condition(torch.tensor(rows)[:, None], torch.ones(len(rows), 1, dtype=torch.bool))

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        return Views(torch.cat([render.rgb, render.opacity], -1).movedim(-1, 1), cameras)

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return CosineSchedule().alpha_sigma(t)

    def denoise(self, z_t: Tensor, t: Tensor, condition: Condition, views: Views | None = None) -> Tensor:
        assert views is not None
        alpha, sigma = self.alpha_sigma(t)
        color, everything = condition.tokens[:, 0, :3], condition.tokens[:, 0, 3:]
        rgb, opacity = views.x[:, :3], views.x[:, 3:]
        red = (rgb[:, :1] > rgb[:, 2:]).float()
        red = torch.maximum(red, everything[:, :, None, None])
        mu = torch.cat([rgb * (1 - red) + red * opacity * color[:, :, None, None], opacity], 1)
        gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
        return mu + per_image(gain, mu) * (z_t - per_image(alpha, mu) * mu)


def found(now: str, was: str = "red", **settings: float) -> FoundMask:
    """Of a ball whose half at x > 0 is red, its other half blue."""
    config = AutoMaskConfig.model_validate({"was": was, **settings})
    return config.find(two_halves(trimesh.creation.icosphere(4, radius=3.0)), Painter(), now)


def at(found: FoundMask) -> tuple[np.ndarray, np.ndarray]:
    """Places of the ball, and the mask there."""
    ball = two_halves(trimesh.creation.icosphere(4, radius=3.0))
    places = ball.vertices[ball.faces].mean(1).double().numpy()
    return places, found.mask(places, places / 3)


def test_it_takes_what_the_two_prompts_say_differently_and_nothing_else() -> None:
    mask = found("blue")
    places, weight = at(mask)
    assert weight[places[:, 0] > 0.5].min() == 1 and weight[places[:, 0] < -0.5].max() == 0
    assert mask.share == pytest.approx(0.5, abs=0.03)


def test_its_border_is_the_border_of_the_colours() -> None:
    places, weight = at(found("blue"))
    assert np.mean((weight > 0.5) == (places[:, 0] > 0)) > 0.985


def test_what_no_view_sees_is_like_what_it_is_one_with() -> None:
    places, weight = at(found("blue"))
    below = places[:, 1] < -2.9  # no camera looks up from there
    right = places[:, 0] > 0.2
    assert weight[below & right].min() > 0.5 and weight[below & ~right & (places[:, 0] < -0.2)].max() < 0.5


def test_it_is_the_same_every_time() -> None:
    assert (at(found("blue"))[1] == at(found("blue"))[1]).all()


@pytest.mark.parametrize(("now", "was", "told"), [
    ("red", "red", "finds nothing.*differ nowhere"),
    ("dark all", "red", "finds everything"),
])  # fmt: skip
def test_where_it_finds_nothing_or_everything_it_says_so(now: str, was: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        found(now, was)
    assert "--mask part:COLOUR" in str(raised.value) and "\n" not in str(raised.value)


def test_a_prior_gets_the_views_on_its_own_device() -> None:
    class Reached(Exception):
        pass

    class Elsewhere(Painter):
        def embed(self, prompts: Sequence[str]) -> Condition:
            return super().embed(prompts).to("meta")

        def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
            assert {render.rgb.device.type, render.depth.device.type, cameras.c2w.device.type} == {"meta"}
            raise Reached

    ball = two_halves(trimesh.creation.icosphere(2, radius=3.0))
    with pytest.raises(Reached):
        AutoMaskConfig(was="red").find(ball, Elsewhere(), "blue")
