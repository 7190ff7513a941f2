"""Where `export` and `render` write: files, folders, other names; and that what errors advise is right."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from dreamlab.cli import main
from dreamlab.cli.destination import OTHERS, WRITTEN, Destination, destination
from dreamlab.core.errors import InputError
from dreamlab.mesh.io.load import READABLE, load

TALL = (0.2, 0.5, 0.3)  # width, height, depth; metres, +Y up


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with chair.glb, of TALL, in it."""
    monkeypatch.chdir(tmp_path)
    trimesh.creation.box(TALL).export(tmp_path / "chair.glb")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def extent(path: str, up: str | None = None) -> list[float]:
    vertices = load(path, up=up).vertices  # type: ignore[arg-type]
    return (vertices.amax(0) - vertices.amin(0)).tolist()


# ---- what --to, --format and --name mean ----


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("capitals", [False, True])
def test_a_file_is_one_of_its_format(kind: str, capitals: bool) -> None:
    name = f"a/Chair.v2{kind.upper() if capitals else kind}"
    assert destination(name, None, None) == Destination(Path("a"), "Chair.v2", (kind[1:],))
    assert destination(name, kind[1:], None).formats == (kind[1:],)


@pytest.mark.parametrize("to", ["out", "out/", "a/b", "v1.2", "chair.final", ".hidden"])
def test_other_names_are_folders(to: str) -> None:
    assert destination(to, "glb, .OBJ,glb", "x") == Destination(Path(to), "x", ("glb", "obj"))
    assert destination(to, None, None) == Destination(Path(to), None, ("glb",))


def test_a_folder_may_be_called_as_a_file_is(tmp_path: Path) -> None:
    assert destination(f"{tmp_path}/x.stl/", None, None).folder == tmp_path / "x.stl"
    (tmp_path / "y.stl").mkdir()
    assert destination(f"{tmp_path}/y.stl", None, None) == Destination(tmp_path / "y.stl", None, ("glb",))


@pytest.mark.parametrize("kind", OTHERS)
def test_formats_that_are_not_written_name_those_that_are(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        destination(f"chair{kind}", None, None)
    assert all(written in str(caught.value) for written in WRITTEN) and f"got {kind}" in str(caught.value)


def test_every_format_that_is_read_is_written_or_known_not_to_be() -> None:
    assert set(READABLE) <= {*WRITTEN, *OTHERS}


@pytest.mark.parametrize(
    ("to", "formats", "name", "words"),
    [
        ("a.stl", "glb", None, "one file of one format; expected --format stl, got glb"),
        ("a.stl", "stl,glb", None, "one file of one format"),
        ("a.stl", None, "b", "a name already. Take --name away"),
        (".stl", None, None, "has no name"),
        ("x/.splat.ply", None, None, "has no name"),
        (None, None, "a/b", "a file name without folders, got a/b"),
        (None, None, "", "a file name without folders"),
        (None, None, "..", "a file name without folders"),
    ],
)
def test_what_contradicts_itself_is_refused(
    to: str | None, formats: str | None, name: str | None, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        destination(to, formats, name)
    assert words in str(caught.value)


# ---- what is written ----


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (["--to", "a.stl"], {"a.stl"}),
        (["--to", "new/deep/a.stl"], {"new/deep/a.stl"}),
        (["--to", "out/"], {"out/chair.glb"}),
        (["--to", "out", "--format", "stl,ply"], {"out/chair.stl", "out/chair.ply"}),
        (["--to", "out", "--name", "seat"], {"out/seat.glb"}),
        (["--format", "stl"], {"chair.stl"}),
        ([], {"chair-export.glb"}),
        (["--to", "A.STL"], {"A.stl"}),
        (["--to", "a.splat.ply"], {"a.splat.ply"}),
        (["--to", "a b.obj"], {"a b.obj", "*.mtl"}),
    ],
)
def test_files_are_where_they_were_asked_for(
    options: list[str], written: set[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "chair.glb", *options]) == 0
    new = files(home) - {"chair.glb"}
    assert {"*.mtl" if name.endswith(".mtl") else name for name in new} == written
    told = capsys.readouterr().out
    assert all(Path(name).name in told for name in written if "*" not in name)


@pytest.mark.parametrize(
    ("kind", "scale"), [("stl", 1000), ("3mf", 1000), ("obj", 1), ("ply", 1), ("off", 1)]
)
@pytest.mark.parametrize("up", ["y", "z"])
def test_up_is_the_axis_of_the_file(kind: str, scale: float, up: str, home: Path) -> None:
    """A file in its own axes, read with --up, is as tall as it is; trimesh says what lies where."""
    width, height, depth = (x * scale for x in TALL)
    box = trimesh.creation.box((width, height, depth) if up == "y" else (width, depth, height))
    box.export(home / f"other.{kind}")
    assert main(["export", f"other.{kind}", "--up", up, "--to", "out.glb"]) == 0
    assert extent("out.glb") == pytest.approx(TALL, rel=1e-5)
    usual = "z" if kind in ("stl", "3mf") else "y"
    if up == usual:
        assert main(["export", f"other.{kind}", "--to", "usual.glb"]) == 0
        assert extent("usual.glb") == pytest.approx(TALL, rel=1e-5)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png"])
def test_a_still_is_what_its_name_says(name: str, home: Path) -> None:
    assert main(["render", "chair.glb", "--to", name, "--size", "32", "--renderer", "native"]) == 0
    with Image.open(home / name) as image:
        assert image.format == ("PNG" if name.endswith("png") else "JPEG") and image.size == (32, 32)


def test_wrong_endings_name_the_right_ones(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, wrong, right in (
        ("export", "a.fbx", WRITTEN),
        ("render", "a.gif", (".mp4", ".webp", ".png", ".jpg")),
        ("render", "a", (".mp4", ".webp", ".png", ".jpg")),
    ):
        assert main([command, "chair.glb", "--to", wrong]) == 2
        said = capsys.readouterr().err
        assert all(kind in said for kind in right)
    assert files(home) == {"chair.glb"}


# ---- what is never replaced ----


def test_a_file_that_happens_to_have_the_name_stays(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "chair.stl").write_bytes(b"somebody's work")
    for name in ("chair-export", "chair-export-2", "chair-export-3"):
        caplog.clear()
        assert main(["export", "chair.glb", "--format", "stl"]) == 0
        assert (home / f"{name}.stl").is_file()
        assert (
            f"chair.stl is left as it is: what is made now is called {name} (--name chair replaces it)"
            in caplog.text
        )
    assert (home / "chair.stl").read_bytes() == b"somebody's work"


def test_also_in_another_folder_and_as_a_link_and_beside_an_obj(home: Path) -> None:
    (home / "out").mkdir()
    os.symlink("nowhere", home / "out" / "chair.glb")
    (home / "out" / "chair-export.mtl").write_text("somebody's")
    assert main(["export", "chair.glb", "--format", "glb,obj", "--to", "out"]) == 0
    assert os.readlink(home / "out" / "chair.glb") == "nowhere"
    assert (home / "out" / "chair-export.mtl").read_text() == "somebody's"
    assert {"out/chair-export-2.glb", "out/chair-export-2.obj", "out/chair-export-2.mtl"} <= files(home)


@pytest.mark.parametrize("options", [["--format", "stl", "--name", "chair"], ["--to", "chair.stl"]])
def test_what_is_named_is_replaced(options: list[str], home: Path) -> None:
    (home / "chair.stl").write_bytes(b"somebody's work")
    assert main(["export", "chair.glb", *options]) == 0
    assert len((home / "chair.stl").read_bytes()) == 84 + 50 * 12


def test_the_source_is_not_even_if_it_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (home / "chair.glb").read_bytes()
    os.symlink("chair.glb", home / "link.glb")
    os.link(home / "chair.glb", home / "hard.glb")
    for options in (["--to", "chair.glb"], ["--name", "chair"], ["--to", "link.glb"], ["--to", "hard.glb"]):
        assert main(["export", "chair.glb", *options]) == 2
        assert "would be replaced, which chair.glb is read from" in capsys.readouterr().err
    assert main(["export", "link.glb"]) == 0  # of another name, and the link would be written over
    assert (home / "chair.glb").read_bytes() == before and (home / "link-export.glb").is_file()


# ---- advice ----


@pytest.mark.parametrize(
    ("options", "change"),
    [
        (["--to", "a.stl", "--format", "glb"], {"--format": "stl"}),
        (["--to", "a.stl", "--format", "glb"], {"--format": None}),
        (["--to", "a.stl", "--format", "glb"], {"--to": "folder"}),
        (["--to", "a.stl", "--name", "b"], {"--name": None}),
        (["--to", "chair.glb"], {"--to": "other.glb"}),
        (["--name", "chair"], {"--name": "other"}),
        (["--name", "chair"], {"--to": "folder"}),
        (["--to", "a.fbx"], {"--to": "folder"}),
        (["--to", "a.fbx"], {"--to": "a.3mf"}),
        (["--name", "a/b"], {"--name": "b"}),
    ],
)
def test_advice_that_is_followed_works(
    options: list[str], change: dict[str, str | None], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option that an error names, changed as it says."""
    assert main(["export", "chair.glb", *options]) == 2
    said = capsys.readouterr().err
    (option, value) = next(iter(change.items()))
    assert option in said or "a folder" in said or "a name ending in" in said
    given = dict(zip(options[::2], options[1::2], strict=True)) | change
    words = [word for key, text in given.items() if text is not None for word in (key, text)]
    assert main(["export", "chair.glb", *words]) == 0
    assert value is None or value in said or len(files(home)) > 1


@pytest.mark.parametrize("name", ["chair", "my chair's", "-chair", "$(x)"])
def test_the_way_to_replace_a_file_is_a_right_command(
    name: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also for a name that a shell would take apart."""
    os.rename("chair.glb", f"{name}.glb")
    Path(f"{name}.stl").write_bytes(b"old")
    assert main(["export", f"./{name}.glb", "--format", "stl"]) == 0
    found = re.search(r"\((--name.*) replaces it\)", caplog.text)
    assert found is not None
    assert main(["export", f"./{name}.glb", "--format", "stl", *shlex.split(found[1])]) == 0
    assert Path(f"{name}.stl").stat().st_size == 84 + 50 * 12


@pytest.mark.parametrize("to", ["chair.glb/x", "/dev/null/x", "/proc/x/a.stl"])
def test_a_folder_that_cannot_be_made_is_told(
    to: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "chair.glb", "--to", to]) == 2
    said = capsys.readouterr().err
    assert "cannot be made; got" in said and "Traceback" not in said


# ---- names ----


@pytest.mark.parametrize("name", [b"st\xfchl", "椅子 🍄".encode(), b"-chair", b"a\nb", b"a%s"])
@pytest.mark.parametrize("kind", ["glb", "obj", "stl"])
def test_names_of_any_bytes_are_read_and_written(name: bytes, kind: str, home: Path) -> None:
    source = os.fsdecode(name) + ".glb"
    os.rename("chair.glb", source)
    assert main(["export", f"./{source}", "--format", kind, "--to", "out"]) == 0
    assert (
        os.fsencode(next(p for p in (home / "out").iterdir() if p.suffix == f".{kind}").name)
        == name + f".{kind}".encode()
    )
    assert main(["export", f"./{source}", "--to", f"./{os.fsdecode(name)}-2.{kind}"]) == 0
    assert extent(f"./out/{os.fsdecode(name)}.{kind}") == pytest.approx(TALL, rel=1e-4)
