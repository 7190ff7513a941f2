"""CITATION.cff is of this version, and has what its format asks for."""

from __future__ import annotations

from pathlib import Path

import yaml

from dreamlab import __version__

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version_and_whole() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(cited["version"]) == __version__ and cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys() and cited["license"] == "MIT"
    assert cited["authors"][0]["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
