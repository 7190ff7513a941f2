"""Notices a run that has gone wrong, and says what to do about it. Knows numbers only: no fields, no files.

Score distillation collapses often (in the comparison of Lukoianov et al. 2024, table 1, between 5 and 23 %
of the runs diverge, by method). Four ways are told apart: values that are no numbers, an empty volume, a
full one, and smoke, a haze that never makes a surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from dreamlab.core.errors import DreamlabError

Finding = Literal["non-finite", "empty", "full", "smoke"]
_FINDINGS: tuple[Finding, ...] = ("non-finite", "empty", "full", "smoke")
_MEANING = {
    "non-finite": "a value that is no number turned up",
    "empty": "the volume is empty",
    "full": "the volume fills every view",
    "smoke": "there is only haze and no surface",
}


class CollapseError(DreamlabError):
    """The object collapsed again and again; every recovery was used up."""


class WatchdogConfig(BaseModel):
    """A finding must hold for `patience` steps in a row before it counts (a value that is no number at once).

    empty: mean opacity below `empty_below`; full: mean opacity above `full_above`; smoke: not empty, and less
    than `smoke_share` of all opacity lies in pixels that are more than half opaque. A state counts as good,
    and is kept, every `keep_every` healthy steps. After `attempts` recoveries the run ends with a
    CollapseError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience: int = Field(default=20, ge=1, le=50)
    empty_below: float = Field(default=0.002, ge=0.0, lt=1.0)
    full_above: float = Field(default=0.97, gt=0.0, le=1.0)
    smoke_share: float = Field(default=0.2, ge=0.0, lt=1.0)
    keep_every: int = Field(default=25, ge=1)
    attempts: int = Field(default=6, ge=0)


@dataclass(frozen=True)
class Vitals:
    """What is looked at every step. `solid_share`: how much of all opacity is in pixels over one half."""

    step: int
    loss: float
    gradient_norm: float
    mean_opacity: float
    solid_share: float


@dataclass(frozen=True)
class Recovery:
    """What to do: go back to the last good state, or begin anew; and with which settings from now on.

    `lr_factor` is in force from now on (not to be multiplied on), `blob_factor` for a field that begins anew;
    `attempt` counts from 1 and shifts the seed.
    """

    kind: Literal["rollback", "restart"]
    finding: Finding
    lr_factor: float
    blob_factor: float
    attempt: int
    message: str


@torch.no_grad()
def solid_share(opacity: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """How much of all opacity (0..1) is in pixels that are more than half opaque; 0 where there is none."""
    solid = torch.where(opacity > 0.5, opacity, 0.0).sum()
    return solid / opacity.sum().clamp_min(1e-12)


class Watchdog:
    """See WatchdogConfig. Everything it remembers is in state_dict."""

    def __init__(self, config: WatchdogConfig) -> None:
        self.config = config
        self.lr_factor, self.blob_factor = 1.0, 1.0
        self.attempts, self.last_failure = 0, -1
        self._seen: dict[Finding, int] = dict.fromkeys(_FINDINGS, 0)

    @property
    def at_ease(self) -> bool:
        """Whether nothing looks wrong at the moment."""
        return not any(self._seen.values())

    def worth_keeping(self, now: Vitals) -> bool:
        """Whether a state is good to return to: nothing looks wrong, and nothing is near to it."""
        c = self.config
        dense = 5 * c.empty_below <= now.mean_opacity <= c.full_above * 0.98
        return self.at_ease and dense and now.solid_share >= 1.5 * c.smoke_share

    def look(self, now: Vitals) -> Recovery | None:
        """Judge one step. Raises CollapseError if a recovery is due and none is left."""
        c = self.config
        finite = all(map(math.isfinite, (now.loss, now.gradient_norm, now.mean_opacity)))
        empty = finite and now.mean_opacity < c.empty_below
        holds: dict[Finding, bool] = {
            "non-finite": not finite,
            "empty": empty,
            "full": finite and now.mean_opacity > c.full_above,
            "smoke": finite and not empty and now.solid_share < c.smoke_share,
        }
        self._seen = {f: self._seen[f] + 1 if holds[f] else 0 for f in _FINDINGS}
        if self._seen["non-finite"]:
            return self._prescribe("non-finite", now.step)
        for finding in _FINDINGS:
            if self._seen[finding] >= c.patience:
                return self._prescribe(finding, now.step)
        return None

    def _prescribe(self, finding: Finding, step: int) -> Recovery:
        """First back to the last good state, gentler; if that did not get past the trouble, begin anew."""
        c = self.config
        if self.attempts >= c.attempts:
            raise CollapseError(
                f"the object collapsed and {self.attempts} recoveries did not help: {_MEANING[finding]}",
                mend="Try another seed, a lower lr, or a weaker opacity loss",
            )
        self.attempts += 1
        again = step <= self.last_failure + 2 * c.patience and self.last_failure >= 0
        kind: Literal["rollback", "restart"] = "restart" if again else "rollback"
        self.last_failure = -1 if again else step
        self.lr_factor = max(self.lr_factor / 2, 0.125)
        if finding in ("empty", "smoke"):
            self.blob_factor = min(self.blob_factor * 1.5, 8.0)
        elif finding == "full":
            self.blob_factor = max(self.blob_factor / 1.5, 0.125)
        self._seen = dict.fromkeys(_FINDINGS, 0)
        gentler = f"learning rate x{self.lr_factor:g}"
        if kind == "restart":
            gentler += f", first ball x{self.blob_factor:g}"
        deed = "went back to the last good state" if kind == "rollback" else "began anew"
        message = f"step {step}: {_MEANING[finding]}; {deed} with another seed, {gentler}"
        return Recovery(kind, finding, self.lr_factor, self.blob_factor, self.attempts, message)

    def state_dict(self) -> dict[str, Tensor]:
        """All memory as two tensors."""
        counts = [self.attempts, self.last_failure, *self._seen.values()]
        return {
            "factors": torch.tensor([self.lr_factor, self.blob_factor], dtype=torch.float64),
            "counts": torch.tensor(counts, dtype=torch.int64),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.lr_factor, self.blob_factor = state["factors"].tolist()
        self.attempts, self.last_failure, *seen = state["counts"].tolist()
        self._seen = dict(zip(_FINDINGS, seen, strict=True))
