"""Several guidances at once or in turn, as Magic123, DreamCraft3D, RichDreamer and 4D-fy mix them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.errors import ConfigError, DamagedError
from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Cameras, Guidance, GuidanceOut, Prior, RenderOutput
from dreamlab.guidance.prompts import ViewPrompts

if TYPE_CHECKING:
    from dreamlab.guidance import GuidanceConfig


class PartConfig(BaseModel):
    """One guidance of a mixture.

    weight: factor of its loss, or its share of the draws, as it moves over the stage; at 0 the part is not
    run.
    prior: the name of the prior that it asks, or None for the main one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    guidance: GuidanceConfig
    weight: Ramp = Ramp.constant(1.0)
    prior: str | None = None


class MixtureConfig(BaseModel):
    """A list of guidances. mode "sum" adds all losses, each times its weight; "draw" runs one a step, by its
    share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mixture"] = "mixture"
    parts: tuple[PartConfig, ...] = Field(min_length=1)
    mode: Literal["sum", "draw"] = "sum"

    def build(self, prior: Prior, priors: Mapping[str, Prior] | None = None) -> Mixture:
        """priors: further priors that parts name. Raises ConfigError for a name not among them."""
        return Mixture(self, prior, priors or {})


class Mixture:
    """loss = sum_i w_i(progress) loss_i, or one loss_i drawn with probability w_i / sum_j w_j."""

    def __init__(self, config: MixtureConfig, prior: Prior, priors: Mapping[str, Prior]) -> None:
        unknown = sorted({p.prior for p in config.parts if p.prior is not None and p.prior not in priors})
        if unknown:
            raise ConfigError(
                f"a part of the mixture asks for the prior {unknown[0]!r}",
                expected=" or ".join(sorted(priors)) or "no other prior than the main one",
            )
        self.config = config
        self.priors = [prior if p.prior is None else priors[p.prior] for p in config.parts]
        self.parts: list[Guidance] = [
            p.guidance.build(own) for p, own in zip(config.parts, self.priors, strict=True)
        ]
        for part, told in zip(self.parts, config.parts, strict=True):
            if getattr(part, "chooses_views", False):
                raise ConfigError(
                    f"{told.guidance.kind} chooses its own views, so it cannot share a step with others",
                    mend="Give it a stage of its own",
                )

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """At the drawn cameras, for all parts alike."""
        return cameras

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
        if self.config.mode == "draw" and bool(weights.any()):
            drawn = torch.multinomial(weights.to(generator.device), 1, generator=generator)
            weights = torch.zeros_like(weights)
            weights[int(drawn)] = 1.0
        loss, metrics = render.rgb.sum() * 0.0, {}
        for i, (part, share) in enumerate(zip(self.parts, weights.tolist(), strict=True)):
            if share == 0.0:
                continue
            told = part(render, cameras, prompts.on(self.priors[i]), progress, generator)
            loss = loss + share * told.loss
            kind = self.config.parts[i].guidance.kind
            metrics |= {f"{i}.{kind}.{name}": value for name, value in told.metrics.items()}
        return GuidanceOut(loss, metrics | _means(metrics, ("residual", "t")))

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


def _means(metrics: dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    found = {name: [v for key, v in metrics.items() if key.endswith(f".{name}")] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items() if values}
