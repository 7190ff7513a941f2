"""dreamlab batch --dry-run: how many jobs, and how long they would take."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence

from dreamlab.batch.batch import standing
from dreamlab.batch.jobs import Job
from dreamlab.batch.ledger import Ledger
from dreamlab.batch.work import Terms
from dreamlab.cli.dry_run import seconds_of_steps
from dreamlab.cli.progress_line import clock
from dreamlab.core.errors import DreamlabError


def show_estimate(jobs: Sequence[Job], terms: Terms, workers: int, again: bool, as_json: bool) -> int:
    """Print it. The time of a job is the median of those in the table that had its preset; of a preset that
    the table does not know, a few real steps are timed."""
    ledger = Ledger(terms.folder)
    now = standing(jobs, ledger, terms, again)
    each, origins = {}, {}
    for job in now.left:
        preset = job.recipe.preset
        if preset not in each:
            each[preset], origins[preset] = _seconds(job, ledger)
    known = [each[job.recipe.preset] for job in now.left]
    notes = list(dict.fromkeys(line for job in now.left for line in job.said))
    total = None if None in known else sum(s for s in known if s is not None) / workers
    presets = Counter(job.recipe.preset for job in now.left)
    if as_json:
        facts = {"jobs": len(jobs), "done": len(now.done), "failed": len(now.failed), "left": len(now.left)}
        facts |= {"at_once": workers, "presets": presets, "seconds_each": each, "seconds": total}
        facts |= {"notes": notes}
        sys.stdout.write(json.dumps({"event": "dry-run", **facts}) + "\n")
        return 0
    lines = [f"{len(jobs)} jobs: {len(now.done)} done, {len(now.failed)} failed, {len(now.left)} left"]
    for preset, count in presets.items():
        seconds = each[preset]
        time = "nobody knows how long" if seconds is None else f"{clock(seconds)} each"
        lines.append(f"{preset}: {count} jobs, {time} ({origins[preset]})")
    if total:
        lines.append(f"together about {clock(total)}, {workers} at once")
    sys.stdout.write("".join(f"{line}\n" for line in (*lines, *notes)))
    return 0


def _seconds(job: Job, ledger: Ledger) -> tuple[float | None, str]:
    """What a job of this preset takes, and how that is known."""
    rows = [row for row in ledger.rows.values() if row.state == "done" and row.preset == job.recipe.preset]
    if rows:
        return statistics.median(row.seconds for row in rows), f"median of {len(rows)} that are done"
    try:
        return seconds_of_steps(job.config()), "from timed steps; the other stages come on top"
    except DreamlabError as error:
        return None, str(error)
