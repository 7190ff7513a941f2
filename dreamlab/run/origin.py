"""Where a result comes from: the prior's weights and the code, as environment.json and GLB files tell it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dreamlab import __version__
from dreamlab.core.version import commit
from dreamlab.priors import PriorConfig
from dreamlab.priors.diffusers.aliases import alias
from dreamlab.priors.diffusers.source import PretrainedConfig, snapshot
from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPriorConfig
from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig


def code_facts() -> dict[str, Any]:
    """The version and, from a clone, the commit and whether the code was changed since."""
    found = commit()
    facts: dict[str, Any] = {"dreamlab": __version__}
    return facts if found is None else facts | {"commit": found.sha, "changed": found.changed}


def prior_facts(config: PriorConfig) -> dict[str, Any]:
    """The prior's kind, model and sums of its weights, as far as they are known without asking anyone.

    `sha256` is that of the embedded prior's or a single file, or of the sums of a folder's weights, which
    `files` has by name; `revision` is the commit of the hub. What is not on this machine is not in it.
    """
    facts: dict[str, Any] = {"kind": config.kind}
    try:
        if isinstance(config, EmbeddedPriorConfig):
            return facts | {"sha256": sha256_of(config.weights or SHIPPED)}
        if isinstance(config, PretrainedConfig):
            return facts | {"model": config.model} | _pretrained(config)
    except (OSError, ValueError):  # weights that are not there are told when they are loaded
        pass
    return facts


def given_facts(prior: Prior) -> dict[str, Any]:
    """Of a prior that a program has made: its class is all that is known."""
    return {"kind": type(prior).__name__, "given": True}


def asset_facts(config: RunConfig, prior: Mapping[str, Any]) -> dict[str, Any]:
    """What a GLB says of its making: nothing of the time, the machine or its folders, so that a seed gives
    the same bytes anywhere.

    prior: as `prior_facts` or a run's environment.json has it.
    """
    facts: dict[str, Any] = {"dreamlab": __version__, "prompt": config.prompt}
    if config.heard != config.prompt:
        facts["heard"] = config.heard
    shown = {key: prior[key] for key in ("kind", "given", "model", "revision", "sha256") if key in prior}
    if "model" in shown and Path(str(shown["model"])).expanduser().exists():
        shown["model"] = Path(str(shown["model"])).name
    return facts | {"seed": config.seed, "prior": shown}


def recorded_facts(config: RunConfig, environment: Mapping[str, Any] | None) -> dict[str, Any]:
    """`asset_facts` with the prior that a run has written down, whose weights need not be here."""
    recorded = (environment or {}).get("prior")
    return asset_facts(config, recorded if isinstance(recorded, Mapping) else prior_facts(config.prior))


def other_weights(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A line where the weights are known to be others than when a run began; else nothing."""
    then = before.get("prior")
    if not isinstance(then, Mapping):
        return ""
    other = [key for key in ("sha256", "revision") if key in then and key in now and then[key] != now[key]]
    return "the prior's weights are others than when this run began: results may differ" if other else ""


def sha256_of(path: Path) -> str:
    """The file's sum; kept while its size and time stay."""
    known = path.stat()
    return _sum(path.resolve(), known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=64)
def _sum(path: Path, size: int, time: int) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _pretrained(config: PretrainedConfig) -> dict[str, Any]:
    path = Path(config.model).expanduser()
    if path.is_file():
        return {"sha256": sha256_of(path)}
    if path.is_dir():
        files = _weights(path)
        together = "".join(f"{name} {sum_}\n" for name, sum_ in files.items())
        return {"sha256": hashlib.sha256(together.encode()).hexdigest(), "files": files}
    known = alias(config.model)
    revision = config.revision or (known.revision if known else None)
    for hub in known.hubs if known else (config.model,):
        if folder := snapshot(hub, revision):
            return {"hub": hub, "revision": folder.name, "files": _weights(folder)}
    return {}


def _weights(folder: Path) -> dict[str, str]:
    """Sums of all weights, by their place: the name of a large file in the hub's cache is its sum."""
    out = {}
    for path in sorted(folder.rglob("*.safetensors")):
        blob = path.resolve().name
        named = path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", blob)
        out[path.relative_to(folder).as_posix()] = blob if named else sha256_of(path)
    return out
