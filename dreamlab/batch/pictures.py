"""Pictures of a batch's jobs: known by their bytes, and carried along to machines that have no such file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from dreamlab.core.errors import InputError
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.option import image_settings
from dreamlab.pictures.read import data_of
from dreamlab.run.pictures import prepared


@dataclass(frozen=True)
class JobPicture:
    """A picture's file and the SHA-256 of its bytes when the job was read. data: the bytes themselves, while
    the job is under way to another machine."""

    path: Path
    digest: str
    data: bytes | None = None

    def checked(self) -> bytes:
        """The file's bytes. Raises InputError where they are others by now, or the file is gone."""
        data = data_of(self.path)
        if sha256(data).hexdigest() != self.digest:
            raise InputError(
                f"the picture {self.path} has changed since the batch began", mend="Start the batch again"
            )
        return data


def job_pictures(images: Sequence[ImageConfig]) -> tuple[JobPicture, ...]:
    """The pictures of a job's settings. Raises InputError for one that a run could not use."""
    shown = zip(images, prepared(images), strict=True)
    return tuple(JobPicture(image.path, picture.digest) for image, picture in shown)


def images_said(said: object, folder: Path) -> list[dict[str, object]]:
    """The settings of what a row calls its `image`: FILE[@AZIMUTH[,ELEVATION]], or a list of such.

    folder: what the files' names are relative to. Raises InputError for what is none of these, and as
    `image_settings`.
    """
    texts = [said] if isinstance(said, str) else said
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(
            "image cannot be used", expected="FILE, FILE@AZIMUTH,ELEVATION or a list of these", got=str(said)
        )
    return [image_settings(text.strip(), folder) for text in texts]


def packed(pictures: Sequence[JobPicture]) -> tuple[JobPicture, ...]:
    """With their bytes. Raises as `JobPicture.checked`."""
    return tuple(replace(picture, data=picture.checked()) for picture in pictures)


def unpacked(pictures: Sequence[JobPicture], folder: Path) -> tuple[JobPicture, ...]:
    """As files of a folder, which have their names; those that were not packed lie where they lay."""
    found = []
    for number, picture in enumerate(pictures, 1):
        if picture.data is not None:
            place = folder / str(number) / picture.path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(picture.data)
            picture = JobPicture(place, picture.digest)
        found.append(picture)
    return tuple(found)
