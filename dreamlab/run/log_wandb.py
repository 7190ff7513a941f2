"""A run in Weights & Biases: offline where nobody is logged in, with its files in the run's own folder."""

from __future__ import annotations

import hashlib
import netrc
import os
from collections.abc import Mapping
from importlib import import_module  # so that types are checked the same with and without it
from urllib.parse import urlsplit

from jaxtyping import UInt8
from torch import Tensor

from dreamlab.core.extras import extra
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir

PROJECT = "dreamlab"


class WandbLogger:
    """See dreamlab.run.loggers.RunLogger. A run that goes on is the same run there; of steps that are made
    anew the first stay. WANDB_MODE, WANDB_PROJECT and their kin are heeded."""

    def __init__(self, config: RunConfig, run: RunDir, done: int) -> None:
        with extra("wandb", "Logging to Weights & Biases needs its package", "set saving.log=[]"):
            wandb = import_module("wandb")
        self._wandb = wandb
        mode = None if "WANDB_MODE" in os.environ or logged_in() else "offline"
        started = str((run.environment() or {}).get("started"))
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.path.name,
            id=hashlib.sha256(f"{run.path.name} {started}".encode()).hexdigest()[:16],
            resume="allow",
            dir=str(run.path),
            config=config.model_dump(mode="json", by_alias=True),
            mode=mode,
            # It stays silent, reads no source, and leaves our output to us.
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, image: UInt8[Tensor, "H W 3"]) -> None:
        self._run.log({"preview": self._wandb.Image(image.numpy())}, step=step)

    def close(self) -> None:
        self._run.finish()


def logged_in() -> bool:
    """Whether a key for the server is in the environment or in ~/.netrc, where `wandb login` writes it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
