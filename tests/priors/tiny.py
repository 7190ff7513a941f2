"""Tiny random pipelines of every family, made from configs, and one optimisation step on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamlab.core.cameras import distance_to_fit, turntable
from dreamlab.core.types import Cameras, RenderOutput
from dreamlab.guidance import SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.protocols import Prior

SD_BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
DDIM: dict[str, Any] = SD_BETAS | {"clip_sample": False, "steps_offset": 1}
WITHOUT_QUANT = {"use_quant_conv": False, "use_post_quant_conv": False}
WIDTH = 32  # of text


def byte_vocabulary() -> dict[str, int]:
    """CLIP's byte-level vocabulary without any merges: every letter is a token."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    letters = [chr(b) for b in visible] + [chr(256 + i) for i in range(len(hidden))]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}


def clip_tokeniser() -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(byte_vocabulary(), [], model_max_length=77)


def clip_text(projected: bool = False, width: int = WIDTH) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    words = byte_vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=width, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2, projection_dim=width, hidden_act="gelu",
        bos_token_id=words["<|startoftext|>"], eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def t5() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(chr(c), -3.0) for c in range(33, 127)]
    tokeniser = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=77)
    config = T5Config(vocab_size=len(pieces) + 8, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return tokeniser, T5EncoderModel(config)


def vae(channels: int = 4, **more: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[8, 8], norm_num_groups=4, latent_channels=channels, sample_size=32,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, **more,
    )  # fmt: skip


def unet(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = {
        "block_out_channels": (16, 32),
        "norm_num_groups": 8,
        "layers_per_block": 1,
        "sample_size": 16,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
    }
    return UNet2DConditionModel(**settings | more)


def stable_diffusion(folder: Path, prediction: str = "epsilon", **more: Any) -> Path:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "vae": vae(),
        "text_encoder": clip_text(),
        "tokenizer": clip_tokeniser(),
        "unet": unet(),
        "scheduler": DDIMScheduler(**DDIM, prediction_type=prediction),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    StableDiffusionPipeline(**parts | more).save_pretrained(folder)
    return folder


def sdxl(folder: Path, **vae_settings: Any) -> Path:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    torch.manual_seed(0)
    network = unet(
        addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH, cross_attention_dim=2 * WIDTH,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=vae(**vae_settings), text_encoder=clip_text(), text_encoder_2=clip_text(projected=True),
        tokenizer=clip_tokeniser(), tokenizer_2=clip_tokeniser(), unet=network,
        scheduler=EulerDiscreteScheduler(**SD_BETAS),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def sd3(folder: Path, with_t5: bool = True) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(0)
    tokeniser, encoder = t5()
    network = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=8, out_channels=8, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=WIDTH, pos_embed_max_size=32,
        pooled_projection_dim=2 * 16,
    )  # fmt: skip
    StableDiffusion3Pipeline(
        vae=vae(8, shift_factor=0.0609, scaling_factor=1.5305, **WITHOUT_QUANT),
        text_encoder=clip_text(projected=True, width=16), tokenizer=clip_tokeniser(),
        text_encoder_2=clip_text(projected=True, width=16), tokenizer_2=clip_tokeniser(),
        text_encoder_3=encoder if with_t5 else None, tokenizer_3=tokeniser if with_t5 else None,
        transformer=network, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def flux(folder: Path, guidance_embeds: bool = True, **scheduler: Any) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(0)
    tokeniser, encoder = t5()
    network = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8), guidance_embeds=guidance_embeds,
    )  # fmt: skip
    FluxPipeline(
        vae=vae(4, shift_factor=0.1159, scaling_factor=0.3611, **WITHOUT_QUANT),
        text_encoder=clip_text(), tokenizer=clip_tokeniser(), text_encoder_2=encoder, tokenizer_2=tokeniser,
        transformer=network, scheduler=FlowMatchEulerDiscreteScheduler(**scheduler),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def deepfloyd(folder: Path, upscaler: bool = False) -> Path:
    from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline

    torch.manual_seed(0)
    tokeniser, encoder = t5()
    kind, more = IFPipeline, {}
    channels, embedding = 3, {}
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True,
        dynamic_thresholding_ratio=0.95, sample_max_value=1.5,
    )  # fmt: skip
    if upscaler:
        kind, channels, embedding = IFSuperResolutionPipeline, 6, {"class_embed_type": "timestep"}
        more = {"image_noising_scheduler": DDPMScheduler(beta_schedule="squaredcos_cap_v2")}
    network = unet(in_channels=channels, out_channels=6, sample_size=16, **embedding)
    kind(
        tokenizer=tokeniser, text_encoder=encoder, unet=network, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, watermarker=None, requires_safety_checker=False, **more,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def pixart(folder: Path, conditions: bool = False) -> Path:
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    torch.manual_seed(0)
    tokeniser, encoder = t5()
    network = PixArtTransformer2DModel(
        sample_size=16, num_layers=1, patch_size=2, attention_head_dim=12, num_attention_heads=2,
        in_channels=4, out_channels=8, cross_attention_dim=24, caption_channels=WIDTH,
        use_additional_conditions=conditions,
    )  # fmt: skip
    PixArtSigmaPipeline(
        tokenizer=tokeniser, text_encoder=encoder, vae=vae(), transformer=network,
        scheduler=DPMSolverMultistepScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def gemma() -> tuple[Any, Any]:
    from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *(chr(c) for c in range(33, 127))]
    words = {piece: i for i, piece in enumerate(pieces)}
    tokeniser = GemmaTokenizer(vocab=words, merges=[], add_bos_token=True)
    config = Gemma2Config(
        vocab_size=len(pieces), hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=4096,
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    return tokeniser, Gemma2Model(config)


def sana(folder: Path) -> Path:
    from diffusers import (
        AutoencoderDC,
        DPMSolverMultistepScheduler,
        SanaPipeline,
        SanaTransformer2DModel,
    )

    torch.manual_seed(0)
    tokeniser, encoder = gemma()
    autoencoder = AutoencoderDC(
        latent_channels=4, attention_head_dim=2, scaling_factor=0.41407, downsample_block_type="conv",
        upsample_block_type="interpolate", decoder_act_fns="silu",
        **{f"{side}_block_types": ("ResBlock", "EfficientViTBlock") for side in ("encoder", "decoder")},
        **{f"{side}_block_out_channels": (8, 8) for side in ("encoder", "decoder")},
        **{f"{side}_qkv_multiscales": ((), (5,)) for side in ("encoder", "decoder")},
        **{f"{side}_layers_per_block": (1, 1) for side in ("encoder", "decoder")},
    )  # fmt: skip
    network = SanaTransformer2DModel(
        sample_size=16, num_layers=1, in_channels=4, out_channels=4, num_attention_heads=2,
        attention_head_dim=8, num_cross_attention_heads=2, cross_attention_head_dim=8,
        cross_attention_dim=16, caption_channels=WIDTH,
    )  # fmt: skip
    SanaPipeline(
        tokenizer=tokeniser, text_encoder=encoder, vae=autoencoder, transformer=network,
        scheduler=DPMSolverMultistepScheduler(
            use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def video(folder: Path) -> Path:
    from diffusers import DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel

    torch.manual_seed(0)
    network = UNet3DConditionModel(
        block_out_channels=(16, 32), norm_num_groups=8, layers_per_block=1, sample_size=16,
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "UpBlock3D"),
        cross_attention_dim=WIDTH, attention_head_dim=4,
    )  # fmt: skip
    for module in network.modules():  # layers along time start as the identity; these say something
        if "Temp" in type(module).__name__ or "Temporal" in type(module).__name__:
            for parameter in module.parameters():
                torch.nn.init.normal_(parameter, std=0.1)
    TextToVideoSDPipeline(
        vae=vae(), text_encoder=clip_text(), tokenizer=clip_tokeniser(), unet=network,
        scheduler=DDIMScheduler(**DDIM),
    ).save_pretrained(folder)  # fmt: skip
    return folder


@dataclass(frozen=True)
class OneStep:
    """What came of one step: the image's gradient and the model's parameters."""

    gradient: torch.Tensor
    loss: float
    parameters: list[torch.nn.Parameter]


def views(n: int = 4, side: int = 24) -> tuple[RenderOutput, Cameras]:
    """A render of n views with a gradient on its colours, a smooth ball in front of grey."""
    fovy = torch.tensor([0.7])
    distance = float(distance_to_fit(fovy))
    cameras = turntable(n, 0.2, distance, 0.7, (side, side))
    axis = torch.linspace(-1, 1, side)
    radius = (axis[:, None] ** 2 + axis[None] ** 2).sqrt()
    opacity = torch.sigmoid((0.7 - radius) * 20)[None, :, :, None].expand(n, -1, -1, 1)
    depth = opacity * (distance - (0.49 - radius**2).clamp_min(0).sqrt()[None, :, :, None])
    rgb = torch.rand(n, side, side, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return RenderOutput(rgb, opacity, depth, torch.full_like(rgb, 0.5)), cameras


def one_step(prior: Prior, n: int = 4, **settings: Any) -> OneStep:
    """Score distillation once, and one step of gradient descent on the pixels."""
    render, cameras = views(n)
    prompts = ViewPrompts(prior, "a red mushroom", view_dependent=False)
    out = SDSConfig(**settings).build(prior)(render, cameras, prompts, 0.5, torch.Generator().manual_seed(0))
    out.loss.backward()
    assert render.rgb.grad is not None
    return OneStep(render.rgb.grad, float(out.loss.detach()), list(parameters(prior)))


def parameters(prior: Any) -> list[torch.nn.Parameter]:
    """All parameters of all modules that a prior holds."""
    held = [*vars(prior).values(), *vars(prior.space).values()]
    return [p for module in held if isinstance(module, torch.nn.Module) for p in module.parameters()]


def check_step(prior: Any, n: int = 4, **settings: Any) -> None:
    """One step moves every image by a finite gradient and nothing in the model."""
    done = one_step(prior, n, **settings)
    assert done.gradient.isfinite().all()
    assert (done.gradient.flatten(1).abs().amax(dim=1) > 0).all()
    assert done.parameters and not any(p.requires_grad or p.grad is not None for p in done.parameters)


def mvdream(folder: Path) -> Path:
    """Stable Diffusion's folder with a network that is told cameras."""
    import json

    stable_diffusion(folder)
    torch.manual_seed(1)
    unet(
        class_embed_type="projection", projection_class_embeddings_input_dim=16, use_linear_projection=True
    ).save_pretrained(folder / "unet")  # fmt: skip
    index = folder / "model_index.json"
    output = json.loads(index.read_text()) | {
        "_class_name": ["pipeline_mvdream", "MVDreamPipeline"],
        "unet": ["mv_unet", "MultiViewUNetModel"],
    }
    index.write_text(json.dumps(output))
    return folder


def controlnet(folder: Path, base: Path) -> Path:
    from diffusers import ControlNetModel, UNet2DConditionModel

    torch.manual_seed(2)
    net = ControlNetModel.from_unet(
        UNet2DConditionModel.from_pretrained(base / "unet"), conditioning_embedding_out_channels=(4, 4)
    )
    for parameter in net.parameters():  # a new ControlNet says nothing; this one does
        torch.nn.init.normal_(parameter, std=0.1)
    net.save_pretrained(folder)
    return folder


def ip_adapter(folder: Path, base: Path, width: int = WIDTH) -> Path:
    """An adapter for the UNet of a tiny Stable Diffusion, under the published names, with its encoder."""
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(5)
    network = UNet2DConditionModel.from_pretrained(base / "unet")
    state = {
        "image_proj.proj.weight": torch.randn(4 * width, 24) * 0.2,
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    layers = [name for name in network.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(layers):
        size = network.get_submodule(name.removesuffix(".processor")).to_k.out_features
        for part in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * i + 1}.{part}.weight"] = torch.randn(size, width) * 0.2
    (folder / "models").mkdir(parents=True)
    save_file(state, folder / "models" / "ip-adapter_sd15.safetensors")
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16, intermediate_size=16, projection_dim=24, num_hidden_layers=1,
            num_attention_heads=2, image_size=32, patch_size=8,
        )
    ).save_pretrained(folder / "models" / "image_encoder")  # fmt: skip
    return folder


def clip_vision(layers: int = 1) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            projection_dim=WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=2,
            image_size=224,
            patch_size=56,
        )
    )


IMAGEDREAM = {
    "image_size": 16, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": 1,
    "attention_resolutions": [2], "channel_mult": [1, 2], "num_head_channels": 8, "context_dim": WIDTH,
    "camera_dim": 16, "transformer_depth": 1, "ip_dim": 16, "ip_weight": 1.0,
}  # fmt: skip
"""A tiny network's settings in the words of ImageDream's own code, ip_dim as published."""


def imagedream(folder: Path) -> Path:
    """MVDream's folder with an image encoder, and all of the network under the original code's names."""
    import json

    from safetensors.torch import save_file

    mvdream(folder)
    torch.manual_seed(2)
    network = unet(
        class_embed_type="projection", projection_class_embeddings_input_dim=16, use_linear_projection=True,
        block_out_channels=(32, 64), norm_num_groups=32, attention_head_dim=[4, 8],
    )  # fmt: skip
    state = {original_unet_name(name): value for name, value in network.state_dict().items()}
    for name in [name for name in state if name.endswith("attn2.to_k.weight")]:
        for part in ("to_k", "to_v"):
            like = state[name.replace("to_k.weight", f"{part}.weight")]
            state[name.replace("to_k.weight", f"{part}_ip.weight")] = 0.3 * torch.randn_like(like)
    state |= {f"image_embed.{name}": value for name, value in resampler_state(16, WIDTH).items()}
    save_file(
        {name: value.contiguous() for name, value in state.items()},
        folder / "unet" / "diffusion_pytorch_model.safetensors",
    )
    (folder / "unet" / "config.json").write_text(json.dumps(IMAGEDREAM))
    clip_vision(layers=3).save_pretrained(folder / "image_encoder")
    index = folder / "model_index.json"
    parts = json.loads(index.read_text()) | {"image_encoder": ["transformers", "CLIPVisionModel"]}
    index.write_text(json.dumps(parts))
    return folder


def resampler_state(
    seen: int, width: int, tokens: int = 16, depth: int = 4, inner: int = 64
) -> dict[str, torch.Tensor]:
    """Random weights of ImageDream's resampler under its own names, with heads of 64."""
    state = {"latents": torch.randn(1, tokens, width) / width**0.5}

    def linear(name: str, ins: int, outs: int, bias: bool = False) -> None:
        state[f"{name}.weight"] = torch.randn(outs, ins) / ins**0.5
        if bias:
            state[f"{name}.bias"] = 0.1 * torch.randn(outs)

    def norm(name: str) -> None:
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(width)
        state[f"{name}.bias"] = 0.1 * torch.randn(width)

    linear("proj_in", seen, width, bias=True)
    linear("proj_out", width, width, bias=True)
    norm("norm_out")
    for i in range(depth):
        norm(f"layers.{i}.0.norm1")
        norm(f"layers.{i}.0.norm2")
        linear(f"layers.{i}.0.to_q", width, inner)
        linear(f"layers.{i}.0.to_kv", width, 2 * inner)
        linear(f"layers.{i}.0.to_out", inner, width)
        norm(f"layers.{i}.1.0")
        linear(f"layers.{i}.1.1", width, 4 * width)
        linear(f"layers.{i}.1.3", 4 * width, width)
    return state


def zero123(folder: Path, projection: str = "cc_projection") -> Path:
    import json

    from diffusers import DDIMScheduler
    from safetensors.torch import save_file

    torch.manual_seed(3)
    unet(in_channels=8).save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    DDIMScheduler(**DDIM).save_pretrained(folder / "scheduler")
    clip_vision().save_pretrained(folder / "image_encoder")
    (folder / projection).mkdir()
    layer = torch.nn.Linear(WIDTH + 4, WIDTH)
    state = {f"proj.{name}": value.detach() for name, value in layer.named_parameters()}
    save_file(state, folder / projection / "diffusion_pytorch_model.safetensors")
    index = {
        "_class_name": "Zero123Pipeline",
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        projection: ["zero123", "CLIPCameraProjection"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def picture(file: Path, side: int = 40) -> Path:
    from PIL import Image

    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(file)
    return file


def single_file(folder: Path, file: Path) -> Path:
    """A tiny Stable Diffusion of these shapes in one file, under the names of the original code."""
    from safetensors.torch import load_file, save_file

    state = {}
    for part, prefix, name in (
        ("unet", "model.diffusion_model.", original_unet_name),
        ("vae", "first_stage_model.", original_vae_name),
    ):
        weights = load_file(folder / part / "diffusion_pytorch_model.safetensors")
        state |= {prefix + name(key): value for key, value in weights.items()}
    text = load_file(folder / "text_encoder" / "model.safetensors")
    state |= {
        "cond_stage_model.transformer.text_model." + key.removeprefix("text_model."): value
        for key, value in text.items()
    }
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    return file


_TOPS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "class_embedding.linear_1": "camera_embed.0",
    "class_embedding.linear_2": "camera_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
}
_INNER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original_unet_name(name: str) -> str:
    """diffusers' name of a weight of the tiny UNet in the original code's words."""
    top = max((key for key in _TOPS if name.startswith(key + ".")), key=len)
    rest = name[len(top) + 1 :]
    part, _, leaf = rest.partition(".")
    if "resnets" in top and part in _INNER:
        rest = f"{_INNER[part]}.{leaf}"
    return f"{_TOPS[top]}.{rest}"


def original_vae_name(name: str) -> str:
    """The same for the tiny VAE of two levels, whose decoder counts its levels from the bottom."""
    for new, old in (
        ("encoder.down_blocks.", "encoder.down."),
        ("decoder.up_blocks.0", "decoder.up.1"),
        ("decoder.up_blocks.1", "decoder.up.0"),
        (".resnets.", ".block."),
        ("downsamplers.0", "downsample"),
        ("upsamplers.0", "upsample"),
        ("mid_block.block.0", "mid.block_1"),
        ("mid_block.block.1", "mid.block_2"),
        ("mid_block.attentions.0", "mid.attn_1"),
        ("group_norm", "norm"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("to_out.0", "proj_out"),
        ("conv_norm_out", "norm_out"),
        ("conv_shortcut", "nin_shortcut"),
    ):
        name = name.replace(new, old)
    return name
