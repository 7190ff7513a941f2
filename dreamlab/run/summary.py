"""What a finished run says of itself: summary.json for scripts, report.html for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from dreamlab.core.files import write_atomic
from dreamlab.priors.diffusers.licence import provenance
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
from dreamlab.run.score_card import score_of_glb
from dreamlab.stages import ExportStageConfig


def write_summary(
    config: RunConfig,
    run: RunDir,
    files: dict[str, Path],
    seconds: dict[str, float],
    measures: dict[str, float],
    rows: list[dict[str, Any]],
) -> dict[str, Path]:
    """Write summary.json, and report.html where there is a GLB to show; the page by kind.

    rows: those of metrics.jsonl.
    """
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in files.values()}
    summary = {"files": sums, "seconds": seconds, "measures": measures, **_memory()}
    write_atomic(run.path / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
    if "glb" not in files:
        return {}
    score = score_of_glb(files["glb"], config.prompt)
    return {"report": _report(config, run, files, seconds, measures, rows, score)}


def rewrite_report(run: RunDir, score: Mapping[str, str]) -> Path | None:
    """The report of a finished run once more, with its score; None where summary.json is not there or says
    nothing that a report could be written from."""
    config = run.config()
    try:
        summary = run.summary()
        seconds, measures = dict(summary["seconds"]), dict(summary["measures"])
        files = {name.partition(".")[2]: run.path / name for name in summary["files"]}
    except (ValueError, KeyError, TypeError):
        return None
    files = {kind: path for kind, path in files.items() if path.is_file()}
    if "glb" not in files:
        return None
    return _report(config, run, files, seconds, measures, run.metrics()[0], score)


def _report(
    config: RunConfig,
    run: RunDir,
    files: Mapping[str, Path],
    seconds: Mapping[str, float],
    measures: Mapping[str, float],
    rows: list[dict[str, Any]],
    score: Mapping[str, str],
) -> Path:
    from dreamlab.mesh.io.gltf import glb_bytes
    from dreamlab.mesh.io.load import load
    from dreamlab.views.report import write_report

    export = config.last(ExportStageConfig)
    packed = export is not None and export.compression != "none"  # the page's viewer reads plain GLB
    watertight = {"watertight": measures["watertight"] > 0} if "watertight" in measures else {}
    write_report(
        run.path / "report.html",
        title=config.prompt,
        subtitle="" if config.heard == config.prompt else f"heard as: {config.heard}",
        model=glb_bytes(load(files["glb"])) if packed else files["glb"],
        turntable=files.get("webp"),
        facts={**measures, **watertight},
        score=score,
        timings={name: value for name, value in seconds.items() if "." not in name},
        metrics=rows,
        settings=config.model_dump(mode="json", by_alias=True),
        prior=provenance(config.prior),
    )
    return run.path / "report.html"


def _memory() -> dict[str, float]:
    """peak_mb: the most main memory that this process has held so far; nothing where the system does not
    tell."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mb": round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)}
