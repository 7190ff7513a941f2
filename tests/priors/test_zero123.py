"""Zero123 on diffusers' parts: an image and how far the camera moved."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError, DamagedError, InputError
from dreamlab.core.types import Views
from dreamlab.priors import Zero123PriorConfig
from dreamlab.priors.diffusers.zero123 import camera_numbers, read_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.zero123(tmp_path_factory.mktemp("zero123"))


@pytest.fixture()
def config(folder: Path, tmp_path: Path) -> Zero123PriorConfig:
    return Zero123PriorConfig(
        model=str(folder), image=tiny.picture(tmp_path / "front.png"), image_elevation=10.0, resolution=32
    )


def test_one_step_moves_the_image_and_nothing_in_the_model(config: Zero123PriorConfig) -> None:
    tiny.check_step(config.build())


def test_the_four_numbers_are_those_of_zero123() -> None:
    """Change of the polar angle, sine and cosine of the azimuth's; the image's own view is (0, 0, 1, 0)."""
    angles = torch.tensor([0.0, math.pi / 2]), torch.tensor([math.radians(10), math.radians(40)])
    cameras = orbit_cameras(*angles, torch.full((2,), 3.0), torch.full((2,), 0.7), (8, 8))
    wanted = torch.tensor([[0.0, 0.0, 1.0, 0.0], [math.radians(-30), 1.0, 0.0, 0.0]])
    torch.testing.assert_close(
        camera_numbers(cameras, math.radians(10), "zero123"), wanted, atol=1e-6, rtol=0
    )
    stable = camera_numbers(cameras, math.radians(10), "stable-zero123")
    torch.testing.assert_close(stable[:, 3], torch.full((2,), math.radians(80)))


def test_the_empty_prompt_is_zeros_and_any_other_is_the_image(config: Zero123PriorConfig) -> None:
    prior = config.build()
    condition = prior.embed(["", "a cube", "anything"])
    latent = dict(condition.extras)["image"]
    assert condition.tokens[0].abs().max() == latent[0].abs().max() == 0
    assert torch.equal(condition.tokens[1], condition.tokens[2]) and condition.mask.tolist() == [
        [False],
        [True],
        [True],
    ]
    pixels = torch.nn.functional.interpolate(
        read_image(config.image), (32, 32), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(latent[1:2], prior.space.vae.encode(pixels).latent_dist.mode())


def test_the_network_is_told_projection_and_latent(config: Zero123PriorConfig) -> None:
    prior, (_, cameras) = config.build(), tiny.views(2)
    z, t = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((2,), 0.5)
    condition = prior.embed(["x", ""])
    moved = camera_numbers(cameras, math.radians(10), "zero123")
    tokens = prior.projection(torch.cat([condition.tokens, moved[:, None]], dim=-1))
    tokens[1] = 0
    both = torch.cat([z, dict(condition.extras)["image"]], dim=1)
    noise = prior.network(both, 500, encoder_hidden_states=tokens).sample
    alpha, sigma = (v[:, None, None, None] for v in prior.alpha_sigma(t))
    torch.testing.assert_close(prior.denoise(z, t, condition, Views(z, cameras)), (z - sigma * noise) / alpha)


def test_it_needs_cameras_unless_it_is_unconditional(config: Zero123PriorConfig) -> None:
    prior, z, t = config.build(), torch.zeros(1, 4, 16, 16), torch.tensor([0.5])
    assert prior.denoise(z, t, prior.embed([""])).isfinite().all()
    with pytest.raises(ConfigError, match="cannot answer without cameras"):
        prior.denoise(z, t, prior.embed(["x"]))


def test_both_names_of_the_projection_are_found_and_its_absence_is_said(tmp_path: Path) -> None:
    picture = tiny.picture(tmp_path / "front.png")
    other = tiny.zero123(tmp_path / "other", projection="clip_camera_projection")
    Zero123PriorConfig(model=str(other), image=picture, resolution=32).build()
    neither = tiny.zero123(tmp_path / "neither", projection="something")
    with pytest.raises(DamagedError, match="has no camera projection"):
        Zero123PriorConfig(model=str(neither), image=picture, resolution=32).build()


def test_pictures_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"the picture .*text\.png cannot be read"):
        read_image(tmp_path / "text.png")
    Image.new("RGB", (4, 6)).save(tmp_path / "tall.png")
    with pytest.raises(InputError, match="is not square; got 4x6"):
        read_image(tmp_path / "tall.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 1).all()
