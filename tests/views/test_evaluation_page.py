"""The page over many evaluated objects: what it shows, what it hides, and that its columns sort."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dreamlab.views.evaluation_page import Column, Page, PageGroup, PageRow, shown, write_evaluation_page

COLUMNS = (
    Column("noun_sure", "sure"),
    Column("noun_taken_for", "taken for", words=True),
    Column("faces", "faces"),
    Column("binding", "binding"),
    Column("collapse", "collapse", words=True),
)


def row(name: str, sure: float | None, faces: float = 10, **words: str) -> PageRow:
    figures = {"faces": faces}
    if sure is not None:
        figures |= {"noun_sure": sure, "noun_low": sure - 0.1, "noun_high": sure + 0.1}
    return PageRow(name, f"a {name}", "g", figures, {"noun_taken_for": name, "collapse": "", **words})


def written(folder: Path, *rows: PageRow) -> str:
    groups = [PageGroup("all (3), mean", {"noun_sure": 0.4, "faces": 1234.0})]
    page = Page("<Title>", "3 objects", COLUMNS, rows, groups, ["a <note>"], {"axes": [("One", "<two>")]})
    write_evaluation_page(folder / "page.html", page)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_columns_that_nothing_fills_are_left_out(tmp_path: Path) -> None:
    text = written(tmp_path, row("car", 0.5))
    heads = re.findall(r"<th[^>]*><button>([^<]*)</button>", text)
    assert heads == ["object", "sure", "taken for", "faces"]
    assert "collapse" in written(tmp_path, row("car", 0.5, collapse="flat")).split("<tbody>")[0]


def test_figures_stand_with_their_interval_and_what_is_missing_is_empty(tmp_path: Path) -> None:
    text = written(tmp_path, row("car", 0.5), row("mug", None, 2500))
    assert "0.50<small>0.40&ndash;0.60</small>" in text and '<td data-value=""></td>' in text
    assert "2,500" in text and "1,234" in text


def test_everything_is_escaped_and_nothing_is_loaded(tmp_path: Path) -> None:
    text = written(tmp_path, row("<script>x</script>", 0.5, collapse='"><img src=x>'))
    assert "<script>x" not in text and "<img src=x>" not in text and "<note>" not in text
    assert "&lt;Title&gt;" in text and "default-src 'none'" in text and "<two>" not in text


def test_counts_are_whole_shares_are_not_and_yes_is_yes() -> None:
    assert [shown("faces", 2500.0), shown("crossing_faces", 0.0), shown("seconds", 2.25)] == [
        "2,500",
        "0",
        "2.2",
    ]
    assert [shown("noun", 1.0), shown("noun", 0.125), shown("watertight", 1.0)] == ["1.00", "0.12", "yes"]
    assert [shown("watertight", 0.0), shown("watertight", 0.5), shown("noun", float("nan"))] == [
        "no",
        "0.50",
        "",
    ]


PRESS = "<script>for (const n of [{}]) document.querySelectorAll('th button')[n].click();</script></body>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pressed", "order"),
    [("1", "bca"), ("1, 1", "cba"), ("0", "abc"), ("0, 0", "cba"), ("3", "cab"), ("2", "cba")],
)
def test_a_press_sorts_and_another_turns_it_round(tmp_path: Path, pressed: str, order: str) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    page = tmp_path / "page.html"
    text = written(tmp_path, row("a", None, 9), row("b", 0.9, 8), row("c", 0.2, 100))
    page.write_text(text.replace("</body>", PRESS.format(pressed)), encoding="utf-8")
    told = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", f"file://{page}"], capture_output=True, timeout=120, check=True, text=True,
    ).stdout  # fmt: skip
    body = told.split("<tbody>")[1].split("</tbody>")[0]
    assert "".join(re.findall(r"<div>a (\w)<small>", body)) == order
