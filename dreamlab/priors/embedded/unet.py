"""The network of the embedded prior: a small pixel-space U-Net that knows text, cameras and neighbouring
views.

Text conditions it as in Imagen (Saharia et al. 2022, section 2): frozen token states by cross-attention,
pooled vector beside the noise level. The camera enters twice: as a Plücker ray map (direction and moment of
every pixel's ray, in the object's frame) at each resolution, and as Fourier features beside the noise level.
Beside the noisy image stands the mean picture of such prompts from this camera (light_field.py); the more
noise, the more the answer is this picture, for the noisy image says ever less. At the
coarsest level attention runs over all views of a group at once (MVDream, Shi et al. 2023, section 3.1), so
that one object is seen from every side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from dreamlab import ops
from dreamlab.core.diffusion import per_image, v_from_x0
from dreamlab.priors.embedded.attention import TextAttention, ViewAttention
from dreamlab.priors.embedded.light_field import PATCH, LightField

CAMERA_FEATURES = 16
_MEAN_WEIGHT = "trust"  # as weight files name it


class UNetConfig(BaseModel):
    """Shape of the network.

    channels: width at each resolution, finest first, starting at image_size / patch.
    depth: residual blocks at each resolution on the way down (and again on the way up).
    light_field: width and depth of the network of mean pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = 64
    image_channels: int = 5
    patch: int = 2
    channels: tuple[int, ...] = (64, 128, 256)
    depth: tuple[int, ...] = (1, 1, 1)
    text_attention: tuple[bool, ...] = (False, True, True)
    view_attention: tuple[bool, ...] = (False, False, True)
    embedding: int = 384
    text_width: int = 384
    head: int = 64
    light_field: tuple[int, int] = (256, 4)


def fourier(values: Float[Tensor, " B"], count: int, top: float = 1000.0) -> Float[Tensor, "B F"]:
    """Sines and cosines of a scalar at `count` log-spaced frequencies up to `top`."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(top), count, device=values.device))
    angles = values[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def channels_last(module: nn.Module) -> None:
    """Lay convolution weights out as oneDNN likes them."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps the image's size, by dreamlab's own kernels; state and initial weights are
    torch's.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        return ops.conv3x3(input, self.weight, self.bias)


def groups_of(width: int) -> int:
    return max(1, width // 16)


class ResidualBlock(nn.Module):
    """GroupNorm, SiLU, convolution, twice; noise level, camera and text scale and shift the second norm."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(groups_of(inputs), inputs)
        self.conv_in = Conv3x3(inputs, outputs)
        self.modulate = nn.Linear(embedding, 2 * outputs)
        self.norm_out = nn.GroupNorm(groups_of(outputs), outputs)
        self.conv_out = Conv3x3(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.modulate.weight)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        x = self.conv_in(F.silu(self.norm_in(h)))
        x = torch.addcmul(shift, self.norm_out(x), 1.0 + scale)
        return self.skip(h) + self.conv_out(F.silu(x))


class Block(nn.Module):
    """A residual block, and what its resolution attends to: the text, the group's views, both or nothing."""

    def __init__(self, inputs: int, width: int, level: int, config: UNetConfig) -> None:
        super().__init__()
        self.residual = ResidualBlock(inputs, width, config.embedding)
        words = (config.text_width, config.head)
        self.views = ViewAttention(width, config.head) if config.view_attention[level] else None
        self.text = TextAttention(width, *words) if config.text_attention[level] else None

    def forward(self, h: Tensor, embedding: Tensor, text: Tensor, mask: Tensor, views: int) -> Tensor:
        h = self.residual(h, embedding)
        if self.views is None and self.text is None:
            return h
        x = h.flatten(2).transpose(1, 2)
        x = x if self.views is None else self.views(x, views)
        x = x if self.text is None else self.text(x, text, mask)
        return x.transpose(1, 2).reshape(h.shape)


class Stage(nn.Module):
    """The blocks of one resolution on the way down or up, with the ray map added at its entrance."""

    def __init__(self, inputs: list[int], level: int, config: UNetConfig) -> None:
        super().__init__()
        self.rays = nn.Conv2d(6, config.channels[level], 1)
        self.blocks = nn.ModuleList(Block(width, config.channels[level], level, config) for width in inputs)

    def forward(self, h: Tensor, rays: Tensor, skips: list[Tensor], down: bool, *conditions: Any) -> Tensor:
        """Down: leave every block's output among the skips. Up: take them back, newest first."""
        for number, block in enumerate(self.blocks):
            h = block(h if down else torch.cat([h, skips.pop()], dim=1), *conditions)
            h = h if number else h + self.rays(rays)
            if down:
                skips.append(h)
        return h


class UNet(nn.Module):
    """v-prediction network: noisy images, their mean pictures, log-SNR, text, cameras -> v.

    Shapes: images and mean [B,C,S,S]; log_snr [B]; text [B,L,D] with mask [B,L]; pooled [B,D]; camera [B,16]
    features and rays [B,6,S/patch,S/patch], both zero where camera_known [B] is False; B is a multiple of
    `views`, and consecutive images of a group show one object.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, embedding = config.channels, config.embedding
        pixels = config.image_channels * config.patch**2
        features = CAMERA_FEATURES + 1 + config.text_width
        self.embed = nn.Sequential(
            nn.Linear(64 + features, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        words = (config.text_width, config.head)
        self.light_field = LightField(features, config.image_channels, *config.light_field, embedding, words)
        self.enter = Conv3x3(2 * pixels, widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips, width = [widths[0]], widths[0]
        for level, wide in enumerate(widths):
            self.down.append(Stage([width] + [wide] * (config.depth[level] - 1), level, config))
            width = wide
            skips += [wide] * config.depth[level]
        self.middle = ResidualBlock(width, width, embedding)
        for level in reversed(range(len(widths))):
            inputs = [(width if i == 0 else widths[level]) + skips.pop() for i in range(config.depth[level])]
            self.up.append(Stage(inputs, level, config))
            width = widths[level]
        self.norm = nn.GroupNorm(groups_of(width + skips[0]), width + skips[0])
        self.leave = Conv3x3(width + skips[0], pixels)
        nn.init.zeros_(self.leave.weight)
        self.register_parameter(_MEAN_WEIGHT, nn.Parameter(torch.tensor([-6.0, -1.0])))

    @property
    def mean_weight(self) -> nn.Parameter:
        """[2] the logit of the mean picture's share in the answer, a line in log-SNR."""
        return self.get_parameter(_MEAN_WEIGHT)

    def conditional_mean(
        self,
        text: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
        pooled: Float[Tensor, "B D"],
        camera: Float[Tensor, "B 16"],
        rays: Float[Tensor, "B 6 s s"],
        camera_known: Bool[Tensor, " B"],
    ) -> Float[Tensor, "B C S S"]:
        """What such prompts show from these cameras on average, whatever the noise level."""
        known = camera_known.float()[:, None]
        coarse = F.avg_pool2d(rays * known[:, :, None, None], PATCH // self.config.patch)
        features = torch.cat([camera * known, known, pooled], dim=1)
        return self.light_field(coarse, features, text, mask)

    def forward(
        self,
        images: Float[Tensor, "B C S S"],
        mean: Float[Tensor, "B C S S"],
        log_snr: Float[Tensor, " B"],
        text: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
        pooled: Float[Tensor, "B D"],
        camera: Float[Tensor, "B 16"],
        rays: Float[Tensor, "B 6 s s"],
        camera_known: Bool[Tensor, " B"],
        views: int = 1,
    ) -> Float[Tensor, "B C S S"]:
        known = camera_known.float()[:, None]
        embedding = self.embed(torch.cat([fourier(log_snr / 8, 32), camera * known, known, pooled], dim=1))
        rays = (rays * known[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        seen = F.pixel_unshuffle(torch.cat([images, mean], dim=1), self.config.patch)
        h = self.enter(seen.contiguous(memory_format=torch.channels_last))
        skips, maps = [h], []
        for level, stage in enumerate(self.down):
            if level:
                h, rays = F.avg_pool2d(h, 2), F.avg_pool2d(rays, 2)
            maps.append(rays)
            h = stage(h, rays, skips, True, embedding, text, mask, views)
        h = self.middle(h, embedding)
        for level, stage in enumerate(self.up):
            if level:
                h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = stage(h, maps.pop(), skips, False, embedding, text, mask, views)
        h = torch.cat([h, skips.pop()], dim=1)
        v = F.pixel_shuffle(self.leave(F.silu(self.norm(h))), self.config.patch)
        return self._weighed(v, images, mean, log_snr)

    def _weighed(self, v: Tensor, images: Tensor, mean: Tensor, log_snr: Tensor) -> Tensor:
        """Two estimates, each by its precision: what the image shows falls with its signal-to-noise ratio,
        what the mean picture shows does not. See `mean_weight`.
        """
        alpha, sigma = (torch.sigmoid(sign * log_snr).sqrt() for sign in (1, -1))
        v_of_mean = v_from_x0(images, mean, alpha, sigma)
        return torch.lerp(v.to(images.dtype), v_of_mean, per_image(self.mean_share(log_snr), images))

    def mean_share(self, log_snr: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """The share of the mean picture in the answer, 0 to 1."""
        return torch.sigmoid(self.mean_weight[0] + self.mean_weight[1] * log_snr)
