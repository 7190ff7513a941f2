"""What scripts/torture.py counts, and the page that it writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """What came of one sort of fault. `failures` has a line about each that went wrong."""

    name: str
    tried: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def failed(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        self.failures.append(f"{self.name}: {what}: {detail}")


def table(sorts: list[Figures], seed: int, seconds: float) -> str:
    """docs/reliability.md."""
    rows = []
    for f in sorts:
        other = ", ".join(f"{n} {what}" for what, n in sorted(f.counts.items()) if what not in _COLUMNS)
        counts = " | ".join(str(f.counts[what]) for what in _COLUMNS)
        rows.append(f"| {f.name} | {f.tried} | {counts} | {other} |")
    return _PAGE.format(rows="\n".join(rows), seed=seed, minutes=seconds / 60)


_COLUMNS = ("lost", "unequal", "traceback", "hang", "memory")
_PAGE = """# What runs and commands survive

Written by `scripts/torture.py` (seed {seed}, {minutes:.0f} minutes, one thread), on tiny runs whose prior
knows one object. *Lost*: the run's folder was there and the run could not be brought to its end. *Unequal*:
it ended in other bytes (of the GLB, OBJ, metrics, MP4 or WebP) than a run that nobody disturbed.
*Tracebacks*: what the command line calls a bug counts too. *Hangs* took more than 20 s, *memory* more than
4 GiB.

| fault | tried | lost | unequal | tracebacks | hangs | memory | how it went |
|---|---|---|---|---|---|---|---|
{rows}

Kills come at any moment of a run, up to three times a run: SIGKILL, SIGTERM, SIGHUP, SIGINT; "too late" is
one that came after the end. Full disks are a limit on the size of files, and room comes back before the run
goes on. Clocks jump by up to thirty years. Inputs are files of ours with one to four wrongs in them.

Models that others made are read beside trimesh and compared by number (`scripts/foreign_files.py`):
[counts, and every file on which the two differ](figures/foreign.json).
"""
