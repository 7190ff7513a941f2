"""Models that are made for something else than an image from a text, and what to take instead."""

from __future__ import annotations

from typing import Any

from dreamlab.core.errors import ConfigError, InputError

_WITH_A_HOLE = "an inpainting model, which is shown a picture with a hole in it"
_EDITING = "an editing or novel-view model, which is shown a picture"
_BY_DEPTH = "a model that is shown a depth map"
_ENLARGING = "an upscaler, which is shown a small picture"
_DISTILLED = "distilled to few steps: it answers with samples, not with means"
_REFINER = "a refiner, which only finishes what another model began"
_ANOTHER = "Take the model of text and image that it was tuned from"
_CONTROL = "Take --set prior.kind=controlnet with Stable Diffusion, which is shown the render's own depth"

# By diffusers' class of the pipeline, or by its name for what a single file holds.
_KNOWN = {
    **dict.fromkeys(
        ("StableDiffusionInpaintPipeline", "StableDiffusionXLInpaintPipeline", "inpainting", "inpainting_v2",
         "xl_inpaint", "FluxFillPipeline", "FluxInpaintPipeline", "flux-fill"), (_WITH_A_HOLE, _ANOTHER)),
    **dict.fromkeys(
        ("StableDiffusionInstructPix2PixPipeline", "StableDiffusionXLInstructPix2PixPipeline",
         "instruct-pix2pix"), (_EDITING, f"{_ANOTHER}, or for Zero123 a folder in diffusers' layout")),
    **dict.fromkeys(("StableDiffusionDepth2ImgPipeline", "FluxControlPipeline", "flux-depth"),
                    (_BY_DEPTH, _CONTROL)),
    **dict.fromkeys(("StableDiffusionUpscalePipeline", "StableDiffusionLatentUpscalePipeline", "upscale"),
                    (_ENLARGING, _ANOTHER)),
    **dict.fromkeys(("LatentConsistencyModelPipeline", "ConsistencyModelPipeline", "SanaSprintPipeline"),
                    (_DISTILLED, _ANOTHER)),
    "xl_refiner": (_REFINER, "Take sdxl"),
}  # fmt: skip


def refuse_known(model: str, kind: str) -> None:
    """Raises InputError where a pipeline's class or a single file's kind is of a model for something else."""
    if kind in _KNOWN:
        what, mend = _KNOWN[kind]
        raise InputError(f"{model} is {what}", got=kind, mend=mend)


def check_network(model: str, network: Any, latents: int, per_latent: int | None, own_vae: bool) -> None:
    """Raises InputError where the network wants more than noisy latents of this many channels and text,
    ConfigError where the VAE is another's. per_latent: the network's channels to one of the latents.
    """
    config = network.config
    if getattr(config, "time_cond_proj_dim", None) is not None:
        raise InputError(f"{model} is {_DISTILLED}", got="a network that is told its guidance", mend=_ANOTHER)
    channels = int(config.in_channels)
    if per_latent is None or channels == latents * per_latent:
        return
    more = {latents + latents + 1: (_WITH_A_HOLE, _ANOTHER), latents + latents: (_EDITING, _ANOTHER)}
    more |= {latents + 1: (_BY_DEPTH, _CONTROL), latents + 3: (_ENLARGING, _ANOTHER)}
    if per_latent == 1 and channels in more and not own_vae:
        what, mend = more[channels]
        raise InputError(f"{model} is {what}", got=f"a network of {channels} channels", mend=mend)
    raise ConfigError(
        f"the VAE does not fit the network of {model}",
        expected=f"latents of {channels // per_latent} channels",
        got=str(latents),
    )


def refuse_refiner(model: str, index: dict[str, Any]) -> None:
    """Raises InputError for the refiner of Stable Diffusion XL, whose folder is of the same class."""
    if index.get("requires_aesthetics_score"):
        raise InputError(f"{model} is {_REFINER}", mend="Take sdxl")
