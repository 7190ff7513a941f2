"""Models for something else than an image from a text say what they are, and what to take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny

from dreamlab.core.errors import ConfigError, InputError
from dreamlab.priors import SanaPriorConfig, SDXLPriorConfig, StableDiffusionPriorConfig
from dreamlab.priors.diffusers.recognise import FAMILIES, kind_of


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"in_channels": 9}, r"is an inpainting model, .*got a network of 9 channels\. Take the model"),
        ({"in_channels": 8}, r"is an editing or novel-view model, .*got a network of 8 channels"),
        ({"in_channels": 5}, r"is shown a depth map; .*5 channels\. Take --set prior\.kind=controlnet"),
        ({"in_channels": 7}, r"is an upscaler"),
        ({"in_channels": 16}, r"the VAE does not fit .*expected latents of 16 channels, got 4"),
        ({"time_cond_proj_dim": 8}, r"distilled to few steps"),
    ],
)
def test_a_network_that_wants_more_than_latents_says_what_it_is(
    tmp_path: Path, settings: dict[str, Any], line: str
) -> None:
    """Whatever class the folder's index names."""
    folder = tiny.stable_diffusion(tmp_path, unet=tiny.unet(**settings))
    with pytest.raises(Exception, match=line) as error:
        StableDiffusionPriorConfig(model=str(folder)).build()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("StableDiffusionInpaintPipeline", "is an inpainting model"),
        ("StableDiffusionXLInpaintPipeline", "is an inpainting model"),
        ("StableDiffusionInstructPix2PixPipeline", "is an editing or novel-view model"),
        ("StableDiffusionDepth2ImgPipeline", "is a model that is shown a depth map"),
        ("StableDiffusionUpscalePipeline", "is an upscaler"),
        ("LatentConsistencyModelPipeline", "distilled to few steps"),
    ],
)
def test_pipelines_for_something_else_say_what_they_are(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": name}))
    with pytest.raises(InputError, match=rf"{line}.*; got {name}\. Take "):
        kind_of(str(tmp_path))


@pytest.mark.parametrize(
    ("channels", "line"),
    [(9, "is an inpainting model, .*got inpainting"), (8, "is an editing .*got instruct-pix2pix")],
)
def test_single_files_for_something_else_say_what_they_are(tmp_path: Path, channels: int, line: str) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "model.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1, channels, 1, 1)}, file)
    with pytest.raises(InputError, match=line):
        kind_of(str(file))


def test_the_refiner_of_xl_is_told_from_xl(tmp_path: Path) -> None:
    folder = tiny.sdxl(tmp_path)
    index = json.loads((folder / "model_index.json").read_text()) | {"requires_aesthetics_score": True}
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"is a refiner, .*Take sdxl"):
        SDXLPriorConfig(model=str(folder)).build()


@pytest.mark.parametrize("kind", ["sdxl", "sd3", "flux", "pixart", "video", "mvdream", "zero123"])
def test_a_vae_of_other_channels_does_not_fit_any_family(tmp_path: Path, kind: str) -> None:
    config = next(f for f in FAMILIES if f.model_fields["kind"].default == kind)
    folder = getattr(tiny, kind)(tmp_path / "model")
    tiny.vae(6).save_pretrained(tmp_path / "vae")
    more = {"image": tiny.picture(tmp_path / "p.png")} if kind == "zero123" else {}
    with pytest.raises(
        ConfigError, match=r"the VAE does not fit the network .*latents of \d channels, got 6"
    ):
        config(model=str(folder), vae=str(tmp_path / "vae"), resolution=32, **more).build()


def test_sana_takes_a_deep_autoencoder_alone(tmp_path: Path) -> None:
    folder = tiny.sana(tmp_path / "model")
    tiny.vae().save_pretrained(tmp_path / "vae")
    with pytest.raises(
        InputError, match="no VAE that can be used; expected AutoencoderDC, got AutoencoderKL"
    ):
        SanaPriorConfig(model=str(folder), vae=str(tmp_path / "vae")).build()
    assert SanaPriorConfig(model=str(folder), vae=str(folder)).build().channels == 4
