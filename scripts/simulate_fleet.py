"""How long very many objects take on very many machines, and what they cost: a simulation of measured jobs.

usage: python scripts/simulate_fleet.py toys/table.jsonl [--jobs 100000] [--machines 100] [--price 0.04]

Seconds of jobs are drawn from those that were measured: of a batch's table, or of a JSON file with a list of
them (docs/figures/fleet_jobs.json counts as one). Machines differ in speed, some are slow all day, each is
taken away after a random time; another comes after a while. A job whose machine is taken goes on from its
last checkpoint elsewhere; one that collapses tries other seeds, as `dreamlab batch` does. Everything that is
not measured is an option.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fleet:
    """at_once: jobs of a machine at the same time. price: of a machine's hour. life: mean hours until a
    machine is taken away (0: never). absence: seconds until another is there and has loaded its prior.
    spread: standard deviation of the logarithm of machines' speeds. slow: share of machines that take
    `slower` times as long. collapse: probability of each attempt. retries: other seeds after a collapse.
    parts: a job has a checkpoint at the end of each of so many parts.
    """

    jobs: int = 100_000
    machines: int = 100
    at_once: int = 2
    price: float = 0.04
    life: float = 8.0
    absence: float = 180.0
    spread: float = 0.1
    slow: float = 0.05
    slower: float = 2.5
    collapse: float = 0.05
    retries: int = 2
    parts: int = 3


@dataclass
class Job:
    """What is left of an attempt, in seconds of a machine of usual speed."""

    seconds: float
    fate: float  # of the attempt: the part of it after which it collapses, or 1
    done: float = 0.0
    attempt: int = 0
    begun: float = -1.0
    moves: int = 0


@dataclass(frozen=True)
class Outcome:
    """Hours of the whole, of all machines together, of work that was lost, and with a slot without work."""

    hours: float
    machine_hours: float
    cost: float
    failed: int
    collapses: int
    preemptions: int
    moved_jobs: int
    lost_hours: float
    idle_hours: float
    tail_hours: float
    job_median_s: float
    job_p99_s: float


class Simulation:
    """Slots take jobs in the order of time; see Fleet. Same seed, same outcome."""

    def __init__(self, fleet: Fleet, seconds: list[float], seed: int) -> None:
        self.fleet, self.seconds, self.random = fleet, seconds, random.Random(seed)
        draw = self.random
        self.pace = [
            draw.lognormvariate(0.0, fleet.spread) * (fleet.slower if draw.random() < fleet.slow else 1.0)
            for _ in range(fleet.machines)
        ]
        self.taken: list[list[float]] = [[self._life(0.0)] for _ in range(fleet.machines)]
        self.waiting: deque[Job] = deque(self._attempt(0) for _ in range(fleet.jobs))
        self.idle: list[tuple[float, int]] = []
        self.events: list[tuple[float, int, Any]] = []
        self.number = 0
        self.left = fleet.jobs
        self.failed = self.collapses = self.moved = 0
        self.lost = self.idled = self.end = 0.0
        self.first_idle = math.inf
        self.took: list[float] = []

    def run(self) -> Outcome:
        for machine in range(self.fleet.machines):
            for _ in range(self.fleet.at_once):
                self._at(0.0, machine)
        while self.left:
            now, _, what = heapq.heappop(self.events)
            if isinstance(what, int):
                self._take(now, what)
            elif isinstance(what, Job):
                self.waiting.appendleft(what)  # as dreamlab.batch.local does
                if self.idle:
                    since, machine = self.idle.pop()
                    self.idled += now - since
                    self._take(now, machine)
            else:
                self._over(now, *what)
        self.idled += sum(self.end - since for since, _ in self.idle)
        return self._outcome()

    def _take(self, now: float, machine: int) -> None:
        """A slot of a machine is free."""
        gone = self._next_end(now, machine)
        if gone <= now < gone + self.fleet.absence:
            self._at(gone + self.fleet.absence, machine)
        elif not self.waiting:
            self.first_idle = min(self.first_idle, now)
            self.idle.append((now, machine))
        else:
            self._work(now, machine, self.waiting.popleft(), gone)

    def _work(self, now: float, machine: int, job: Job, gone: float) -> None:
        job.begun = now if job.begun < 0 else job.begun
        pace = self.pace[machine] * job.seconds
        until = now + (job.fate - job.done) * pace
        if until <= gone:
            self._at(until, (machine, job))
            return
        reached = job.done + (gone - now) / pace
        kept = max(job.done, math.floor(reached * self.fleet.parts) / self.fleet.parts)
        self.lost += (reached - kept) * pace
        job.done, job.moves = kept, job.moves + 1
        self.moved += 1
        self._at(gone, job)
        self._at(gone + self.fleet.absence, machine)

    def _over(self, now: float, machine: int, job: Job) -> None:
        """An attempt is at its end, good or bad."""
        if job.fate < 1.0:
            self.collapses += 1
            if job.attempt < self.fleet.retries:
                again = self._attempt(job.attempt + 1, job.seconds)
                again.begun = job.begun
                self._work(now, machine, again, self._next_end(now, machine))
                return
            self.failed += 1
        self.left -= 1
        self.end = now
        self.took.append(now - job.begun)
        self._take(now, machine)

    def _attempt(self, attempt: int, seconds: float | None = None) -> Job:
        collapses = self.random.random() < self.fleet.collapse
        fate = self.random.random() if collapses else 1.0
        return Job(self.random.choice(self.seconds) if seconds is None else seconds, fate, attempt=attempt)

    def _life(self, since: float) -> float:
        mean = self.fleet.life * 3600
        return since + self.random.expovariate(1 / mean) if mean else math.inf

    def _next_end(self, now: float, machine: int) -> float:
        """When the machine of this moment is taken away, or when the last one was while none is there."""
        ends = self.taken[machine]
        while ends[-1] + self.fleet.absence <= now:
            ends.append(self._life(ends[-1] + self.fleet.absence))
        return next(end for end in ends if end + self.fleet.absence > now)

    def _at(self, time: float, what: Any) -> None:
        self.number += 1
        heapq.heappush(self.events, (time, self.number, what))

    def _outcome(self) -> Outcome:
        hours = self.end / 3600
        ends = [end for ends in self.taken for end in ends if end < self.end]
        present = (
            self.fleet.machines * hours - sum(min(self.fleet.absence, self.end - e) for e in ends) / 3600
        )
        took = sorted(self.took)
        return Outcome(
            hours=hours,
            machine_hours=present,
            cost=present * self.fleet.price,
            failed=self.failed,
            collapses=self.collapses,
            preemptions=len(ends),
            moved_jobs=self.moved,
            lost_hours=self.lost / 3600 / self.fleet.at_once,
            idle_hours=self.idled / 3600 / self.fleet.at_once,
            tail_hours=max(0.0, self.end - self.first_idle) / 3600,
            job_median_s=statistics.median(took),
            job_p99_s=took[min(len(took) - 1, int(0.99 * len(took)))],
        )


def measured_seconds(path: Path) -> list[float]:
    """Seconds of jobs from a batch's table (those of one attempt), a list, or a contact sheet's figures."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        found = [row["seconds"] for row in rows if row["state"] == "done" and row["attempts"] == 1]
    else:
        values = json.loads(path.read_text("utf-8"))
        found = values if isinstance(values, list) else [o["seconds"]["wall"] for o in values["objects"]]
    if not found or not all(isinstance(s, int | float) and s > 0 for s in found):
        sys.exit(f"{path} holds no seconds of jobs")
    return [float(s) for s in found]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measured", type=Path)
    for name, value in asdict(Fleet()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    fleet = Fleet(**{name: getattr(args, name) for name in asdict(Fleet())})
    seconds = measured_seconds(args.measured)
    outcomes = [asdict(Simulation(fleet, seconds, seed).run()) for seed in range(args.repeats)]
    report = {
        "measured": {"jobs": len(seconds), "median_s": statistics.median(seconds), "max_s": max(seconds)},
        "fleet": asdict(fleet),
        "median": {key: round(statistics.median(o[key] for o in outcomes), 2) for key in outcomes[0]},
        "least": {key: round(min(o[key] for o in outcomes), 2) for key in outcomes[0]},
        "most": {key: round(max(o[key] for o in outcomes), 2) for key in outcomes[0]},
    }
    text = json.dumps(report, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
