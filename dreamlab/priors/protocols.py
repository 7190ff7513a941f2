"""What a prior is, and what some priors can do besides: one protocol each, asked for with isinstance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dreamlab.core.types import Cameras, Condition, RenderOutput, Views


@runtime_checkable
class Prior(Protocol):
    """A frozen 2D diffusion model: what would the clean image be?

    Whatever the network predicts inside (noise, velocity, x0, flow), in pixels or latents, `denoise` answers
    x0_hat. The noise level t is continuous in (0, 1), 1 the noisiest; z_t = alpha(t) * x + sigma(t) * noise.
    Consecutive groups of `views_per_group` images see each other; 1 for models of single images.
    """

    resolution: int
    channels: int
    views_per_group: int

    def embed(self, prompts: Sequence[str]) -> Condition:
        """Encode text; the empty string is the unconditional prompt."""
        ...

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Renders in the model's own space (roughly unit scale), differentiably, and what else of them
        `denoise` needs.
        """
        ...

    def alpha_sigma(self, t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Signal and noise scale at level t."""
        ...

    def denoise(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """x0_hat of noisy images; without views, the model's camera-free answer (where it knows one)."""
        ...


@runtime_checkable
class HasConditionalMean(Protocol):
    """It can say what a prompt shows from a camera on average, and give images the mean colour of others: of
    the whole object, or of what is near each pixel, within a share `blur` of the image's side."""

    def mean(self, condition: Condition, cameras: Cameras) -> Float[Tensor, "B C h w"]: ...

    def with_mean_color_of(
        self, x0: Float[Tensor, "B C h w"], like: Float[Tensor, "B C h w"], blur: float | None = None
    ) -> Float[Tensor, "B C h w"]: ...


@runtime_checkable
class Decodes(Protocol):
    """It can show clean images of its own space as pictures."""

    def decode(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """Colours 0..1, without gradient; of the prior's `resolution`."""
        ...


@runtime_checkable
class HasTrainableCopy(Protocol):
    """It can make a trainable copy of itself, a LoRA on its own weights, say."""

    def trainable_copy(self) -> nn.Module:
        """A module (z, t, condition, views) -> x0_phi; only its own parameters require gradients."""
        ...


@runtime_checkable
class SaysPrediction(Protocol):
    """A network that says what it predicts: "epsilon", "v_prediction", ..."""

    prediction: str


@runtime_checkable
class TakesImage(Protocol):
    """It can be shown a picture beside the text (IP-Adapter, ControlNet tile, ...)."""

    def denoise_with_image(
        self,
        z_t: Float[Tensor, "B C h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        image: Float[Tensor, "B C h w"],
        views: Views | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """x0_hat given z_t, text and an image in the prior's own space."""
        ...


@runtime_checkable
class CarriesOver(Protocol):
    """A run may leave traces in it that the next run would notice."""

    def begin_anew(self) -> bool:
        """Forget what runs have left; False where that cannot be undone and it has to be built again."""
        ...


@runtime_checkable
class HasCopies(Protocol):
    """It may be helped by copies of itself on other devices, each of which takes a share of what is asked."""

    device: torch.device
    copies: Sequence[Prior]


@runtime_checkable
class HasVocabulary(Protocol):
    """It knows which words it has learned."""

    def limits(self, prompt: str) -> list[str]:
        """What to say of a prompt before a run starts; nothing if it knows every word of it."""
        ...


@runtime_checkable
class HasTokenLimit(Protocol):
    """It reads no more than so much of a text."""

    def cut_words(self, text: str) -> str:
        """The end of a text that is not read; empty if all of it is."""
        ...
