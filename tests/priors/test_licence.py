from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from dreamlab.priors.diffusers.licence import UNKNOWN, provenance
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig


def test_the_shipped_prior_has_the_projects_licence_and_own_weights_none_that_is_known() -> None:
    assert provenance(EmbeddedPriorConfig())["licence"] == "MIT"
    own = provenance(EmbeddedPriorConfig(weights=Path("mine.safetensors")))
    assert own == {"prior": "embedded", "weights": "mine.safetensors", "licence": UNKNOWN}


def test_published_models_have_theirs_by_alias_and_by_hub_name() -> None:
    for model in ("sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5"):
        output = provenance(SimpleNamespace(kind="stable-diffusion", model=model))
        assert output["licence"] == "CreativeML OpenRAIL-M" and output["model"] == model
    assert provenance(SimpleNamespace(kind="x", model="someone/else"))["licence"] == UNKNOWN
    assert provenance(SimpleNamespace(kind="closed-form")) == {"prior": "closed-form", "licence": UNKNOWN}
