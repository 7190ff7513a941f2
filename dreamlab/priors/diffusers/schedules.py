"""The noise levels that a diffusers scheduler stands for, and x0_hat from what its network predicts."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from dreamlab.core.diffusion import (
    DiscreteSchedule,
    FlowSchedule,
    Image,
    Level,
    per_image,
    x0_from_flow,
    x0_from_noise,
    x0_from_v,
)
from dreamlab.core.errors import InputError

Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction", "edm"]

_SMALLEST_ALPHA_BAR = 2.0**-24
_STEPS = 1000  # that flow networks count their times in
_TABLES = (
    "DDIM", "DDIMInverse", "DDIMParallel", "DDPM", "DDPMParallel", "DEISMultistep", "DPMSolverMultistep",
    "DPMSolverMultistepInverse", "DPMSolverSDE", "DPMSolverSinglestep", "EulerAncestralDiscrete",
    "EulerDiscrete", "HeunDiscrete", "KDPM2AncestralDiscrete", "KDPM2Discrete", "LMSDiscrete", "PNDM",
    "SASolver", "UniPCMultistep",
)  # fmt: skip
_FLOWS = ("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete")
_EDM = ("EDMEuler", "EDMDPMSolverMultistep")
_DISTILLED = ("LCM", "TCD", "CMStochasticIterative", "FlowMatchLCM", "SCM")


@dataclass(frozen=True)
class EDMSchedule:
    """Networks with Karras's preconditioning (Karras et al. 2022, table 1), in the scale of
    variance-preserving ones: z = alpha (x + s n) with alpha = 1 / sqrt(1 + s^2).

    s goes from least to most along the scheduler's own curve, "karras" of exponent rho or "exponential".
    sigma_data: the deviation of the images that the network was trained on. sign: 1 for networks whose output
    is counted as noise, -1 for v.
    """

    least: float = 0.002
    most: float = 80.0
    sigma_data: float = 0.5
    rho: float = 7.0
    curve: Literal["karras", "exponential"] = "karras"
    sign: float = 1.0

    def deviation(self, t: Level) -> Level:
        """s at level t."""
        if self.curve == "exponential":
            return (math.log(self.least) + t * math.log(self.most / self.least)).exp()
        low, high = self.least ** (1 / self.rho), self.most ** (1 / self.rho)
        return (low + t * (high - low)) ** self.rho

    def alpha_sigma(self, t: Level) -> tuple[Level, Level]:
        s = self.deviation(t)
        alpha = (1 + s.square()).rsqrt()
        return alpha, s * alpha

    def timestep(self, t: Level) -> Level:
        """c_noise."""
        return 0.25 * self.deviation(t).log()

    def network_input(self, z: Image, t: Level) -> Image:
        """c_in (x + s n)."""
        s = self.deviation(t)
        return z * per_image(((1 + s.square()) / (s.square() + self.sigma_data**2)).sqrt(), z)

    def x0(self, z: Image, out: Image, t: Level) -> Image:
        """c_skip (x + s n) + c_out F."""
        s = self.deviation(t)
        spread = s.square() + self.sigma_data**2
        kept = self.sigma_data**2 / spread * (1 + s.square()).sqrt()
        return per_image(kept, z) * z + per_image(self.sign * s * self.sigma_data / spread.sqrt(), z) * out


Schedule = DiscreteSchedule | FlowSchedule | EDMSchedule


def schedule_of(scheduler: Any, model: str = "the model") -> tuple[Schedule, Prediction]:
    """The noise levels that a diffusers scheduler stands for, and what its network predicts. How a sampler
    would walk along them (Karras's sigmas, spacing, order) means nothing here.

    Tables of alphas end above zero even where the training rescaled them to end in pure noise (Lin et al.
    2024), so that log(alpha / sigma) stays finite.

    Raises InputError for a scheduler of networks that are not understood here.
    """
    config = scheduler.config
    name = type(scheduler).__name__.removesuffix("Scheduler")
    prediction = config.get("prediction_type", "epsilon")
    if name in _DISTILLED:
        raise InputError(
            f"{model} is distilled to few steps ({name}Scheduler): it answers with samples, not with means",
            mend="Take the model that it was distilled from",
        )
    if name in _FLOWS or (name in _TABLES and config.get("use_flow_sigmas", False)):
        _refuse(model, name, config, {"invert_sigmas": (False, None), "num_train_timesteps": (_STEPS,)})
        shift = config.get("shift", None) or config.get("flow_shift", None) or 1.0
        return FlowSchedule(float(shift)), "flow_prediction"
    if name in _EDM:
        _refuse(model, name, config, {"prediction_type": ("epsilon", "v_prediction")})
        return _edm(config), "edm"
    if name not in _TABLES:
        raise InputError(
            f"the scheduler of {model} is not understood here",
            expected=", ".join((*_TABLES[:5], "...", *_FLOWS, *_EDM)),
            got=f"{name}Scheduler",
            mend="Take a model that was trained with one of these",
        )
    known = {"prediction_type": ("epsilon", "v_prediction", "sample"), "timestep_type": ("discrete", None)}
    _refuse(model, name, config, known)
    if {"beta_start", "beta_end", "beta_schedule"} <= set(config.get("_use_default_values", ())):
        warnings.warn(
            f"the scheduler's settings of {model} name no betas: {name}'s own are taken", stacklevel=3
        )
    table = scheduler.alphas_cumprod.double().clamp_min(_SMALLEST_ALPHA_BAR)
    return DiscreteSchedule(table), prediction


def _refuse(model: str, name: str, config: Any, known: dict[str, tuple[Any, ...]]) -> None:
    for key, values in known.items():
        if key in config and config[key] not in values:
            raise InputError(
                f"{key} of the {name}Scheduler of {model} is not understood here",
                expected=" or ".join(str(value) for value in values if value is not None),
                got=str(config[key]),
            )


def _edm(config: Any) -> EDMSchedule:
    return EDMSchedule(
        float(config["sigma_min"]),
        float(config["sigma_max"]),
        float(config["sigma_data"]),
        float(config.get("rho", 7.0)),
        config.get("sigma_schedule", "karras"),
        1.0 if config["prediction_type"] == "epsilon" else -1.0,
    )


def network_input(schedule: Schedule, z: Image, t: Level) -> Image:
    """Noisy images as the network was trained to see them."""
    return schedule.network_input(z, t) if isinstance(schedule, EDMSchedule) else z


def timestep_of(schedule: Schedule, t: Level) -> Level:
    """The network's own word for level t: a (fractional) training step, for flows 1000 sigma."""
    if isinstance(schedule, FlowSchedule):
        return _STEPS * schedule.alpha_sigma(t)[1]
    return schedule.timestep(t)


def to_x0(schedule: Schedule, kind: Prediction, z: Image, out: Tensor, t: Level) -> Image:
    """x0_hat from whatever a network predicts at level t."""
    if isinstance(schedule, EDMSchedule):
        return schedule.x0(z, out, t)
    alpha, sigma = schedule.alpha_sigma(t)
    if kind == "epsilon":
        return x0_from_noise(z, out, alpha, sigma)
    if kind == "v_prediction":
        return x0_from_v(z, out, alpha, sigma)
    if kind == "flow_prediction":
        return x0_from_flow(z, out, alpha, sigma)
    return out
