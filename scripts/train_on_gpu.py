"""Trains the embedded prior on a GPU that is lent for minutes, on a machine that may know no network.

    scripts/train_on_gpu pack gpu_pack --models FOLDER            # at home: some 35 MB to take along
    scripts/train_on_gpu slice gpu_pack --minutes 9 --out back    # there, as often as there is time
    scripts/train_on_gpu slice gpu_pack --minutes 9 --out back --last
    scripts/train_on_gpu join back trained/                       # at home again

A slice goes on from the one before, by what lies in `--work` there or, on a fresh machine, by what `--state`
names of what an earlier one brought home. The last one lets the learning rate fall to nothing by its end. It
ends in time by the clock and leaves files of at most 15 MB in `--out`: the moving averages in half precision,
which are the weights to ship, the state to go on from in 16 bits, log.jsonl, and facts.json with pictures a
second. `--device cpu` rehearses all of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from gpu_training_pack import (
    PackSettings,
    read_encoder,
    read_models,
    read_settings,
    write_pack,
)
from gpu_training_parts import joined, read_state, split, write_state

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.files import write_atomic
from dreamlab.priors.embedded.prior import SHIPPED, load_network, read_vocabulary
from dreamlab.studio.assets import read_folder
from dreamlab.studio.batches import BatchConfig
from dreamlab.studio.captions import CaptionTable
from dreamlab.studio.corpus import Corpus, CorpusConfig, gather
from dreamlab.studio.train import TrainConfig, Trainer, train

RATE, IMAGES = 1.5e-3, 1024
LOOK = 100  # steps between looks at the loss, each of which waits for the GPU
SPARE = 20.0  # seconds that saving and leaving take, kept from a slice's minutes
WEIGHTS, STATE, LOG, FACTS = "embedded.safetensors", "state.safetensors", "log.jsonl", "facts.json"
STATE_HERE, BEFORE = "training.safetensors", "before.safetensors"


def main(arguments: Sequence[str] | None = None) -> int:
    began = time.monotonic()
    args = _parser().parse_args(arguments)
    try:
        if args.job == "pack":
            return pack(args)
        return slice_of_training(args, began) if args.job == "slice" else join(args)
    except DreamlabError as error:
        _say(f"train_on_gpu: {error}")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    jobs = parser.add_subparsers(dest="job", required=True)
    job = jobs.add_parser("pack", help="write what the other machine needs")
    job.add_argument("pack", type=Path, help="folder to write")
    job.add_argument("--models", type=Path, help="folder of captioned models")
    job.add_argument("--nouns", help="comma-separated procedural nouns (default: all)")
    job.add_argument("--per-noun", type=int, default=400, help="(default %(default)s)")
    job.add_argument("--scenes", type=int, default=12000, help="(default %(default)s)")
    job.add_argument("--seed", type=int, default=0, help="of the corpus and of the training")
    job.add_argument("--train", type=Path, help="JSON with TrainConfig settings, on top of this script's own")
    job = jobs.add_parser("slice", help="train for some minutes")
    job.add_argument("pack", type=Path)
    job.add_argument("--minutes", type=float, default=9.0, help="in all (default %(default)s)")
    job.add_argument("--out", type=Path, required=True, help="folder of what is to come home")
    job.add_argument("--work", type=Path, default=Path("gpu_work"), help="folder that stays there")
    job.add_argument("--state", type=Path, help="folder of what an earlier slice brought home")
    job.add_argument(
        "--weights", type=Path, default=SHIPPED, help="to begin from (default: the shipped ones)"
    )
    job.add_argument("--rate", type=float, help="learning rate, instead of the pack's")
    job.add_argument("--last", action="store_true", help="the learning rate falls to nothing by the end")
    job.add_argument("--device", default="cuda", help="(default %(default)s)")
    job.add_argument("--workers", type=int, help="that take pictures (default: all cores but two)")
    job.add_argument("--steps", type=int, default=10**9, help="at most, for a rehearsal")
    job = jobs.add_parser("join", help="put together what came home")
    job.add_argument("back", type=Path)
    job.add_argument("to", type=Path, help="folder for the weights and the log")
    return parser


# ---- at home ----


def pack(args: argparse.Namespace) -> int:
    """Gather the corpus once, for its captions, and write the pack."""
    given = json.loads(args.train.read_text()) if args.train else {}
    nouns = None if args.nouns is None else tuple(noun.strip() for noun in args.nouns.split(","))
    settings = PackSettings(
        corpus=CorpusConfig(nouns=nouns, per_noun=args.per_noun, scenes=args.scenes, seed=args.seed),
        train=TrainConfig.model_validate(_usual(args.seed) | given),
    )
    models, report = read_folder(args.models) if args.models else ([], None)
    corpus, _ = gather(settings.corpus, models, os.cpu_count() or 1)
    captions = {caption for captions in corpus.captions for caption in captions}
    files = write_pack(args.pack, settings, models, captions)
    about = f", {report}" if report else ""
    _say(f"{len(corpus)} objects, {len(captions)} captions{about}\n{sum(files.values()) / 1e6:.1f} MB")
    return 0


def _usual(seed: int) -> dict[str, Any]:
    """What suits batches of a thousand on shipped weights."""
    batch = BatchConfig(images=IMAGES, views=(4, 8, 12), single=0.4, shares=(0.72, 0.12, 0.16))
    return {
        "batch": batch.model_dump(),
        "learning_rate": RATE,
        "warmup": 200,
        "ema": 0.999,
        "mean_first": 0,
        "pictures": 0.4,
        "seed": seed,
    }


def join(args: argparse.Namespace) -> int:
    """Weights and log, as `dreamlab studio train` would have left them."""
    args.to.mkdir(parents=True, exist_ok=True)
    write_atomic(args.to / WEIGHTS, joined(args.back, WEIGHTS))
    for name in (LOG, FACTS):
        write_atomic(args.to / name, (args.back / name).read_bytes())
    load_network(args.to / WEIGHTS)
    _say((args.to / FACTS).read_text())
    return 0


# ---- there ----


def slice_of_training(args: argparse.Namespace, began: float) -> int:
    """Train until the minutes are over."""
    end = began + 60 * args.minutes - SPARE
    if args.device == "cuda":
        if not torch.cuda.is_available():
            raise InputError("torch sees no CUDA device", mend="--device cpu rehearses without one")
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    settings, args.work = read_settings(args.pack), args.work.resolve()
    corpus = _corpus(args, settings)
    training = args.work / "training"
    CaptionTable(corpus, training / "captions.safetensors", read_encoder(args.pack, args.device))
    trainer = _trainer(args, settings, end)
    shutil.copyfile(training / STATE_HERE, training / BEFORE)
    cores = len(os.sched_getaffinity(0))
    workers = args.workers or max(1, cores - 2)
    first, ready = trainer.step, time.monotonic()
    _say(f"ready after {ready - began:.0f} s; going on from step {first}, {workers} take pictures")
    with closing(train(trainer, corpus, training, args.steps, workers=workers)) as events:
        for event in events:
            if event.step % LOOK == 0:
                _say(f"step {event.step}  loss {event.loss:.4f}  {event.seconds:.3f} s")
            if time.monotonic() > end or (event.step % LOOK == 0 and not math.isfinite(event.loss)):
                break
    if not all(bool(value.isfinite().all()) for value in trainer.network.state_dict().values()):
        (training / BEFORE).replace(training / STATE_HERE)
        raise InputError(
            f"the training diverged after step {first}, where it stands again",
            mend=f"Go on with a lower rate, such as --rate {trainer.config.learning_rate / 2:g}",
        )
    steps, seconds = trainer.step - first, time.monotonic() - ready
    rate = steps * settings.train.batch.images / seconds
    facts = {"steps": steps, "step": trainer.step, "seconds": round(seconds, 1), "workers": workers}
    facts |= {"pictures_a_second": round(rate, 1), "before": round(ready - began, 1), **_machine(args.device)}
    _bring_home(args, trainer, facts)
    _say(f"{steps} steps in {seconds:.0f} s, {rate:.0f} pictures a second")
    return 0


def _corpus(args: argparse.Namespace, settings: PackSettings) -> Corpus:
    folder = args.work / "corpus"
    if (folder / "corpus.json").is_file():
        return Corpus.load(folder)
    corpus, _ = gather(settings.corpus, read_models(args.pack), os.cpu_count() or 1)
    corpus.save(folder)
    return corpus


def _trainer(args: argparse.Namespace, settings: PackSettings, end: float) -> Trainer:
    """Where the slice before stood, by its own files or by those that it brought home; else the start."""
    folder = args.work / "training"
    config = settings.train
    if args.rate is not None:
        config = config.model_copy(update={"learning_rate": args.rate})
    if not (folder / STATE_HERE).is_file():
        trainer = Trainer(config, args.device)
        if args.state is None:
            trainer.begin_from(load_network(args.weights), read_vocabulary(args.weights))
        else:
            read_state(trainer, args.state, STATE, WEIGHTS)
        trainer.save(folder)
    trainer = Trainer.load(folder, args.device, config)
    if args.last:
        speed = _steps_a_second(folder / LOG)
        decay = (trainer.step, trainer.step + max(1, int(speed * (end - time.monotonic()))))
        trainer = Trainer.load(folder, args.device, config.model_copy(update={"decay": decay}))
    return trainer


def _steps_a_second(log: Path) -> float:
    """The median of the log's last lines. Raises InputError where no slice has come before."""
    lines = [json.loads(line)["seconds"] for line in log.read_text().splitlines()] if log.is_file() else []
    if not lines:
        raise InputError("--last needs a slice before it: how fast this machine is, is not known yet")
    return 1 / sorted(lines[-20:])[len(lines[-20:]) // 2]


def _machine(device: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"device": device, "torch": torch.__version__}
    if device == "cuda":
        facts |= {"gpu": torch.cuda.get_device_name(), "peak_bytes": torch.cuda.max_memory_allocated()}
    return facts


def _bring_home(args: argparse.Namespace, trainer: Trainer, facts: dict[str, Any]) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    folder = args.work / "training"
    split(args.out, WEIGHTS, (folder / WEIGHTS).read_bytes())
    split(args.out, STATE, write_state(trainer))
    write_atomic(args.out / LOG, (folder / LOG).read_bytes() if (folder / LOG).is_file() else b"")
    write_atomic(args.out / FACTS, (json.dumps(facts, indent=1) + "\n").encode())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
