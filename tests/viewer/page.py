"""A browser's page without the browser: it speaks to the viewer's server as the page does, and keeps what it
is told."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import viser
import zstandard
from PIL import Image
from viser import _messages
from viser.transforms import SO3
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dreamlab.core.cameras import look_at_cameras

PATIENCE = 30.0


class Page:
    """Connected to a url from its making to `close`. `pictures` are those that it was sent, uint8 [H,W,3]."""

    def __init__(self, url: str, height: int = 96, width: int = 128, origin: str | None = None) -> None:
        self.size = (height, width)
        self.pictures: list[np.ndarray] = []
        self.widgets: dict[str, dict[str, Any]] = {}
        self._socket = connect(
            url.replace("http", "ws"),
            subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            origin=origin,  # type: ignore[arg-type]
            max_size=None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.look()

    def look(self, azimuth: float = 0.5, distance: float = 3.0) -> None:
        """Stand there, and look at the origin."""
        import torch

        place = [distance * np.sin(azimuth), 0.5, distance * np.cos(azimuth)]
        pose = look_at_cameras(
            torch.tensor([place]).float(), torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]]),
            torch.tensor([0.7]), self.size,
        ).c2w[0, :3, :3].double().numpy()  # fmt: skip
        self._send(
            _messages.ViewerCameraMessage(
                wxyz=tuple(SO3.from_matrix(pose @ np.diag([1.0, -1.0, -1.0])).wxyz.tolist()),
                position=tuple(place), fov=0.7, near=0.01, far=100.0,
                image_height=self.size[0], image_width=self.size[1],
                look_at=(0.0, 0.0, 0.0), up_direction=(0.0, 1.0, 0.0),
            )
        )  # fmt: skip

    def click(self, label: str) -> None:
        """Click the button of this label."""
        self.wait(lambda: self._named(label) is not None)
        self._send(_messages.GuiUpdateMessage(str(self._named(label)), {"value": True}))

    def choose(self, show: str) -> None:
        """Choose a pass."""
        self.wait(lambda: any("options" in props for props in self.widgets.values()))
        uuid = next(key for key, props in self.widgets.items() if "options" in props)
        self._send(_messages.GuiUpdateMessage(uuid, {"value": show}))

    def say(self, data: bytes) -> None:
        """Whatever these bytes are."""
        self._socket.send(data)

    @property
    def text(self) -> str:
        """All that is written on the page, with its markup."""
        return "\n".join(str(props["content"]) for props in self.widgets.values() if "content" in props)

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < end, f"it never came; the page says:\n{self.text}"
            time.sleep(0.01)

    @property
    def closed(self) -> bool:
        return not self._reader.is_alive()

    def close(self) -> None:
        self._socket.close()

    # ---- the wire ----

    def _named(self, label: str) -> str | None:
        return next((key for key, props in self.widgets.items() if props.get("label") == label), None)

    def _send(self, message: Any) -> None:
        self._socket.send(msgspec.msgpack.encode(message.as_serializable_dict()))

    def _read(self) -> None:
        try:
            for frame in self._socket:
                assert isinstance(frame, bytes)
                self._take(frame)
        except ConnectionClosed:
            pass

    def _take(self, frame: bytes) -> None:
        packed = int.from_bytes(frame[8:16], "little")
        window = msgspec.msgpack.decode(zstandard.decompress(frame[16 : 16 + packed]))
        buffers, at = [], 16 + packed
        for length in window["binaryBufferLengths"]:
            at = -(-at // 8) * 8
            buffers.append(frame[at : at + length])
            at += length
        for message in window["messages"]:
            if message["type"] == "BackgroundImageMessage" and message["rgb_data"] is not None:
                data = message["rgb_data"]
                data = buffers[data["__binary_index"]] if isinstance(data, dict) else data
                self.pictures.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
            elif message["type"] == "GuiUpdateMessage":
                self.widgets.setdefault(message["uuid"], {}).update(message["updates"])
            elif message["type"].startswith("Gui") and "props" in message:
                self.widgets[message["uuid"]] = message["props"]
