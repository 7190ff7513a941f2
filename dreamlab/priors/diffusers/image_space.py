"""From renders to the inputs of a pretrained network: pixels or the latents of a VAE."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from dreamlab.priors.diffusers.hub_errors import listening

Pixels = Float[Tensor, "B 3 H W"]

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def to_pixels(rgb: Float[Tensor, "B H W 3"], side: int) -> Float[Tensor, "B 3 s s"]:
    """Colours 0..1 to images in -1..1 of `side` pixels (bilinear, antialiased where it shrinks)."""
    images = rgb.movedim(-1, 1)
    if images.shape[-2:] != (side, side):
        images = interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return images * 2 - 1


def clip_pixels(images: Pixels, side: int) -> Float[Tensor, "B 3 s s"]:
    """Square images in -1..1 as CLIP's image encoders want them: `side` pixels, less their mean, by their
    deviation.
    """
    small = interpolate(images, (side, side), mode="bicubic", antialias=True)
    mean, std = (small.new_tensor(v)[:, None, None] for v in (_CLIP_MEAN, _CLIP_STD))
    return ((small + 1) / 2 - mean) / std


class ImageSpace(Protocol):
    """Where a network lives."""

    side: int
    channels: int

    def encode(self, images: Pixels) -> Float[Tensor, "B C h w"]: ...

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Pixels: ...


class PixelSpace:
    """The network sees the images themselves."""

    channels = 3

    def __init__(self, side: int) -> None:
        self.side = side

    def encode(self, images: Pixels) -> Float[Tensor, "B C h w"]:
        return images

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Pixels:
        return latents


class LatentSpace:
    """The network sees (latent - shift) * scale of a frozen VAE's mean; float32 outside whatever the VAE
    computes in. Where the VAE says so, shift and scale are those of each channel.

    Some VAEs overflow in float16. A result that is not finite is computed again in float32, and so is
    everything after it; a gradient that is not finite costs that step, and the next ones run in float32. Both
    are reported once.
    """

    def __init__(self, vae: Any, side: int, device: torch.device | str, dtype: torch.dtype) -> None:
        with listening():
            self.vae = vae.to(device, dtype).eval().requires_grad_(False)
        self.side, self.dtype = side, dtype
        config = vae.config
        self.channels = int(config.latent_channels)
        mean, deviation = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        self.scale: float | Tensor = float(config.scaling_factor)
        self.shift: float | Tensor = float(getattr(config, "shift_factor", None) or 0.0)
        if mean is not None and deviation is not None:
            self.shift = torch.tensor(mean, dtype=torch.float32, device=device).reshape(-1, 1, 1)
            self.scale = self.scale / torch.tensor(deviation, device=device).reshape(-1, 1, 1)
        self._gradient_broke, self._given_dtype = False, dtype

    @property
    def widened(self) -> bool:
        """Whether it computes in another precision than it was made with, or will from now on."""
        return self._gradient_broke or self.dtype != self._given_dtype

    def encode(self, images: Pixels) -> Float[Tensor, "B C h w"]:
        if self._gradient_broke:
            self._widen("the gradient through the VAE was not finite")
        latents = self._encode(images)
        if self.dtype != torch.float32 and not bool(latents.isfinite().all()):
            self._widen("the VAE's latents were not finite")
            latents = self._encode(images)
        return latents

    def _encode(self, images: Pixels) -> Tensor:
        inner = images.to(self.dtype)
        if inner.requires_grad and self.dtype != torch.float32:
            inner.register_hook(self._look_at)
        out = self.vae.encode(inner)
        return (_mean_of(out).float() - self.shift) * self.scale

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Pixels:
        """Images in about -1..1 from latents, without gradient."""
        images = self._decode(latents)
        if self.dtype != torch.float32 and not bool(images.isfinite().all()):
            self._widen("the VAE's images were not finite")
            images = self._decode(latents)
        return images

    def _decode(self, latents: Float[Tensor, "B C h w"]) -> Tensor:
        return self.vae.decode((latents / self.scale + self.shift).to(self.dtype)).sample.float()

    def raw(self, images: Pixels) -> Float[Tensor, "B C h w"]:
        """Latents without shift and scale, as some networks want their conditioning."""
        return self.encode(images) / self.scale + self.shift

    def _look_at(self, gradient: Tensor) -> None:
        if not bool(gradient.isfinite().all()):
            self._gradient_broke = True  # not changed at once: other graphs may still hold the weights

    def _widen(self, why: str) -> None:
        warnings.warn(f"{why} in {str(self.dtype)[6:]}: the VAE goes on in float32", stacklevel=3)
        self.dtype, self._gradient_broke = torch.float32, False
        with listening():
            self.vae.to(torch.float32)


def _mean_of(encoded: Any) -> Tensor:
    """The latents that a VAE's encoder answers: KL's mean; DC-AE and TAESD have no spread."""
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.mean
    return encoded.latent if hasattr(encoded, "latent") else encoded.latents
