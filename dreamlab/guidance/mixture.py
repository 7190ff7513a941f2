"""Several guidances at once or in turn, as Magic123, DreamCraft3D, RichDreamer and 4D-fy mix them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, GuidanceOut, RenderOutput
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Edits, Guidance, Source
from dreamlab.priors.protocols import Prior

if TYPE_CHECKING:
    from dreamlab.guidance import GuidanceConfig


class PartConfig(BaseModel):
    """One guidance of a mixture.

    weight: factor of its loss, or its share of the steps, as it moves over the stage; at 0 the part is not
    run.
    prior: the name of the prior that it asks (one of the run's `priors`), or None for the main one.
    cfg, noise: that prior's calibration, or None for the stage's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    guidance: GuidanceConfig
    weight: Ramp = Ramp.constant(1.0)
    prior: str | None = None
    cfg: CFGConfig | None = None
    noise: NoiseConfig | None = None


class MixtureConfig(BaseModel):
    """A list of guidances. mode "sum" adds all losses, each times its weight; "sample" runs one a step, by
    its share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mixture"] = "mixture"
    parts: tuple[PartConfig, ...] = Field(min_length=1)
    mode: Literal["sum", "sample"] = "sum"

    def build(
        self,
        prior: Prior,
        cfg: CFGConfig = CFGConfig(),
        noise: NoiseConfig = NoiseConfig(),
        priors: Mapping[str, Prior] | None = None,
    ) -> Mixture:
        """priors: further priors that parts name. Raises ConfigError for a name not among them."""
        return Mixture(self, prior, cfg, noise, priors or {})


def build_guidance(
    config: GuidanceConfig, prior: Prior, cfg: CFGConfig, noise: NoiseConfig, priors: Mapping[str, Prior]
) -> Guidance:
    """Any member of the union, built; only mixtures have a use for `priors`."""
    if isinstance(config, MixtureConfig):
        return config.build(prior, cfg, noise, priors)
    return config.build(prior, cfg, noise)


def parts_of(config: GuidanceConfig) -> list[PartConfig]:
    """The parts of a mixture, and theirs; none of another guidance."""
    if not isinstance(config, MixtureConfig):
        return []
    return [inner for part in config.parts for inner in (part, *parts_of(part.guidance))]


def prior_names(config: GuidanceConfig) -> set[str]:
    """The further priors that a guidance asks."""
    return {part.prior for part in parts_of(config) if part.prior is not None}


class Mixture:
    """loss = sum_i w_i(progress) loss_i, or one loss_i chosen with probability w_i / sum_j w_j."""

    def __init__(
        self,
        config: MixtureConfig,
        prior: Prior,
        cfg: CFGConfig,
        noise: NoiseConfig,
        priors: Mapping[str, Prior],
    ) -> None:
        unknown = sorted({p.prior for p in config.parts if p.prior is not None and p.prior not in priors})
        if unknown:
            raise ConfigError(
                f"a part of the mixture asks for the prior {unknown[0]!r}",
                expected=" or ".join(sorted(priors)) or "no other prior than the main one",
            )
        self.config = config
        self.priors = [prior if p.prior is None else priors[p.prior] for p in config.parts]
        self.parts: list[Guidance] = [
            build_guidance(p.guidance, own, p.cfg or cfg, p.noise or noise, priors)
            for p, own in zip(config.parts, self.priors, strict=True)
        ]
        self._prompts: dict[int, ViewPrompts] = {}  # by part, of those that ask another prior

    def set_source(self, freeze: Callable[[], Source]) -> None:
        """Handed to the parts that edit."""
        for part in self.parts:
            if isinstance(part, Edits):
                part.set_source(freeze)

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        """Metrics are each part's under "<index>.<kind>.", and the mean "residual" and "t" over the parts
        that ran.
        """
        weights = torch.tensor([part.weight(progress) for part in self.config.parts]).clamp_min(0.0)
        if self.config.mode == "sample" and bool(weights.any()):
            chosen = torch.multinomial(weights.to(generator.device), 1, generator=generator)
            weights = torch.zeros_like(weights)
            weights[int(chosen)] = 1.0
        loss = render.rgb.sum() * 0.0
        metrics: dict[str, float | Tensor] = {}
        for i, (part, share) in enumerate(zip(self.parts, weights.tolist(), strict=True)):
            if share == 0.0:
                continue
            out = part(render, cameras, self._encoded(i, prompts), progress, generator)
            loss = loss + share * out.loss
            kind = self.config.parts[i].guidance.kind
            metrics |= {f"{i}.{kind}.{name}": value for name, value in out.metrics.items()}
        return GuidanceOut(loss, metrics | _means(metrics, ("residual", "t")))

    def _encoded(self, part: int, prompts: ViewPrompts) -> ViewPrompts:
        """The prompts in the words of the part's own prior, encoded once."""
        if self.config.parts[part].prior is None:
            return prompts
        if part not in self._prompts:
            self._prompts[part] = prompts.reworded(self.priors[part])
        return self._prompts[part]

    def state_dict(self) -> dict[str, Tensor]:
        return {
            f"{i}.{name}": v for i, part in enumerate(self.parts) for name, v in part.state_dict().items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        indices = {name.split(".", 1)[0] for name in state}
        if not indices <= {str(i) for i in range(len(self.parts))}:
            raise DamagedError(
                "the checkpoint holds another mixture of guidances",
                expected=f"{len(self.parts)} parts",
                got=", ".join(sorted(indices)),
            )
        for i, part in enumerate(self.parts):
            head = f"{i}."
            part.load_state_dict({n.removeprefix(head): v for n, v in state.items() if n.startswith(head)})


def _means(metrics: dict[str, float | Tensor], names: tuple[str, ...]) -> dict[str, float | Tensor]:
    found = {name: [v for key, v in metrics.items() if key.endswith(f".{name}")] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items() if values}
