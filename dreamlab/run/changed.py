"""What was changed in a run's settings since its checkpoint: told, or refused where it cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.run.checkpoints import Checkpoint
from dreamlab.run.config import RunConfig
from dreamlab.run.migrate import migrated
from dreamlab.run.resolve import from_values

_MOST_TOLD = 6
_BESIDES = ("saving", "threads", "device")  # what is kept, and what the machine's own lines tell


def settings_changed(checkpoint: Checkpoint, config: RunConfig) -> str:
    """One line that names the settings that are others than those of the checkpoint; "" if none is.

    Raises InputError where the run cannot go on from the checkpoint with these.
    """
    try:
        before = from_values(migrated(checkpoint.config))
    except (DreamlabError, AttributeError, TypeError):
        return "what the checkpoint was made with cannot be read: changed settings are not noticed"
    _check_stages(checkpoint, before, config)
    old, new = (dict(leaves(c.model_dump(mode="json", by_alias=True))) for c in (before, config))
    changes = [
        f"{path} was {_shown(old, path)} and is {_shown(new, path)}"
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path) and path.partition(".")[0] not in _BESIDES
    ]
    if not changes:
        return ""
    more = f" and {len(changes) - _MOST_TOLD} more" if len(changes) > _MOST_TOLD else ""
    told = ", ".join(changes[:_MOST_TOLD])
    return f"settings were changed after step {checkpoint.total_step}: {told}{more}"


def _check_stages(checkpoint: Checkpoint, before: RunConfig, config: RunConfig) -> None:
    begun = checkpoint.stage + 1
    then, now = ([f"{s.kind} {s.name}" for s in c.stages[:begun]] for c in (before, config))
    if then != now:
        raise InputError(
            "the stages that this run has begun are not those of its config any more",
            expected=", ".join(then),
            got=", ".join(now) or "none",
            mend="Put them back in config.yaml, or start another run with --from",
        )
    if before.field.kind != config.field.kind:
        raise InputError(
            "the run has a field of another kind already",
            expected=f"field.kind={before.field.kind}",
            got=config.field.kind,
            mend="Put it back, or start another run",
        )


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by their dotted names; stages by their own."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = enumerate(value)
    if not parts:
        yield path, value
    for key, part in parts:
        name = part.get("name", key) if isinstance(part, dict) and path == "stages" else key
        yield from leaves(part, f"{path}.{name}" if path else str(name))


def _shown(leaves: dict[str, Any], path: str) -> str:
    text = str(leaves.get(path, "not there"))
    return text if len(text) <= 40 else text[:37] + "..."
