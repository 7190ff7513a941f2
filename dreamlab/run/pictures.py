"""The pictures of a run: cut out and kept in its folder when it begins, and what they say of its prompt.

What is kept is what the run works with, so that it can be resumed wherever the user's own file has gone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dreamlab.core.errors import DamagedError, DreamlabError, InputError
from dreamlab.core.types import Cameras
from dreamlab.guidance.camera_guess import guess_azimuth
from dreamlab.guidance.reference import Picture
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.cutout import cut_out
from dreamlab.pictures.framing import framed_picture, picture_camera
from dreamlab.pictures.read import data_of, read_rgba, rgba_of
from dreamlab.priors import PriorConfig
from dreamlab.priors.diffusers.picture import ShownPictureConfig
from dreamlab.run.config import RunConfig

if TYPE_CHECKING:
    from dreamlab.evaluate.named_picture import NamedPicture
    from dreamlab.run.context import RunContext

MOST_SIDE = 2048
"""Pixels along a side of a picture that is cut out; a larger one is made smaller."""
SURE = 0.4
"""Probability below which the judge's noun is no prompt."""
_FILLS = (1.0, 0.9, 0.8, 0.7)  # how the judge is shown a picture, see dreamlab.evaluate.named_picture
_JUDGED = 64  # pixels along the side of what it is shown


class Seen(NamedTuple):
    """What is made of a picture once its object is cut out: sRGB and opacity of a framed square, as its run
    keeps it; the views that a judge is shown; of how many pictures in the file it is the first; how its
    background was told, as in `CutOut`; and the SHA-256 of the file."""

    rgba: UInt8[np.ndarray, "S S 4"]
    judged: Float[Tensor, "n 5 J J"]
    frames: int
    by: str
    digest: str


class Prepared(NamedTuple):
    """A picture as its run keeps it, what is to be said of it, and the SHA-256 of the user's file."""

    rgba: UInt8[np.ndarray, "S S 4"]
    said: tuple[str, ...]
    digest: str


class Suggested(NamedTuple):
    """A prompt that a picture suggests, and a line that says so."""

    prompt: str
    line: str


def kept_name(number: int) -> str:
    """The file in a run's folder that holds picture `number`, from 0."""
    return f"picture-{number + 1}.png"


def prepared(images: Sequence[ImageConfig]) -> list[Prepared]:
    """Every picture, cut out and framed. Raises InputError for one that cannot be used."""
    return [_prepared(image) for image in images]


def _prepared(image: ImageConfig) -> Prepared:
    seen = _seen_in(image)
    return Prepared(seen.rgba, said_of(seen, image.path.name), seen.digest)


def said_of(seen: Seen, name: str) -> tuple[str, ...]:
    """What is to be said of how a picture was taken."""
    said = [f"{name} holds {seen.frames} pictures, of which the first is taken"] if seen.frames > 1 else []
    how = {
        "alpha": "is cut out by its transparency",
        "plain": "is cut out of its plain background; where that goes wrong, give it an alpha channel",
        "network": "is cut out as a network sees it; where that goes wrong, give it an alpha channel",
    }
    return (*said, f"{name} {how[seen.by]}")


def seen_of(data: bytes, name: str, fovy: float, fill: float) -> Seen:
    """A picture's file, cut out and framed; fovy and fill as in `ImageConfig`.

    name: what errors call the picture. Raises InputError for one that cannot be used.
    """
    from dreamlab.priors.embedded.model_space import to_model_space

    rgba, frames = rgba_of(data, name, MOST_SIDE)
    cut = cut_out(rgba, name)
    color, opacity = framed_picture(cut, fovy, fill)
    straight = color / opacity.clamp_min(1e-6)
    framed = (torch.cat([straight, opacity], -1) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    judged = []
    for share in _FILLS:
        color, opacity = framed_picture(cut, fovy, share, _JUDGED)
        judged.append(to_model_space(color[None], opacity[None], torch.zeros_like(opacity[None])))
    return Seen(framed, torch.cat(judged), frames, cut.by, sha256(data).hexdigest())


def _seen_in(image: ImageConfig) -> Seen:
    """Made once while the file stays the same: a prompt, a colour and the run itself ask for it."""
    try:
        state = image.path.stat()
    except OSError:  # which is told when it is read
        return seen_of(data_of(image.path), str(image.path), image.fovy, image.fill)
    return _seen_at(image.path, (state.st_mtime_ns, state.st_size, state.st_ino), image.fovy, image.fill)


@lru_cache(maxsize=16)
def _seen_at(path: Path, state: tuple[int, ...], fovy: float, fill: float) -> Seen:
    return seen_of(data_of(path), str(path), fovy, fill)


def files_of(pictures: Sequence[Prepared]) -> dict[str, bytes]:
    """What a run's folder keeps of them, by name."""
    return {kept_name(number): png_of(picture.rgba) for number, picture in enumerate(pictures)}


def png_of(pixels: UInt8[np.ndarray, "H W C"]) -> bytes:
    """A picture, with transparency or without, as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


class HasDigest(Protocol):
    """A picture's file by the SHA-256 of its bytes."""

    @property
    def digest(self) -> str: ...


def asked_of(images: Sequence[ImageConfig], pictures: Sequence[HasDigest]) -> list[dict[str, Any]]:
    """By which pictures a run is known again, wherever their files lie and whatever was guessed of them
    since: their settings, with a digest in the place of the path."""
    return [
        image.model_dump(mode="json") | {"path": picture.digest}
        for image, picture in zip(images, pictures, strict=True)
    ]


def pictures_of(images: Sequence[ImageConfig], folder: Path) -> list[Picture]:
    """The pictures that a run keeps, each with its camera; without a folder of a run (a dry run) they are
    prepared anew. Raises DamagedError for one that is gone."""
    return [
        Picture(*_opened(image, number, folder), _camera(image), image.weight)
        for number, image in enumerate(images)
    ]


def _camera(image: ImageConfig) -> Cameras:
    return picture_camera(image.azimuth or 0.0, image.stood, image.fovy)


def _opened(
    image: ImageConfig, number: int, folder: Path
) -> tuple[Float[Tensor, "S S 3"], Float[Tensor, "S S 1"]]:
    kept = folder / kept_name(number)
    if folder == Path():
        rgba = _prepared(image).rgba
    else:
        try:
            rgba = read_rgba(kept).rgba
        except DreamlabError as error:
            raise DamagedError(
                "the run's copy of its picture cannot be read", got=str(error), mend="Start another run"
            ) from error
    values = torch.from_numpy(rgba.astype(np.float32) / 255)
    return values[..., :3] * values[..., 3:], values[..., 3:]


def shown_prior(config: RunConfig, folder: Path) -> PriorConfig:
    """The prior's settings; of one that is shown a picture and has none of its own, with the run's first."""
    prior = config.prior
    if not isinstance(prior, ShownPictureConfig) or prior.image is not None or not config.images:
        return prior
    image = config.images[0]
    path = image.path if folder == Path() else folder / kept_name(0)
    return prior.showing(path, image.stood, config.negative_prompt)


def with_cameras(context: RunContext) -> tuple[RunConfig, list[str]]:
    """The config with an azimuth for every picture that has none; and what is to be said of it."""
    config, images, said = context.config, [], []
    for image, picture in zip(config.images, context.pictures, strict=True):
        if image.azimuth is None:
            guess = guess_azimuth(context.prior, context.prompts, picture)
            image = image.model_copy(update={"azimuth": 0.0 if guess is None else guess.azimuth})
            why = "is taken to show the front: this prior cannot tell"
            if guess is not None:
                why = f"seems to be taken from azimuth {guess.azimuth:g} (0 is the front, 90 the side on +X)"
            said.append(f"{image.path.name} {why}; where that is wrong, say its azimuth")
        images.append(image)
    return config.model_copy(update={"images": tuple(images)}), said


def suggested_prompt(image: ImageConfig, name: str = "") -> Suggested:
    """What the shipped judge takes a picture for, as a prompt.

    name: what the picture is called; "": as its file. Raises InputError where the judge is not sure, with
    what it might be, and as `prepared`.
    """
    name = name or image.path.name
    found = _named(image)
    if found.sure < SURE:
        raise InputError(
            f"it is not clear what {name} shows",
            expected="words beside it",
            got=f"perhaps a picture of: {', '.join(found.likeliest)}",
            mend=f'Say what it is, such as "{found.prompt}"',
        )
    line = f"{name} is taken for {found.prompt!r} ({found.sure:.0%} sure); words beside it say better"
    return Suggested(found.prompt, line)


def color_of(image: ImageConfig) -> str:
    """The colour word that the shipped judge sees most in a picture."""
    return _named(image).color


def _named(image: ImageConfig) -> NamedPicture:
    from dreamlab.evaluate.named_picture import name_picture
    from dreamlab.evaluate.shipped_judge import read_judge

    return name_picture(judged_views_of(image), read_judge().judge)


def judged_views_of(image: ImageConfig) -> Float[Tensor, "n 5 S S"]:
    """The picture as a judge is shown it, framed in several ways."""
    return _seen_in(image).judged
