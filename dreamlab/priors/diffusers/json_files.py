"""The JSON files of a model."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.priors.diffusers.hub_errors import FETCH_AGAIN


def read_json(file: Path) -> dict[str, Any]:
    """An object in a JSON file. Raises DamagedError for anything else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise DamagedError(f"{file} is damaged", expected="an object in JSON", mend=FETCH_AGAIN) from error
    return found


def refuse_marks(folder: Path) -> None:
    """Raises InputError for a JSON file in a pipeline's folder that begins with a byte-order mark, which
    diffusers and transformers take for damage.
    """
    for file in sorted((*folder.glob("*.json"), *folder.glob("*/*.json"))):
        with file.open("rb") as opened:
            if opened.read(3) == codecs.BOM_UTF8:
                raise InputError(
                    f"{file} begins with a byte-order mark, which an editor put there",
                    mend="Save it as UTF-8 without one",
                )
