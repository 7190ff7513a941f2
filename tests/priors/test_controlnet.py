"""ControlNet on Stable Diffusion: hints from the render, and equality with the pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.cameras import turntable
from dreamlab.core.diffusion import cfg_combine
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import RenderOutput, Views
from dreamlab.guidance.query import DenoiseQuery, denoise_batched
from dreamlab.priors import ControlNetPriorConfig
from dreamlab.priors.diffusers.controlnet import depth_hint, normal_hint


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("controlnet")
    base = tiny.stable_diffusion(root / "sd")
    return base, tiny.controlnet(root / "net", base)


@pytest.mark.parametrize("hint", ["depth", "normal"])
def test_one_step_moves_the_image_and_nothing_in_the_model(folders: tuple[Path, Path], hint: str) -> None:
    config = {"model": str(folders[0]), "controlnet": str(folders[1]), "hint": hint}
    tiny.check_step(ControlNetPriorConfig.model_validate(config).build())


def test_guided_answers_are_those_of_the_pipeline(folders: tuple[Path, Path]) -> None:
    from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline

    prior = ControlNetPriorConfig(model=str(folders[0]), controlnet=str(folders[1]), strength=0.7).build()
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        folders[0], controlnet=ControlNetModel.from_pretrained(folders[1]), safety_checker=None
    )
    pipe.scheduler = DDIMScheduler(**tiny.DDIM, timestep_spacing="trailing")
    render, cameras = tiny.views(1, side=32)
    views = prior.encode(render, cameras)
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = pipe(
        "a cube", image=depth_hint(render, cameras), latents=z, num_inference_steps=1, guidance_scale=7.5,
        controlnet_conditioning_scale=0.7, output_type="latent",
    ).images  # fmt: skip
    t = torch.tensor([0.999])
    null, pred = (prior.denoise(z, t, prior.embed([text]), views) for text in ("", "a cube"))
    torch.testing.assert_close(cfg_combine(null, pred, 7.5), wanted, rtol=1e-4, atol=2e-2)


def test_two_renders_from_one_camera_have_their_own_hints(folders: tuple[Path, Path]) -> None:
    """As in editing by delta denoising, which asks about the object and about what it was from one place."""
    prior = ControlNetPriorConfig(model=str(folders[0]), controlnet=str(folders[1])).build()
    render, cameras = tiny.views(1, side=32)
    slab = replace(render, depth=render.opacity * torch.linspace(2.0, 3.0, 32)[:, None])
    first, second = prior.encode(render, cameras), prior.encode(slab, cameras)
    torch.testing.assert_close(first.aux["hint"], depth_hint(render, cameras), atol=1e-5, rtol=0)
    torch.testing.assert_close(second.aux["hint"], depth_hint(slab, cameras), atol=1e-5, rtol=0)

    z, t = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0.9])
    queries = [DenoiseQuery(z, t, prior.embed(["a cube"]), views) for views in (first, second, first)]
    alone = [prior.denoise(*query) for query in queries]
    assert not torch.allclose(alone[0], alone[1], atol=1e-4)
    together = denoise_batched(prior, queries)
    torch.testing.assert_close(torch.cat(together), torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_it_wants_to_see_the_render(folders: tuple[Path, Path]) -> None:
    prior = ControlNetPriorConfig(model=str(folders[0]), controlnet=str(folders[1])).build()
    z, (_, cameras) = torch.zeros(1, 4, 16, 16), tiny.views(1)
    for views in (None, Views(z, cameras)):
        with pytest.raises(ConfigError, match="cannot answer without it"):
            prior.denoise(z, torch.tensor([0.5]), prior.embed([""]), views)


def ball(side: int = 64) -> tuple[RenderOutput, torch.Tensor]:
    """A ball of radius 0.8 seen from the side +X, exactly, and its normals in the camera's frame."""
    from dreamlab.core.cameras import camera_rays

    cameras = turntable(4, 0.0, 3.0, 0.7, (side, side))[1:2]
    origins, directions = camera_rays(cameras)
    along = -(origins * directions).sum(-1)
    inside = 0.64 - (origins.square().sum(-1) - along**2)
    distance = along - inside.clamp_min(0).sqrt()
    hit = (inside > 0).float()
    world = (origins + distance[:, None] * directions) / 0.8
    local = world @ cameras.c2w[0, :3, :3]
    shape = (1, side, side, 1)
    image = torch.zeros(1, side, side, 3)
    return (
        RenderOutput(image, hit.view(shape), (hit * distance).view(shape), image),
        local.view(1, side, side, 3),
    )


def test_depth_is_white_where_it_is_nearest_and_black_behind() -> None:
    render, _ = ball()
    hint = depth_hint(render, turntable(4, 0.0, 3.0, 0.7, (64, 64))[1:2])
    assert hint.shape == (1, 3, 64, 64)
    assert hint[0, 0, 31:33, 31:33].min() > 0.999 and hint[0, :, 0, 0].max() == 0
    assert hint[render.opacity.movedim(-1, 1).expand(-1, 3, -1, -1) > 0].min() >= 0.19


def test_normals_are_blue_to_the_camera_red_to_the_left_green_up() -> None:
    render, local = ball()
    hint = normal_hint(render, turntable(4, 0.0, 3.0, 0.7, (64, 64))[1:2])
    wanted = torch.stack([1 - local[..., 0], 1 + local[..., 1], 1 + local[..., 2]], dim=1) / 2
    middle = (slice(None), slice(None), slice(20, 44), slice(20, 44))
    torch.testing.assert_close(hint[middle], wanted[middle], atol=0.03, rtol=0)
    assert hint[0, :, 32, 22].argmax() in (0, 2) and hint[0, 0, 32, 18] > 0.7 > 0.3 > hint[0, 0, 32, 45]
    assert hint[0, 1, 18, 32] > 0.7 and hint[0, :, 0, 0].tolist() == [0.5, 0.5, 1.0]


def test_a_controlnet_for_another_model_is_an_error(folders: tuple[Path, Path], tmp_path: Path) -> None:
    other = tiny.stable_diffusion(tmp_path / "sd", unet=tiny.unet(cross_attention_dim=16))
    config = ControlNetPriorConfig(model=str(other), controlnet=str(folders[1]))
    with pytest.raises(ConfigError, match=r"does not fit .*expected text of width 16, got 32"):
        config.build()
