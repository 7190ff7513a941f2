"""Imports run one way: every room imports only from rooms below it. And proof that the check fires."""

from __future__ import annotations

import ast
from pathlib import Path

import jaxtyping
import pytest
import torch

ROOT = Path(__file__).parent.parent / "dreamlab"

# From the bottom up. Rooms on one line are siblings and do not import each other.
FLOORS = [
    {"errors", "types"},
    {"schedules", "files", "presets"},
    {"ops"},
    {"cameras", "diffusion", "prompts", "losses", "watchdog"},
    {"fields", "render", "priors", "guidance"},
    {"mesh", "views"},
    {"stage"},
    {"optimiser_state", "fidelity", "config_errors"},
    {"optimise"},
    {"config", "machine"},
    {"checkpoints", "events"},
    {"run_dir", "console"},
    {"pipeline", "studio", "doctor"},
    {"cli"},
    {"__main__"},
]
EVERYWHERE = {"", "errors", "types"}  # "" is dreamlab itself, which holds the version


def room_of(path: Path, root: Path) -> str:
    first = path.relative_to(root).parts[0]
    return first.removesuffix(".py") if first != "__init__.py" else ""


def imports_of(path: Path) -> set[str]:
    """Rooms that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "dreamlab":
            names = [f"dreamlab.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "dreamlab":
                found.add(parts[1] if len(parts) > 1 and parts[1] != "__version__" else "")
    return found


def breaches(root: Path) -> list[str]:
    """Every import that runs up or sideways, and every room that has no floor."""
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms} | {"": -1}
    told = []
    for path in sorted(root.rglob("*.py")):
        room = room_of(path, root)
        if room not in floor:
            told.append(f"{path.relative_to(root)}: the room {room!r} stands on no floor")
            continue
        for other in sorted(imports_of(path) - {room} - EVERYWHERE):
            if floor.get(other, 99) >= floor[room]:
                told.append(f"{path.relative_to(root)} imports {other}")
    return told


def test_imports_run_one_way() -> None:
    assert breaches(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("render/volume.py", "from dreamlab.optimise import optimise", "imports optimise"),
        ("render/volume.py", "from dreamlab.fields import FieldConfig", "imports fields"),
        ("render/volume.py", "def f():\n    import dreamlab.cli", "imports cli"),
        ("optimise.py", "from dreamlab import run_dir", "imports run_dir"),
        ("attic.py", "", "stands on no floor"),
        ("optimise.py", "from dreamlab import attic", "imports attic"),
    ],
)
def test_the_check_fires(tmp_path: Path, file: str, line: str, told: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(line + "\n")
    assert any(told in breach for breach in breaches(tmp_path))


def test_the_check_lets_downward_imports_pass(tmp_path: Path) -> None:
    (tmp_path / "optimise.py").write_text(
        "from dreamlab.render.volume import VolumeRenderer\nimport dreamlab.types\n"
    )
    assert breaches(tmp_path) == []


def test_a_wrong_shape_is_refused_while_tests_run() -> None:
    from dreamlab.cameras import orbit_cameras

    two, three = torch.zeros(2), torch.ones(3)
    with pytest.raises(jaxtyping.TypeCheckError):
        orbit_cameras(two, two, three, two, (4, 4))


def test_a_wrong_type_is_refused_while_tests_run() -> None:
    from dreamlab.cameras import turntable

    with pytest.raises(jaxtyping.TypeCheckError):
        turntable("four", 0.0, 1.0, 1.0, (4, 4))  # type: ignore[arg-type]
