"""dreamlab rm: what goes can come back, and nothing else is touched."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dreamlab.core.errors import InputError
from dreamlab.run.folders import locked
from dreamlab.run.run_dir import RunDir
from dreamlab.run.trash import bring_back, discard, removable, trashed
from tests.cli.shelf import command, config_of, make_run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("outputs")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_run_that_was_removed_can_be_brought_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = make_run(home, "a red mushroom"), make_run(home, "a blue car")
    before = contents(run)
    assert command("rm", "1", "--yes", "--quiet") == 0
    assert capsys.readouterr().out == "outputs/.trash/0001-a-red-mushroom\n"
    assert not run.exists() and other.is_dir() and contents(home / ".trash" / run.name) == before
    assert command("rm", "--list", "--quiet") == 0
    assert capsys.readouterr().out == "outputs/.trash/0001-a-red-mushroom\n"
    assert command("rm", "--restore", "1", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row == {"event": "restored", "runs": ["outputs/0001-a-red-mushroom"]}
    assert contents(run) == before and not trashed(home)


def test_the_newest_in_the_trash_comes_back_where_none_is_named(home: Path) -> None:
    runs = [make_run(home), make_run(home)]
    assert command("rm", "1", "2", "--yes") == 0 and not any(run.exists() for run in runs)
    assert command("rm", "--restore") == 0 and [run.exists() for run in runs] == [False, True]


def test_the_latest_run_is_then_the_one_before(home: Path) -> None:
    first, _ = make_run(home), make_run(home)
    assert command("rm", "latest", "--yes") == 0
    assert RunDir.find(home, "latest").path == first


def test_a_number_is_not_given_out_again_while_the_trash_holds_it(home: Path) -> None:
    make_run(home)
    assert command("rm", "1", "--yes") == 0
    assert RunDir.create(home, config_of("a cat"), {}).path.name == "0002-a-cat"
    bring_back(home, "1")
    assert {p.name for p in home.iterdir()} == {".trash", "0001-a-red-ball", "0002-a-cat"}


def test_several_runs_go_or_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(home)
    assert command("rm", "1", "7", "--yes") == 2 and "there is no run '7'" in capsys.readouterr().err
    assert run.is_dir() and not trashed(home)
    assert command("rm", "1", run.name, str(run), "--yes") == 0  # three names of one
    assert len(trashed(home)) == 1


def test_a_run_that_is_worked_on_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = make_run(home), make_run(home)
    with locked(run):
        assert command("rm", "2", "1", "--yes") == 2
        assert "another process is working on" in capsys.readouterr().err
        with pytest.raises(InputError, match="another process is working"):
            discard(home, run)
    assert run.is_dir() and other.is_dir() and not trashed(home)


def test_only_runs_of_the_folder_are_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home)
    (home / "0002-photos").mkdir()
    (home / "0002-photos" / "one.jpg").write_bytes(b"x")
    elsewhere = make_run(Path("other"), "a cat")
    for name in ("2", "0002-photos", "outputs", ".", "..", "/", "outputs/0001-a-red-ball/previews"):
        assert command("rm", name, "--yes") == 2
        assert "there is no run" in capsys.readouterr().err
    assert command("rm", str(elsewhere), "--yes") == 2
    assert "does not lie in outputs" in capsys.readouterr().err
    assert elsewhere.is_dir() and (home / "0002-photos" / "one.jpg").is_file() and not trashed(home)
    assert command("rm", str(elsewhere), "--yes", "--out", "other") == 0 and not elsewhere.exists()


def test_links_out_of_the_folder_are_never_followed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = make_run(Path("other"), "a cat")
    run = make_run(home)
    (home / "0005-link").symlink_to(elsewhere.resolve())
    assert command("rm", "5", "--yes") == 2 and "is a link" in capsys.readouterr().err
    (run / "more").symlink_to(elsewhere.resolve())
    before = contents(elsewhere)
    assert command("rm", "1", "--yes") == 0 and command("rm", "--empty", "--yes") == 0
    assert contents(elsewhere) == before and not trashed(home)


def test_a_trash_that_leads_elsewhere_is_not_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, elsewhere = make_run(home), make_run(Path("other"), "a cat")
    (home / ".trash").symlink_to(elsewhere.parent.resolve())
    assert command("rm", "1", "--yes") == 2 and "not a folder of dreamlab's own" in capsys.readouterr().err
    assert command("rm", "--empty", "--yes") == 0
    assert run.is_dir() and elsewhere.is_dir()


def test_emptying_deletes_what_was_removed_and_nothing_else(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, _ = make_run(home), make_run(home)
    assert command("rm", "2", "--yes") == 0
    capsys.readouterr()
    assert command("rm", "--empty", "--yes") == 0 and capsys.readouterr().out == "deleted 1 run\n"
    assert kept.is_dir() and not list((home / ".trash").iterdir())
    assert command("rm", "--restore") == 2 and "is empty" in capsys.readouterr().err


def test_two_of_one_name_lie_in_the_trash_beside_each_other(home: Path) -> None:
    run = make_run(home, "a cat")
    named = run.rename(home / "cat")
    discard(home, removable(home, "cat"))
    make_run(home, "another cat").rename(named)
    discard(home, removable(home, "cat"))
    assert [r.name for r in trashed(home)] == ["cat", "cat~2"]
    assert bring_back(home, "cat~2").name == "cat"
    with pytest.raises(InputError, match="there again"):
        bring_back(home, "cat")


def test_a_path_in_the_way_does_not_stand_for_a_run_in_the_trash(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(home)
    discard(home, run)
    (Path("x") / run.name).mkdir(parents=True)
    (Path("x") / run.name / "config.yaml").write_text("prompt: mine\n")
    root = home.resolve()
    monkeypatch.chdir("x")
    bring_back(root, run.name)
    assert (root / run.name / "mesh.glb").is_file() and (Path(run.name) / "config.yaml").is_file()


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("yes\n", True), ("\n", False), ("", False)])
def test_a_terminal_is_asked(
    answer: str,
    gone: bool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run(home)
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert command("rm", "1") == 0
    told = capsys.readouterr().err
    assert "0001-a-red-ball" in told and "Move to the trash? [y/N]" in told
    assert run.exists() != gone and ("nothing was done" in told) != gone


@pytest.mark.parametrize("arguments", [("1",), ("--empty",), ("1", "--json")])
def test_where_nobody_can_be_asked_yes_must_be_said(
    arguments: tuple[str, ...],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run(home)
    make_run(home)
    assert command("rm", "2", "--yes") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    capsys.readouterr()
    assert command("rm", *arguments) == 2
    told = capsys.readouterr()
    assert "--yes" in told.out + told.err and run.is_dir() and len(trashed(home)) == 1


def test_what_begins_with_a_run_is_named_before_it_goes(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(home)
    make_run(home, "a blue ball", begin=str(run.resolve()))
    terminal = io.StringIO("n\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert command("rm", "1") == 0
    assert "needed by 0002-a-blue-ball" in capsys.readouterr().err


def test_odd_ways_to_ask_are_explained(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home)
    for arguments, words in [
        ((), "which run is to go"),
        (("--empty", "1"), "about the whole trash"),
        (("--list", "1"), "about the whole trash"),
        (("--list", "--empty"), "not allowed with"),
    ]:
        assert command("rm", *arguments) == 2
        assert words in capsys.readouterr().err
    assert command("rm", "--list") == 0 and "is empty" in capsys.readouterr().out
