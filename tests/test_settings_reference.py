"""The page of settings says what the models say."""

from __future__ import annotations

import sys
from pathlib import Path

from dreamlab.run.config import RunConfig

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import settings_reference as script


def test_the_page_is_the_models() -> None:
    mend = "run scripts/settings_reference.py"
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), mend


def test_every_setting_of_the_run_and_of_what_is_in_it_has_a_row() -> None:
    text, waiting, seen = script.page(), [RunConfig], set()
    while waiting:
        model = waiting.pop()
        seen.add(model)
        for name, info in model.model_fields.items():
            assert f"{name}` |" in text, f"{model.__name__}.{name}"
            inside = script.members(info.annotation)
            waiting += [m for m in inside if m not in seen and m.__name__ != "Ramp"]
    assert len(seen) > 60
