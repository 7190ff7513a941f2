"""docs/own-prior.md: its commands, as they stand there but for a few numbers, lead from ten GLBs to an
object."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, ROOT, blocks

from dreamlab.mesh.io.load import load
from dreamlab.priors.embedded.prior import read_vocabulary

PAGE = (DOCS / "own-prior.md").read_text("utf-8")
BLOCKS = [block for block in blocks(PAGE) if block.comment.startswith("<!-- worked example")]
LINES = [block.text.replace("\\\n", " ").strip() for block in BLOCKS if block.language == "sh"]
FILES = {
    re.findall(r"example: (\S+)", block.comment)[0]: block.text
    for block in BLOCKS
    if block.language == "json"
}
FEWER = {"--per-noun 50": "--per-noun 2", "--steps 2000": "--steps 2"}
SMALL = ["shape.steps=2", "refine.steps=2", "extract.resolution=24", "turntable.frames=0"]


def arguments(line: str) -> list[str]:
    """A line of the page for this machine: fewer steps, files of the project by their whole names."""
    for asked, fewer in FEWER.items():
        line = line.replace(asked, fewer)
    words = [str(ROOT / word) if (ROOT / word).is_file() else word for word in shlex.split(line)]
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    small = [part for setting in SMALL for part in ("--set", f"stages.{setting}")]
    return [sys.executable, "-m", "dreamlab", *words[1:], *(small if words[1] == "run" else [])]


def test_the_page_shows_every_step_once_and_the_numbers_that_are_made_smaller_here() -> None:
    assert [shlex.split(line)[:3] for line in LINES] == [
        ["python", "docs/examples/07_own_models.py", "my-glbs"],
        ["dreamlab", "studio", "gather"],
        ["dreamlab", "studio", "train"],
        ["dreamlab", "studio", "sheet"],
        ["dreamlab", "run", "a red mushroom"],
    ]
    assert all(sum(asked in line for line in LINES) == 1 for asked in FEWER)
    assert list(FILES) == ["settings.json"]


@pytest.mark.slow
def test_the_worked_example_leads_from_ten_models_to_an_object(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for line in LINES:
        done = subprocess.run(
            arguments(line), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
    nouns = json.loads((tmp_path / "corpus" / "corpus.json").read_text())["nouns"]
    assert len(nouns) == 10 + 4 * 2 and set(nouns) == {"mushroom", "mug", "chair", "table"}
    learned = read_vocabulary(tmp_path / "training" / "embedded.safetensors")
    shipped = read_vocabulary(ROOT / "dreamlab" / "weights" / "embedded.safetensors")
    assert learned is not None and shipped is not None and learned.steps == shipped.steps + 2
    assert (tmp_path / "sheet.png").is_file()
    (folder,) = (tmp_path / "outputs").iterdir()
    assert len(load(folder / "mesh.glb").faces) > 3
    assert "embedded.safetensors" in (folder / "config.yaml").read_text()
