"""x0 reconstruction with rescaled guidance: MVDream (Shi et al. 2024, section 3.3 and its appendix)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dreamlab.guidance.base import MethodConfig
from dreamlab.guidance.cfg import CFGConfig
from dreamlab.guidance.noise import NoiseConfig
from dreamlab.guidance.sds import SDS
from dreamlab.priors.protocols import Prior


class X0Config(MethodConfig):
    """g = x - x0_hat', with x0_hat' = f x0_hat for half and x0_hat for the other half (rescale 0.5).

    f is the standard deviation of the unguided x0_hat over that of the guided one, taken over each group of
    views. The loss is 0.5 ||x - sg(x0_hat')||^2 / B, which is SDS with the weighting "uniform" (w = sigma /
    alpha on the noise), so the method is built from SDS. The paper's text guidance is 50, with one level for
    all views, t_max falling from 0.98 to 0.5 and t_min from 0.98 to 0.02 over the first 8000 steps.

    rescale: the share f has, in the place of cfg.rescale.
    """

    kind: Literal["x0"] = "x0"
    rescale: float = Field(default=0.5, ge=0.0, le=1.0)

    def build(self, prior: Prior, cfg: CFGConfig = CFGConfig(), noise: NoiseConfig = NoiseConfig()) -> SDS:
        return SDS(self, prior, cfg.model_copy(update={"rescale": self.rescale}), noise)
