"""Tries to lose a run, and to break the commands by wrong inputs; writes docs/reliability.md.

    .venv/bin/python scripts/torture.py                          # minutes: a few of each
    .venv/bin/python scripts/torture.py --kills 300 --inputs 3000 --minutes 240

Every run is tiny and its prior knows one red ball, so what is tried is what happens around the steps. A run
is *lost* if its folder is there and it cannot be brought to its end, *unequal* if it ends in other bytes than
one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import yaml
from torture_report import Figures, table
from torture_tools import HERE, Outcome, command, damaged, wrong_settings

REPORT = HERE.parent / "docs" / "reliability.md"
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
COMPARED = ("mesh.glb", "mesh.obj", "metrics.jsonl", "turntable.mp4", "turntable.webp")
RUN = ["run", "a red ball", "--config", "small.yaml", "--json"]


class Torture:
    """One sitting: a folder of its own, a seed, and a time at which it ends."""

    def __init__(self, home: Path, seed: int, seconds: float) -> None:
        self.home, self.seed, self.end = home, seed, time.monotonic() + seconds
        self.sorts: list[Figures] = []
        self.values = _small()
        whole = self.fresh("whole")
        began = command(RUN, whole, limit=300)
        if began.code:
            raise SystemExit(f"the run that nobody disturbs fails: {began.err or began.out[-500:]}")
        self.seconds, self.whole = began.seconds, _files(_run_in(whole))

    def fresh(self, name: str) -> Path:
        """An empty folder with the settings."""
        folder = self.home / name
        folder.mkdir()
        (folder / "small.yaml").write_text(yaml.safe_dump(self.values))
        return folder

    def each(self, name: str, count: int, until: float) -> Iterator[tuple[Figures, random.Random, Path]]:
        """`count` tries, each with its own randomness and folder, as far as the time goes; `until`: the share
        of what is left of it that this sort may use."""
        figures = Figures(name)
        self.sorts.append(figures)
        begin = time.monotonic()
        last = begin + (self.end - begin) * until
        for number in range(count):
            if time.monotonic() > last:
                break
            folder = self.fresh(f"{name.replace(' ', '-')}-{number}")
            figures.tried += 1
            yield figures, random.Random(f"{self.seed} {name} {number}"), folder
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, figures: Figures, folder: Path, before: Callable[[], object] | None = None) -> None:
        """Go on with the run of a folder until it ends, and compare."""
        run = _run_in(folder)
        if run is None:
            figures.counts["before the folder"] += 1
            return
        line = ["resume", run.name, "--out", str(run.parent), "--json"]
        done = command(line, folder, before=before, limit=300)
        if done.code:
            figures.failed("lost", done.err or done.out[-300:])
        elif unequal := [name for name, data in self.whole.items() if _files(run).get(name) != data]:
            figures.failed("unequal", ", ".join(unequal))
            figures.counts[f"with another {', '.join(unequal)}"] += 1
        self.look(figures, done)

    def look(self, figures: Figures, outcome: Outcome, detail: str = "") -> None:
        if outcome.traceback:
            figures.failed("traceback", f"{detail} {outcome.err or outcome.out[-300:]}")

    # ---- runs ----

    def kills(self, count: int, until: float) -> None:
        """At any moment, up to three times, by what kills and what asks."""
        for figures, rng, folder in self.each("kills", count, until):
            arguments = RUN
            for _ in range(rng.choice((1, 1, 2, 3))):
                number = rng.choice(SIGNALS)
                struck = command(arguments, folder, strike=(rng.uniform(0, self.seconds), number), limit=300)
                if struck.code in (0, -number, 128 + number):
                    figures.counts[f"{number.name}{' too late' * (struck.code == 0)}"] += 1
                elif struck.code == 1 or "Traceback" in struck.err:
                    figures.failed("traceback", struck.err or struck.out[-300:])
                arguments = RUN if _run_in(folder) is None else ["resume", "--json"]
            self.finish(figures, folder)

    def disks(self, count: int, until: float) -> None:
        """Files that cannot grow beyond a size, as on a disk that fills up; then room again."""
        for figures, rng, folder in self.each("full disks", count, until):
            most = int(2 ** rng.uniform(8, 17))
            full = command(RUN, folder, before=lambda most=most: _no_file_above(most), limit=300)
            if full.code not in (0, 2):
                figures.failed("traceback", f"{most} bytes: {full.err or full.out[-300:]}")
            self.finish(figures, folder)

    def clocks(self, count: int, until: float) -> None:
        """Clocks that jump years while the run goes on, and between."""
        for figures, rng, folder in self.each("clocks", count, until):
            jumps = [rng.uniform(-1e9, 1e9) for _ in range(50)]
            strike = (rng.uniform(0.2, 1) * self.seconds, signal.SIGKILL)
            command(RUN, folder, strike=strike, before=lambda jumps=jumps: _jumping(jumps), limit=300)
            for path in folder.rglob("*"):
                os.utime(path, (when := rng.uniform(0, 2e9), when), follow_symlinks=False)
            self.finish(figures, folder, before=lambda jumps=jumps: _jumping(jumps))

    def moves(self, count: int, until: float) -> None:
        """Folders that are moved or renamed before the run goes on."""
        for figures, rng, folder in self.each("moved folders", count, until):
            strike = (rng.uniform(0.2, 1) * self.seconds, signal.SIGKILL)
            command(RUN, folder, strike=strike, limit=300)
            if (run := _run_in(folder)) is not None:
                name = rng.choice((run.name, "my ball", "0700-another", "x" * 200, "ein süßer"))
                (folder / "outputs").rename(folder / "elsewhere")
                (folder / "elsewhere" / run.name).rename(folder / "elsewhere" / name)
            self.finish(figures, folder)

    def checkpoints(self, count: int, until: float) -> None:
        """Files of a stopped run damaged: the run goes on from what is whole, or says what is wrong."""
        for figures, rng, folder in self.each("damaged runs", count, until):
            strike = (rng.uniform(0.5, 1) * self.seconds, signal.SIGKILL)
            command(RUN, folder, strike=strike, limit=300)
            run = _run_in(folder)
            if run is None:
                figures.counts["before the folder"] += 1
                continue
            victims = [p for p in sorted(run.rglob("*")) if p.is_file() and p.suffix and p.stat().st_size]
            victim = rng.choice(victims)
            victim.write_bytes(damaged(victim.read_bytes(), rng))
            done = command(["resume", "--json"], folder, limit=300)
            self.wrong(figures, done, victim.name)
            trusted = victim.parent.parent.name == "checkpoints"
            if done.code == 0 and trusted and _files(run)["mesh.glb"] != self.whole["mesh.glb"]:
                figures.failed("unequal", victim.name)

    # ---- inputs ----

    def wrong(self, figures: Figures, done: Outcome, detail: str) -> None:
        figures.counts["refused" if done.code == 2 else "taken"] += done.code in (0, 2)
        if done.wrong:
            figures.failed(done.wrong, f"{detail}: code {done.code}, {done.seconds:.0f} s: {done.err[-400:]}")

    def configs(self, count: int, until: float) -> None:
        for figures, rng, folder in self.each("wrong configs", count, until):
            text = wrong_settings(self.values, rng)
            (folder / "wrong.yaml").write_text(text)
            self.wrong(figures, command([*RUN[:3], "wrong.yaml", "--dry-run"], folder), text)

    def meshes(self, count: int, until: float) -> None:
        seeds = self.home / "meshes"
        line = ["export", "1", "--format", "glb,obj,ply,stl,3mf", "--to", str(seeds)]
        if (made := command(line, self.home / "whole")).code:
            raise SystemExit(f"the meshes to damage cannot be made: {made.err}")
        names = sorted(p for p in seeds.iterdir() if p.suffix != ".mtl")
        for figures, rng, folder in self.each("damaged meshes", count, until):
            shutil.copytree(seeds, folder / "in")
            victim = folder / "in" / rng.choice(names).name
            victim.write_bytes(damaged(victim.read_bytes(), rng))
            done = command(["export", str(victim), "--format", "ply", "--to", "out", "--quiet"], folder)
            self.wrong(figures, done, victim.suffix)

    def weights(self, count: int, until: float) -> None:
        from dreamlab.priors.embedded.prior import SHIPPED

        with SHIPPED.open("rb") as file:
            head = file.read(200_000)
        for figures, rng, folder in self.each("damaged weights", count, until):
            end = rng.randrange(1, len(head))
            (folder / "w.safetensors").write_bytes(damaged(head[:200] if end % 2 else head[:end], rng))
            done = command([*RUN, "--prior", "w.safetensors"], folder, before=_real_prior)
            self.wrong(figures, done, f"{end} bytes")


def _small() -> dict[str, object]:
    from known import small_values  # pyright: ignore[reportMissingImports]

    values = small_values(stages={"turntable": {"frames": 4, "size": 48}}, threads=1)
    del values["prompt"]
    return values


def _run_in(folder: Path) -> Path | None:
    found = [path.parent for path in sorted(folder.glob("*/*/config.yaml"))]
    return found[-1] if found else None


def _files(run: Path | None) -> dict[str, bytes]:
    return {n: (run / n).read_bytes() for n in COMPARED if (run / n).is_file()} if run is not None else {}


def _no_file_above(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _jumping(jumps: list[float]) -> None:
    real, left = time.time, list(jumps)
    time.time = lambda: real() + left[int(real() * 20) % len(left)]


def _real_prior() -> None:
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    EmbeddedPriorConfig.build = _BUILD  # type: ignore[method-assign,assignment]


_BUILD: object = None


def prepare() -> None:
    """Load what commands load, and put the prior that knows a red ball in the place of the embedded one."""
    global _BUILD
    os.environ["DREAMLAB_THREADS"] = "1"
    for name in ("av", "trimesh", "dreamlab.cli.drive", "dreamlab.cli.dry_run", "dreamlab.mesh.io.load"):
        import_module(name)
    from known import red_ball_prior  # pyright: ignore[reportMissingImports]

    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    _BUILD = _BUILD or EmbeddedPriorConfig.build
    EmbeddedPriorConfig.build = lambda self, device="cpu": red_ball_prior()


def main(argv: list[str] | None = None) -> int:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--faults", type=int, default=20, help="disks, clocks, moves, damaged runs")
    parser.add_argument("--inputs", type=int, default=200, help="configs; half as many meshes")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, default=REPORT, help="the page to write")
    args = parser.parse_args(argv)
    prepare()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        torture = Torture(Path(home), args.seed, 60 * args.minutes)
        faults, inputs = args.faults, args.inputs
        torture.kills(args.kills, 0.4)
        for sort in (torture.disks, torture.clocks, torture.moves, torture.checkpoints):
            sort(faults, 0.25)
        torture.configs(inputs, 0.5)
        torture.meshes(inputs // 2, 0.7)
        torture.weights(inputs // 10, 1.0)
    failures = [line for figures in torture.sorts for line in figures.failures]
    sys.stderr.write("".join(f"{line}\n" for line in failures))
    args.write.write_text(table(torture.sorts, args.seed, time.monotonic() - began))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
