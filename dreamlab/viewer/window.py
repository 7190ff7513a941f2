"""One page and everyone who looks at it: for each the picture from where they stand."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from dreamlab.viewer.camera import camera_from
from dreamlab.viewer.pace import Pace
from dreamlab.viewer.panel import Panel
from dreamlab.viewer.server import open_server
from dreamlab.viewer.sources import Source

MOVING = 0.12  # seconds that a picture may take while the camera moves
STILL = 0.6  # while it rests
PATIENT = 2.0  # while it rests and nothing else waits
REST = 0.3  # seconds after which a camera counts as resting
_TALLEST = 1080
_FOVY = 0.7  # radians
_PLACE = (1.46, 1.1, 2.67)  # from where the unit sphere fits the picture, a little above and beside it


@dataclass
class _Look:
    """Someone's view: when their camera moved last, and what they were sent: of what, and how high."""

    moved: float
    drawn: tuple[Any, ...] = ()
    height: int = 0


class Window:
    """A page at `url`. Everything is drawn in the thread that calls `draw`; the server's own only notes what
    has moved.

    Raises UnavailableError as dreamlab.viewer.server.open_server.
    """

    def __init__(self, prompt: str, host: str, port: int | None, controls: bool) -> None:
        self._wake = threading.Event()
        self._looks: dict[int, _Look] = {}
        self._pace = Pace()
        self.server = open_server(host, port, "dreamlab")
        named = f"[{host}]" if ":" in host else host
        self.url = f"http://{named}:{self.server.get_port()}"
        camera = self.server.initial_camera
        camera.position, camera.look_at, camera.fov = _PLACE, (0.0, 0.0, 0.0), _FOVY
        self.panel = Panel(self.server.gui, prompt, self._wake.set, controls)
        self.server.on_client_connect(self._came)
        self.server.on_client_disconnect(self._went)

    @property
    def watched(self) -> bool:
        """Whether anyone is looking."""
        return bool(self._looks)

    @property
    def moving(self) -> bool:
        """Whether anyone's camera moves."""
        now = time.monotonic()
        return any(now - look.moved < REST for look in list(self._looks.values()))

    def wait(self, seconds: float) -> None:
        """Until something has moved or was clicked, but no longer than this."""
        self._wake.wait(seconds)
        self._wake.clear()

    def draw(self, source: Source, version: int, patient: bool = False) -> bool:
        """Send everyone the picture that they have not had yet; whether there was any to send.

        version: another number whenever the source has changed since. patient: nothing waits for this.
        """
        self.panel.offer(source.passes)
        drawn = False
        for number, client in self.server.get_clients().items():
            look = self._looks.get(number)
            if look is not None and client.camera.image_height > 0:
                drawn |= self._send(client, look, source, version, patient)
        return drawn

    def close(self) -> None:
        """Take the page away."""
        self._looks.clear()
        self.server.stop()

    # ---- one picture ----

    def _send(self, client: Any, look: _Look, source: Source, version: int, patient: bool) -> bool:
        camera, show = client.camera, self.panel.show
        if show not in source.passes:
            show = source.passes[0]
        moves = time.monotonic() - look.moved < REST
        budget = MOVING if moves else PATIENT if patient else STILL
        aspect = min(max(float(camera.aspect), 0.1), 10.0)
        height = self._pace.height(show, budget, aspect, min(int(camera.image_height), _TALLEST))
        pose = (*camera.wxyz.tolist(), *camera.position.tolist(), float(camera.fov), aspect)
        seen = (pose, show, version, id(source))
        enough = height <= look.height * 1.25  # a little larger is not worth a picture
        if seen == look.drawn and enough and self._pace.knows(show):
            return False
        size = (height, max(1, round(height * aspect)))
        begun = time.monotonic()
        image = source.picture(camera_from(camera.wxyz, camera.position, float(camera.fov), size), show)
        self._pace.saw(show, size[0] * size[1], time.monotonic() - begun)
        client.scene.set_background_image(image, format="jpeg", jpeg_quality=85)
        client.flush()
        look.drawn, look.height = seen, height
        return True

    # ---- in the server's threads ----

    def _came(self, client: Any) -> None:
        look = _Look(time.monotonic())

        @client.camera.on_update
        def _(_: object) -> None:
            look.moved = time.monotonic()
            self._wake.set()

        self._looks[client.client_id] = look
        self._wake.set()

    def _went(self, client: Any) -> None:
        self._looks.pop(client.client_id, None)
        self._wake.set()
