"""The bytes that presets give, to prove that a change of structure changed nothing: a few steps, one thread.

    scripts/golden_run.py before.json                        # before the change
    scripts/golden_run.py after.json --against before.json   # says what differs, and fails if anything does

Bytes are the same only on one machine with the same versions, so the file is for the desk, not for the
repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = ["stages.0.steps=6", "stages.turntable.frames=6", "stages.turntable.size=64"]
FEW += ["saving.checkpoint_every=6"]
KEPT = ("mesh.glb", "mesh.obj", "mesh.mtl", "turntable.webp", "metrics.jsonl")

ALONE = {"OMP_NUM_THREADS": "1", "DREAMLAB_CONFIG": ""}  # whatever the user's defaults are


def bytes_of(preset: str, folder: Path, settings: list[str]) -> dict[str, str]:
    """sha256 of what a short run of the preset writes, by file name."""
    command = [sys.executable, "-m", "dreamlab", "run", "a red mushroom", "--preset", preset, "--quiet"]
    command += ["--out", str(folder), *(part for setting in settings for part in ("--set", setting))]
    subprocess.run(command, check=True, env=os.environ | ALONE, stdout=subprocess.DEVNULL)
    run = next(folder.iterdir())
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in KEPT}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="JSON to write")
    parser.add_argument("--presets", default="fast,default,drawn", help="(default %(default)s)")
    parser.add_argument(
        "--against", type=Path, help="an earlier file: say what differs, and fail if anything does"
    )
    args = parser.parse_args()
    found = {}
    for preset in args.presets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            found[preset] = bytes_of(preset, Path(folder), FEW)
    args.file.write_text(json.dumps(found, indent=1) + "\n")
    if args.against is None:
        return 0
    before = json.loads(args.against.read_text())
    other = [f"{p}/{n}" for p in found for n, sha in before[p].items() if found[p][n] != sha]
    sys.stdout.write(("differs: " + ", ".join(other) if other else "every byte as before") + "\n")
    return bool(other)


if __name__ == "__main__":
    sys.exit(main())
