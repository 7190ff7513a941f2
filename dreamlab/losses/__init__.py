"""Regularisers beside the guidance. LossConfigs is the list of a stage's losses, AnyLossConfig the list of
kinds."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, ValidationError

from dreamlab.losses.base import Loss, LossConfig, WeightedLosses
from dreamlab.losses.creases import CreasesLossConfig
from dreamlab.losses.depth_variation import DepthVariationLossConfig
from dreamlab.losses.eikonal import EikonalLossConfig
from dreamlab.losses.normal_smoothness import NormalSmoothnessLossConfig
from dreamlab.losses.opacity import OpacityLossConfig
from dreamlab.losses.opaqueness import OpaquenessLossConfig
from dreamlab.losses.orientation import OrientationLossConfig
from dreamlab.losses.start_shape import StartShapeLossConfig
from dreamlab.losses.z_variance import ZVarianceLossConfig

_Kinds = (
    OpacityLossConfig
    | OpaquenessLossConfig
    | OrientationLossConfig
    | NormalSmoothnessLossConfig
    | DepthVariationLossConfig
    | ZVarianceLossConfig
    | EikonalLossConfig
    | CreasesLossConfig
)
AnyLossConfig = Annotated[_Kinds, Field(discriminator="kind")]
LOSS_KINDS: tuple[str, ...] = tuple(config.model_fields["kind"].default for config in get_args(_Kinds))


def _listed(value: Any) -> Any:
    """The shorthand as a list: {orientation: 0.1} is [{kind: orientation, weight: 0.1}].

    A kind's value is its weight (a number or a ramp), or its settings where these say a `weight`.
    """
    if not isinstance(value, dict) or "kind" in value:
        return value
    for kind in value:
        if kind not in LOSS_KINDS:
            raise ValidationError.from_exception_data("losses", [_unknown(kind)])
    return [
        {"kind": kind, **settings}
        if isinstance(settings, dict) and "weight" in settings
        else {"kind": kind, "weight": settings}
        for kind, settings in value.items()
    ]


def _unknown(kind: str) -> Any:
    expected = ", ".join(repr(name) for name in LOSS_KINDS)
    context = {"discriminator": "'kind'", "tag": kind, "expected_tags": expected}
    return {"type": "union_tag_invalid", "loc": (kind,), "input": kind, "ctx": context}


LossConfigs = Annotated[tuple[AnyLossConfig, ...], BeforeValidator(_listed)]

__all__ = [
    "LOSS_KINDS",
    "AnyLossConfig",
    "CreasesLossConfig",
    "DepthVariationLossConfig",
    "EikonalLossConfig",
    "Loss",
    "LossConfig",
    "LossConfigs",
    "NormalSmoothnessLossConfig",
    "OpacityLossConfig",
    "OpaquenessLossConfig",
    "OrientationLossConfig",
    "StartShapeLossConfig",
    "WeightedLosses",
    "ZVarianceLossConfig",
]
