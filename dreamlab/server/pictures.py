"""Pictures that were sent for jobs: checked at the door, and kept beside the queue under names of ours."""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.read import rgba_of
from dreamlab.run.pictures import MOST_SIDE, Suggested, png_of, said_of, seen_of, suggested_prompt
from dreamlab.server.limits import Limits
from dreamlab.server.store import FOLDER as STORE
from dreamlab.server.store import QueueFullError, Store

FOLDER = "pictures"
PATH = "/v1/pictures"
SENT = "that was sent"
_SHOWN = ".shown.png"
MOST_AT_ONCE = 4  # that are looked at or wait for it; each may take some seconds and some hundred megabytes
_TURN = threading.Lock()  # one picture at a time is decoded and cut out, whoever asks
PictureId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class PictureFacts(BaseModel):
    """A picture that was taken. Pixels as it is kept: upright, and no larger than a run would use it."""

    picture: str = Field(description="what `images` of a job call it; made of its bytes")
    width: int
    height: int
    notes: list[str] = Field(description="how its object was cut out, and what else is to be said of it")
    url: str = Field(description="the object as a run is shown it: cut out, in a square, as PNG")


class Pictures:
    """The pictures of a store. Kept are those of jobs that wait or run, and of the others the `pictures` of
    the limits that were sent or named last.

    A picture is written anew from its pixels, so that nothing else that its file said stays on this machine.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits = store, limits
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def take(self, data: bytes) -> PictureFacts:
        """Keep a picture; one that was taken before is the same picture.

        Raises InputError for one that a run could not use, QueueFullError where too many come at once.
        """
        if not self._places.acquire(blocking=False):
            raise QueueFullError("too many pictures come at once", mend="Send it again in a moment")
        try:
            with _TURN:
                return self._taken(data)
        finally:
            self._places.release()

    def shown(self, picture: str) -> Path | None:
        """The object as a run is shown it, a PNG; None where there is no such picture."""
        path = _path(self.store.root, picture).with_suffix(_SHOWN)
        return path if path.is_file() else None

    def _taken(self, data: bytes) -> PictureFacts:
        usual = ImageConfig(path=Path())
        rgba, frames = rgba_of(data, SENT, MOST_SIDE, self.limits.megapixels * 10**6)
        kept = png_of(rgba)
        seen = seen_of(kept, SENT, usual.fovy, usual.fill)
        picture = sha256(data).hexdigest()[:32]
        path = _path(self.store.root, picture)
        path.parent.mkdir(exist_ok=True)
        write_atomic(path.with_suffix(_SHOWN), png_of(seen.rgba))
        write_atomic(path, kept)
        self._forget(picture)
        height, width = rgba.shape[:2]
        notes = said_of(seen._replace(frames=frames), "the picture")
        url = f"{PATH}/{picture}"
        return PictureFacts(picture=picture, width=width, height=height, notes=[*notes], url=url)

    def _forget(self, newest: str) -> None:
        """Remove what was sent or named longest ago and no job that waits or runs names."""
        needed = self.store.pictures_needed() | {newest}
        every = _path(self.store.root, newest).parent.glob("*.png")
        idle = [path for path in every if not path.name.endswith(_SHOWN) and path.stem not in needed]
        idle.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in idle[self.limits.pictures :]:
            path.unlink(missing_ok=True)
            path.with_suffix(_SHOWN).unlink(missing_ok=True)


def suggested(image: ImageConfig) -> Suggested:
    """What a picture that was sent is taken for. Raises as dreamlab.run.pictures.suggested_prompt."""
    with _TURN:
        return suggested_prompt(image, "the picture")


def sent_picture(root: Path, picture: str) -> Path:
    """The file of a picture by its id, which is kept a while longer for that. InputError where it is gone."""
    path = _path(root, picture)
    try:
        os.utime(path)
    except OSError:
        raise InputError(
            f"there is no picture {picture}", mend=f"Send it, or send it again, to {PATH}"
        ) from None
    return path


def _path(root: Path, picture: str) -> Path:
    return (root / STORE / FOLDER / f"{picture}.png").resolve()
