"""MVDream's network from the names of the original code to those of diffusers' UNet2DConditionModel."""

from __future__ import annotations

from typing import Any

from torch import Tensor

_ORIGINAL = "input_blocks.0.0.weight"
_PREFIX = "model.diffusion_model."


def network_settings(config: dict[str, Any]) -> dict[str, Any]:
    """UNet2DConditionModel's settings: as they are, or from those of the original code ("model_channels",
    ...).
    """
    if "model_channels" not in config:
        return config
    width = config["model_channels"]
    widths = [width * factor for factor in config["channel_mult"]]
    attends = [2**level in config["attention_resolutions"] for level in range(len(widths))]
    down = ["CrossAttnDownBlock2D" if yes else "DownBlock2D" for yes in attends]
    up = ["CrossAttnUpBlock2D" if yes else "UpBlock2D" for yes in reversed(attends)]
    heads = [w // config["num_head_channels"] for w in widths]
    return {
        "sample_size": config["image_size"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "down_block_types": down,
        "up_block_types": up,
        "block_out_channels": widths,
        "layers_per_block": config["num_res_blocks"],
        "cross_attention_dim": config["context_dim"],
        "attention_head_dim": heads,  # diffusers' name; it means the number of heads
        "use_linear_projection": True,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": config["camera_dim"],
    }


def renamed(state: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
    """Weights under diffusers' names: as they are, or from the original code's."""
    if _ORIGINAL not in state:
        return state
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    prefixed = {
        _PREFIX + name.replace("camera_embed.", "label_emb.0."): value for name, value in state.items()
    }
    return convert_ldm_unet_checkpoint(prefixed, settings)
