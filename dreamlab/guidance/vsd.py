"""Variational score distillation: ProlificDreamer (Wang et al. 2023, eq. 9 and algorithm 1)."""

from __future__ import annotations

import warnings
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from dreamlab.core.diffusion import Weighting, per_image
from dreamlab.core.errors import DamagedError
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.base import Distillation, MethodConfig, Step
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig, sample_noise, sample_uniform
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.score_net import AdaptedPrior
from dreamlab.priors.protocols import HasTrainableCopy, Prior, SaysPrediction

# Gradients of a mean over a latent are lost in float16 unless they are scaled; a power of two rounds nothing.
_SCALE = 2.0**10
# AdamW for a prior's own copy, as threestudio's configs/prolificdreamer.yaml has it.
_ADAM: dict[str, Any] = {"betas": (0.9, 0.99), "eps": 1e-15}


class VSDConfig(MethodConfig):
    """Variational score distillation.

    score: "auto" trains the prior's own copy (a LoRA) where it has one, "small" a ScoreNet in any case, which
        needs no gradients through the prior and so far less memory.
    learning_rate: of the score model; None is the paper's 1e-4 for a prior's own copy and 1e-3 for a
        ScoreNet.
    updates: training steps of the score model for each step of the object.
    width: channels of the ScoreNet.
    seed: of the score model's first weights.
    """

    kind: Literal["vsd"] = "vsd"
    weighting: Weighting = "sigma2"
    score: Literal["auto", "small"] = "auto"
    learning_rate: float | None = Field(default=None, gt=0.0)
    updates: int = Field(default=1, ge=1)
    width: int = Field(default=32, ge=4)
    seed: int = 0

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> VSD:
        return VSD(self, prior, cfg, noise)


class VSD(Distillation):
    """g = w(t) [eps_hat(z_t; y, s) - eps_phi(z_t; y, c)], phi trained along on the renders.

    As a residual: r = x0_phi - x0_hat. eps_phi is the score of what is rendered now: of one particle, or of n
    fields whose views come in one batch or in turn to the same object of this class (n particles), which then
    keep apart. phi is the prior's `trainable_copy()` if it has one, else the prior with a small ScoreNet on
    top. It is given the camera and so the prompt without view words, and learns on detached renders at levels
    over (0.02, 0.98): ||eps_phi - eps||^2 where its network predicts noise, else ||v_phi - v||^2.
    """

    config: VSDConfig

    def __init__(self, config: VSDConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig) -> None:
        super().__init__(config, prior, cfg, noise)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            if config.score == "auto" and isinstance(prior, HasTrainableCopy):
                score, rate, adam = prior.trainable_copy(), 1e-4, _ADAM
            else:
                score, rate, adam = AdaptedPrior(prior, config.width), 1e-3, {}
        self.score = score.to(prior.embed([""]).tokens.device)
        self._of_noise = isinstance(self.score, SaysPrediction) and self.score.prediction == "epsilon"
        self.trained = {n: p for n, p in self.score.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(self.trained.values(), lr=config.learning_rate or rate, **adam)

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        step = self.diffuse(render, cameras, progress, generator)
        x0_hat = self.cfg.apply(self.cfg.predict(step.z, step.t, prompts, step.views))
        with torch.no_grad():
            x0_phi = self.score(step.z, step.t, prompts.plain(len(step.z)), step.views).to(step.z.dtype)
        out = self.to_loss(step, x0_phi - x0_hat, x0_hat)
        score_loss: float | Tensor = 0.0
        for _ in range(self.config.updates):
            score_loss = self._train(step, prompts, generator)
        return GuidanceOut(out.loss, out.metrics | {"score_loss": score_loss})

    def _train(self, step: Step, prompts: ViewPrompts, generator: torch.Generator) -> Float[Tensor, ""]:
        """One step of the score model; returns its loss."""
        t = 0.02 + 0.96 * sample_uniform(len(step.x), self.prior.views_per_group, generator).to(step.t)
        other = self.noised(step.views, t, sample_noise(step.clean, generator))
        with torch.enable_grad():
            x0_phi = self.score(other.z, t, prompts.plain(len(other.z)), step.views)
            scale = other.alpha / other.sigma if self._of_noise else 1 / other.sigma
            loss = (per_image(scale, other.z) * (x0_phi - step.clean)).square().mean()
            gradients = torch.autograd.grad(_SCALE * loss, list(self.trained.values()))
        if not torch.stack([gradient.isfinite().all() for gradient in gradients]).all():
            warnings.warn("the score model's gradient was not finite: it did not learn", stacklevel=2)
            return loss.detach()
        for parameter, gradient in zip(self.trained.values(), gradients, strict=True):
            parameter.grad = gradient / _SCALE
        self.optimiser.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Tensor]:
        """The score model's trained weights ("score.*") and its optimiser's moments ("adam.*")."""
        state = {f"score.{name}": p.detach().clone() for name, p in self.trained.items()}
        for name, p in self.trained.items():
            for key, value in self.optimiser.state.get(p, {}).items():
                state[f"adam.{name}.{key}"] = cast(Tensor, value).clone()
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Back to where `state_dict` was taken. Raises DamagedError if it is not this model's."""
        moments = ("step", "exp_avg", "exp_avg_sq")
        weights = {f"score.{name}": p for name, p in self.trained.items()}
        known = {*weights, *(f"adam.{name}.{key}" for name in self.trained for key in moments)}
        misfit = [n for n, p in weights.items() if n not in state or state[n].shape != p.shape]
        misfit += [n for n in state if n not in known]
        if misfit:
            raise DamagedError(
                "the checkpoint's score model does not fit this one",
                got=", ".join(sorted(misfit)[:3]),
                mend="Resume with the settings it was written with",
            )
        with torch.no_grad():
            for name, p in weights.items():
                p.copy_(state[name])
        for name, p in self.trained.items():
            kept = {k: state[f"adam.{name}.{k}"].clone() for k in moments if f"adam.{name}.{k}" in state}
            self.optimiser.state[p] = {k: v if k == "step" else v.to(p) for k, v in kept.items()}
