"""Points in the plane as images [2,1,1], priors over them, and one way to call a guidance on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.priors.analytic import Component, GaussianMixturePrior

DOUBLE = torch.float64


def point(x: float, y: float, dtype: torch.dtype) -> Tensor:
    return torch.tensor([x, y], dtype=dtype).reshape(2, 1, 1)


def as_render(points: Tensor) -> RenderOutput:
    """[B,2] as B renders of one pixel."""
    rgb = torch.cat([points, torch.zeros_like(points[:, :1])], dim=1)[:, None, None]
    one = torch.ones_like(rgb[..., :1])
    return RenderOutput(rgb, one, one, torch.zeros_like(rgb))


def around(n: int, azimuth: Tensor | None = None) -> Cameras:
    angle = torch.zeros(n) if azimuth is None else azimuth
    return orbit_cameras(angle, torch.zeros(n), torch.ones(n), torch.ones(n), (1, 1))


@dataclass
class Watched:
    """A prior that notes every call: how many images, of which views, the levels and the tokens."""

    inner: GaussianMixturePrior
    views_per_group: int = 1
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def denoise(self, z_t, t, condition, views=None):
        self.calls.append({"n": len(z_t), "views": views, "t": t, "z": z_t, "tokens": condition.tokens[:, 0]})
        return self.inner.denoise(z_t, t, condition, views)


@dataclass
class Toy:
    """A prior over the plane with its prompts, and the gradient that a guidance gives at points."""

    prior: Any
    prompts: ViewPrompts

    def tell(
        self,
        guidance: Guidance,
        points: Tensor,
        progress: float = 0.0,
        seed: int = 0,
        cameras: Cameras | None = None,
    ) -> tuple[Tensor, GuidanceOut]:
        """The gradient g of every point, and what the guidance returned."""
        x = points.clone().requires_grad_()
        seen = around(len(x)) if cameras is None else cameras
        generator = torch.Generator().manual_seed(seed)
        out = guidance(as_render(x), seen, self.prompts, progress, generator)
        (gradient,) = torch.autograd.grad(out.loss, x)
        return gradient * len(x), out

    def descend(
        self, guidance: Guidance, points: Tensor, steps: int, rate: float, cameras: Cameras | None = None
    ) -> Tensor:
        """Where points come to rest, each following its own gradient; the rate falls to a tenth at the
        end."""
        generator = torch.Generator().manual_seed(1)
        x, seen = points.clone(), around(len(points)) if cameras is None else cameras
        for i in range(steps):
            x.requires_grad_()
            loss = guidance(as_render(x), seen, self.prompts, i / steps, generator).loss
            (gradient,) = torch.autograd.grad(loss, x)
            x = (x - rate * (1 - 0.9 * i / steps) * len(x) * gradient).detach()
        return x


Component2D = tuple[float, float, float, str]


@pytest.fixture
def toy() -> Callable[..., Toy]:
    """toy((x, y, std, text), ..., prompt=, negative=) -> Toy."""

    def make(
        *parts: Component2D, prompt: str = "red", negative: str = "", dtype=DOUBLE, watch: int = 0
    ) -> Toy:
        components = [Component(point(x, y, dtype), std, text=text) for x, y, std, text in parts]
        prior: Any = GaussianMixturePrior(components)
        prior = Watched(prior, watch) if watch else prior
        return Toy(prior, ViewPrompts(prior, prompt, negative, view_dependent=False))

    return make
