"""`dreamlab app` for scripts that try it: its jobs are tiny, and their prior knows one red ball.

usage: known_server.py FOLDER PORT WORKERS
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WORKER = (sys.executable, str(HERE / "known_worker.py"))
STEPS = (4, 2)


def tiny() -> dict[str, Any]:
    """Settings of a run of six steps in two stages, one of them on the mesh's field; one thread, so that
    each run's bytes are the same."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]
    values = import_module("known").small_values(
        saving={"checkpoint_every": 1, "preview_every": 2, "preview_size": 16}
    )
    for stage, steps in zip(values["stages"], STEPS, strict=False):
        stage["steps"] = steps
    del values["prompt"], values["seed"]
    return values | {"threads": 1, "expand": "off"}


def main(arguments: list[str]) -> int:
    root, port, workers = arguments
    defaults = tiny()
    import uvicorn

    from dreamlab.app.exporting import Exporter
    from dreamlab.app.library import Library
    from dreamlab.app.pages import pages_router
    from dreamlab.app.routes import library_router
    from dreamlab.server.api import ServerSettings, create_app
    from dreamlab.server.requests import Offer

    offer = Offer(presets=("fast",), usual="fast", defaults=defaults, formats=("glb",))
    settings = ServerSettings(root=Path(root), workers=int(workers), command=WORKER, offer=offer)
    routers = (library_router(Library(settings.root), Exporter()), pages_router())
    uvicorn.run(create_app(settings, routers), port=int(port), access_log=False, log_level="error")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
