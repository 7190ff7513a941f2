"""Imports run one way: packages depend on each other without a circle. The graph is read from the folders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

ROOT = Path(__file__).parent.parent / "dreamlab"
Graph = dict[str, dict[str, str]]  # package -> package it imports -> a file that does so


def modules_imported(path: Path) -> Iterator[str]:
    """Dotted names below dreamlab that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("dreamlab.") for name in names if name.startswith("dreamlab."))


def layers_below(folder: Path, root: Path) -> Graph:
    """Who imports whom among the packages and modules directly inside `folder`."""
    prefix = [*folder.relative_to(root).parts]
    members = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    graph: Graph = {member: {} for member in sorted(members - {"__init__"})}
    for member in graph:
        own = folder / member
        for path in sorted(own.rglob("*.py")) if own.is_dir() else [own.with_suffix(".py")]:
            for name in modules_imported(path):
                parts = name.split(".")
                if parts[: len(prefix)] == prefix and len(parts) > len(prefix):
                    other = parts[len(prefix)]
                    if other in graph and other != member:
                        graph[member].setdefault(other, str(path.relative_to(root)))
    return graph


def circles(graph: Graph) -> list[str]:
    """What cannot be put in an order: every import that closes a circle, told as file: package -> package."""
    found, done = [], set()

    def visit(package: str, walk: tuple[str, ...]) -> None:
        for other, file in graph[package].items():
            if other in walk:
                found.append(f"{file}: {' -> '.join([*walk[walk.index(other) :], other])}")
            elif other not in done:
                visit(other, (*walk, other))
        done.add(package)

    for package in graph:
        if package not in done:
            visit(package, (package,))
    return found


@pytest.mark.parametrize("folder", [".", "mesh", "priors"])
def test_imports_run_one_way(folder: str) -> None:
    graph = layers_below(ROOT / folder, ROOT)
    assert len(graph) > 2
    assert circles(graph) == []


def test_core_stands_on_nothing() -> None:
    assert layers_below(ROOT, ROOT)["core"] == {}


@pytest.mark.parametrize(
    "line",
    ["from dreamlab.cli import b", "import dreamlab.cli.b", "def f():\n    from dreamlab.cli.b import x"],
)
def test_a_circle_is_found_and_told_with_its_file(tmp_path: Path, line: str) -> None:
    for package, text in (
        ("core", line),
        ("cli", "from dreamlab.run.a import y"),
        ("run", "import dreamlab.core.a"),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "a.py").write_text(text + "\n")
    assert circles(layers_below(tmp_path, tmp_path)) == ["core/a.py: cli -> run -> core -> cli"]


def test_imports_that_form_no_circle_pass(tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text("import torch\n")
    (tmp_path / "run.py").write_text("from dreamlab.core import x\nimport dreamlab.core\n")
    assert layers_below(tmp_path, tmp_path) == {"core": {}, "run": {"core": "run.py"}}
    assert circles(layers_below(tmp_path, tmp_path)) == []


def test_a_wrong_shape_is_refused_while_tests_run() -> None:
    from dreamlab.core.cameras import orbit_cameras

    two, three = torch.zeros(2), torch.ones(3)
    with pytest.raises(jaxtyping.TypeCheckError):
        orbit_cameras(two, two, three, two, (4, 4))


def test_a_wrong_type_is_refused_while_tests_run() -> None:
    from dreamlab.core.cameras import turntable

    with pytest.raises(jaxtyping.TypeCheckError):
        turntable("four", 0.0, 1.0, 1.0, (4, 4))  # type: ignore[arg-type]


def test_the_page_for_contributors_lists_every_layer_above_what_it_imports() -> None:
    text = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = text.split("<!-- layers -->\n")[1].split("\n\n")[0].splitlines()
    height = {name: -i for i, row in enumerate(rows) for name in row.strip().split("  ")[0].split(", ")}
    graph = layers_below(ROOT, ROOT)
    assert set(height) == {name for name in graph if not name.startswith("__")}
    upwards = [f"{a} -> {b} ({f})" for a in height for b, f in graph[a].items() if height[b] > height[a]]
    assert upwards == []
