"""What the figures of a run are called for people: a name, a unit, and what is good."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """good: what to expect of it; "" where neither more nor less is better."""

    name: str
    unit: str = ""
    good: str = ""


FIGURES = {
    "iso": Figure("density at the surface"),
    "silhouette_iou": Figure("silhouettes of mesh and field, overlap", "", "1 is the same; good from 0.95"),
    "vertices": Figure("vertices"),
    "faces": Figure("faces"),
    "watertight": Figure("watertight", "", "yes, for printing and physics"),
    "psnr": Figure("pictures of mesh and of what it was made from", "dB", "good from 25"),
    "psnr_worst": Figure("the same, worst view", "dB", "good from 20"),
    "colors": Figure("colours of the palette", "", "0 where its colours are not flat"),
    "loss": Figure("loss", "", "need not fall with score distillation"),
    "residual": Figure("residual", "", "falls: how far the pictures are from the prior's"),
    "opacity": Figure("opacity, mean of the pictures", "", "neither 0 nor 1"),
    "coverage": Figure("share of pixels that are solid", "", "neither 0 nor 1"),
    "parameter_grad_norm": Figure("gradient, of parameters"),
    "grad_norm": Figure("gradient, of pictures"),
    "t": Figure("noise level", "", "falls by the preset's schedule"),
}
"""By the keys of summary.json and metrics.jsonl; what is not here is shown by its key."""


def figure(key: str) -> Figure:
    """What a key is called."""
    return FIGURES.get(key, Figure(key))
