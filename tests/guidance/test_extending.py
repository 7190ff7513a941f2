"""The examples of docs/extending.md are complete, short, and do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from examples import example

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.diffusion import noise_from_x0
from dreamlab.core.types import RenderOutput
from dreamlab.guidance import CFGConfig, NoiseConfig, SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.priors.protocols import Prior


def test_the_example_method_is_sds_with_less_variance(toy, tmp_path, monkeypatch):
    module = example("method", tmp_path, monkeypatch)
    scene = toy((1.0, 0.2, 0.4, "red"), (-1.0, 0.0, 0.6, "blue"))
    calibration = CFGConfig(text=3.0), NoiseConfig(t_min=0.5, t_max=0.5)
    method = module.AntitheticConfig().build(scene.prior, *calibration)
    assert isinstance(method, Guidance)
    points = torch.tensor([[0.4, 0.3]], dtype=torch.float64).expand(2000, 2)
    ours = scene.tell(method, points)[0]
    plain = scene.tell(SDSConfig().build(scene.prior, *calibration), points, seed=1)[0]
    error = ((ours.var(0) + plain.var(0)) / 2000).sqrt()
    assert ((ours.mean(0) - plain.mean(0)).abs() < 5 * error).all()
    assert (ours.std(0) < 0.7 * plain.std(0)).all()


def test_the_example_loss_sees_what_is_not_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("loss", tmp_path, monkeypatch)
    rgb, one = torch.zeros(1, 4, 4, 3), torch.ones(1, 4, 4, 1)
    zero, generator = torch.zeros(1), torch.Generator().manual_seed(0)
    cameras = orbit_cameras(zero, zero, zero + 1, zero + 1, (4, 4))
    loss = module.SymmetryLossConfig(weight=10, points=500).build()
    assert loss.needs == frozenset()

    class Ball(torch.nn.Module):
        def __init__(self, x: float) -> None:
            super().__init__()
            self.x = torch.nn.Parameter(torch.tensor(x))

        def density(self, x: torch.Tensor) -> torch.Tensor:
            return 10 * torch.exp(-(x - x.new_tensor([1.0, 0, 0]) * self.x).square().sum(-1) / 0.1)

    middle, aside = Ball(0.0), Ball(0.3)
    values = [loss(RenderOutput(rgb, one, one, rgb), ball, cameras, generator) for ball in (middle, aside)]
    values[1].backward()
    assert float(values[0]) < 1e-6 < float(values[1]) and float(aside.x.grad) > 0


def test_the_example_prior_teaches_an_image(tmp_path, monkeypatch):
    module = example("prior", tmp_path, monkeypatch)
    wanted = torch.tensor([0.5, -0.5, 0.0]).reshape(1, 3, 1, 1)
    prior = module.FlowPrior(
        # The exact flow of data that is one image: eps - x = (z - x) / sigma.
        lambda z, sigma, tokens: (z - wanted) / sigma[:, None, None, None],
        lambda texts: torch.zeros(len(texts), 1, 1),
        resolution=2,
    )
    assert isinstance(prior, Prior)
    rgb = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    one = torch.ones(2, 4, 4, 1)
    guidance = SDSConfig().build(prior, CFGConfig(text=2.0))
    generator, start = torch.Generator().manual_seed(0), rgb.detach().clone()
    prompts = ViewPrompts(prior, "grey", view_dependent=False)
    zero = torch.zeros(2)
    cameras = orbit_cameras(zero, zero, zero + 1, zero + 1, (4, 4))
    optimiser = torch.optim.Adam([rgb], lr=0.02)
    for _ in range(100):
        out = guidance(RenderOutput(rgb, one, one, torch.zeros_like(rgb)), cameras, prompts, 0.0, generator)
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
    assert not torch.allclose(start, rgb.detach(), atol=0.1)
    assert out.metrics["residual"] < 0.05


def test_the_example_family_loads_what_diffusers_saved_and_moves_the_image(tmp_path, monkeypatch):
    from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline
    from huggingface_hub import constants
    from priors import tiny

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("dreamlab.priors.diffusers.prompt_cache.cache_folder", lambda: tmp_path / "cache")
    torch.manual_seed(0)
    pipe = StableDiffusionInstructPix2PixPipeline(
        vae=tiny.vae(), text_encoder=tiny.clip_text(), tokenizer=tiny.clip_tokeniser(),
        unet=tiny.unet(in_channels=8), scheduler=DDIMScheduler(**tiny.DDIM), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.save_pretrained(tmp_path / "model")
    module = example("family", tmp_path, monkeypatch)
    prior = module.Pix2PixPriorConfig(model=str(tmp_path / "model"), dtype="float32").build()
    assert isinstance(prior, Prior)
    tiny.check_step(prior)

    # What the network is told is what diffusers' own pipeline tells it.
    render, cameras = tiny.views(1)
    views = prior.encode(render, cameras)
    z, t = views.x.detach(), torch.tensor([0.5])
    condition = prior.embed(["make it red"])
    ids = pipe.tokenizer("make it red", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(condition.tokens, pipe.text_encoder(ids)[0])
        pixels = torch.nn.functional.interpolate(
            render.rgb.movedim(-1, 1) * 2 - 1, (32, 32), mode="bilinear", antialias=True
        )
        shown = pipe.vae.encode(pixels).latent_dist.mode()
        pred = pipe.unet(torch.cat([z, shown], 1), 500, encoder_hidden_states=condition.tokens).sample
    alpha, sigma = prior.alpha_sigma(t)
    got = noise_from_x0(z, prior.denoise(z, t, condition, views), alpha, sigma)
    torch.testing.assert_close(got, pred, rtol=1e-3, atol=1e-3)
