"""`size: real` of an export stage, resolved by the prompt: the config on disk says how many metres."""

from __future__ import annotations

from typing import Any

from dreamlab.mesh.real_sizes import real_size


def with_real_size(prompt: Any, stage: Any) -> Any:
    """The plain settings of a stage: where the size is "real", that of what the prompt names.

    InputError where no noun of it is known.
    """
    if not isinstance(stage, dict) or stage.get("size") != "real" or not isinstance(prompt, str):
        return stage
    return stage | {"size": f"{real_size(prompt):g}m"}
