"""What the server is and offers: health, presets, vocabulary."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request

from dreamlab import __version__
from dreamlab.run.presets import presets_folder

router = APIRouter(prefix="/v1", tags=["about"])
_ABOUT = {
    "fast": "the soonest look at an idea",
    "default": "more views and a finer mesh",
    "quality": "more of everything: for patience",
    "drawn": "colours and detail of a drawing, rougher surfaces",
}
_ELSEWHERE = {"fast": 76, "default": 145, "quality": 294}
"""Seconds on two cores, as measured in docs/presets.md."""


@router.get("/health")
def health(request: Request) -> dict[str, Any]:
    """Whether the server is there, and how many of its workers are."""
    return {"status": "ok", "version": __version__, "workers": request.app.state.workers.alive}


@router.get("/presets")
def presets(request: Request) -> dict[str, Any]:
    """Presets that may be asked for: what each is for, and how many seconds it takes: here, where some were
    made with it, else on two cores as the documentation has it."""
    offer = request.app.state.settings.offer
    here = request.app.state.store.seconds()
    rows = [
        {
            "name": name,
            "about": about(name),
            "seconds": round(here[name]) if name in here else _ELSEWHERE.get(name),
            "measured": "here" if name in here else "elsewhere" if name in _ELSEWHERE else None,
        }
        for name in offer.presets
    ]
    return {"presets": rows, "usual": offer.usual}


@router.get("/vocabulary")
def vocabulary() -> dict[str, Any]:
    """Nouns that the embedded prior knows, most often seen first."""
    return {"nouns": list(nouns())}


def about(preset: str) -> str:
    """What a preset is for: in a line, or as its own file says it."""
    lines = []
    for line in (presets_folder() / f"{preset}.yaml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return _ABOUT.get(preset) or " ".join(lines)


@cache
def nouns() -> tuple[str, ...]:
    from dreamlab.priors.embedded.prior import SHIPPED, read_vocabulary

    found = read_vocabulary(SHIPPED)
    return () if found is None else found.learned()
