"""The golden run names what differs, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import golden_run as script


@pytest.mark.parametrize(("changed", "code"), [(None, 0), ("mesh.glb", 1)])
def test_only_presets_that_were_run_are_compared_and_differences_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: str | None,
    code: int,
) -> None:
    same = {name: "a" for name in script.KEPT}
    before = tmp_path / "before.json"
    before.write_text(json.dumps({"fast": same, "default": {name: "b" for name in script.KEPT}}))
    monkeypatch.setattr(script, "bytes_of", lambda *_: same | ({changed: "c"} if changed else {}))
    monkeypatch.setattr(
        sys, "argv", ["x", str(tmp_path / "a.json"), "--presets", "fast", "--against", str(before)]
    )
    assert script.main() == code
    output = capsys.readouterr().out.strip()
    assert output == (f"differs: fast/{changed}" if changed else "every byte as before")
    assert json.loads((tmp_path / "a.json").read_text())["fast"].keys() == same.keys()
