"""Fields whose surface is known in closed form: the oracles of the mesh tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


class Solid:
    """density = peak * sigmoid(-sdf / width): half the peak on the surface sdf == 0. Colours from a function
    of x."""

    def __init__(
        self,
        sdf: Callable[[Tensor], Tensor],
        peak: float = 200.0,
        width: float = 0.01,
        rgb: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.sdf, self.peak, self.width = sdf, peak, width
        self.rgb = rgb or (lambda x: (x + 1) / 2)
        self.calls = 0

    def density(self, x: Tensor) -> Tensor:
        self.calls += len(x)
        return self.peak * torch.sigmoid(-self.sdf(x) / self.width)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.density(x), self.rgb(x).clamp(0, 1)

    def parameters(self) -> list[Tensor]:
        return []

    def state_dict(self) -> dict[str, Tensor]:
        return {}


def sphere(radius: float = 0.6, centre: tuple[float, float, float] = (0, 0, 0)) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - torch.tensor(centre, dtype=x.dtype)).norm(dim=-1) - radius


def torus(major: float = 0.55, minor: float = 0.2) -> Callable[[Tensor], Tensor]:
    """Around the y axis. Volume 2 pi^2 R r^2, area 4 pi^2 R r, genus 1."""
    return lambda x: torch.hypot(torch.hypot(x[:, 0], x[:, 2]) - major, x[:, 1]) - minor


def plate(thickness: float = 0.04, half: float = 0.6) -> Callable[[Tensor], Tensor]:
    """A square plate in the plane y = 0."""
    size = torch.tensor([half, thickness / 2, half])

    def sdf(x: Tensor) -> Tensor:
        q = x.abs() - size
        return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0)

    return sdf


def union(*parts: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.stack([p(x) for p in parts]).amin(0)


def shell(outer: float = 0.7, inner: float = 0.5) -> Callable[[Tensor], Tensor]:
    """A hollow ball: genus 0 outside, a cavity inside."""
    return lambda x: torch.maximum(x.norm(dim=-1) - outer, inner - x.norm(dim=-1))


def ball_volume(radius: float) -> float:
    return 4 / 3 * math.pi * radius**3


def ball_area(radius: float) -> float:
    return 4 * math.pi * radius**2
