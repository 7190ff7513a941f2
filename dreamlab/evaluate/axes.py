"""Which figures speak of which axis of GPTEval3D and of MATE-3D, and what of them nobody here can tell.

GPTEval3D (Wu et al. 2024) has GPT-4V compare pairs of objects on six axes and ranks methods by Elo; MATE-3D
(Zhang et al. 2024) has people rate four. Nothing here asks a language model or a person: a figure is listed
under the axis that it can be evidence of, and an axis without figures is said to have none.
"""

from __future__ import annotations

from typing import NamedTuple


class Axis(NamedTuple):
    """figures: names of dreamlab.views.figures. missing: what of the axis is not measured."""

    name: str
    figures: tuple[str, ...]
    missing: str = ""


GPTEVAL3D = (
    Axis("Text-Asset Alignment", ("noun", "color", "r_precision", "clip_similarity", "binding")),
    Axis("3D Plausibility", ("janus", "agreement", "best_region", "piece_share"), "comparison in pairs"),
    Axis("Text-Geometry Alignment", ("form_noun",)),
    Axis("Texture Details", (), "all: it takes somebody who looks"),
    Axis("Geometry Details", (), "all: it takes somebody who looks"),
    Axis("Overall", (), "Elo, which takes comparisons in pairs"),
)
MATE_3D = (
    Axis("alignment", ("noun", "color", "r_precision", "clip_similarity", "binding")),
    Axis("geometry", ("form_noun", "janus", "watertight", "piece_share"), "ratings by people"),
    Axis("texture", (), "all: it takes somebody who looks"),
    Axis("overall", (), "ratings by people"),
)
