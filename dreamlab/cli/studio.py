"""dreamlab studio: make a prior of your own from a folder of captioned models, or go on training the shipped
one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dreamlab.cli.options import Subparsers, add_output_options, set_up_messages
from dreamlab.cli.stopping import StopRequest
from dreamlab.cli.tell import visible
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.studio.train import TrainConfig

_EXAMPLES = """\
examples:
  dreamlab studio gather corpus/ --folder my-glbs/    procedural objects and your own models
  dreamlab studio train corpus/ training/             Ctrl-C when you like; the same line goes on
  dreamlab studio sheet training/embedded.safetensors sheet.png "a red mushroom" "a blue car"
  dreamlab studio measure training/embedded.safetensors
  dreamlab run "a red mushroom" --set prior.weights=training/embedded.safetensors
"""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "studio",
        help="train and measure a prior of your own",
        description="Make a diffusion prior from procedural objects and your own captioned models.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(title="jobs", metavar="JOB", required=True, dest="job")
    _add_gather(jobs)
    _add_train(jobs)
    _add_sheet(jobs)
    _add_measure(jobs)
    _add_vocabulary(jobs)


def _add_gather(jobs: Subparsers) -> None:
    job = jobs.add_parser("gather", help="make procedural objects and read a folder of models into a corpus")
    job.add_argument("corpus", type=Path, help="folder to write")
    job.add_argument("--folder", type=Path, help="GLB and OBJ files with captions.jsonl")
    job.add_argument(
        "--nouns", help="comma-separated procedural nouns (default: all); one named twice counts twice"
    )
    job.add_argument(
        "--per-noun", type=int, default=150, help="procedural objects a noun (default %(default)s)"
    )
    job.add_argument("--scenes", type=int, default=3000, help="two-object scenes (default %(default)s)")
    job.add_argument("--seed", type=int, default=0)
    job.set_defaults(execute=gather)
    add_output_options(job)


def _add_train(jobs: Subparsers) -> None:
    job = jobs.add_parser("train", help="train on a corpus, or go on from where the folder stands")
    job.add_argument("corpus", type=Path, help="folder that `gather` wrote")
    job.add_argument("training", type=Path, help="folder of checkpoints, weights and log.jsonl")
    job.add_argument("--steps", type=int, default=100_000, help="train until this step (default %(default)s)")
    job.add_argument("--config", type=Path, help="JSON with TrainConfig settings; replaces the saved ones")
    job.add_argument("--from", dest="start", type=Path, help="begin from the weights of this file")
    job.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    job.add_argument("--threads", type=int, help="processor threads to use")
    job.set_defaults(execute=train)
    add_output_options(job)


def _add_sheet(jobs: Subparsers) -> None:
    job = jobs.add_parser("sheet", help="sample prompts from eight sides into one picture")
    job.add_argument("weights", type=Path)
    job.add_argument("picture", type=Path, help="PNG to write")
    job.add_argument("prompts", nargs="+")
    job.add_argument("--guidance-scale", type=float, default=2.0, help="(default %(default)s)")
    job.set_defaults(execute=sheet)
    add_output_options(job)


def _add_measure(jobs: Subparsers) -> None:
    job = jobs.add_parser("measure", help="judge sampled images against held-out renders")
    job.add_argument("weights", type=Path)
    job.add_argument("--prompts", type=int, default=60, help="prompts to sample (default %(default)s)")
    job.add_argument("--nouns", help="comma-separated procedural nouns (default: those it has learned)")
    job.add_argument("--scenes", type=int, default=24, help="two-object prompts (default %(default)s)")
    job.add_argument("--folder", type=Path, help="ask for the nouns of these captioned models too")
    job.add_argument("--judge", type=Path, help="file to keep the trained judge in, for the next time")
    job.set_defaults(execute=measure)
    add_output_options(job)


def _add_vocabulary(jobs: Subparsers) -> None:
    job = jobs.add_parser("vocabulary", help="write into older weights which words they were taught")
    job.add_argument("weights", type=Path)
    job.add_argument("corpus", type=Path, help="the corpus that they were trained on")
    job.add_argument("--steps", type=int, required=True, help="the steps that they were trained for")
    job.add_argument("--config", type=Path, help="JSON with the TrainConfig settings of that training")
    job.set_defaults(execute=vocabulary)
    add_output_options(job)


def gather(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.studio.corpus import CorpusConfig
    from dreamlab.studio.corpus import gather as gather_corpus

    nouns = _names(args.nouns)
    with _options_checked():
        config = CorpusConfig(
            nouns=nouns, per_noun=args.per_noun, scenes=args.scenes, folder=args.folder, seed=args.seed
        )
    corpus, report = gather_corpus(config)
    corpus.save(args.corpus)
    text = f"{len(corpus)} objects of {len(set(corpus.nouns))} nouns in {args.corpus}"
    _say(args, {"event": "gathered", "objects": len(corpus)}, text + (f"\n{report}" if report else ""))
    return 0


def train(args: argparse.Namespace) -> int:
    set_up_messages(args)
    import torch

    from dreamlab.priors.embedded.prior import load_network, read_vocabulary
    from dreamlab.studio import train as training
    from dreamlab.studio.corpus import Corpus

    if args.threads:
        torch.set_num_threads(args.threads)
    corpus = Corpus.load(args.corpus)
    config = _train_config(args.config)
    if (args.training / "training.safetensors").exists():
        trainer = training.Trainer.load(args.training, args.device, config)
    else:
        trainer = training.Trainer(config or training.TrainConfig(), args.device)
        if args.start:
            trainer.begin_from(load_network(args.start), read_vocabulary(args.start))
    with (
        StopRequest(patient=True) as stop,
        closing(training.train(trainer, corpus, args.training, args.steps)) as events,
    ):
        for event in events:
            if event.step % 20 == 0:
                text = f"step {event.step}  loss {event.loss:.4f}  {event.seconds:.2f} s a step"
                facts = {"step": event.step, "loss": event.loss, "loss_by_level": event.loss_by_level}
                _say(args, {"event": "step", **facts, "seconds": event.seconds}, text)
            if stop.signal is not None:
                break
    if stop.signal is None:
        return 0
    text = f"stopped at step {trainer.step}; the same command goes on"
    _say(args, {"event": "stopped", "step": trainer.step}, text)
    return 128 + stop.signal


def sheet(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.evaluate.sheet import write_sheet
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    prior = EmbeddedPriorConfig(weights=args.weights).build()
    write_sheet(prior, args.prompts, args.picture, guidance_scale=args.guidance_scale)
    _say(args, {"event": "sheet", "path": str(args.picture)}, f"wrote {args.picture}")
    return 0


def measure(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.evaluate.classifier import judge_of
    from dreamlab.evaluate.folder_nouns import halves_of, judge_of_folder, measure_folder
    from dreamlab.evaluate.measure import measure_prior
    from dreamlab.evaluate.prompts import MeasureConfig, known_nouns, prior_sampler
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

    prior = EmbeddedPriorConfig(weights=args.weights).build()
    nouns = _names(args.nouns)
    if nouns is None and prior.vocabulary is not None:
        nouns = known_nouns(prior.vocabulary) or None
    with _options_checked():
        config = MeasureConfig(prompts=args.prompts, nouns=nouns, scenes=args.scenes)
    halves = halves_of(args.folder) if args.folder is not None else None  # before minutes of measuring
    figures = measure_prior(prior, config, judge_of(config, args.judge))
    if halves is not None:
        figures |= measure_folder(prior_sampler(prior, config), halves, judge_of_folder(halves), config)
    _say(args, {"event": "measured", "figures": figures}, json.dumps(figures, indent=1))
    return 0


def vocabulary(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.priors.embedded.prior import write_vocabulary
    from dreamlab.priors.embedded.vocabulary import Vocabulary
    from dreamlab.studio.corpus import Corpus
    from dreamlab.studio.train import TrainConfig
    from dreamlab.studio.vocabulary_counts import vocabulary_counts

    config = _train_config(args.config) or TrainConfig()
    counts = Vocabulary().plus(vocabulary_counts(Corpus.load(args.corpus), config.batch), times=args.steps)
    write_vocabulary(args.weights, counts)
    text = f"{len(counts.nouns)} nouns, {len(counts.learned())} of them learned, in {args.weights}"
    learned = {"event": "vocabulary", "nouns": len(counts.nouns), "learned": list(counts.learned())}
    _say(args, learned, text)
    return 0


@contextmanager
def _options_checked() -> Iterator[None]:
    """An option out of its range is told as such."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        option = "--" + str(detail["loc"][0] if detail["loc"] else "config").replace("_", "-")
        got = repr(detail["input"])
        raise InputError(f"{option} cannot be used", expected=detail["msg"], got=got) from error


def _train_config(path: Path | None) -> TrainConfig | None:
    """Settings of a training from a JSON file. Raises InputError if it holds none."""
    from dreamlab.studio.train import TrainConfig

    if path is None:
        return None
    try:
        if not path.is_file():
            raise InputError(f"{path} is no training config", got="no regular file")
        return TrainConfig.model_validate_json(path.read_text())
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is no training config", got=str(error).splitlines()[0]) from error


def _names(listed: str | None) -> tuple[str, ...] | None:
    """Procedural nouns from a comma-separated list. Raises InputError for one that is not drawn."""
    if listed is None:
        return None
    from dreamlab.run.presets import did_you_mean
    from dreamlab.studio.shapes import NOUNS

    names = tuple(noun.strip() for noun in listed.split(","))
    for name in names:
        if name not in NOUNS:
            raise InputError(f"no generator draws {name!r}", mend=did_you_mean(name, NOUNS))
    return names


def _say(args: argparse.Namespace, event: dict[str, object], text: str) -> None:
    if args.json:
        sys.stdout.write(json.dumps(event) + "\n")
    elif not args.quiet:
        sys.stdout.write(visible(text) + "\n")
    sys.stdout.flush()
