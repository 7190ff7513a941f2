"""The whole app over a folder of runs, as a client or as a server that a browser can reach."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from dreamlab.app.exporting import Exporter
from dreamlab.app.library import Library
from dreamlab.app.pages import pages_router
from dreamlab.app.routes import library_router
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.gltf import glb_bytes
from dreamlab.server.api import create_app
from tests.cli.shelf import make_run
from tests.server.desk import HERE, settings


def app(root: Path, exporter: Exporter | None = None, **changes: Any) -> FastAPI:
    return create_app(
        settings(root, **changes), (library_router(Library(root), exporter or Exporter()), pages_router())
    )


def client(root: Path, exporter: Exporter | None = None, **changes: Any) -> TestClient:
    return TestClient(app(root, exporter, **changes), base_url=HERE)


@contextmanager
def served(root: Path, **changes: Any) -> Iterator[str]:
    """The app's address on this machine."""
    server = uvicorn.Server(
        uvicorn.Config(app(root, **changes), log_level="warning", timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def make_shown_run(root: Path, prompt: str, color: tuple[float, float, float]) -> Path:
    """A finished run with a ball of one colour that a browser can show, and a turntable of two frames."""
    run = make_run(root, prompt)
    (run / "mesh.glb").write_bytes(glb_bytes(ball(color)))
    frames = [
        Image.new("RGB", (64, 64), tuple(int(c * 255) for c in color)),
        Image.new("RGB", (64, 64), "white"),
    ]
    frames[0].save(run / "turntable.webp", save_all=True, append_images=frames[1:], duration=200)
    return run


def ball(color: tuple[float, float, float], x: float = 0.0) -> Mesh:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=2)
    vertices = torch.from_numpy(np.array(sphere.vertices)).float() + torch.tensor([x, 0.0, 0.0])
    colors = torch.tensor(color).expand(len(vertices), 3).clone()
    return Mesh(vertices, torch.from_numpy(np.array(sphere.faces)).long(), colors=colors)


def fake_export(script: str, **how: Any) -> Exporter:
    """An exporter whose command is a line of Python, with the arguments in `args`, their folder in `to`."""
    start = (
        "import json, pathlib, sys, time; args = sys.argv[1:]; "
        "to = pathlib.Path(next(each[5:] for each in args if each.startswith('--to='))); "
    )
    return Exporter(command=(sys.executable, "-c", start + script), **how)
