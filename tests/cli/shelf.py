"""Folders of runs as they are left behind: done, stopped or failed; and the command line, in-process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from known import small_config
from PIL import Image

from dreamlab.cli import main
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir

STARTED = "2024-05-17T08:30:00Z"
LOG = "2024-05-17 08:30:{:02d},000 {} dreamlab.run.{}: {}\n"


def config_of(prompt: str, **changes: Any) -> RunConfig:
    return small_config(**changes).model_copy(update={"prompt": prompt})


def make_run(
    root: Path,
    prompt: str = "a red ball",
    *,
    steps: int = 12,
    finished: bool = True,
    failed: str = "",
    preset: str | None = "fast",
    measures: dict[str, float] | None = None,
    **changes: Any,
) -> Path:
    """A run of 12 steps that came to `steps` of them; with its files if it was finished, or what it failed
    of in its log."""
    environment = {
        "dreamlab": "0.1.0", "python": "3.11.7", "started": STARTED, "packages": {"torch": "2.13.0"},
        "preset": preset,
    }  # fmt: skip
    run = RunDir.create(root, config_of(prompt, **changes), environment).path
    rows = [{"step": k + 1, "stage": "shape" if k < 8 else "colour", "residual": 0.5} for k in range(steps)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    log = LOG.format(0, "INFO", "clock", "shape distil")
    log += LOG.format(9, "ERROR", "run_dir", f"failed: {failed}") if failed else ""
    (run / "log.txt").write_text(log)
    (run / ".lock").touch()
    (run / "previews").mkdir()
    picture(run / "previews" / "000010.png", (200, 30, 30))
    if finished:
        facts = {"faces": 300.0, "silhouette_iou": 0.97, **(measures or {})}
        summary = {"files": {}, "seconds": {"shape": 90.0, "shape.prior": 60.0, "export": 13.0}}
        (run / "summary.json").write_text(json.dumps({**summary, "measures": facts}))
        (run / "report.html").write_text("<title>a red ball</title>")
        (run / "mesh.glb").write_bytes(b"glTF")
    return run


def picture(path: Path, color: tuple[int, int, int], side: int = 32) -> None:
    Image.fromarray(np.full((side, side, 3), color, np.uint8)).save(path)


def command(*arguments: str) -> int:
    """The exit code, however the command ends."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
