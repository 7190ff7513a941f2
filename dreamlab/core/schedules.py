"""Values that change over a stage: one small class for loss weights, learning rates and noise ranges."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from typing_extensions import Self


class Ramp(BaseModel):
    """A value that goes from `start` to `end` while the progress goes from `from` to `to`, and rests outside.

    Progress is the fraction 0..1 of a stage: a ramp begins anew with every stage and never crosses into the
    next, where another may go on from its end. In YAML either a mapping, `{start: 0, end: 10, from: 0.2, to:
    0.5}`, or a bare number for a constant. In Python the keyword `from` is spelt `from_`. `then` is another
    ramp that takes over at its own `from`, as in a warm-up that a decay follows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    start: float
    end: float
    from_: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        validation_alias=AliasChoices("from", "from_"),
        serialization_alias="from",
    )
    to: float = Field(default=1.0, ge=0.0, le=1.0)
    curve: Literal["linear", "cosine"] = "linear"
    then: Ramp | None = None

    @model_validator(mode="before")
    @classmethod
    def _constant(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"start": value, "end": value}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_ > self.to:
            raise ValueError(f"a ramp runs forward: from ({self.from_}) must not be after to ({self.to})")
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise ValueError("a ramp's start and end must be finite")
        if self.then is not None and self.then.from_ < self.to:
            raise ValueError(f"what comes then begins (from: {self.then.from_}) before this ends ({self.to})")
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in plain(self).items() if value is not None}

    def __call__(self, progress: float) -> float:
        """The value at `progress` in 0..1."""
        if self.then is not None and progress >= self.then.from_:
            return self.then(progress)
        if progress >= self.to:
            return self.end
        if progress <= self.from_:
            return self.start
        fraction = (progress - self.from_) / (self.to - self.from_)
        if self.curve == "cosine":
            fraction = 0.5 - 0.5 * math.cos(math.pi * fraction)
        return self.start + fraction * (self.end - self.start)

    def scaled(self, factor: float) -> Ramp:
        """The same ramp with all values multiplied by `factor`."""
        then = self.then and self.then.scaled(factor)
        return self.model_copy(update={"start": self.start * factor, "end": self.end * factor, "then": then})

    @staticmethod
    def constant(value: float) -> Ramp:
        return Ramp(start=value, end=value)
