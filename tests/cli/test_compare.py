"""dreamlab compare: what is told to differ is what differs, and a page of runs is as safe as their report."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamlab.run.compare import compare, flat
from dreamlab.run.resolve import assign
from dreamlab.run.run_dir import RunDir
from dreamlab.views.comparison import still
from tests.cli.shelf import command, make_run, picture


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return Path("outputs")


def test_settings_environment_and_figures_are_laid_side_by_side(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_run(home, "a red ball", seed=3)
    more = {"psnr": 30.0, "watertight": 1.0}
    second = make_run(home, "a blue ball", seed=4, cfg={"text": 2.5}, measures=more)
    other = {"dreamlab": "0.2.0", "packages": {"torch": "2.14.0"}}
    (second / "environment.json").write_text(json.dumps(other))
    assert command("compare", "1", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    one, two = first.name, second.name
    assert found["runs"] == {one: str(first), two: str(second)}
    assert found["settings"]["prompt"] == {one: "a red ball", two: "a blue ball"}
    assert found["settings"]["seed"] == {one: 3, two: 4}
    assert found["settings"]["cfg.text"] == {one: 1.0, two: 2.5}
    assert set(found["settings"]) == {"prompt", "seed", "cfg.text"}
    assert found["environment"] == {
        "dreamlab": {one: "0.1.0", two: "0.2.0"},
        "packages.torch": {one: "2.13.0", two: "2.14.0"},
        "python": {one: "3.11.7"},
        "preset": {one: "fast"},
    }
    assert found["figures"]["faces"] == {one: 300.0, two: 300.0} and found["figures"]["psnr"] == {two: 30.0}
    assert found["figures"]["watertight"] == {two: True}
    assert found["figures"]["seconds"] == {one: 103.0, two: 103.0}  # no part of a phase counts twice
    assert "seconds.shape.prior" not in found["figures"] and found["unfinished"] == []


def test_every_name_of_a_difference_is_one_that_set_takes(home: Path) -> None:
    run = RunDir(make_run(home, stages={"shape": {"losses": {"opacity": 1.0, "opaqueness": 2.0}}}))
    values = run.config().model_dump(mode="json", by_alias=True)
    names = flat(values)
    assert "stages.shape.steps" in names and "stages.shape.losses.opacity.weight.start" in names
    for name in names:
        if not re.search(r"[.](kind|name)$", name):  # by which the settings below are found
            changed = json.loads(json.dumps(values))
            assign(changed, f"{name}=77")
            now = flat(changed)
            assert now[name] == 77 and {key for key in now if now[key] != names[key]} <= {name}


def test_equal_runs_differ_in_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare([make_run(home), make_run(home)])
    assert found.settings == found.environment == {}
    assert command("compare", "1", "2") == 0
    out = capsys.readouterr().out
    assert "Settings that differ: none" in out and "Environment that differs: none" in out


def test_an_unfinished_run_is_compared_too_and_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home)
    make_run(home, finished=False, steps=3)
    assert command("compare", "1", "latest") == 0
    assert "2 has no figures: it is not finished" in capsys.readouterr().out


def test_one_run_is_not_compared_with_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home)
    for arguments in (["1"], ["1", "latest"], ["1", "outputs/0001-a-red-ball"]):
        assert command("compare", *arguments) == 2
        assert "a run is compared with another" in capsys.readouterr().err
    assert command("compare", "1", "9") == 2 and "there is no run '9'" in capsys.readouterr().err


def test_damaged_settings_are_an_error_that_names_the_run(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home)
    (make_run(home) / "config.yaml").write_text("prompt: [\n")
    assert command("compare", "1", "2") == 2
    assert "the settings of outputs/0002-a-red-ball cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_comparison_fits_its_terminal_whole(
    width: int, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = [f"a {color} lighthouse with a very tall tower" for color in ("red", "blue", "green")]
    for prompt in prompts:
        make_run(home, prompt)
    monkeypatch.setenv("COLUMNS", str(width))
    assert command("compare", "1", "2", "3") == 0
    out = capsys.readouterr().out
    table = out[out.index("Settings") :]
    assert max(map(len, table.splitlines())) <= width
    for word in " ".join(prompts).split():
        assert word in table


class Page(HTMLParser):
    """What a page consists of: tags with what they ask for, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_shows_every_run_and_asks_for_nothing_from_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, "a red ball")
    picture(make_run(home, "a blue ball") / "turntable.webp", (0, 0, 255))
    (make_run(home, "nothing", finished=False, steps=0) / "previews" / "000010.png").unlink()
    assert command("compare", "1", "2", "3", "--to", "page.html") == 0
    assert capsys.readouterr().out.split() == ["page", "page.html"]
    text = Path("page.html").read_text()
    page = Page(text)
    assert [source.partition(";")[0] for source in page.sources] == ["data:image/png", "data:image/webp"]
    assert "default-src 'none'" in text and "script" not in page.tags
    for words in ("a red ball", "a blue ball", "0002-a-blue-ball", "no picture yet", "faces", "prompt"):
        assert words in page.text


def test_no_prompt_or_value_becomes_a_part_of_the_page(home: Path) -> None:
    bad = '</title><script>alert(1)</script><img src="http://x/">'
    run = make_run(home)
    make_run(home, 'a "quoted" ball')
    for name, old in [("config.yaml", "a red ball"), ("environment.json", "3.11.7")]:
        path = run / name
        said = bad if name == "config.yaml" else bad.replace('"', '\\"')
        path.write_text(path.read_text().replace(old, f"'{said}'" if name == "config.yaml" else said))
    assert command("compare", "1", "2", "--to", "page.html") == 0
    page = Page(Path("page.html").read_text())
    assert "script" not in page.tags and page.text.count(bad) >= 2
    assert all(source.startswith("data:image/") for source in page.sources)


def test_a_sheet_has_a_picture_of_each(home: Path) -> None:
    for color in ((255, 0, 0), (0, 0, 255)):
        run = make_run(home)
        picture(run / "previews" / "000011.png", color)
    assert command("compare", "1", "2", "--to", "sheet.png", "--quiet") == 0
    sheet = np.asarray(Image.open("sheet.png").convert("RGB"))
    quarter = sheet.shape[1] // 4
    assert sheet[100, quarter].tolist() == [255, 0, 0] and sheet[100, 3 * quarter].tolist() == [0, 0, 255]


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"RIFF\x10\x00\x00\x00WEBPVP8 "])
def test_a_missing_or_damaged_picture_is_a_grey_one(home: Path, content: bytes | None) -> None:
    run = make_run(home)
    (run / "previews" / "000010.png").unlink()
    if content is not None:
        (run / "turntable.webp").write_bytes(content)
    shown = still(run)
    assert shown.shape == (256, 256, 3) and shown[5, 5].tolist() == [226, 226, 226]


def test_what_is_no_page_and_no_picture_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home), make_run(home)
    assert command("compare", "1", "2", "--to", "page.pdf") == 2
    assert "a name ending in .html, .png" in capsys.readouterr().err
    assert command("compare", "1", "2", "--to", "no/where/page.html") == 2
    assert "could not write no/where/page.html" in capsys.readouterr().err
