"""What is asked of the server and what it answers, as schemas; and a request resolved to orders."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from dreamlab.core.errors import InputError
from dreamlab.pictures.config import ImageConfig
from dreamlab.run.config import RunConfig
from dreamlab.run.folders import runs_in
from dreamlab.run.resolve import resolve
from dreamlab.server.jobs import Job, Order, State
from dreamlab.server.limits import Limits, check_prompt, check_settings, check_size
from dreamlab.server.pictures import PictureId, sent_picture, suggested

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,120}$")]


class JobImage(BaseModel):
    """A picture that was sent to /v1/pictures, and the camera that took it, in degrees."""

    model_config = ConfigDict(extra="forbid")

    picture: PictureId = Field(description="as /v1/pictures has answered")
    azimuth: float | None = Field(
        default=None, ge=-360, le=360, description="0 the front, 90 the side on +X; null: guessed"
    )
    elevation: float | None = Field(default=None, ge=-90, le=90, description="null: 15")
    fovy: float = Field(
        default=40.0, ge=5, le=120, description="of a picture that the unit sphere would fill"
    )
    fill: float = Field(default=0.9, gt=0.1, le=1.0, description="radius of the outline, 1 the sphere's")
    weight: float = Field(default=4.0, ge=0, le=100, description="1: as the prior draws other views")


class JobRequest(BaseModel):
    """What to make, of words, pictures or both. Settings go by the names that `dreamlab run --set` takes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": "a red mushroom", "preset": "fast"},
                {"prompt": "a yellow duck", "images": [{"picture": "0" * 32, "azimuth": 30}]},
            ]
        },
    )

    prompt: str | None = Field(
        default=None, description="such as 'a red mushroom'; null: what the first picture is taken for"
    )
    images: list[JobImage] = Field(default_factory=list, max_length=8, description="pictures of it")
    preset: str | None = Field(default=None, description="see /v1/presets; null: the server's usual one")
    seed: int = Field(default=0, ge=0, lt=2**32, description="same seed, same bytes")
    negative: str = Field(default="", description="what to keep away from")
    settings: dict[Key, JsonValue] = Field(
        default_factory=dict, description="more settings, such as {'stages.shape.steps': 200}"
    )
    formats: list[str] | None = Field(default=None, min_length=1, description="mesh formats, one file each")
    variations: int = Field(default=1, ge=1, description="so many jobs, with seeds seed, seed + 1, ...")


class JobFacts(BaseModel):
    """A job as it stands. Times are ISO 8601, UTC. `steps` are those of all stages, `seconds_left` those that
    the steps left take at the present speed; `files` and `preview` are addresses on this server; `notes` say
    what was made of the request, such as what a picture was taken for."""

    id: str
    prompt: str
    images: list[JobImage]
    notes: list[str]
    preset: str
    seed: int
    negative: str
    settings: dict[str, JsonValue]
    formats: list[str] | None
    state: State
    cancelling: bool = Field(description="it was asked to stop, and has not yet")
    submitted: str
    started: str | None
    finished: str | None
    phase: str | None
    step: int
    steps: int
    seconds_left: float | None
    error: str | None
    run: str | None = Field(description="the name of its folder")
    files: dict[str, str]
    preview: str | None


class JobList(BaseModel):
    jobs: list[JobFacts]


class Problem(BaseModel):
    """Every answer that is no success: one plain line, and what to do."""

    error: str
    mend: str = ""


class Offer(BaseModel):
    """What a server makes of requests.

    presets: those that may be asked for. usual: where none is. defaults: settings on top of every preset.
    formats: where neither request nor settings name any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: tuple[str, ...] = ("fast", "default", "quality", "drawn")
    usual: str = "default"
    defaults: dict[str, Any] = {}
    formats: tuple[str, ...] | None = None


def orders_of(request: JobRequest, root: Path, offer: Offer, limits: Limits) -> list[Order]:
    """A request as jobs, every setting of which is resolved and checked.

    Raises InputError, ConfigError, UnavailableError for what cannot be made, or not by this server.
    """
    preset = request.preset or offer.usual
    if preset not in offer.presets:
        raise InputError(
            f"the preset {preset!r} is not offered", expected="one of " + ", ".join(offer.presets)
        )
    check_prompt(request.prompt or "", "prompt", limits)
    check_prompt(request.negative, "negative prompt", limits)
    check_settings(request.settings, limits)
    if request.variations > limits.variations:
        raise InputError(
            "there are too many variations", expected=f"at most {limits.variations}", mend="Ask for fewer"
        )
    seeds = range(request.seed, request.seed + request.variations)
    if seeds[-1] >= 2**32:
        raise InputError("the last variation's seed is too large", expected="less than 2^32")
    images = [_image(root, image) for image in request.images]
    prompt, notes = _prompt(request, images)
    config = _config(request, prompt, images, preset, root, offer)
    values = config.model_dump(mode="json", by_alias=True)
    check_size(values, limits)
    formats = None if request.formats is None else tuple(request.formats)
    beside = {
        "negative": request.negative,
        "formats": formats,
        "settings": request.settings,
        "images": tuple(image.model_dump() for image in request.images),
        "notes": notes,
    }
    return [
        Order(config.prompt, preset, seed, values | {"seed": seed}, config.total_steps, **beside)
        for seed in seeds
    ]


def _image(root: Path, image: JobImage) -> ImageConfig:
    return ImageConfig(path=sent_picture(root, image.picture), **image.model_dump(exclude={"picture"}))


def _prompt(request: JobRequest, images: Sequence[ImageConfig]) -> tuple[str, tuple[str, ...]]:
    """The prompt, or what the first picture is taken for, with a line that says so."""
    if request.prompt is not None:
        return request.prompt, ()
    if not images:
        raise InputError("nothing says what to make", expected="a prompt, images, or both")
    found = suggested(images[0])
    return found.prompt, (found.line,)


def _config(
    request: JobRequest, prompt: str, images: Sequence[ImageConfig], preset: str, root: Path, offer: Offer
) -> RunConfig:
    """Every setting; the packages that its stages need are there."""
    settings: dict[str, Any] = {"seed": request.seed}
    if images:
        settings["images"] = [image.model_dump(mode="json") for image in images]
    if request.negative:
        settings["negative_prompt"] = request.negative
    if request.formats is not None:
        settings["stages"] = {"export": {"formats": request.formats}}
    config = resolve(
        prompt,
        preset=preset,
        defaults=offer.defaults,
        formats=offer.formats,
        settings=settings,
        overrides=_overrides(request.settings, root),
    )
    for stage in config.stages:
        stage.check()
    return config


def _overrides(settings: Mapping[str, Any], root: Path) -> Sequence[str]:
    """As --set takes them: JSON is YAML. A run to begin with is one of this folder, by its name."""
    found = dict(settings)
    if "begin" in found:
        runs = {path.name: path for path in runs_in(root)}
        if found["begin"] not in runs:
            raise InputError("the run to begin with is not there", expected="the name of a run's folder")
        found["begin"] = str(runs[found["begin"]].resolve())
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in found.items()]


def addresses(job_id: str, files: Mapping[str, str]) -> dict[str, str]:
    """Where a job's files can be fetched, by kind; `files` has their names."""
    return {kind: f"/v1/jobs/{job_id}/files/{name}" for kind, name in files.items()}


def facts_of(job: Job, root: Path) -> JobFacts:
    """A job as requests see it."""
    preview = _preview(root / job.run) if job.run else None
    return JobFacts(
        submitted=_moment(job.submitted) or "",
        started=_moment(job.started),
        finished=_moment(job.finished),
        files=addresses(job.id, job.files),
        preview=preview and addresses(job.id, {"": preview})[""],
        **{
            name: getattr(job, name)
            for name in JobFacts.model_fields.keys()
            - {"submitted", "started", "finished", "files", "preview"}
        },
    )


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return (
        datetime.fromtimestamp(seconds, timezone.utc)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


PREVIEW = re.compile(r"\d{6,9}\.png")


def _preview(run: Path) -> str | None:
    """The name of a run's newest picture."""
    try:
        names = [path.name for path in (run / "previews").iterdir() if PREVIEW.fullmatch(path.name)]
    except OSError:
        return None
    return max(names, key=lambda name: int(name[:-4]), default=None)
