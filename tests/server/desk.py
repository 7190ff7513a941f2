"""A server in the test's own process, and tiny jobs: their prior knows one red ball."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from known import small_config, small_values

from dreamlab.server.api import ServerSettings, create_app
from dreamlab.server.jobs import Job, Order
from dreamlab.server.requests import Offer
from dreamlab.server.store import Store

ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, str(ROOT / "scripts" / "known_worker.py"))
SMALL = {key: value for key, value in small_values().items() if key not in ("prompt", "seed")}
HERE = "http://localhost"


def settings(root: Path, **changes: Any) -> ServerSettings:
    """A server without workers, whose presets are all the same tiny one."""
    offer = Offer(defaults=SMALL, usual="fast")
    return ServerSettings(root=root, **{"workers": 0, "command": WORKER, "offer": offer} | changes)


def client(root: Path, **changes: Any) -> TestClient:
    """To be entered; then the server runs."""
    return TestClient(create_app(settings(root, **changes)), base_url=HERE)


def order(prompt: str = "a red ball", **changes: Any) -> Order:
    config = small_config(**changes).model_copy(update={"prompt": prompt})
    return Order(prompt, "fast", 3, config.model_dump(mode="json", by_alias=True), config.total_steps)


def submitted(store: Store, count: int = 1) -> list[Job]:
    return store.submit([order() for _ in range(count)])


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something to be true; what it is then."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found
