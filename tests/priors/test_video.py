"""Text-to-video through diffusers: views as frames, one step, and equality with the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from priors import tiny

from dreamlab.core.diffusion import cfg_combine, noise_from_x0, v_from_x0
from dreamlab.core.errors import ConfigError
from dreamlab.guidance import SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors import VideoPriorConfig
from dreamlab.priors.diffusers.recognise import kind_of
from dreamlab.priors.diffusers.video import VideoPrior


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.video(tmp_path_factory.mktemp("video"))


@pytest.fixture()
def prior(folder: Path) -> VideoPrior:
    return VideoPriorConfig(model=str(folder), resolution=32, frames=4).build()


def noise(n: int = 4) -> torch.Tensor:
    return torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def test_one_step_moves_every_view_and_nothing_in_the_model(folder: Path, prior: VideoPrior) -> None:
    assert kind_of(str(folder)) == "video"
    assert (prior.views_per_group, prior.channels, prior.prediction) == (4, 4, "epsilon")
    tiny.check_step(prior, n=8)


def test_guided_answers_are_those_of_the_pipeline(folder: Path, prior: VideoPrior) -> None:
    """One trailing step of DDIM ends on x0_hat."""
    from diffusers import DDIMScheduler, TextToVideoSDPipeline

    pipe = TextToVideoSDPipeline.from_pretrained(folder)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    wanted = pipe(
        "a cube", latents=noise().movedim(0, 1)[None], num_frames=4, num_inference_steps=1,
        guidance_scale=9.0, output_type="latent", height=32, width=32,
    ).frames  # fmt: skip
    t = torch.full((4,), 0.999)
    null, pred = (prior.denoise(noise(), t, prior.embed([text] * 4)) for text in ("", "a cube"))
    guided = cfg_combine(null, pred, 9.0)
    torch.testing.assert_close(guided.movedim(0, 1)[None], wanted, rtol=1e-4, atol=1e-3)


def test_frames_of_a_clip_see_each_other_and_clips_do_not(prior: VideoPrior) -> None:
    z, other = noise(8), noise(8)
    other[1] += 1.0
    t, condition = torch.full((8,), 0.5), prior.embed(["a cube"] * 8)
    moved = (prior.denoise(z, t, condition) - prior.denoise(other, t, condition)).abs()
    assert (moved.flatten(1).amax(1) > 1e-6).tolist() == [True] * 4 + [False] * 4


def test_each_clip_has_its_own_level_and_prompt(prior: VideoPrior) -> None:
    t = torch.tensor([0.3] * 4 + [0.7] * 4)
    condition = prior.embed(["a cube"] * 4 + ["a ball"] * 4)
    both = prior.denoise(noise(8), t, condition)
    alone = [prior.denoise(noise(8)[part], t[part], condition[part]) for part in (slice(4), slice(4, 8))]
    torch.testing.assert_close(both, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_predictions_of_every_kind_mean_the_same_image(prior: VideoPrior) -> None:
    t, condition = torch.full((4,), 0.4), prior.embed(["a cube"] * 4)
    x0, scales = prior.denoise(noise(), t, condition), prior.alpha_sigma(t)
    for kind, pred in (
        ("epsilon", noise_from_x0(noise(), x0, *scales)),
        ("v_prediction", v_from_x0(noise(), x0, *scales)),
        ("sample", x0),
    ):
        prior.prediction = kind
        prior._predict = lambda _, pred=pred: pred
        torch.testing.assert_close(prior.denoise(noise(), t, condition), x0, rtol=1e-5, atol=1e-5)


def test_half_a_clip_is_an_error(prior: VideoPrior) -> None:
    with pytest.raises(ConfigError, match=r"whole clip at a time; expected a multiple of 4 views, got 3"):
        prior.denoise(noise(3), torch.full((3,), 0.5), prior.embed(["a cube"] * 3))
    render, cameras = tiny.views(6)
    prompts = ViewPrompts(prior, "a cube", view_dependent=False)
    with pytest.raises(ConfigError, match="expected a multiple of 4 views a step, got 6"):
        SDSConfig().build(prior)(render, cameras, prompts, 0.5, torch.Generator())


def test_frames_that_are_told_different_things_are_an_error(prior: VideoPrior) -> None:
    with pytest.raises(ConfigError, match="share one noise level"):
        prior.denoise(noise(), torch.tensor([0.5, 0.5, 0.5, 0.6]), prior.embed(["a cube"] * 4))
    render, cameras = tiny.views()
    prompts = ViewPrompts(prior, "a cube", view_dependent=True)
    with pytest.raises(ConfigError, match=r"share one prompt.*view_dependent=false"):
        SDSConfig().build(prior)(render, cameras, prompts, 0.5, torch.Generator())
