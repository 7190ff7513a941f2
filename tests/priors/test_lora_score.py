"""The score model of variational distillation on U-Nets: LoRA and camera on shared, frozen weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import tiny
from priors.test_adapters import lora

from dreamlab.core.errors import ConfigError, UnavailableError
from dreamlab.guidance import VSDConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.score_net import AdaptedPrior
from dreamlab.priors import (
    ControlNetPriorConfig,
    MVDreamPriorConfig,
    SDXLPriorConfig,
    StableDiffusionPriorConfig,
)
from dreamlab.priors.diffusers.lora_score import RANK, LoraScore
from dreamlab.priors.diffusers.memory import MemoryPlan
from dreamlab.priors.diffusers.source import LoraConfig

PROMPT = "a red mushroom"
KINDS = ("epsilon", "v_prediction", "sdxl", "mvdream", "controlnet")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """build(kind, **settings) -> a tiny prior of that kind."""
    root = tmp_path_factory.mktemp("priors")

    def make(kind: str, **settings: Any) -> Any:
        folder = root / kind
        if kind == "sdxl":
            made = folder if folder.exists() else tiny.sdxl(folder)
            return SDXLPriorConfig(model=str(made), resolution=32, **settings).build()
        if kind == "mvdream":
            made = folder if folder.exists() else tiny.mvdream(folder)
            return MVDreamPriorConfig(model=str(made), resolution=32, **settings).build()
        if kind == "controlnet":
            base = tiny.stable_diffusion(root / "base")
            net = tiny.controlnet(folder, base)
            return ControlNetPriorConfig(model=str(base), controlnet=str(net), **settings).build()
        made = folder if folder.exists() else tiny.stable_diffusion(folder, kind)
        return StableDiffusionPriorConfig(model=str(made), **settings).build()

    return make


def tell(prior: Any, guidance: Any, seed: int = 0, view_dependent: bool = False) -> tuple[torch.Tensor, Any]:
    """One step of distillation on four views: the pixels' gradient, and what the guidance returned."""
    render, cameras = tiny.views()
    prompts = ViewPrompts(prior, PROMPT, view_dependent=view_dependent)
    out = guidance(render, cameras, prompts, 0.5, torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(out.loss, render.rgb)
    return gradient, out


def question(prior: Any) -> tuple[Any, ...]:
    """z, t, condition and views of four renders."""
    render, cameras = tiny.views()
    views = prior.encode(render, cameras)
    return views.x.detach(), torch.full((4,), 0.4), prior.embed([PROMPT] * 4), views


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_start_phi_is_the_prior_exactly(build: Callable[..., Any], kind: str) -> None:
    prior = build(kind)
    asked = question(prior)
    assert torch.equal(prior.trainable_copy()(*asked), prior.denoise(*asked))


def test_it_begins_and_learns_as_the_papers_own(build: Callable[..., Any]) -> None:
    """What comes first in each pair has the deviation 1 / rank, what ends it is zero; AdamW forgets
    sooner."""
    guidance = VSDConfig().build(build("epsilon"))
    first = torch.cat([p.detach().flatten() for n, p in guidance.trained.items() if "lora_A" in n])
    assert float(first.std()) == pytest.approx(1 / RANK, rel=0.1)
    assert not any(bool(p.any()) for n, p in guidance.trained.items() if "lora_B" in n)
    (group,) = guidance.optimiser.param_groups
    assert (group["betas"], group["eps"], group["lr"]) == ((0.9, 0.99), 1e-15, 1e-4)
    (group,) = VSDConfig(score="small").build(build("epsilon")).optimiser.param_groups
    assert (group["betas"], group["lr"]) == ((0.9, 0.999), 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_training_moves_phi_and_neither_the_prior_nor_its_weights(
    build: Callable[..., Any], kind: str
) -> None:
    prior = build(kind)
    guidance = VSDConfig(learning_rate=1e-2).build(prior)
    asked = question(prior)
    answer = prior.denoise(*asked)
    weights = {name: value.clone() for name, value in prior.network.state_dict().items()}
    before = {name: p.detach().clone() for name, p in guidance.trained.items()}
    for seed in range(2):  # what ends in zeros hides what comes before it from the first step
        gradient, out = tell(prior, guidance, seed)
        assert gradient.isfinite().all() and float(gradient.abs().sum()) > 0
        assert out.metrics["score_loss"] > 0
    assert all("lora_" in name or name.startswith("camera.") for name in guidance.trained)
    assert any(name.startswith("camera.") for name in guidance.trained) is (kind != "mvdream")
    assert all(not torch.equal(p, before[name]) for name, p in guidance.trained.items())
    now = prior.network.state_dict()
    assert now.keys() == weights.keys() and all(torch.equal(now[name], weights[name]) for name in now)
    assert not any(p.requires_grad or p.grad is not None for p in prior.network.parameters())
    assert torch.equal(prior.denoise(*asked), answer)
    assert not torch.equal(guidance.score(*asked), answer)


def test_no_weight_of_the_network_is_held_twice(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    score = prior.trainable_copy()
    held = {p.data_ptr() for p in prior.network.parameters()}
    frozen = [p for p in score.parameters() if not p.requires_grad]
    assert {p.data_ptr() for p in frozen} == held
    assert len(frozen) == len(list(prior.network.parameters()))


def test_after_training_the_camera_matters(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    guidance = VSDConfig(learning_rate=1e-2).build(prior)
    tell(prior, guidance)
    z, t, condition, views = question(prior)
    turned = replace(views, cameras=views.cameras[torch.tensor([1, 2, 3, 0])])
    moved = guidance.score(z, t, condition, views) - guidance.score(z, t, condition, turned)
    assert float(moved.detach().abs().max()) > 1e-6
    assert torch.equal(prior.denoise(z, t, condition, views), prior.denoise(z, t, condition, turned))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_phi_learns_what_its_network_predicts_under_the_plain_prompt(
    build: Callable[..., Any], kind: str
) -> None:
    """The loss of the first step against the network's own mean square error, with the same draws."""
    prior = build(kind)
    guidance = VSDConfig().build(prior)
    render, cameras = tiny.views()
    generator = torch.Generator().manual_seed(3)
    step = guidance.diffuse(render, cameras, 0.5, torch.Generator().manual_seed(0))
    prompts = ViewPrompts(prior, PROMPT, view_dependent=True)
    output = guidance._train(step, prompts, generator)

    generator.manual_seed(3)
    t = 0.02 + 0.96 * torch.rand(4, generator=generator)
    noise = torch.randn(step.clean.shape, generator=generator)
    alpha, sigma = (v[:, None, None, None] for v in prior.alpha_sigma(t))
    z = alpha * step.clean + sigma * noise
    tokens = prior.embed([PROMPT] * 4).tokens
    with torch.no_grad():
        pred = prior.network(z, prior.timestep(t), encoder_hidden_states=tokens).sample
    target = noise if kind == "epsilon" else alpha * noise - sigma * step.clean
    assert output == pytest.approx(float((pred - target).square().mean()), rel=1e-4)


def test_resumed_training_is_the_uninterrupted_one(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    straight, stopped = VSDConfig().build(prior), VSDConfig().build(prior)
    for guidance in (straight, stopped):
        tell(prior, guidance)
    resumed = VSDConfig(seed=9).build(build("epsilon"))
    resumed.load_state_dict(stopped.state_dict())
    one, other = tell(prior, straight, 1), tell(resumed.prior, resumed, 1)
    assert torch.equal(one[0], other[0]) and one[1].metrics == other[1].metrics
    kept = resumed.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in straight.state_dict().items())


def test_several_score_models_of_one_prior_do_not_meet(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    first, second = (VSDConfig(learning_rate=1e-2).build(prior) for _ in range(2))
    asked = question(prior)
    tell(prior, first)
    assert torch.equal(second.score(*asked), prior.denoise(*asked))


def test_a_users_own_lora_stays_under_that_of_phi(build: Callable[..., Any], tmp_path: Path) -> None:
    style = LoraConfig(file=lora(tmp_path / "style.safetensors"), scale=0.5)
    prior, plain = build("epsilon", lora=(style,)), build("epsilon")
    asked = question(prior)
    score = prior.trainable_copy()
    assert torch.equal(score(*asked), prior.denoise(*asked))
    assert not torch.allclose(score(*asked), plain.denoise(*asked))


def test_in_half_precision_what_learns_is_float32(build: Callable[..., Any]) -> None:
    prior = build("epsilon", dtype="bfloat16")
    guidance = VSDConfig().build(prior)
    asked = question(prior)
    assert torch.equal(guidance.score(*asked), prior.denoise(*asked))
    assert all(p.dtype == torch.float32 for p in guidance.trained.values())
    assert tell(prior, guidance)[0].isfinite().all()
    assert not torch.equal(guidance.score(*asked), prior.denoise(*asked))


def test_a_memory_tier_recomputes_activations_and_changes_no_gradient(build: Callable[..., Any]) -> None:
    output = []
    for tier in (None, 24):
        prior = build("epsilon", vram=tier)
        guidance = VSDConfig().build(prior)
        assert guidance.score.network.is_gradient_checkpointing is (tier is not None)
        assert not prior.network.is_gradient_checkpointing
        tell(prior, guidance)
        output.append([state["exp_avg"] for state in guidance.optimiser.state.values()])
    for one, other in zip(*output, strict=True):
        torch.testing.assert_close(one, other)


def test_the_small_score_model_can_be_chosen(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    assert isinstance(VSDConfig().build(prior).score, LoraScore)
    small = VSDConfig(score="small").build(prior)
    assert isinstance(small.score, AdaptedPrior)
    assert small.optimiser.param_groups[0]["lr"] == 1e-3
    assert tell(prior, small)[0].isfinite().all()


def test_a_network_that_waits_in_main_memory_is_refused(build: Callable[..., Any]) -> None:
    prior = build("epsilon")
    prior.memory, prior.device = MemoryPlan(offload="leaf_level"), torch.device("cuda")
    with pytest.raises(ConfigError, match=r"on the card as a whole.*guidance\.score=small"):
        prior.trainable_copy()


def test_without_peft_it_is_said(build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    prior = build("epsilon")
    monkeypatch.setattr("dreamlab.priors.diffusers.lora.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match="LoRA needs the package peft"):
        prior.trainable_copy()
