"""What a batch is to make: the lines of a file, times seeds, times presets."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.run.config import RunConfig, checked_prompt
from dreamlab.run.presets import load_preset, load_yaml
from dreamlab.run.resolve import resolve

KINDS = (".txt", ".jsonl", ".csv")
_RETRY_SEED = 1_000_003  # seeds of retries lie this far apart, so that they are no neighbour's
_SEEDS = 2**32


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
        """Of everything that the settings are made from."""
        file = None if self.file is None else load_yaml(self.file)
        parts = [load_preset(self.preset), self.defaults, self.formats, file, self.settings, self.overrides]
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """One object that is wanted. key: tells it from any other, wherever it stands in whichever file."""

    key: str
    line: int
    prompt: str
    seed: int
    recipe: Recipe

    def config(self, attempt: int = 0) -> RunConfig:
        """The settings of its run; of those that come after a collapse with seeds of their own."""
        return self.recipe.config(self.prompt, self.seed_of(attempt))

    def seed_of(self, attempt: int) -> int:
        return (self.seed + attempt * _RETRY_SEED) % _SEEDS


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
    return list(dict.fromkeys(row["prompt"] for _, row in _rows_of_text(path, _text(path))))


def read_jobs(
    path: Path, recipe: Recipe, presets: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Job]:
    """Every line of a .txt, .jsonl or .csv, with each of the presets and seeds; the same thing only once.
    Several words that are no file's name are a prompt themselves.

    A .txt has a prompt a line. Rows of the others have `prompt`, and may have `preset`, `seed` (which then
    are the row's only ones), `negative`, and settings by dotted keys, such as `stages.shape.steps`; in JSON
    also `settings`, a mapping.

    Args:
        recipe: the settings of all.
        presets: instead of the recipe's. seeds: instead of that of the settings.

    Raises:
        BadLinesError: with all lines that cannot be used.
        InputError: a file that cannot be read, or holds no prompts.
    """
    reader = _Reader(recipe, presets or (recipe.preset,), seeds)
    jobs: dict[str, Job] = {}
    complaints = []
    for line, row in _rows(path):
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
    """Rows to jobs. Settings that several rows share are checked once."""

    def __init__(self, recipe: Recipe, presets: Sequence[str], seeds: Sequence[int]) -> None:
        self.recipe, self.presets, self.seeds = recipe, presets, seeds
        self._known: dict[tuple[Any, ...], tuple[Recipe, str, int]] = {}

    def jobs(self, line: int, row: Mapping[str, Any]) -> Iterator[Job]:
        """Raises InputError, ConfigError for what cannot be used in a row."""
        prompt = row.get("prompt")
        if not isinstance(prompt, str):
            raise InputError("there is no prompt", expected="a column or key called prompt")
        prompt = checked_prompt(prompt)
        given = row.get("seed")
        for preset in (row["preset"],) if row.get("preset") is not None else self.presets:
            recipe, digest, usual = self._checked(prompt, str(preset), row)
            for seed in (_seed(given),) if given is not None else self.seeds or (usual,):
                text = json.dumps([prompt, seed, digest])
                yield Job(hashlib.sha256(text.encode()).hexdigest()[:16], line, prompt, seed, recipe)

    def _checked(self, prompt: str, preset: str, row: Mapping[str, Any]) -> tuple[Recipe, str, int]:
        """The recipe of a row, its digest, and the seed that its settings have."""
        settings, overrides = _settings(row)
        known = (preset, json.dumps(settings, sort_keys=True), overrides)
        if known not in self._known:
            recipe = replace(
                self.recipe,
                preset=preset,
                settings={**self.recipe.settings, **settings},
                overrides=(*self.recipe.overrides, *overrides),
            )
            self._known[known] = recipe, recipe.digest(), recipe.config(prompt).seed
        return self._known[known]


def _settings(row: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a row sets beside prompt, seed and preset: nested, and dotted as `--set` has it."""
    nested = row.get("settings") or {}
    if not isinstance(nested, dict):
        raise InputError("settings cannot be used", expected="a mapping", got=type(nested).__name__)
    settings = {key: value for key, value in nested.items() if "." not in key}
    dotted = {key: value for key, value in nested.items() if "." in key}
    dotted |= {k: v for k, v in row.items() if k not in ("prompt", "seed", "preset", "negative", "settings")}
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


# ---- files ----


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
    """Rows with their line numbers; an error in the place of one that cannot be read."""
    readers = {".txt": _rows_of_text, ".jsonl": _rows_of_json, ".csv": _rows_of_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None and " " in path.name and not path.exists():
        return iter([(1, {"prompt": str(path)})])
    if reader is None:
        raise InputError(f"{path} cannot be read", expected=", ".join(KINDS), got=path.suffix or "no suffix")
    return iter(reader(path, _text(path)))


def _rows_of_text(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    rows = [(number, {"prompt": line}) for number, line in lines if line and not line.startswith("#")]
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="a prompt a line")
    return rows


def _rows_of_json(path: Path, text: str) -> list[tuple[int, dict[str, Any] | InputError]]:
    rows: list[tuple[int, dict[str, Any] | InputError]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            rows.append((number, InputError("it is no JSON", got=str(error).splitlines()[0])))
            continue
        wrong = InputError("it is no row", expected='an object such as {"prompt": "a red mushroom"}')
        rows.append((number, row if isinstance(row, dict) else wrong))
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="a JSON object a line")
    return rows


def _rows_of_csv(path: Path, text: str) -> list[tuple[int, dict[str, Any] | InputError]]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    rows: list[tuple[int, dict[str, Any] | InputError]] = []
    try:
        for row in reader:
            if None in row:
                wrong = InputError("it has more cells than the first line", mend="Put commas in quotes")
                rows.append((reader.line_num, wrong))
            else:
                filled = {k.strip(): v.strip() for k, v in row.items() if v is not None and v.strip()}
                rows.append((reader.line_num, filled))
    except csv.Error as error:
        rows.append((reader.reader.line_num, InputError("it is no CSV", got=str(error))))
    if not rows:
        raise InputError(f"{path} holds no prompts", expected="columns with names, one of them prompt")
    return rows


def _text(path: Path) -> str:
    """The file as text, whether or not it begins with a mark of UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
        expected = "a prompt a line" if path.suffix.lower() == ".txt" else "rows of prompts"
        raise InputError(f"{path} cannot be read", expected=expected, got=reason or "") from error
