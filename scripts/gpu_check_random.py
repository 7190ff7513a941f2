"""Pretrained priors of real shapes with random weights: as slow and as large as the real ones, without a
hub."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from gpu_check_record import Setting
from priors import tiny  # pyright: ignore[reportMissingImports]

from dreamlab.core.types import Condition, Views
from dreamlab.priors import (
    DeepFloydPriorConfig,
    ImageDreamPriorConfig,
    MVDreamPriorConfig,
    SD3PriorConfig,
    SDXLPriorConfig,
    StableDiffusionPriorConfig,
    Zero123PriorConfig,
)
from dreamlab.priors.diffusers.base import PretrainedPrior
from dreamlab.priors.diffusers.deepfloyd import DeepFloydPrior
from dreamlab.priors.diffusers.imagedream import ImageDreamPrior, adapter_parts
from dreamlab.priors.diffusers.ip_adapter import put_on
from dreamlab.priors.diffusers.mvdream import CameraEmbedding, MVDreamPrior, attend_across_views
from dreamlab.priors.diffusers.picture import ShownPictureConfig
from dreamlab.priors.diffusers.sd3 import SD3Prior
from dreamlab.priors.diffusers.sdxl import SDXLPrior
from dreamlab.priors.diffusers.source import PretrainedConfig
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPrior
from dreamlab.priors.diffusers.zero123 import Zero123Prior

_CLIP_TOKENS = 77
_SEEN = (257, 1280)  # of a picture, by CLIP ViT-H
_ADAPTED = ("to_k_ip", "to_v_ip")
_FOUR = (320, 640, 1280, 1280)
_SMALL: dict[str, Any] = {
    "block_out_channels": (32, 32, 64, 64),
    "layers_per_block": 1,
    "attention_head_dim": 8,
}


@dataclass(frozen=True)
class Shape:
    """A published model's shape; `small` replaces parts of it in a rehearsal.

    network: settings of diffusers' class of the pipeline's network. tokens, pooled: of the encoded text,
    whose width is the setting named by `width`.
    """

    config: type[PretrainedConfig]
    prior: type[PretrainedPrior]
    pipeline: str
    network: dict[str, Any]
    small: dict[str, Any]
    latents: int = 4
    tokens: int = _CLIP_TOKENS
    width: str = "cross_attention_dim"
    pooled: tuple[int, int] = (0, 0)

    def settings(self, quick: bool) -> dict[str, Any]:
        return self.network | (self.small if quick else {})


_SD2 = {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}
_IF = ("SimpleCrossAttn{}Block2D",) * 3
SHAPES: dict[str, Shape] = {
    "sd15": Shape(
        StableDiffusionPriorConfig,
        StableDiffusionPrior,
        "StableDiffusionPipeline",
        {"block_out_channels": _FOUR, "cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64},
        _SMALL | {"cross_attention_dim": 64},
    ),
    "sd21-base": Shape(
        StableDiffusionPriorConfig,
        StableDiffusionPrior,
        "StableDiffusionPipeline",
        {"block_out_channels": _FOUR, "sample_size": 64} | _SD2,
        _SMALL | {"cross_attention_dim": 64},
    ),
    "mvdream": Shape(
        MVDreamPriorConfig,
        MVDreamPrior,
        "MVDreamPipeline",
        {"block_out_channels": _FOUR, "sample_size": 32, "class_embed_type": "projection"}
        | {"projection_class_embeddings_input_dim": 16}
        | _SD2,
        _SMALL | {"cross_attention_dim": 64},
    ),
    "imagedream": Shape(
        ImageDreamPriorConfig,
        ImageDreamPrior,
        "MVDreamPipeline",
        {"block_out_channels": _FOUR, "sample_size": 32, "class_embed_type": "projection"}
        | {"projection_class_embeddings_input_dim": 16}
        | _SD2,
        _SMALL | {"cross_attention_dim": 64},
    ),
    "zero123-xl": Shape(
        Zero123PriorConfig,
        Zero123Prior,
        "Zero123Pipeline",
        {"block_out_channels": _FOUR, "cross_attention_dim": 768, "attention_head_dim": 8, "in_channels": 8}
        | {"sample_size": 32},
        _SMALL | {"cross_attention_dim": 64},
        tokens=1,
    ),
    "sdxl": Shape(
        SDXLPriorConfig,
        SDXLPrior,
        "StableDiffusionXLPipeline",
        {
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "sample_size": 128,
        },
        _SMALL
        | {"block_out_channels": (32, 32, 64), "transformer_layers_per_block": (1, 1, 2)}
        | {"cross_attention_dim": 64, "addition_time_embed_dim": 8}
        | {"projection_class_embeddings_input_dim": 6 * 8 + 32},
        pooled=(1280, 32),
    ),
    "sd3-medium": Shape(
        SD3PriorConfig,
        SD3Prior,
        "StableDiffusion3Pipeline",
        {
            "sample_size": 128,
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 24,
            "attention_head_dim": 64,
            "num_attention_heads": 24,
            "joint_attention_dim": 4096,
            "caption_projection_dim": 1536,
            "pooled_projection_dim": 2048,
            "pos_embed_max_size": 192,
        },
        {"num_layers": 2, "num_attention_heads": 2, "caption_projection_dim": 128, "joint_attention_dim": 64}
        | {"pooled_projection_dim": 32},
        latents=16,
        tokens=_CLIP_TOKENS + 256,
        width="joint_attention_dim",
        pooled=(2048, 32),
    ),
    "if-xl": Shape(
        DeepFloydPriorConfig,
        DeepFloydPrior,
        "IFPipeline",
        {
            "in_channels": 3,
            "out_channels": 6,
            "sample_size": 64,
            "block_out_channels": (704, 1408, 2112, 2816),
            "layers_per_block": 3,
            "attention_head_dim": 64,
            "cross_attention_dim": 2816,
            "cross_attention_norm": "group_norm",
            "encoder_hid_dim": 4096,
            "encoder_hid_dim_type": "text_proj",
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": 64,
            "down_block_types": ("ResnetDownsampleBlock2D", *(name.format("Down") for name in _IF)),
            "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "up_block_types": (*(name.format("Up") for name in _IF), "ResnetUpsampleBlock2D"),
            "resnet_time_scale_shift": "scale_shift",
            "act_fn": "gelu",
        },
        _SMALL | {"cross_attention_dim": 64, "encoder_hid_dim": 64, "addition_embed_type_num_heads": 8},
        latents=3,
        width="encoder_hid_dim",
    ),
}


def network_class(shape: Shape) -> Any:
    diffusers = import_module("diffusers")
    is_transformer = shape.prior.network_part == "transformer"
    return diffusers.SD3Transformer2DModel if is_transformer else diffusers.UNet2DConditionModel


def parameters_of(name: str, quick: bool = False) -> int:
    """How many weights the network has, counted without making them."""
    with torch.device("meta"):
        return sum(
            p.numel() for p in network_class(SHAPES[name])(**SHAPES[name].settings(quick)).parameters()
        )


def teraflop_of(name: str, views: int | None = None, **settings: Any) -> float:
    """10^12 floating point operations of denoising so many views under prompt and reference, counted without
    making anything."""
    from torch.utils.flop_counter import FlopCounterMode

    meta = torch.device("meta")
    prior = random_prior(name, Setting(meta, False), **settings)
    n = 2 * max(views or 1, prior.views_per_group)
    cameras = tiny.views(n, prior.resolution)[1].to(meta)
    side = prior.resolution // (1 if SHAPES[name].latents == 3 else 8)
    z = torch.zeros(n, prior.channels, side, side, device=meta)
    with FlopCounterMode(display=False) as count:
        prior.denoise(z, torch.full((n,), 0.5, device=meta), prior.embed(["a cat"] * n), Views(z, cameras))
    return count.get_total_flops() / 1e12


def random_prior(name: str, setting: Setting, **settings: Any) -> PretrainedPrior:
    """A prior of this shape on the device. Its text is noise that depends on the prompt alone."""
    shape = SHAPES[name]
    folder = Path(tempfile.mkdtemp())
    (folder / "model_index.json").write_text(json.dumps({"_class_name": shape.pipeline}))
    if issubclass(shape.config, ShownPictureConfig):
        settings["image"] = str(tiny.picture(folder / "image.png"))
    if setting.quick:
        settings.setdefault("resolution", 64)
    config = shape.config.model_validate(
        {"model": str(folder), "cache_prompts": False, "offline": True, **settings}
    )
    return _randomised(shape, setting)(config, setting.device)


def _randomised(shape: Shape, setting: Setting) -> Callable[..., PretrainedPrior]:
    """The family's prior, given parts that were never on a disk."""
    made = shape.settings(setting.quick)

    class Random(shape.prior):
        def _load(self, skip: Any, **parts: Any) -> Any:
            pipe = SimpleNamespace(scheduler=_scheduler(shape))
            network = _filled(network_class(shape), made, self.dtype, setting.device)
            if isinstance(self, ImageDreamPrior):
                put_on(network, _random_adapter(network))
            elif isinstance(self, MVDreamPrior):
                network.class_embedding = CameraEmbedding(network.class_embedding)
            if isinstance(self, MVDreamPrior):
                self.attention = attend_across_views(network)
            setattr(pipe, self.network_part, network)
            if shape.latents != 3:
                pipe.vae = _vae(shape, setting, self.dtype)
            return pipe

        def _encoded(self, prompts: list[str]) -> Condition:
            width, pooled = made[shape.width], shape.pooled[setting.quick]
            seeds = [torch.Generator().manual_seed(zlib.crc32(prompt.encode())) for prompt in prompts]
            tokens = torch.stack([torch.randn(shape.tokens, width, generator=seed) for seed in seeds])
            mask = torch.ones(len(prompts), shape.tokens, dtype=torch.bool)
            short = torch.stack([torch.randn(pooled, generator=s) for s in seeds]) if pooled else None
            extras: Any = ()
            if isinstance(self, Zero123Prior):
                mask = torch.tensor([bool(prompt) for prompt in prompts])[:, None]
                side = self.space.side // 8
                extras = (("image", torch.randn(len(prompts), 4, side, side, generator=seeds[0])),)
            if isinstance(self, ImageDreamPrior):
                side = self.space.side // 8
                picture = torch.randn(len(prompts), 4, side, side, generator=seeds[0])
                extras = (
                    ("embedding", torch.randn(len(prompts), *_SEEN, generator=seeds[0])),
                    ("image", picture),
                )
            return Condition(tokens, mask, short, extras)

        def _space(self, pipe: Any) -> Any:
            if not isinstance(self, Zero123Prior):
                return super()._space(pipe)
            width = made["cross_attention_dim"]
            self.projection = torch.nn.Linear(width + 4, width).to(self.device, self.dtype)
            self.projection.requires_grad_(False)
            return self._latents(pipe)

    return Random


def _random_adapter(network: Any) -> dict[str, dict[str, torch.Tensor]]:
    """ImageDream's eyes at their published size, in the network's precision and where it is."""
    width, like = network.config.cross_attention_dim, network.conv_in.weight
    with torch.device(like.device):
        state = {f"image_embed.{k}": v for k, v in tiny.resampler_state(_SEEN[1], width, inner=768).items()}
        for name, layer in network.named_modules():
            if name.endswith("attn2"):
                state |= {f"{name}.{part}.weight": torch.randn_like(layer.to_k.weight) for part in _ADAPTED}
        state = {name: value.to(like.dtype) for name, value in state.items()}
    return adapter_parts(network, state, "random weights")


def _filled(kind: Any, settings: dict[str, Any], dtype: torch.dtype, device: torch.device) -> Any:
    """A part made where it belongs, in its own precision: nothing of it passes through main memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            torch.manual_seed(0)
            return kind(**settings).to(dtype)
    finally:
        torch.set_default_dtype(before)


def _vae(shape: Shape, setting: Setting, dtype: torch.dtype) -> Any:
    sides = (32, 32, 32, 32) if setting.quick else (128, 256, 512, 512)
    settings: dict[str, Any] = {
        "block_out_channels": sides,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1 if setting.quick else 2,
        "latent_channels": shape.latents,
        "sample_size": 512,
    }
    if shape.prior is SD3Prior:
        settings |= {"scaling_factor": 1.5305, "shift_factor": 0.0609} | tiny.WITHOUT_QUANT
    return _filled(import_module("diffusers").AutoencoderKL, settings, dtype, setting.device)


def _scheduler(shape: Shape) -> Any:
    diffusers = import_module("diffusers")
    if shape.prior is SD3Prior:
        return diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    if shape.prior is DeepFloydPrior:
        return diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")
    return diffusers.DDIMScheduler(**tiny.DDIM)
