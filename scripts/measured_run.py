"""`dreamlab` that leaves a note of its own peak memory, in bytes.

usage: python scripts/measured_run.py NOTE ARGUMENTS...

A run that is gone on with keeps the higher of its peaks. Memory of a graphics card comes on top of the
process's own.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from dreamlab.cli import main
from dreamlab.core.files import write_atomic


def peak_bytes() -> int:
    """The most that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    torch = sys.modules.get("torch")
    return own + (torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_available() else 0)


if __name__ == "__main__":
    note = Path(sys.argv[1])
    try:
        code = main(sys.argv[2:])
    finally:
        before = int(note.read_text()) if note.is_file() else 0
        write_atomic(note, str(max(before, peak_bytes())).encode())
    sys.exit(code)
