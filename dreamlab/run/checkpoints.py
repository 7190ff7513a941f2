"""Checkpoints: a folder each, whole or not there, whose hashes are checked before anything is believed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamlab.core.errors import DamagedError, InputError

FORMAT = 2
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_SCENE = "scene."


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a run: `step` steps of stage number `stage` are done, `total_step` over all stages.

    metrics_bytes is the length of metrics.jsonl at that moment; state is the optimiser's flat state_dict, the
    scene among it as "scene.…". config is what the run was set to at that moment, where it was read back.
    """

    stage: int
    step: int
    total_step: int
    metrics_bytes: int
    state: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint, config: dict[str, Any], keep: int) -> Path:
    """Write `folder/000123/` and drop all but the newest `keep`, and any that lie ahead of this one.

    Raises InputError, and leaves nothing half-written, where the disk is full or cannot be written to.
    """
    from safetensors.torch import save as to_bytes

    state = checkpoint.state
    scene = {k.removeprefix(_SCENE): v.contiguous() for k, v in state.items() if k.startswith(_SCENE)}
    rest = {k: v.contiguous() for k, v in state.items() if not k.startswith(_SCENE)}
    target = folder / f"{checkpoint.total_step:06d}"
    temporary = folder / f".writing-{target.name}"
    old = folder / f".old-{target.name}"
    try:
        folder.mkdir(exist_ok=True)
        _remove(temporary)
        temporary.mkdir()
        files = {}
        for name, tensors in (("scene.safetensors", scene), ("state.safetensors", rest)):
            data = to_bytes(tensors)
            _write_synced(temporary / name, data)
            files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        meta = {
            "format": FORMAT,
            "stage": checkpoint.stage,
            "step": checkpoint.step,
            "total_step": checkpoint.total_step,
            "metrics_bytes": checkpoint.metrics_bytes,
            "files": files,
            "config": config,
        }
        _write_synced(temporary / "meta.json", (json.dumps(meta, indent=1) + "\n").encode())
        if target.exists():
            target.rename(old)
        temporary.rename(target)
        _sync_folder(folder)
    except OSError as error:
        raise InputError(
            f"could not write the checkpoint {target}",
            got=error.strerror or str(error),
            mend="Make room, then `dreamlab resume`; or move the run's folder, then `dreamlab resume FOLDER`",
        ) from error
    finally:
        _remove(temporary)
        _remove(old)
    _drop_others(folder, checkpoint.total_step, keep)
    return target


def load_latest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that can be trusted, and a line about each that could not."""
    complaints: list[str] = []
    for path in reversed(_all(folder)):
        try:
            return load(path), complaints
        except DamagedError as error:
            complaints.append(f"passed over a damaged checkpoint: {error}")
    return None, complaints


def load(path: Path) -> Checkpoint:
    """Read one checkpoint folder. Raises DamagedError unless everything is there and every hash is right."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] not in (1, FORMAT):
            raise DamagedError(f"{path} has another format", expected=str(FORMAT), got=str(meta["format"]))
        tensors: dict[str, dict[str, Tensor]] = {}
        for name, facts in meta["files"].items():
            data = (path / name).read_bytes()
            if hashlib.sha256(data).hexdigest() != facts["sha256"]:
                raise DamagedError(f"{path / name} has changed since it was written", got="another sha256")
            tensors[name] = from_bytes(data)
        if meta["format"] == 1:
            tensors = _from_format_1(tensors)
        scene = {_SCENE + k: v for k, v in tensors["scene.safetensors"].items()}
        place = (int(meta[k]) for k in ("stage", "step", "total_step", "metrics_bytes"))
        config = meta.get("config")
        state = scene | tensors["state.safetensors"]
        return Checkpoint(*place, state=state, config=config if isinstance(config, dict) else {})
    except (*_UNREADABLE, SafetensorError) as error:
        raise DamagedError(f"{path} cannot be read", got=f"{type(error).__name__}: {error}") from error


def _from_format_1(tensors: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """The files of format 1, which knew only fields: the scene was called so, in names too."""
    state = {
        re.sub(r"^((?:good\.)?(?:adam\.)?)field\.", r"\1scene.", name): value
        for name, value in tensors["state.safetensors"].items()
    }
    return {"scene.safetensors": tensors["field.safetensors"], "state.safetensors": state}


def tidy(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for pattern in (".writing-*", ".old-*"):
        for path in folder.glob(pattern):
            _remove(path)


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*") if p.is_dir() and p.name.isdigit())


def drop_surplus(folder: Path, newest: int, keep: int) -> None:
    """Drop all up to `newest` but `keep`: a kill may come between a new one and the removal of an old."""
    for path in [p for p in _all(folder) if int(p.name) <= newest][:-keep]:
        _remove(path)


def _drop_others(folder: Path, newest: int, keep: int) -> None:
    drop_surplus(folder, newest, keep)
    for path in [p for p in _all(folder) if int(p.name) > newest]:
        _remove(path)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
