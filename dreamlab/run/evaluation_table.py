"""Many evaluations as one table: a row each, and what only several say: retrieval, diversity, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from dreamlab.core.errors import DreamlabError
from dreamlab.evaluate.prompt_list import PromptList, plain
from dreamlab.run.evaluating import Subject, cost_of
from dreamlab.run.evaluation import Evaluation


@dataclass(frozen=True)
class Row:
    """figures: by the names of dreamlab.views.figures, what was not measured left out. group: the kind of its
    prompt, or the preset that made it."""

    name: str
    prompt: str
    group: str
    figures: dict[str, float]
    words: dict[str, str]
    picture: str
    place: str
    seed: int | None = None


@dataclass(frozen=True)
class Group:
    """medians and means of the rows that have the figure. missing: prompts of a list that no row answers."""

    name: str
    rows: int
    medians: dict[str, float]
    means: dict[str, float]


@dataclass(frozen=True)
class Table:
    """missing: prompts of the list that nothing was made for."""

    rows: list[Row]
    groups: list[Group] = field(default_factory=list)
    missing: tuple[str, ...] = ()


def candidates_of(subjects: Sequence[Subject], prompts: PromptList | None) -> tuple[str, ...]:
    """The prompts that retrieval chooses among: the list's, or all that were evaluated."""
    own = tuple(dict.fromkeys(subject.prompt for subject in subjects))
    return own if prompts is None else prompts.prompts


def table_of(
    found: Sequence[tuple[Subject, Evaluation]],
    nouns: Sequence[str],
    prompts: PromptList | None = None,
) -> Table:
    """Rows in the order of the subjects. nouns: the judge's."""
    retrieval = retrieved(found, nouns, candidates_of([s for s, _ in found], prompts))
    diversity = diversities(found)
    rows = []
    for number, (subject, evaluation) in enumerate(found):
        figures = evaluation.figures | cost_of(subject.run)
        figures |= {"r_precision": retrieval[number]} if number in retrieval else {}
        figures |= {"diversity": diversity[subject.prompt]} if subject.prompt in diversity else {}
        if evaluation.clip is not None:
            clip = evaluation.clip
            figures |= {"clip_similarity": clip.similarity, "clip_agreement": clip.agreement}
            figures |= {} if clip.r_precision is None else {"clip_r_precision": clip.r_precision}
        kind = prompts.kind_of(subject.prompt) if prompts is not None else None
        group = subject.preset if prompts is None else kind or "not of the list"
        words, place = evaluation.words, str(subject.run.path if subject.run else subject.mesh)
        rows.append(
            Row(subject.name, subject.prompt, group, figures, words, evaluation.picture, place, subject.seed)
        )
    made = {plain(subject.prompt) for subject, _ in found}
    missing = () if prompts is None else tuple(p for p in prompts.prompts if plain(p) not in made)
    return Table(rows, groups_of(rows), missing)


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """All rows together, and where there are several groups, each of them."""
    names = list(dict.fromkeys(row.group for row in rows))
    sorts = [("all", list(rows))]
    if len(names) > 1:
        sorts += [(name or "(default)", [row for row in rows if row.group == name]) for name in names]
    return [_group(name, members) for name, members in sorts]


def _group(name: str, rows: Sequence[Row]) -> Group:
    keys = dict.fromkeys(key for row in rows for key in row.figures)
    values = {key: [row.figures[key] for row in rows if key in row.figures] for key in keys}
    medians = {key: float(median(each)) for key, each in values.items()}
    return Group(name, len(rows), medians, {key: fmean(each) for key, each in values.items()})


def retrieved(
    found: Sequence[tuple[Subject, Evaluation]], nouns: Sequence[str], candidates: Sequence[str]
) -> dict[int, float]:
    """R-precision by the judge, of the rows whose prompt asks for one thing that it knows, among the
    candidates of that sort; none where these are fewer than two.

    Prompts that ask for the same are one candidate.
    """
    import torch

    from dreamlab.evaluate.asked import asked_of
    from dreamlab.evaluate.retrieval import fits, r_precision
    from dreamlab.evaluate.score import COLORS

    wanted = {asked: None for asked in map(asked_of, (*candidates, *(s.prompt for s, _ in found)))}
    able = [a for a in wanted if len(a.things) == 1 and a.things[0].noun in nouns]
    if len(able) < 2:
        return {}
    precisions = {}
    for number, (subject, evaluation) in enumerate(found):
        asked = asked_of(subject.prompt)
        if asked in able:
            noun, color = torch.tensor(evaluation.noun), torch.tensor(evaluation.color)
            precisions[number] = r_precision(fits(noun, color, able, nouns, COLORS), able.index(asked))
    return precisions


def diversities(found: Sequence[tuple[Subject, Evaluation]]) -> dict[str, float]:
    """Of the prompts that several different objects were made for, how different these are."""
    from dreamlab.evaluate.asked import asked_of
    from dreamlab.evaluate.looks import compared_views
    from dreamlab.evaluate.seed_diversity import real_spread, seed_diversity
    from dreamlab.mesh.io.load import load

    prompts: dict[str, dict[str, Subject]] = {}
    for subject, evaluation in found:
        prompts.setdefault(subject.prompt, {})[evaluation.mesh] = subject
    diverse = {}
    for prompt, members in prompts.items():
        things = asked_of(prompt).things
        if len(members) < 2 or len(things) != 1 or not things[0].noun:
            continue
        try:
            rings = [compared_views(load(subject.mesh, subject.up)) for subject in members.values()]
        except DreamlabError:  # has changed since it was evaluated
            continue
        value = seed_diversity(rings, real_spread(things[0]))
        if value is not None:
            diverse[prompt] = value
    return diverse
