"""One run on disk: its numbered folder, config, environment, metrics, previews, log and checkpoints."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from jaxtyping import UInt8
from torch import Tensor

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.files import read_mapping, write_atomic
from dreamlab.mesh.io.names import legal_name
from dreamlab.run import checkpoints
from dreamlab.run.config import RunConfig
from dreamlab.run.folders import find_run, locked, newest_number, number_of
from dreamlab.run.migrate import migrated
from dreamlab.run.presets import parse_yaml
from dreamlab.run.resolve import from_values

log = logging.getLogger(__name__)
_LONGEST_SLUG = 48


def slug(prompt: str) -> str:
    """A short folder name of a-z, 0-9 and hyphens; emoji become their names, other scripts "object"."""
    words = [
        f" {unicodedata.name(c, '')} " if unicodedata.category(c) == "So" else c
        for c in unicodedata.normalize("NFKD", prompt)
    ]
    plain = "".join(words).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(text) > _LONGEST_SLUG:
        text = text[:_LONGEST_SLUG].rpartition("-")[0] or text[:_LONGEST_SLUG]
    return text or "object"


def asset_name(prompt: str) -> str:
    """What the object is called inside files: the slug without an article, "red-mushroom"; for other scripts
    what is left of them with a checksum, since all their slugs would be one."""
    text = re.sub(r"(?i)^\s*(an?|the)\s+", "", prompt)
    return slug(text) if text.isascii() else legal_name(text.lower())


class RunDir:
    """The folder of one run. Make one with `create`, open one with `open` or `find`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: IO[bytes] | None = None

    # ---- making and finding ----

    @classmethod
    def create(
        cls,
        root: Path,
        config: RunConfig,
        environment: dict[str, Any],
        kept: Mapping[str, bytes] | None = None,
    ) -> RunDir:
        """A new folder `root/0007-a-red-mushroom`; safe against others that do the same at the same
        moment.

        kept: further files that belong to it from the start, by name.
        """
        files = {
            "config.yaml": config.yaml().encode(),
            "environment.json": (json.dumps(environment, indent=1) + "\n").encode(),
            **(kept or {}),
        }
        try:
            root.mkdir(parents=True, exist_ok=True)
            return cls(_allocate(root, slug(config.prompt), files))
        except OSError as error:
            raise InputError(
                f"cannot make a run folder in {root}",
                expected="a folder that can be written to",
                got=error.strerror or str(error),
                mend="Choose another place with --out",
            ) from error

    @classmethod
    def find(cls, root: Path, name: str) -> RunDir:
        """A run by path, by folder name (its own or one that it was given later), by number, or "latest".

        Raises InputError if there is none.
        """
        return cls(find_run(root, name))

    def config(self) -> RunConfig:
        """The resolved config that the run was started with; an older run's in today's settings."""
        path = self.path / "config.yaml"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DamagedError(f"{path} cannot be read", got=str(error)) from error
        values = parse_yaml(text, str(path))
        today = migrated(values)
        if today != values:
            warnings.warn(f"{path} is of an older dreamlab and is read in today's settings", stacklevel=1)
        return from_values(today)

    def environment(self) -> dict[str, Any] | None:
        """Versions and machine at the start of the run; None if that file is gone or damaged."""
        return read_mapping(self.path / "environment.json")

    def summary(self) -> dict[str, Any]:
        """What the run wrote down at its end: seconds, files, measures; nothing where that file is not there
        or damaged."""
        return read_mapping(self.path / "summary.json") or {}

    def note_prior(self, facts: dict[str, Any]) -> None:
        """Write down what is known of the prior now, where that is more than at the start."""
        known = self.environment()
        before = (known or {}).get("prior", {})
        if known is not None and isinstance(before, dict) and len(facts) > len(before):
            text = json.dumps(known | {"prior": facts}, indent=1) + "\n"
            write_atomic(self.path / "environment.json", text.encode())

    def change(self, config: RunConfig) -> None:
        """Go on with other settings: the run's config from now on."""
        write_atomic(self.path / "config.yaml", config.yaml().encode())

    def metrics(self) -> tuple[list[dict[str, Any]], int]:
        """The rows of metrics.jsonl, and how many lines of it are damaged."""
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return [], 0
        rows = [row for line in lines if (row := _row(line)) is not None]
        return rows, len(lines) - len(rows)

    @contextmanager
    def unless_stillborn(self) -> Iterator[None]:
        """Around the first work on a new run: if that fails before there is anything to go on from, the
        folder goes, and is nobody's latest run."""
        try:
            yield
        except Exception:
            if not (self.path / "checkpoints").exists() and not (self.path / "metrics.jsonl").exists():
                for name in ("config.yaml", "environment.json", "shape.ply", "log.txt", ".lock"):
                    (self.path / name).unlink(missing_ok=True)
                for picture in self.path.glob("picture-*.png"):
                    picture.unlink(missing_ok=True)
                with suppress(OSError):  # someone has put something there
                    self.path.rmdir()
            raise

    # ---- while it is worked on ----

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Only one process may work on a run: a lock that vanishes with the process. Keeps log.txt
        meanwhile.
        """
        with locked(self.path):
            checkpoints.tidy(self.path / "checkpoints")
            for left in (*self.path.glob(".writing-*"), *self.path.glob("previews/.writing-*")):
                if not left.is_dir():
                    left.unlink(missing_ok=True)
            handler = _LogFile(self.path / "log.txt", encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            logger = logging.getLogger("dreamlab")
            level = logger.level
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            try:
                yield
            except Exception as error:  # a stop is none: it leaves no such line
                log.error("failed: %s", " ".join(str(error).split()) or type(error).__name__)
                raise
            finally:
                logger.setLevel(level)
                logger.removeHandler(handler)
                handler.close()
                self._close_metrics()

    def restore(self, keep: int | None = None) -> tuple[checkpoints.Checkpoint | None, list[str]]:
        """The newest good checkpoint, with metrics.jsonl cut back to its moment, and complaints about bad
        ones. Of those behind it no more than `keep` in all stay (None: all).
        """
        checkpoint, complaints = checkpoints.load_latest(self.path / "checkpoints")
        if checkpoint is not None and keep is not None:
            checkpoints.drop_surplus(self.path / "checkpoints", checkpoint.total_step, keep)
        metrics = self.path / "metrics.jsonl"
        length = checkpoint.metrics_bytes if checkpoint else 0
        self._close_metrics()
        if length and not metrics.exists():
            complaints.append("metrics.jsonl is gone: earlier steps are missing from it")
        elif metrics.exists():
            if metrics.stat().st_size < length:
                complaints.append("metrics.jsonl is shorter than it was: earlier steps are missing from it")
            else:
                os.truncate(metrics, length)
        return checkpoint, complaints

    def log_metrics(self, row: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        if self._metrics is None:
            self._metrics = (self.path / "metrics.jsonl").open("ab")
        self._metrics.write((json.dumps(row) + "\n").encode())

    def save_checkpoint(
        self, stage: int, step: int, total_step: int, state: dict[str, Tensor], config: RunConfig
    ) -> None:
        """Keep this moment; see dreamlab.run.checkpoints.save."""
        if self._metrics is not None:
            self._metrics.flush()
            os.fsync(self._metrics.fileno())
        metrics = self.path / "metrics.jsonl"
        length = metrics.stat().st_size if metrics.exists() else 0
        moment = checkpoints.Checkpoint(stage, step, total_step, length, state)
        values = config.model_dump(mode="json", by_alias=True)
        checkpoints.save(self.path / "checkpoints", moment, values, config.saving.keep)

    def save_preview(self, total_step: int, image: UInt8[Tensor, "H W 3"]) -> None:
        """Write previews/000123.png."""
        from PIL import Image

        buffer = BytesIO()
        Image.fromarray(image.numpy()).save(buffer, "png")
        folder = self.path / "previews"
        folder.mkdir(exist_ok=True)
        write_atomic(folder / f"{total_step:06d}.png", buffer.getvalue())

    def _close_metrics(self) -> None:
        if self._metrics is not None:
            metrics, self._metrics = self._metrics, None
            metrics.close()


class _LogFile(logging.FileHandler):
    """A log that a full disk ends in silence: what fails for want of room says so itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        return None
    numbers = [value for value in row.values() if isinstance(value, int)]
    return row if all(abs(number) < 2**53 for number in numbers) else None


def _allocate(root: Path, name: str, files: dict[str, bytes]) -> Path:
    """The next number's folder, with its first files. A claim folder per number keeps two processes from
    taking the same one, and becomes the run's: no folder of a run is ever without its config.
    """
    while True:
        number = 1 + newest_number(root)
        claim = root / f".claim-{number:04d}"
        while True:
            try:
                claim.mkdir()
                break
            except FileExistsError:  # another process takes it at this moment, or died while it did
                number += 1
                claim = root / f".claim-{number:04d}"
        try:
            # Between our look and our claim another may have taken the number and let its claim go.
            if all(number_of(p.name) != number for p in root.iterdir()):
                for file, data in files.items():
                    write_atomic(claim / file, data)
                path = root / f"{number:04d}-{name}"
                claim.rename(path)
                return path
        finally:
            if claim.exists():
                shutil.rmtree(claim, ignore_errors=True)
