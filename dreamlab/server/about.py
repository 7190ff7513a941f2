"""What the server is and offers: health, presets, vocabulary."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from dreamlab import __version__
from dreamlab.run.presets import presets_folder
from dreamlab.run.resolve import resolve
from dreamlab.server.requests import Offer

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
def vocabulary(request: Request) -> dict[str, Any]:
    """Nouns that the prior of the usual preset knows, most often seen first; none where it does not say."""
    return {"nouns": list(nouns(request.app.state.settings.offer))}


def about(preset: str) -> str:
    """What a preset is for: in a line, or as its own file says it."""
    lines = []
    for line in (presets_folder() / f"{preset}.yaml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return _ABOUT.get(preset) or " ".join(lines)


def nouns(offer: Offer) -> tuple[str, ...]:
    """Those that a request without a preset would be made with."""
    from dreamlab.run.expansion import vocabulary_of

    found = vocabulary_of(resolve("a thing", preset=offer.usual, defaults=offer.defaults))
    return () if found is None else found.learned()
