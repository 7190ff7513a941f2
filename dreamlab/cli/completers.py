"""What a shell completes: runs, presets, priors, formats, settings. Nothing here loads torch, since somebody
waits for it.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from dreamlab.cli.destination import WRITTEN
from dreamlab.cli.options import fill_defaults
from dreamlab.core.errors import DreamlabError

Completer = Callable[..., list[str]]

_ALIASES = Path(__file__).parents[1] / "priors" / "diffusers" / "aliases.py"
_DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")


def complete(parser: argparse.ArgumentParser) -> NoReturn:
    """Answer the shell, as the variables that its script has set ask, and end."""
    try:
        import argcomplete
    except ImportError:
        sys.exit(1)
    attach(parser)
    argcomplete.autocomplete(parser, always_complete_options=False)
    sys.exit(1)  # the shell did not say what is to be completed


def attach(parser: argparse.ArgumentParser) -> None:
    """Tell every argument of a known sort what it takes."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for job in action.choices.values():
                attach(job)
        elif (completer := _of(action)) is not None:
            action.completer = completer  # type: ignore[attr-defined]  # where argcomplete looks


def _of(action: argparse.Action) -> Completer | None:
    names = {
        "--preset": presets, "--prior": priors, "--export": formats, "--format": formats, "--set": settings,
        "--device": devices,
    }  # fmt: skip
    for option in action.option_strings:
        if option in names and action.choices is None:
            return names[option]
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    return runs_and_files if metavar.startswith("RUN|MESH") else runs if metavar == "RUN" else None


def runs(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Folder names and "latest"; of the trash where it is about that."""
    from dreamlab.run.folders import runs_in
    from dreamlab.run.trash import trashed

    with suppress(DreamlabError, OSError):
        fill_defaults(parsed_args)
        look = trashed if getattr(parsed_args, "restore", False) else runs_in
        here = look(parsed_args.out)
        return [run.name for run in here] + (["latest"] if here else [])
    return []


def runs_and_files(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Runs, or files where none begins so."""
    from argcomplete.completers import FilesCompleter

    found = [name for name in runs(parsed_args) if name.startswith(prefix)]
    return found or list(FilesCompleter()(prefix))


def presets(**_: Any) -> list[str]:
    from dreamlab.run.presets import preset_names

    return preset_names()


def priors(prefix: str, **_: Any) -> list[str]:
    """Short names; files and folders where none begins so."""
    from argcomplete.completers import FilesCompleter

    found = [name for name in ("embedded", *_aliases()) if name.startswith(prefix)]
    return found or list(FilesCompleter()(prefix))


def formats(prefix: str, **_: Any) -> list[str]:
    """The last of a list with commas, and those before it."""
    before, comma, _last = prefix.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{kind[1:]}" for kind in WRITTEN if kind[1:] not in given]


def devices(**_: Any) -> list[str]:
    return list(_DEVICES)


def settings(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Dotted names with their "=": those that the preset names, and all that the latest run has."""
    with suppress(DreamlabError, OSError):
        return [f"{name}=" for name in sorted(set(_names(parsed_args)))]
    return []


def _names(args: argparse.Namespace) -> Iterator[str]:
    from dreamlab.run.compare import flat
    from dreamlab.run.folders import find_run, runs_in
    from dreamlab.run.glance import quick_yaml
    from dreamlab.run.presets import load_preset
    from dreamlab.run.stage_list import listed

    values = load_preset(getattr(args, "preset", None) or "default")
    yield from flat(values | {"stages": listed(values.get("stages", []))})
    fill_defaults(args)
    if runs_in(args.out):
        path = find_run(args.out, "latest") / "config.yaml"
        yield from flat(quick_yaml(path.read_text(encoding="utf-8"), str(path)))


def _aliases() -> list[str]:
    """Short names of pretrained models, by their file alone: its package loads torch."""
    spec = importlib.util.spec_from_file_location("dreamlab_aliases", _ALIASES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return [known.name for known in module.ALIASES]
