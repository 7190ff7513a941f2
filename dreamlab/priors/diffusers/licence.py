"""Whose model judged the pictures, and under which licence: what a run's report says of its prior."""

from __future__ import annotations

from typing import Any

from dreamlab.priors.diffusers.aliases import ALIASES

UNKNOWN = "not known to dreamlab: see where the model comes from"


def provenance(config: Any) -> dict[str, str]:
    """The prior's kind, model and licence, from any prior's config alone: nothing is loaded or asked for."""
    if config.kind == "embedded":
        shipped = config.weights is None
        return {
            "prior": "embedded",
            "weights": "shipped with dreamlab" if shipped else str(config.weights),
            "licence": "MIT" if shipped else UNKNOWN,
        }
    model = str(getattr(config, "model", "") or "")
    named = {"prior": config.kind} | ({"model": model} if model else {})
    known = next((a for a in ALIASES if model == a.name or model in a.hubs), None)
    return named | {"licence": known.licence if known else UNKNOWN}
