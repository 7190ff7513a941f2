"""The prior that ships with the package: a small text- and camera-conditioned pixel diffusion model.

It sees an object as five channels at 64x64: premultiplied albedo, opacity, and relative depth (how much
nearer than the orbit's centre a surface is). Albedo without light leaves nothing baked into the colours, and
relative depth teaches the hollows that a silhouette hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.cameras import camera_rays
from dreamlab.core.diffusion import CosineSchedule
from dreamlab.core.errors import DamagedError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views
from dreamlab.priors.embedded.model_space import to_model_space, with_mean_color_of
from dreamlab.priors.embedded.text import cut_words, encode_text
from dreamlab.priors.embedded.unet import CAMERA_FEATURES, UNet, UNetConfig, channels_last
from dreamlab.priors.embedded.vocabulary import Vocabulary, limits
from dreamlab.priors.precision import has_bfloat16_units
from dreamlab.priors.protocols import Prior

FORMAT = "dreamlab-embedded-4"
SHIPPED = Path(__file__).parents[2] / "weights" / "embedded.safetensors"
_MEND = "Reinstall dreamlab, or train a prior with `dreamlab studio train`"


def alpha_sigma(t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """The variance-preserving cosine schedule: alpha = cos(pi t / 2), sigma = sin(pi t / 2)."""
    return CosineSchedule().alpha_sigma(t)


def log_snr(t: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """2 log(alpha / sigma), held within +-12."""
    alpha, sigma = alpha_sigma(t)
    return (2 * (alpha.clamp_min(1e-6).log() - sigma.clamp_min(1e-6).log())).clamp(-12, 12)


_Scales = tuple[Float[Tensor, " B"], Float[Tensor, " B"]]


def by_channel(
    color: _Scales, depth: _Scales, channels: int = 5
) -> tuple[Float[Tensor, "B C 1 1"], Float[Tensor, "B C 1 1"]]:
    """Signal and noise scale of every channel: one pair for colour and opacity, which are the first four, and
    one for what follows them, relative depth."""
    alpha, sigma = (
        torch.stack([c] * min(channels, 4) + [d] * max(channels - 4, 0), dim=1)[..., None, None]
        for c, d in zip(color, depth, strict=True)
    )
    return alpha, sigma


def relative_depth_of(render: RenderOutput, cameras: Cameras) -> Float[Tensor, "B H W 1"]:
    """Opacity-weighted distance of the camera from the centre, minus depth along the view axis."""
    height, width = cameras.size
    directions = camera_rays(cameras).directions.view(len(cameras), height, width, 3)
    forward = -cameras.c2w[:, None, None, :3, 2]
    cosine = (directions * forward).sum(-1, keepdim=True)
    return render.opacity * cameras.distance.view(-1, 1, 1, 1) - render.depth * cosine


def camera_conditions(cameras: Cameras, side: int) -> tuple[Float[Tensor, "B 16"], Float[Tensor, "B 6 s s"]]:
    """The network's inputs from a camera: Fourier features of its angles and lens, and a Plücker ray
    map.
    """
    azimuth, elevation = cameras.azimuth, cameras.elevation
    features = [f(k * azimuth) for k in (1, 2, 3, 4) for f in (torch.sin, torch.cos)]
    features += [f(k * elevation) for k in (1, 2) for f in (torch.sin, torch.cos)]
    tangent = torch.tan(cameras.fovy / 2)
    features += [tangent, cameras.distance * tangent - 1, cameras.distance / 4, torch.ones_like(azimuth)]
    rays = camera_rays(cameras.resized(side, side))
    moment = torch.linalg.cross(rays.origins, rays.directions, dim=-1)
    plucker = torch.cat([rays.directions, moment], dim=-1).view(len(cameras), side, side, 6)
    return torch.stack(features, dim=1), plucker.permute(0, 3, 1, 2)


class EmbeddedPrior:
    """The embedded prior behind the Prior protocol. Consecutive groups of `views_per_group` images see each
    other.
    """

    copies: Sequence[Prior] = ()

    def __init__(
        self,
        network: UNet,
        device: torch.device | str = "cpu",
        bfloat16: bool = False,
        vocabulary: Vocabulary | None = None,
        views_per_group: int = 4,
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        channels_last(self.network)
        self.vocabulary, self.views_per_group = vocabulary, views_per_group
        self.device, self.bfloat16 = torch.device(device), bfloat16
        self.resolution, self.channels = network.config.image_size, network.config.image_channels

    def embed(self, prompts: Sequence[str]) -> Condition:
        """Encode text with the frozen MiniLM encoder."""
        return encode_text(prompts).to(self.device)

    def limits(self, prompt: str) -> list[str]:
        """What the weights never learned of a prompt; see dreamlab.priors.embedded.vocabulary."""
        return limits(self.vocabulary, prompt)

    def cut_words(self, text: str) -> str:
        """The end of a text that the encoder does not read."""
        return cut_words(text)

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Albedo, opacity and relative depth of 64x64 renders."""
        x = to_model_space(render.premultiplied, render.opacity, relative_depth_of(render, cameras))
        return Views(x, cameras)

    def alpha_sigma(self, t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Signal and noise scale at level t."""
        return alpha_sigma(t)

    @torch.no_grad()
    def mean(self, condition: Condition, cameras: Cameras) -> Float[Tensor, "B C H W"]:
        """What such prompts show from these cameras on average: blurred, but from the right side."""
        text = (condition.tokens, condition.mask, condition.summary)
        return self.network.conditional_mean(*text, *self._seen_from(cameras, len(cameras)))

    def with_mean_color_of(
        self, x0: Float[Tensor, "B 5 H W"], like: Float[Tensor, "B 5 H W"], blur: float | None = None
    ) -> Float[Tensor, "B 5 H W"]:
        """See dreamlab.priors.embedded.model_space.with_mean_color_of."""
        return with_mean_color_of(x0, like, self.views_per_group, blur)

    def _seen_from(self, cameras: Cameras | None, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """The network's inputs from n images' cameras: features, rays, and whether they are known."""
        side = self.resolution // self.network.config.patch
        known = torch.full((n,), cameras is not None, device=self.device)
        if cameras is not None:
            return *camera_conditions(cameras, side), known
        features = torch.zeros(n, CAMERA_FEATURES, device=self.device)
        return features, torch.zeros(n, 6, side, side, device=self.device), known

    @torch.no_grad()
    def denoise(
        self,
        z_t: Float[Tensor, "B C H W"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """x0_hat. A batch that is a multiple of `views_per_group` is taken as groups of views of one object
        each.
        """
        return self.answer(z_t, t, t, condition, views)

    @torch.no_grad()
    def answer(
        self,
        z_t: Float[Tensor, "B C H W"],
        t: Float[Tensor, " B"],
        depth_t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """As `denoise`, with a noise level of its own for relative depth: a view whose level t is far below
        that of its group is a picture beside which the others are made, and what it does not tell is depth.
        """
        seen = self._seen_from(None if views is None else views.cameras, len(z_t))
        inputs = (condition.tokens, condition.mask, condition.summary, *seen)
        group = self.views_per_group if len(z_t) % self.views_per_group == 0 else 1
        with torch.autocast(z_t.device.type, torch.bfloat16, enabled=self.bfloat16):
            mean = self.network.conditional_mean(*inputs)
            v = self.network(z_t, mean, log_snr(t), *inputs, group).float()
        alpha, sigma = by_channel(alpha_sigma(t), alpha_sigma(depth_t), z_t.shape[1])
        return alpha * z_t - sigma * v


class EmbeddedPriorConfig(BaseModel):
    """The shipped model, or weights of the same format that `dreamlab studio train` wrote.

    precision: "auto" computes in bfloat16 where the processor has matrix units for it (AMX, CUDA), else in
    float32.
    views_per_group: how many consecutive images look at each other. Trained with four; whole rings of views
    can be sampled together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["embedded"] = "embedded"
    weights: Path | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    views_per_group: int = Field(default=4, ge=1)

    def build(self, device: torch.device | str = "cpu") -> EmbeddedPrior:
        """Load the weights. Raises DamagedError for a file that is missing, unreadable or of another
        format.
        """
        bfloat16 = self.precision == "bfloat16" or (self.precision == "auto" and has_bfloat16_units(device))
        path = self.weights or SHIPPED
        vocabulary, group = read_vocabulary(path), self.views_per_group
        return EmbeddedPrior(load_network(path), device, bfloat16, vocabulary, group)


def load_network(path: Path) -> UNet:
    """A network from a weights file, whose header names its format and shape."""
    header, state = _read(path)
    try:
        network = UNet(UNetConfig.model_validate_json(header["config"]))
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except (KeyError, ValueError, RuntimeError) as error:
        raise DamagedError(f"{path} is damaged", got=str(error).splitlines()[0], mend=_MEND) from error
    return network


def read_vocabulary(path: Path) -> Vocabulary | None:
    """The vocabulary of the weights in a file, or None if the file does not say."""
    text = _read(path, tensors=False)[0].get("vocabulary")
    try:
        return None if text is None else Vocabulary.model_validate_json(text)
    except ValueError as error:
        raise DamagedError(
            f"{path} is damaged", got=f"a vocabulary with {str(error).splitlines()[0]}", mend=_MEND
        ) from error


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Put a vocabulary into the header of existing weights; the weights stay as they are."""
    header, state = _read(path)
    _write(path, state, header | {"vocabulary": vocabulary.model_dump_json()})


def save_network(
    path: Path, config: UNetConfig, state: dict[str, Tensor], vocabulary: Vocabulary | None = None
) -> None:
    """Write weights as float16 safetensors, at once or not at all."""
    halves = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in state.items()}
    header = {"format": FORMAT, "config": config.model_dump_json()}
    if vocabulary is not None:
        header["vocabulary"] = vocabulary.model_dump_json()
    _write(path, halves, header)


def _read(path: Path, tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a weights file of this version."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DamagedError("the embedded prior has no weights", expected=str(path), mend=_MEND)
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}
    except SafetensorError as error:
        raise DamagedError(f"{path} is damaged", got=str(error).splitlines()[0], mend=_MEND) from error
    if header.get("format") != FORMAT:
        found = header.get("format", "no format name")
        what = f"{path.name} holds weights of another version"
        raise DamagedError(what, expected=FORMAT, got=found, mend=_MEND)
    return header, state


def _write(path: Path, state: dict[str, Tensor], header: dict[str, str]) -> None:
    from safetensors.torch import save_file

    partial = path.with_suffix(".partial")
    save_file(state, partial, metadata=header)
    partial.replace(path)
