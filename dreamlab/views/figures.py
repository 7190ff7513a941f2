"""What the figures of a run are called for people: a name, a unit, and what is good."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """good: what to expect of it; "" where neither more nor less is better."""

    name: str
    unit: str = ""
    good: str = ""


EVALUATED = {
    "noun": Figure("views named as the thing", "", "1"),
    "noun_sure": Figure("how sure the judge is of the thing", "", "1; its interval is that of the sides"),
    "noun_low": Figure("the same, lower end"),
    "noun_high": Figure("the same, upper end"),
    "noun_rank": Figure("place of the thing among the judge's nouns", "", "1"),
    "form_noun": Figure("views named by form alone", "", "1"),
    "color": Figure("views named as the colour", "", "1"),
    "color_sure": Figure("how sure the judge is of the colour", "", "1"),
    "color_low": Figure("the same, lower end"),
    "color_high": Figure("the same, upper end"),
    "agreement": Figure("views that are taken for the same thing", "", "1: the same from every side"),
    "best_region": Figure("the best side, as T3Bench finds it", "", "1"),
    "r_precision": Figure("R-precision by the judge", "", "1; by chance one over the number of prompts"),
    "clip_similarity": Figure("CLIP similarity", "", "more; about .3 where a picture fits its text"),
    "clip_agreement": Figure("CLIP similarity of neighbouring views", "", "near 1"),
    "clip_r_precision": Figure("R-precision by CLIP", "", "1; by chance one over the number of prompts"),
    "janus": Figure("Janus: repeats itself more than real ones do", "", "0; 1: one face on several sides"),
    "repetition": Figure("repeats itself around", "", "0, but for what is symmetrical by nature"),
    "diversity": Figure("seeds differ, real objects being 1", "", "1; near 0 they are all alike"),
    "binding": Figure("each thing in its own colour", "", "1; -1 has them swapped"),
    "flatness": Figure("least over greatest extent", "", "not near 0"),
    "box_share": Figure("share of its box that it fills", "", "below .9, but for boxes"),
    "piece_share": Figure("largest piece's share of the surface", "", "1"),
    "pieces": Figure("pieces", "", "1, but for things of several parts"),
    "pinched_corners": Figure("corners where fans of faces meet in a point", "", "0"),
    "handles": Figure("handles", "", "as many as the thing has"),
    "slivers": Figure("faces that are thin as needles, share", "", "0"),
    "crossing_faces": Figure("faces that pass through another", "", "0"),
    "uv_islands": Figure("islands of the texture", "", "few"),
    "uv_used": Figure("share of the texture that is used", "", "more"),
    "seconds": Figure("time", "s", "less"),
    "peak_mb": Figure("memory at most", "MB", "less"),
}
"""Those of `dreamlab evaluate`, which has some of a run's too."""
FIGURES = {
    **EVALUATED,
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
"""By the keys of summary.json, metrics.jsonl and evaluation.json; what is not here is shown by its key."""


def figure(key: str) -> Figure:
    """What a key is called."""
    return FIGURES.get(key, Figure(key))
