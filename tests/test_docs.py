"""The pages hold together: every link, command, setting and example in them is one that works."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import (
    DOCS,
    PAGES,
    ROOT,
    anchors,
    blocks,
    commands,
    inline_code,
    leads_nowhere,
    lines_of,
    main_calls,
    toctree,
)

from dreamlab.cli import _parser
from dreamlab.core.errors import ConfigError, DreamlabError
from dreamlab.run.config import RunConfig
from dreamlab.run.resolve import resolve

sys.path.insert(0, str(ROOT / "scripts"))

import check_site

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
SHOWN = ("zero123", "imagedream")  # presets that need a picture
HISTORY = "CHANGELOG"  # tells of names that are gone


def parsed(words: list[str]) -> argparse.Namespace | None:
    """What the command line makes of it; None where it only prints. Raises SystemExit for a mistake."""
    try:
        return _parser().parse_args(words)
    except SystemExit as stop:
        if stop.code:
            raise
        return None


PUBLISHED = {"prior": {"kind": "stable-diffusion", "model": "owner/name"}}


def resolved(overrides: list[str], preset: str | None = None, published: bool = False) -> RunConfig:
    """The settings that a line comes to. Without a preset: the first that takes them."""
    presets = [preset] if preset else ["pretrained"] if published else ["default", "pretrained", "zero123"]
    errors: list[DreamlabError] = []
    for name in presets:
        theirs = PUBLISHED if name == "pretrained" else {}
        try:
            return resolve("it", preset=name, settings=theirs, overrides=overrides)
        except DreamlabError as error:
            errors.append(error)
    raise errors[0]


def check_command(words: list[str]) -> None:
    """Options, choices and settings of a command line are real."""
    args = parsed(words)
    if args is None:
        return
    if args.command == "run":
        pretrained = args.prior is not None and "embedded" not in args.prior
        shown = ["prior.image=seen.png"] if args.image and args.preset in SHOWN else []
        resolved([*args.set, *shown], args.preset, pretrained)
    elif args.command == "resume":
        resolved(args.set)


@each_page
def test_every_relative_link_and_anchor_leads_somewhere(page: Path) -> None:
    assert leads_nowhere(page) == []


@each_page
def test_every_command_that_is_shown_is_taken(page: Path) -> None:
    for words in commands(page.read_text("utf-8")):
        try:
            check_command(words)
        except (SystemExit, DreamlabError) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


def test_commands_are_found_at_all() -> None:
    """Else the test above would say nothing."""
    found = {page.stem: len(commands(page.read_text("utf-8"))) for page in PAGES}
    assert found["files"] >= 12 and found["own-prior"] >= 5 and found["README"] >= 2 and found["scale"] >= 3
    assert main_calls('main(["export", "1", *more])') == [["export", "1"]]


@pytest.mark.parametrize("path", sorted((DOCS / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_commands_in_examples_are_taken(path: Path) -> None:
    for words in main_calls(path.read_text("utf-8")):
        check_command([*words, "--out", "x"] if words[0] == "dataset" else words)


@each_page
def test_options_and_settings_in_the_text_are_real(page: Path) -> None:
    """Each option of `code` in a line is one of some command's; each --set one that some preset takes."""
    if page.stem == HISTORY:
        return
    known = {*options_of(_parser()), *options_of_others()}
    for code in inline_code(page.read_text("utf-8")):
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", code):
            assert option in known, f"{code}: no command has {option}"
        given = re.findall(r"--set '?([\w.]+=[^\s']+)", code)
        if given and not any(re.search(r"(^|[.=])[A-Z]+\b", text) for text in given):
            resolved(given)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= options_of(inner)
    return found


def options_of_others() -> set[str]:
    """Those of the scripts, and of programs that a page names."""
    text = "".join(path.read_text("utf-8") for path in (ROOT / "scripts").iterdir() if path.is_file())
    foreign = {"--build-arg", "--user", "--gpus", "--depth-unit-scale-factor"}
    return set(re.findall(r"--[a-z][\w-]*", text)) | foreign


@each_page
def test_scripts_that_are_named_exist(page: Path) -> None:
    if page.stem == HISTORY:
        return
    text = page.read_text("utf-8")
    shown = "\n".join([*inline_code(text), *(line for block in blocks(text) for line in lines_of(block))])
    for name in set(re.findall(r"\bscripts/([\w/.-]+\w)", shown)):
        assert (ROOT / "scripts" / name).exists(), f"scripts/{name}"


@each_page
def test_blocks_of_yaml_json_and_python_are_what_they_say(page: Path) -> None:
    for block in blocks(page.read_text("utf-8")):
        if block.language == "yaml":
            resolve("it", settings=yaml.safe_load(block.text))
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "python":
            compile(block.text, page.name, "exec")


def test_every_page_is_in_the_table_of_contents_once() -> None:
    entries = [(DOCS / f"{name}.md").resolve() for name in toctree((DOCS / "index.md").read_text("utf-8"))]
    outside = {DOCS / "index.md", ROOT / "README.md"}
    assert sorted(entries) == sorted(set(PAGES) - outside)


def test_both_ways_of_citing_say_the_same() -> None:
    text = (DOCS / "cite.md").read_text("utf-8")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    for key in ("title", "version", "license"):
        assert re.search(rf"{key}\s+= \{{{re.escape(str(cited[key]))}\}}", text), key


def test_every_figure_is_shown_or_linked() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert [path.name for path in (DOCS / "figures").iterdir() if path.name not in text] == []


@each_page
def test_pages_read_well_without_the_site(page: Path) -> None:
    """What only the site understands stands in comments."""
    text = re.sub(r"^<!-- site\n.*?\n-->$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^(?:```|:::)\{.*|\{(?:doc|ref|func)\}`.*", text, re.MULTILINE)
    assert "<!-- site\n" not in text


def test_what_is_wrong_on_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c!\n\n[x](#a-b-c) [y](#a-b) [z](no.md) [w](https://a.b)\n")
    assert leads_nowhere(page) == ["#a-b", "no.md"] and anchors(page.read_text()) == {"a-b-c"}
    (words,) = commands("text\n\n    dreamlab run 'a b' --presett fast   # so\n")
    assert words == ["run", "a b", "--presett", "fast"]
    with pytest.raises(SystemExit):
        check_command(words)
    with pytest.raises(ConfigError, match="stepz"):
        check_command(["run", "it", "--set", "stages.shape.stepz=3"])
    assert "--presett" not in options_of(_parser()) and "--lods" in options_of(_parser())


# ---- the site ----


def build(source: Path, out: Path, conf: Path) -> subprocess.CompletedProcess[str]:
    """As scripts/docs does it."""
    line = [sys.executable, "-m", "sphinx", "-b", "html", "-E", "-a", "-W", "--keep-going", "-q", "-c"]
    line += [str(conf), str(source), str(out)]
    return subprocess.run(line, cwd=ROOT, env=os.environ, capture_output=True, text=True)


def test_the_script_builds_the_site_as_the_test_does() -> None:
    script = ROOT / "scripts" / "docs"
    assert os.access(script, os.X_OK) and subprocess.run(["bash", "-n", str(script)]).returncode == 0
    text = script.read_text("utf-8")
    assert '-m sphinx -b html -E -a -W --keep-going -q -c docs . "$out"' in text
    assert "scripts/check_site.py" in text


def test_the_site_builds_without_a_warning_and_all_its_links_hold(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="the site is built where the extra `docs` is installed")
    done = build(ROOT, tmp_path, DOCS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(check_site.broken(tmp_path)) == []
    page = (tmp_path / "docs" / "python-api.html").read_text("utf-8")
    assert 'id="dreamlab.generate"' in page and 'id="dreamlab.Result.export"' in page
    assert "def __call__" in re.sub(r"<[^>]+>", "", (tmp_path / "docs" / "examples.html").read_text("utf-8"))
    assert "docs/index.html" in (tmp_path / "index.html").read_text("utf-8")


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="the site is built where the extra `docs` is installed")
    docs = tmp_path / "docs"
    shutil.copytree(DOCS / "site", docs / "site")
    shutil.copy(DOCS / "conf.py", docs)
    (docs / "index.md").write_text("# Title\n\n[x](nowhere.md)\n")
    done = build(tmp_path, tmp_path / "out", docs)
    assert done.returncode != 0 and "nowhere.md" in done.stderr


def test_links_of_a_built_site_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#x"></a><a href="b.html#y"></a><img src="c.png">')
    (tmp_path / "b.html").write_text('<p id="x"><a href="https://a.b"></a><a href="a.html"></a></p>')
    assert list(check_site.broken(tmp_path)) == ["a.html: b.html#y", "a.html: c.png"]
    assert check_site.main([str(tmp_path)]) == 1 and "c.png" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert check_site.main([str(tmp_path / "empty")]) == 1
