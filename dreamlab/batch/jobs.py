"""What a batch is to make: the lines of a file, times seeds, times presets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from dreamlab.batch.pictures import JobPicture, images_said, job_pictures, packed, unpacked
from dreamlab.batch.rows import rows_of, rows_of_text
from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.pictures.config import ImageConfig
from dreamlab.run.config import RunConfig, checked_prompt
from dreamlab.run.pictures import asked_of, suggested_prompt
from dreamlab.run.presets import load_preset, load_yaml
from dreamlab.run.resolve import resolve

_RETRY_SEED = 1_000_003  # seeds of retries lie this far apart, so that they are no neighbour's
_SEEDS = 2**32
_BESIDE = ("prompt", "seed", "preset", "negative", "settings", "image")  # keys of a row that are no settings


@dataclass(frozen=True)
class Recipe:
    """All settings of a run but its prompt and seed, as dreamlab.run.resolve.resolve takes them."""

    preset: str = "default"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] | None = None
    file: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()

    def config(self, prompt: str, seed: int | None = None) -> RunConfig:
        """Raises as `resolve`. seed: None: that of the settings."""
        return resolve(
            prompt,
            preset=self.preset,
            defaults=dict(self.defaults),
            formats=self.formats,
            file=self.file,
            settings=dict(self.settings),
            overrides=self.overrides if seed is None else (*self.overrides, f"seed={seed}"),
        )

    def digest(self) -> str:
        """Of everything that the settings are made from but the pictures, which jobs know by their bytes."""
        file = None if self.file is None else _without_pictures(load_yaml(self.file))
        settings = _without_pictures(self.settings)
        parts = [load_preset(self.preset), self.defaults, self.formats, file, settings, self.overrides]
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _without_pictures(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "images"}


@dataclass(frozen=True)
class Job:
    """One object that is wanted. key: tells it from any other, wherever it stands in whichever file.
    pictures: those of its settings. said: what is to be said of how it was read."""

    key: str
    line: int
    prompt: str
    seed: int
    recipe: Recipe
    pictures: tuple[JobPicture, ...] = ()
    said: tuple[str, ...] = ()

    def config(self, attempt: int = 0) -> RunConfig:
        """The settings of its run; of those that come after a collapse with seeds of their own."""
        config = self.recipe.config(self.prompt, self.seed_of(attempt))
        if not self.pictures:
            return config
        images = tuple(
            image.model_copy(update={"path": picture.path})
            for image, picture in zip(config.images, self.pictures, strict=True)
        )
        return config.model_copy(update={"images": images})

    def seed_of(self, attempt: int) -> int:
        return (self.seed + attempt * _RETRY_SEED) % _SEEDS

    def packed(self) -> Job:
        """With the bytes of its pictures. Raises InputError where one has changed or is gone."""
        return replace(self, pictures=packed(self.pictures)) if self.pictures else self

    def unpacked(self, folder: Path) -> Job:
        """With its pictures as files of this folder, if it was packed."""
        return replace(self, pictures=unpacked(self.pictures, folder)) if self.pictures else self

    def light(self) -> Job:
        """Without the bytes of its pictures, for events that tell of it."""
        return replace(self, pictures=tuple(replace(picture, data=None) for picture in self.pictures))


class BadLinesError(InputError):
    """Lines of a file that cannot be used. complaints: one for each."""

    def __init__(self, path: Path, complaints: Sequence[str]) -> None:
        self.complaints = tuple(complaints)
        lines = "a line" if len(complaints) == 1 else f"{len(complaints)} lines"
        super().__init__(f"{lines} of {path} cannot be used, and nothing was begun", mend="Mend the file")


def read_prompts(path: Path) -> list[str]:
    """A prompt a line, each once; empty lines and those that begin with # are passed over.

    Raises InputError for a file that cannot be read or holds none.
    """
    return list(dict.fromkeys(row["prompt"] for _, row in rows_of_text(path)))


def read_jobs(
    path: Path, recipe: Recipe, presets: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Job]:
    """Every line of a .txt, .jsonl or .csv, with each of the presets and seeds; the same thing only once.
    Several words that are no file's name are a prompt themselves.

    A .txt has a prompt a line. Rows of the others have `prompt`, and may have `preset`, `seed` (which then
    are the row's only ones), `negative`, `image` (FILE[@AZIMUTH[,ELEVATION]], relative to the file of the
    rows; several as a list in JSON, with ";" between them in a table), and settings by dotted keys, such as
    `stages.shape.steps`; in JSON also `settings`, a mapping. Beside an image the prompt may be left out.

    Args:
        recipe: the settings of all.
        presets: instead of the recipe's. seeds: instead of that of the settings.

    Raises:
        BadLinesError: with all lines that cannot be used.
        InputError: a file that cannot be read, or holds no prompts.
    """
    reader = _Reader(recipe, presets or (recipe.preset,), seeds, path.parent)
    jobs: dict[str, Job] = {}
    complaints = []
    for line, row in rows_of(path):
        try:
            if isinstance(row, InputError):
                raise row
            for job in reader.jobs(line, row):
                jobs.setdefault(job.key, job)
        except DreamlabError as error:
            complaints.append(f"{path}:{line}: {error}")
    if complaints:
        raise BadLinesError(path, complaints)
    return list(jobs.values())


def written_jobs(rows: Sequence[Mapping[str, Any]], recipe: Recipe, path: Path) -> list[Job]:
    """The jobs of rows that no user has written, which stand in the file at `path` (.jsonl) from now on.
    Raises as `read_jobs`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return read_jobs(path, recipe)


class _Reader:
    """Rows to jobs. Settings and pictures that several rows share are checked once."""

    def __init__(self, recipe: Recipe, presets: Sequence[str], seeds: Sequence[int], folder: Path) -> None:
        self.recipe, self.presets, self.seeds, self.folder = recipe, presets, seeds, folder
        self._known: dict[tuple[Any, ...], _Checked] = {}
        self._named: dict[Path, tuple[str, str]] = {}

    def jobs(self, line: int, row: Mapping[str, Any]) -> Iterator[Job]:
        """Raises InputError, ConfigError for what cannot be used in a row."""
        images = [] if row.get("image") is None else images_said(row["image"], self.folder)
        prompt, said = self._prompt(row, images)
        given = row.get("seed")
        for preset in (row["preset"],) if row.get("preset") is not None else self.presets:
            found = self._checked(prompt, str(preset), row, images)
            for seed in (_seed(given),) if given is not None else self.seeds or (found.seed,):
                text = json.dumps([prompt, seed, found.digest])
                key = hashlib.sha256(text.encode()).hexdigest()[:16]
                yield Job(key, line, prompt, seed, found.recipe, found.pictures, said)

    def _prompt(
        self, row: Mapping[str, Any], images: Sequence[Mapping[str, Any]]
    ) -> tuple[str, tuple[str, ...]]:
        """A row's prompt, or what its first picture is taken for, with a line that says so."""
        prompt = row.get("prompt")
        if prompt is None and images:
            first = ImageConfig(**images[0])
            if first.path not in self._named:
                self._named[first.path] = suggested_prompt(first)
            found, line = self._named[first.path]
            return found, (line,)
        if not isinstance(prompt, str):
            raise InputError("there is no prompt", expected="a column or key called prompt")
        return checked_prompt(prompt), ()

    def _checked(
        self, prompt: str, preset: str, row: Mapping[str, Any], images: Sequence[Mapping[str, Any]]
    ) -> _Checked:
        """What the rows of these settings and pictures have in common."""
        settings, overrides = _settings(row)
        if images:
            settings["images"] = [*images]
        known = (preset, json.dumps(settings, sort_keys=True), overrides)
        if known not in self._known:
            recipe = replace(
                self.recipe,
                preset=preset,
                settings={**self.recipe.settings, **settings},
                overrides=(*self.recipe.overrides, *overrides),
            )
            config = recipe.config(prompt)
            pictures, digest = job_pictures(config.images), recipe.digest()
            if pictures:
                digest = _with_pictures(digest, config.images, pictures)
            self._known[known] = _Checked(recipe, digest, config.seed, pictures)
        return self._known[known]


class _Checked(NamedTuple):
    """The recipe of rows, its digest with that of the pictures, and the seed that the settings have."""

    recipe: Recipe
    digest: str
    seed: int
    pictures: tuple[JobPicture, ...]


def _with_pictures(digest: str, images: Sequence[ImageConfig], pictures: Sequence[JobPicture]) -> str:
    """Another digest where a picture's bytes or camera are others, wherever its file lies."""
    text = json.dumps([digest, asked_of(images, pictures)])
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(row: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a row sets beside prompt, seed and preset: nested, and dotted as `--set` has it."""
    nested = row.get("settings") or {}
    if not isinstance(nested, dict):
        raise InputError("settings cannot be used", expected="a mapping", got=type(nested).__name__)
    settings = {key: value for key, value in nested.items() if "." not in key}
    dotted = {key: value for key, value in nested.items() if "." in key}
    dotted |= {k: v for k, v in row.items() if k not in _BESIDE}
    if (negative := row.get("negative")) is not None:
        settings["negative_prompt"] = str(negative)
    return settings, tuple(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in dotted.items()
    )


def _seed(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or int(text) >= _SEEDS:
        raise InputError("seed cannot be used", expected="a whole number from 0", got=text)
    return int(text)
