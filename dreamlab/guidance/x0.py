"""x0 reconstruction with rescaled guidance: MVDream (Shi et al. 2024, section 3.3 and its appendix)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dreamlab.core.schedules import Ramp
from dreamlab.core.types import Prior
from dreamlab.guidance.base import MethodConfig
from dreamlab.guidance.sds import SDS


class X0Config(MethodConfig):
    """g = x - x0_hat', with x0_hat' = f x0_hat for half and x0_hat for the other half (cfg_rescale 0.5).

    f is the standard deviation of the unguided x0_hat over that of the guided one, taken over each group of
    views. The loss is 0.5 ||x - sg(x0_hat')||^2 / B, which is SDS with the weighting "uniform" (w = sigma /
    alpha on the noise), so the method is built from SDS with these settings: guidance 50, one level for all
    views, t_max falling from 0.98 to 0.5 and t_min from 0.98 to 0.02 over the first four fifths of the stage.
    """

    kind: Literal["x0"] = "x0"
    guidance_scale: float = Field(default=50.0, ge=0.0)
    cfg_rescale: float = Field(default=0.5, ge=0.0, le=1.0)
    shared_t: bool = True
    t_min: Ramp = Ramp(start=0.98, end=0.02, to=0.8)
    t_max: Ramp = Ramp(start=0.98, end=0.5, to=0.8)

    def build(self, prior: Prior) -> SDS:
        return SDS(self, prior)
