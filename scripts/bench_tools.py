"""What the benchmark scripts share: turns, the limits of the machine, and whether it is free at all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def free_share(threads: int, seconds: float = 0.4) -> float:
    """For what part of their time `threads` busy threads get a core: 1 where nothing else runs."""

    def busy(_: int) -> tuple[float, float]:
        torch.set_num_threads(1)
        a = torch.ones(256, 256)
        wall, cpu = time.perf_counter(), time.thread_time()
        while time.perf_counter() - wall < seconds:
            torch.mm(a, a)
        return time.thread_time() - cpu, time.perf_counter() - wall

    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        spent = list(pool.map(busy, range(threads)))
    torch.set_num_threads(before)
    return round(sum(cpu for cpu, _ in spent) / sum(wall for _, wall in spent), 3)


def limits() -> dict[str, tuple[Callable[[], object], float]]:
    """Name -> (what to time, floating point operations or bytes moved)."""
    a, b, c = torch.randn(1024, 1024), torch.randn(1024, 1024), torch.empty(1024, 1024)
    source, target = torch.randn(16 << 20), torch.empty(16 << 20)
    return {
        "sgemm": (lambda: torch.mm(a, b, out=c), 2.0 * 1024**3),
        "copy": (lambda: target.copy_(source), 2.0 * source.numel() * 4),
    }


def interleaved(
    jobs: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Median milliseconds of each job; each round runs every job once, after one round that does not
    count.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            if turn:
                times[name].append((clock() - start) * 1e3)
    return {name: statistics.median(t) for name, t in times.items()}


def on(threads: int, job: Callable[[], object]) -> Callable[[], object]:
    """The job, with that many threads."""

    def run() -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        job()

    return run
