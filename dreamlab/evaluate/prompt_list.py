"""Lists of prompts, shipped or the user's own, with the kinds that their prompts are of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from dreamlab.core.errors import InputError

ELSEWHERE = {
    "t3bench": "three files, data/prompt_single.txt, prompt_surr.txt and prompt_multi.txt, of "
    "github.com/THU-LYJ-Lab/T3Bench",
    "gpteval3d": "data/tournament-v0/prompts.json of github.com/3DTopia/GPTEval3D",
    "mate-3d": "prompt_MATE_3D.json of the data set ccccby/MATE-3D on Hugging Face",
}
"""Lists for which no licence was found that lets them be shipped, and where they lie."""


@dataclass(frozen=True)
class PromptList:
    """kinds: each kind's prompts, in their order; a list without kinds has one, called as the list."""

    name: str
    kinds: Mapping[str, tuple[str, ...]]

    @property
    def prompts(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(prompt for prompts in self.kinds.values() for prompt in prompts))

    def kind_of(self, prompt: str) -> str | None:
        """The kind of a prompt, whatever its case, spaces and full stop; None where it is not of the list."""
        wanted = plain(prompt)
        found = (kind for kind, prompts in self.kinds.items() if wanted in map(plain, prompts))
        return next(found, None)


def plain(prompt: str) -> str:
    """A prompt as lists are compared by."""
    return " ".join(prompt.casefold().split()).strip(" .,!")


def shipped_lists() -> tuple[str, ...]:
    """Names of the lists that come with the package."""
    return tuple(
        sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml"))
    )


def prompt_list(names: str) -> PromptList:
    """A list by name, or from files: "toys", "prompts.txt", "prompt_single.txt,prompt_multi.txt".

    A .txt has a prompt a line (empty lines and those that begin with # are passed over), a .json or .yaml a
    list of prompts or a mapping from kinds to lists, or that under "kinds". Of several, each is a kind.
    Raises InputError for what is not there or holds no prompts.
    """
    lists = [_one(name.strip()) for name in names.split(",")]
    if len(lists) == 1:
        return lists[0]
    kinds: dict[str, tuple[str, ...]] = {}
    for each in lists:
        own = each.kinds if len(each.kinds) > 1 else {each.name: each.prompts}
        for kind, prompts in own.items():
            kinds[kind] = kinds.get(kind, ()) + prompts
    return PromptList(", ".join(each.name for each in lists), kinds)


def _one(name: str) -> PromptList:
    path = Path(name)
    if name in shipped_lists():
        return _from_values(yaml.safe_load((_folder() / f"{name}.yaml").read_text("utf-8")), name)
    if path.is_file():
        return _from_file(path)
    where = ELSEWHERE.get(name.casefold())
    raise InputError(
        f"{name} is not shipped" if where else f"there is no list of prompts {name}",
        expected=f"one of {', '.join(shipped_lists())}, or a .txt, .json or .yaml",
        mend=f"No licence for that was found; name the files: {where}" if where else "",
    )


def _from_file(path: Path) -> PromptList:
    kind = path.suffix.lower()
    try:
        text = path.read_text(encoding="utf-8")
        if kind == ".json":
            return _from_values(json.loads(text), path.stem)
        if kind in (".yaml", ".yml"):
            return _from_values(yaml.safe_load(text), path.stem)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        got = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as prompts", got=got) from error
    lines = [line.strip() for line in text.splitlines()]
    return _checked(path.stem, {path.stem: [line for line in lines if not line.startswith("#")]})


def _from_values(values: Any, name: str) -> PromptList:
    """From a list or a mapping; texts anywhere below a kind are its prompts."""
    if isinstance(values, Mapping) and isinstance(values.get("kinds"), Mapping):
        name, values = str(values.get("name", name)), values["kinds"]
    if isinstance(values, Mapping):
        return _checked(name, {str(kind): list(_texts(below)) for kind, below in values.items()})
    return _checked(name, {name: list(_texts(values))})


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for below in values.values():
            yield from _texts(below)
    elif isinstance(values, Sequence):
        for below in values:
            yield from _texts(below)


def _checked(name: str, kinds: Mapping[str, Sequence[str]]) -> PromptList:
    found = {
        kind: tuple(dict.fromkeys(prompt.strip() for prompt in prompts if prompt.strip()))
        for kind, prompts in kinds.items()
    }
    found = {kind: prompts for kind, prompts in found.items() if prompts}
    if not found:
        raise InputError(f"{name} holds no prompts", expected="a prompt a line, or lists of them")
    return PromptList(name, found)


def _folder() -> Any:
    return resources.files("dreamlab.evaluate") / "prompt_lists"
