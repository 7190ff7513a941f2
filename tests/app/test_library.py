"""The app's library: what is found, what is marked, and what is never reached."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from dreamlab.app.library import Library, NotThereError
from dreamlab.app.marks import DATABASE, LONGEST_TAG, MOST_TAGS, checked_tags
from dreamlab.app.repeating import recipe_of
from dreamlab.core.errors import DamagedError, InputError
from dreamlab.run.begin import new_run
from dreamlab.run.compare import flat
from dreamlab.run.folders import locked
from dreamlab.run.resolve import resolve
from dreamlab.run.run_dir import RunDir
from tests.cli.shelf import make_run
from tests.test_pictures_run import ball_picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def names(library: Library, words: str = "", **how) -> list[str]:
    return [entry.name for entry in library.search(words, **how).entries]


def test_runs_are_found_by_words_of_prompt_preset_state_and_tags(root: Path) -> None:
    make_run(root, "a red mushroom")
    make_run(root, "a blue car", preset="quality")
    make_run(root, "a red car", finished=False, steps=3, failed="no room")
    library = Library(root)
    library.mark("0001-a-red-mushroom", tags=["Garden"])
    assert names(library) == ["0003-a-red-car", "0002-a-blue-car", "0001-a-red-mushroom"]  # newest first
    assert names(library, "RED") == ["0003-a-red-car", "0001-a-red-mushroom"]
    assert names(library, "car quality") == ["0002-a-blue-car"]
    assert names(library, "failed") == ["0003-a-red-car"]
    assert names(library, "garden done") == ["0001-a-red-mushroom"]
    assert names(library, tag="Garden") == ["0001-a-red-mushroom"] and names(library, tag="garden") == []
    assert names(library, "red blue") == []


def test_pages_of_a_search_follow_each_other_without_gap_or_repetition(root: Path) -> None:
    for _ in range(7):
        make_run(root)
    library = Library(root)
    first = library.search(limit=3)
    second = library.search(limit=3, after=first.more)
    third = library.search(limit=3, after=second.more)
    numbers = [entry.run.number for shelf in (first, second, third) for entry in shelf.entries]
    assert numbers == [7, 6, 5, 4, 3, 2, 1] and third.more is None and first.total == third.total == 7
    assert library.search(limit=7).more is None
    library.discard("0005-a-red-ball")
    with pytest.raises(NotThereError, match="not among these any more"):
        library.search(after="0005-a-red-ball")


def test_favourites_and_tags_survive_a_restart_and_a_stay_in_the_trash(root: Path) -> None:
    name = make_run(root).name
    Library(root).mark(name, favourite=True, tags=[" toys ", "toys", "for  the garden", ""])
    entry = Library(root).entry(name)
    assert entry.mark.favourite and entry.mark.tags == ("toys", "for the garden")
    Library(root).mark(name, tags=["toys"])  # leaves the other as it is
    gone = Library(root).discard(name)
    assert names(Library(root), favourite=True) == []
    assert Library(root).bring_back(gone).mark == Library(root).entry(name).mark
    assert names(Library(root), favourite=True) == [name] and Library(root).search().tags == {"toys": 1}


def test_a_later_run_of_the_same_name_inherits_no_mark(root: Path) -> None:
    run = make_run(root)
    library = Library(root)
    library.mark(run.name, favourite=True)
    facts = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(facts | {"started": "2031-01-01T00:00:00Z"}))
    assert not library.entry(run.name).mark.favourite and names(library, favourite=True) == []


def test_marks_share_the_database_of_the_job_server(root: Path) -> None:
    from dreamlab.server.store import Store

    name = make_run(root).name
    Library(root).mark(name, favourite=True)  # before there is a store
    assert Store(root).jobs() == [] and Library(root).entry(name).mark.favourite


def test_a_damaged_database_is_told_and_not_overwritten(root: Path) -> None:
    name = make_run(root).name
    (root / DATABASE).write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedError, match="favourites and tags"):
        Library(root).mark(name, favourite=True)
    assert (root / DATABASE).read_bytes().startswith(b"no database")


def test_tags_of_another_kind_in_the_database_are_none(root: Path) -> None:
    name = make_run(root).name
    Library(root).mark(name, tags=["toys"])
    with sqlite3.connect(root / DATABASE) as database:
        database.execute("UPDATE marks SET tags = '{\"a\": 1}'")
    assert Library(root).entry(name).mark.tags == ()


def test_tags_are_few_and_short() -> None:
    assert checked_tags([f"{k}" for k in range(MOST_TAGS)])
    with pytest.raises(InputError, match="too many tags"):
        checked_tags([f"{k}" for k in range(MOST_TAGS + 1)])
    with pytest.raises(InputError, match="too long"):
        checked_tags(["x" * (LONGEST_TAG + 1)])


def test_no_more_runs_are_read_than_are_shown_but_a_search_reads_all(root: Path, monkeypatch) -> None:
    from dreamlab.app import library as module

    for _ in range(6):
        make_run(root)
    read: list[str] = []
    glance = module.glance
    monkeypatch.setattr(module, "glance", lambda path: (read.append(path.name[:4]), glance(path))[1])
    assert Library(root).search(limit=2).total == 6 and read == ["0006", "0005", "0004"]
    library = Library(root)
    assert library.search("ball", limit=2).total == 6 and len(read) == 9
    library.search("ball")
    assert len(read) == 9  # and none twice


NAMES = [
    "..",
    ".",
    "",
    "/",
    "../other/0001-a-cat",
    "0001-a-red-ball/../0001-a-red-ball",
    ".trash",
    "latest",
    "1",
    "0009-link",
    "%2e%2e",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(name: str, root: Path) -> None:
    make_run(root)
    elsewhere = make_run(root.parent / "other", "a cat")
    (root / "0009-link").symlink_to(elsewhere)
    library = Library(root)
    for ask in (library.entry, library.folder, library.discard, library.bring_back, library.files):
        with pytest.raises(NotThereError):
            ask(name)
    assert elsewhere.is_dir() and len(names(library)) == 1


@pytest.mark.parametrize(
    "file",
    [
        "../secret",
        "environment.json",
        ".lock",
        "checkpoints/x",
        "previews/../config.yaml",
        "mesh.link",
        "/etc/passwd",
        "",
    ],
)
def test_only_results_of_a_run_can_be_asked_for(file: str, root: Path) -> None:
    run = make_run(root)
    (root / "secret").write_text("x")
    (run / "mesh.link").symlink_to(root / "secret")
    library = Library(root)
    with pytest.raises(NotThereError):
        library.file(run.name, file)
    assert library.file(run.name, "mesh.glb") == run / "mesh.glb"
    assert library.file(run.name, "previews/000010.png").is_file()


def test_a_folder_of_previews_that_leads_elsewhere_is_not_entered(root: Path) -> None:
    run = make_run(root)
    (run / "previews").rename(root / "pictures")
    (run / "previews").symlink_to(root / "pictures")
    assert "preview" not in Library(root).files(run.name)


def test_what_a_run_becomes_is_seen_though_it_was_looked_at_before(root: Path) -> None:
    run = make_run(root, finished=False, steps=5)
    library = Library(root)
    assert library.entry(run.name).run.state == "stopped"
    with locked(run):
        assert library.entry(run.name).run.state == "running"
    assert library.entry(run.name).run.state == "stopped"
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "stage": "colour"}\n')
    assert library.entry(run.name).run.step == 9


def test_runs_that_cannot_be_read_are_named_with_the_reason(root: Path) -> None:
    make_run(root)
    (make_run(root) / "config.yaml").write_text("- no\n- settings\n")
    shelf = Library(root).search()
    assert [entry.run.number for entry in shelf.entries] == [1]
    assert list(shelf.damaged) == ["0002-a-red-ball"] and "config.yaml" in shelf.damaged["0002-a-red-ball"]


def test_a_run_that_is_worked_on_does_not_go_to_the_trash(root: Path) -> None:
    run = make_run(root)
    with locked(run), pytest.raises(InputError, match="another process is working"):
        Library(root).discard(run.name)
    assert run.is_dir()


def test_an_empty_or_missing_folder_is_an_empty_library(root: Path) -> None:
    assert names(Library(root)) == [] and Library(root).trashed() == []
    root.mkdir()
    assert Library(root).search().total == 0 and not (root / DATABASE).exists()


def test_a_recipe_names_what_differs_from_the_preset_and_gives_the_same_run(root: Path) -> None:
    said = [
        "stages.shape.steps=7",
        "field.width=32",
        "guidance.kind=csd",
        "stages.export.formats=[stl]",
        "threads=1",
    ]
    config = resolve("a red ball", preset="fast", overrides=[*said, "seed=5", "negative_prompt=blue"])
    run = RunDir.create(root, config, {"preset": "fast"}).path
    recipe = recipe_of(run)
    assert (recipe.prompt, recipe.negative, recipe.preset, recipe.seed, recipe.lost) == (
        "a red ball",
        "blue",
        "fast",
        5,
        "",
    )
    assert {
        "stages.shape.steps": 7,
        "field.width": 32,
        "guidance.kind": "csd",
    }.items() <= recipe.settings.items()
    assert "threads" not in recipe.settings
    overrides = [f"{key}={json.dumps(value)}" for key, value in recipe.settings.items()]
    again = resolve(
        "a red ball", preset="fast", overrides=[*overrides, "seed=5", "negative_prompt=blue", "threads=1"]
    )
    assert flat(again.model_dump(mode="json")) == flat(config.model_dump(mode="json"))


def test_a_recipe_has_the_runs_own_copies_of_its_pictures_and_names_no_other_file(root: Path) -> None:
    file = ball_picture(root.parent / "ball.png")
    images = [{"path": str(file), "azimuth": 30, "fill": 0.7}, {"path": str(file), "azimuth": 90}]
    run = new_run(
        resolve("a red ball", preset="fast", settings={"images": images}), root, None, {"preset": "fast"}
    )
    recipe = recipe_of(run.path)
    assert recipe.lost == "" and not any("image" in key for key in recipe.settings)
    cameras = [(image["file"], image["azimuth"], image["fill"]) for image in recipe.images]
    assert cameras == [("picture-1.png", 30, 0.7), ("picture-2.png", 90, 0.9)]
    assert str(file) not in str(recipe)
    assert Library(root).files(run.path.name)["picture"] == ["picture-1.png", "picture-2.png"]


def test_a_recipe_says_what_it_cannot_give(root: Path) -> None:
    config = resolve("a red ball", preset="fast")
    other = RunDir.create(root, config, {"preset": "gone"}).path
    given = RunDir.create(
        root, resolve("a cat", preset="refine", settings={"begin": "x.glb"}), {"preset": "fast"}
    ).path
    assert "its preset cannot be used" in recipe_of(other).lost
    assert "stages are others" in recipe_of(given).lost
