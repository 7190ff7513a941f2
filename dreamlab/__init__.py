"""dreamlab: text to 3D by score distillation, on any machine.

    import dreamlab

    result = dreamlab.generate("a red mushroom", preset="fast")
    result.files["glb"], result.mesh, result.field

Importing this costs nothing: torch and its like are loaded when something is asked of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "events", "generate", "load_run"]

if TYPE_CHECKING:
    from dreamlab.api import Result, events, generate, load_run


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dreamlab.core.waiting import wait_for_work

        wait_for_work()  # before torch is loaded
        from dreamlab import api

        return getattr(api, name)
    raise AttributeError(f"module 'dreamlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
