"""The examples of docs/extending.md, as modules and as members of their unions."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"


def code_of(name: str) -> str:
    """The code block under `<!-- example: name -->`."""
    (code,) = re.findall(
        rf"<!-- example: {name} -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert len(code.splitlines()) < 90
    return code


def example(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, imported as a file of its own."""
    path = folder / f"example_{name}.py"
    path.write_text(code_of(name), "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return module


def unions() -> dict[str, tuple[Path, str, Path]]:
    """What the page's table says of every example: where its file goes, and which union lists it in which
    file."""
    rows = re.findall(r"^\| (\w+) \| `(\S+)/NAME.py` \| `(\w+)` in `(\S+)` \|", PAGE.read_text("utf-8"), re.M)
    return {name: (Path(folder), union, Path(file)) for name, folder, union, file in rows}


def extended_copy(to: Path) -> list[str]:
    """A copy of the package to which every example that has a config was added as the page says; their
    names."""
    shutil.copytree(
        ROOT / "dreamlab", to / "dreamlab", ignore=shutil.ignore_patterns("__pycache__", "weights", "csrc")
    )
    (to / "dreamlab" / "weights").symlink_to(ROOT / "dreamlab" / "weights")
    (to / "configs").symlink_to(ROOT / "configs")
    added = []
    for name, (folder, union, file) in unions().items():
        code = code_of(name)
        configs = re.findall(r"^class (\w+Config)\(", code, re.M)
        if configs:
            (to / folder / f"example_{name}.py").write_text(code, "utf-8")
            module = ".".join(folder.parts) + f".example_{name}"
            _list(to / file, union, configs[0], module)
            if name == "family":
                _list(to / folder / "recognise.py", "FAMILIES", configs[0], module)
            added.append(name)
    return added


def _list(file: Path, union: str, config: str, module: str) -> None:
    """One import and one member more: after the union's first member, whatever its layout."""
    text = file.read_text("utf-8")
    joint = "," if union == "FAMILIES" else " |"
    text, done = re.subn(
        rf"^({union}\b[^\n]*?= (?:Annotated\[|\()\s*)(\w+Config)", rf"\1{config}{joint} \2", text, flags=re.M
    )
    assert done == 1, f"{union} in {file}"
    line = f"from {module} import {config}\nfrom dreamlab"
    text, done = re.subn(r"^from dreamlab", line, text, count=1, flags=re.M)
    assert done == 1
    file.write_text(text, "utf-8")
