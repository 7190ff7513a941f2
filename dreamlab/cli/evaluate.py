"""dreamlab evaluate RUNS|FOLDER|MESH: what finished objects are worth, in figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import (
    Subparsers,
    add_output_options,
    add_runs_option,
    add_up_option,
    examples,
    set_up_messages,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dreamlab.evaluate.clip_scores import Clip
    from dreamlab.evaluate.prompt_list import PromptList
    from dreamlab.evaluate.shipped_judge import KeptJudge
    from dreamlab.run.evaluating import Subject
    from dreamlab.run.evaluation import Evaluation
    from dreamlab.run.evaluation_table import Table


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="measure finished runs: what they are taken for, Janus, mesh health, cost",
        description="Measure finished objects: what a judge (and CLIP, where it is on this machine) takes "
        "them for, from how many sides; Janus, collapse, colours of two things, differences between "
        "seeds, mesh health, time and memory. It is kept beside each run in evaluation.json.",
        **examples(
            "dreamlab evaluate                            all runs in outputs/",
            "dreamlab evaluate latest --to page.html      the newest, and a page with pictures",
            "dreamlab evaluate outputs --prompts toys     by the kinds of a list of prompts",
            'dreamlab evaluate chair.glb --prompt "a blue chair"',
        ),
    )
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "subjects",
        nargs="*",
        metavar="RUN|FOLDER|MESH",
        help="runs by folder, name or number, folders of runs or meshes, mesh files (default: all runs)",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what a mesh file should be")
    parser.add_argument(
        "--prompts",
        metavar="LIST",
        help="prompts to choose among and their kinds: toys, dreamfusion, or .txt, .json, .yaml files, with "
        "commas between several (default: the prompts of what is evaluated)",
    )
    parser.add_argument(
        "--clip",
        metavar="MODEL",
        help="a folder, b32, b16, l14, a hub id that was fetched before, or off (default: b32 where it is "
        "on this machine)",
    )
    parser.add_argument("--judge", type=Path, metavar="FILE", help="another judge, of scripts/train_judge.py")
    parser.add_argument("--to", type=Path, metavar="FILE", help="a page to write, .html")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a table to write, .csv")
    parser.add_argument("--force", action="store_true", help="measure again what was measured before")
    add_up_option(parser)
    add_runs_option(parser)
    add_output_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.cli.evaluate_subjects import find_subjects
    from dreamlab.core.errors import InputError
    from dreamlab.evaluate.prompt_list import prompt_list
    from dreamlab.evaluate.shipped_judge import SHIPPED, read_judge
    from dreamlab.run.evaluation_table import candidates_of, table_of

    _check_targets(args)
    prompts = prompt_list(args.prompts) if args.prompts else None
    subjects, passed = find_subjects(args.subjects, args.out, args.prompt, args.up)
    for name, reason in passed:
        _warn(args, f"{name} is passed over: {reason}")
    judge = read_judge(args.judge or SHIPPED)
    clip, notes = _clip(args)
    for note in notes:
        _warn(args, note)
    found = _measured(args, subjects, judge, clip, candidates_of(subjects, prompts), passed)
    if not found:
        raise InputError("nothing could be evaluated", mend="See the lines above" if passed else "")
    table = table_of(found, judge.judge.nouns, prompts)
    _rewrite_reports(found, judge)
    notes += [f"{name} is passed over: {reason}" for name, reason in passed]
    _tell(args, table, prompts, judge, notes)
    return 0


def _measured(
    args: argparse.Namespace,
    subjects: Sequence[Subject],
    judge: KeptJudge,
    clip: Clip | None,
    candidates: Sequence[str],
    passed: list[tuple[str, str]],
) -> list[tuple[Subject, Evaluation]]:
    """Each subject's evaluation; one that fails is told and passed over. Each is kept as soon as it is there,
    so that a second call goes on where this one was stopped."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from dreamlab.cli.tell import visible
    from dreamlab.core.errors import DreamlabError
    from dreamlab.run.evaluating import evaluated

    found = []
    quiet = args.quiet or args.json
    columns = (
        TextColumn("evaluate"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=_console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=len(subjects))
        for subject in subjects:
            progress.update(task, description=visible(subject.name).replace("[", "\\["))
            try:
                evaluation, fresh = evaluated(subject, judge, clip, candidates, args.force)
            except DreamlabError as error:
                passed.append((subject.name, str(error)))
                _warn(args, f"{subject.name} is passed over: {error}")
            else:
                found.append((subject, evaluation))
                _event(args, subject, evaluation, fresh)
            progress.advance(task)
    return found


def _event(args: argparse.Namespace, subject: Subject, evaluation: Evaluation, fresh: bool) -> None:
    if args.json:
        facts = {"name": subject.name, "prompt": subject.prompt, "measured_now": fresh}
        facts |= {"figures": evaluation.figures, "words": evaluation.words, "file": str(subject.record)}
        sys.stdout.write(json.dumps({"event": "evaluated", **facts}) + "\n")
        sys.stdout.flush()


def _clip(args: argparse.Namespace) -> tuple[Clip | None, list[str]]:
    """The CLIP that was named, or the usual one if it is there, and what has to be said of it."""
    from dreamlab.core.errors import UnavailableError
    from dreamlab.evaluate.clip_scores import find_clip

    if args.clip == "off":
        return None, []
    if args.clip is not None:
        return find_clip(args.clip), []
    try:
        return find_clip(), []
    except UnavailableError as error:
        return None, [f"{error.what}: the judge alone looks. {error.mend}"]


def _rewrite_reports(found: Sequence[tuple[Subject, Evaluation]], judge: KeptJudge) -> None:
    """Each run's report shows its score; one that is newer than its evaluation shows it already."""
    from dreamlab.run.score_card import score_card
    from dreamlab.run.summary import rewrite_report

    for subject, evaluation in found:
        report = None if subject.run is None else subject.run.path / "report.html"
        if subject.run is None or report is None or not report.is_file():
            continue
        if report.stat().st_mtime < subject.record.stat().st_mtime:
            rewrite_report(subject.run, score_card(evaluation.figures, evaluation.words, judge.measured))


def _tell(
    args: argparse.Namespace, table: Table, prompts: PromptList | None, judge: KeptJudge, notes: list[str]
) -> None:
    from dreamlab.cli.evaluate_table import terminal_table, write_csv, write_page
    from dreamlab.cli.tell import shown_path, visible

    if prompts is not None and table.missing:
        notes = [
            *notes,
            f"{len(table.missing)} of {len(prompts.prompts)} prompts of {prompts.name} have no object",
        ]
    doubt = _doubt(judge)
    files = {"page": args.to, "csv": args.csv}
    if args.to is not None:
        write_page(
            args.to,
            table,
            [*notes, *doubt],
            "Evaluation" if prompts is None else f"Evaluation: {prompts.name}",
        )
    if args.csv is not None:
        write_csv(args.csv, table)
    written = {kind: path for kind, path in files.items() if path is not None}
    if args.json:
        groups = [vars(group) for group in table.groups]
        done: dict[str, Any] = {"files": {kind: str(path) for kind, path in written.items()}}
        done |= {"objects": len(table.rows), "groups": groups, "missing": list(table.missing)}
        sys.stdout.write(json.dumps({"event": "finished", **done}) + "\n")
        return
    if args.quiet:
        sys.stdout.write("".join(f"{shown_path(path)}\n" for path in written.values()))
        return
    console = _console()
    console.print(terminal_table(table, console.width))
    for line in [*notes[-1:] * bool(table.missing), *doubt]:
        console.print(visible(line), style="dim", markup=False, highlight=False)
    for kind, path in written.items():
        console.print(f"{kind:<10} {visible(str(path))}", markup=False, highlight=False, soft_wrap=True)


def _doubt(judge: KeptJudge) -> list[str]:
    """What is known of the judge's own errors."""
    measured = judge.measured
    if "noun_view" not in measured or "color_view" not in measured:
        return []
    return [
        f"The judge knows {len(judge.judge.nouns)} things and names {measured['noun_view']:.0%} of nouns and "
        f"{measured['color_view']:.0%} of colours of real objects, by single views."
    ]


def _check_targets(args: argparse.Namespace) -> None:
    """InputError for a page or table whose name says something else, before anything is measured."""
    from dreamlab.core.errors import InputError

    for option, path, suffixes in (("--to", args.to, (".html", ".htm")), ("--csv", args.csv, (".csv",))):
        if path is not None and path.suffix.lower() not in suffixes:
            got = path.suffix or "no suffix"
            raise InputError(
                f"{option} {path} cannot be written", expected=f"a name ending in {suffixes[0]}", got=got
            )
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{option} {path} cannot be written", got=f"no folder {path.parent}")


def _warn(args: argparse.Namespace, line: str) -> None:
    from dreamlab.cli.tell import visible

    if args.json:
        sys.stdout.write(json.dumps({"event": "note", "text": line}) + "\n")
    else:
        sys.stderr.write(f"dreamlab: {visible(line)}\n")


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)
