"""What a finished run says of itself: summary.json for scripts, report.html for people."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from dreamlab.core.files import write_atomic
from dreamlab.priors.diffusers.licence import provenance
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir
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
    summary = {"files": sums, "seconds": seconds, "measures": measures}
    write_atomic(run.path / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
    if "glb" not in files:
        return {}
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
        facts=measures | watertight,
        timings={name: value for name, value in seconds.items() if "." not in name},
        metrics=rows,
        settings=config.model_dump(mode="json", by_alias=True),
        prior=provenance(config.prior),
    )
    return {"report": run.path / "report.html"}
