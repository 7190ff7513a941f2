"""dreamlab in Blender: a panel in the sidebar of the 3D view. It needs nothing but Blender's own Python and a
dreamlab beside it, as a command or a server."""

from __future__ import annotations


def register() -> None:
    from . import ui

    ui.register()


def unregister() -> None:
    from . import ui

    ui.unregister()
