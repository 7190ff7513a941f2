"""The library over HTTP."""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamlab.app.exporting import ExportOptions
from dreamlab.app.pages import _pages as page_files
from dreamlab.run.begin import new_run
from dreamlab.run.compare import compare
from dreamlab.run.resolve import from_values
from dreamlab.run.styles import STYLES
from dreamlab.run.trash import trashed
from dreamlab.server.security import Guard
from tests.app.shop import client, fake_export, make_shown_run
from tests.cli.shelf import make_run
from tests.test_pictures_run import ball_picture

EVIL = '<img src=x onerror="alert(1)">'
RUN = "/v1/runs/0001-a-red-ball"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def test_a_run_is_told_whole_and_its_files_can_be_fetched(root: Path) -> None:
    run = make_run(root, measures={"psnr": float("nan")})
    with client(root) as web:
        (listed,) = web.get("/v1/runs").json()["runs"]
        told = web.get(listed["url"]).json()
        assert told["prompt"] == "a red ball" and told["seconds"] == 103.0 and told["faces"] == 300
        figures = {row["key"]: row["value"] for row in told["figures"]}
        assert figures["silhouette_iou"] == 0.97 and figures["psnr"] == "nan" and figures["seconds"] == 103.0
        glb = web.get(told["files"]["mesh"]["mesh.glb"])
        assert glb.content == (run / "mesh.glb").read_bytes()
        assert glb.headers["content-disposition"] == 'attachment; filename="0001-a-red-ball.glb"'
        assert web.get(told["files"]["preview"]["previews/000010.png"]).headers["content-type"] == "image/png"


def test_a_run_of_a_picture_is_asked_for_again_by_its_own_copy(root: Path) -> None:
    file = ball_picture(root.parent / "ball.png")
    with client(root) as web:
        picture = web.post("/v1/pictures", content=file.read_bytes()).json()["picture"]
        asked = {"prompt": "a red ball", "images": [{"picture": picture, "azimuth": 30}]}
        job = web.app.state.store.job(web.post("/v1/jobs", json=asked).json()["id"])  # type: ignore[attr-defined]
        run = new_run(from_values(job.config), root, None, {"preset": "fast"}).path
        (image,) = web.get(f"/v1/runs/{run.name}/recipe").json()["images"]
        copy = web.get(image.pop("url"))
        assert copy.content == (run / "picture-1.png").read_bytes()
        again = web.post("/v1/pictures", content=copy.content).json()["picture"]
        images = [image | {"picture": again}]
        answer = web.post("/v1/jobs", json={"prompt": "a red ball", "images": images})
        assert answer.status_code == 201, answer.text
        assert answer.json()["images"] == [job.images[0] | {"picture": again}]
        framed = Image.open(io.BytesIO(web.get(f"/v1/pictures/{again}").content))
        was, now = (np.asarray(each)[..., 3] / 255.0 for each in (Image.open(run / "picture-1.png"), framed))
        assert np.abs(was - now).mean() < 0.01  # framed again, it stays as large


def test_a_report_is_a_stranger_to_the_app(root: Path) -> None:
    make_run(root)
    with client(root) as web:
        policy = web.get(f"{RUN}/files/report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;") and "default-src 'none'" in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "path", ["/v1/runs/..", "/v1/runs/%2e%2e%2fother", "/v1/runs/..%2F..%2Fetc/files/passwd", "/pages.py",
             f"{RUN}/files/..%2F..%2Fsecret", f"{RUN}/files/%2Fetc%2Fpasswd", f"{RUN}/files/environment.json",
             "/v1/runs/.trash/thumbnail", "/..%2fapp.py"],
)  # fmt: skip
def test_no_address_leads_out_of_the_folder(path: str, root: Path) -> None:
    make_run(root)
    (root / "secret").write_text("x")
    with client(root) as web:
        answer = web.get(path)
        assert answer.status_code == 404 and "error" in answer.json()


def test_what_people_write_is_answered_as_json_and_never_as_a_page(root: Path) -> None:
    run = make_run(root, EVIL)
    with client(root) as web:
        assert web.patch(f"/v1/runs/{run.name}", json={"tags": [EVIL]}).json()["tags"] == [EVIL]
        assert web.patch(f"/v1/runs/{run.name}", json={"tags": ["x" * 99]}).status_code == 422
        for path in ("/v1/runs", f"/v1/runs/{run.name}", f"/v1/runs/{EVIL}"):
            answer = web.get(path)
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_favourites_outlive_the_server(root: Path) -> None:
    make_run(root)
    with client(root) as web:
        assert web.patch(RUN, json={"favourite": True, "tags": ["toys"]}).json()["favourite"]
    with client(root) as web:
        shelf = web.get("/v1/runs?favourite=true&tag=toys&words=ball").json()
        assert [run["name"] for run in shelf["runs"]] == ["0001-a-red-ball"] and shelf["tags"] == {"toys": 1}
        assert web.patch(RUN, json={"favorite": True}).status_code == 422  # unknown words are refused


def test_a_run_goes_to_the_trash_and_comes_back_to_the_byte(root: Path) -> None:
    run = make_run(root)
    before = {path.name: path.read_bytes() for path in run.glob("*.*")}
    with client(root) as web:
        gone = web.delete(RUN).json()["trashed"]
        assert web.get(RUN).status_code == 404 and len(trashed(root)) == 1
        assert [row["name"] for row in web.get("/v1/trash").json()["runs"]] == [gone]
        assert web.post(f"/v1/runs/{gone}/restore").json()["name"] == run.name
        assert web.post(f"/v1/runs/{gone}/restore").status_code == 404
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == before


def test_a_page_of_another_site_changes_nothing(root: Path) -> None:
    run = make_run(root)
    with client(root) as web:
        foreign = {"origin": "http://evil.example"}
        assert web.delete(RUN, headers=foreign).status_code == 403
        assert web.post(f"{RUN}/restore", headers=foreign).status_code == 403
        assert web.get("/v1/runs", headers={"host": "evil.example"}).status_code == 421
    assert run.is_dir()


def test_beyond_this_machine_pages_pictures_and_runs_want_the_token(root: Path) -> None:
    run = make_run(root)
    token = "a-token-that-is-long-enough-to-be-one"
    with client(root, guard=Guard(token=token)) as web:
        paths = ("/", "/main.js", "/v1/runs", RUN, f"{RUN}/thumbnail", f"{RUN}/files/mesh.glb")
        assert [web.get(path).status_code for path in paths] == [401] * len(paths)
        assert web.delete(RUN).status_code == 401 and run.is_dir()
        asked = web.get("/", headers={"accept": "text/html"})  # a browser is led to where it can say it
        assert asked.url.path == "/login" and asked.status_code == 200
        assert web.post("/login", data={"token": token}).status_code == 200  # and then to the page
        assert [web.get(path).status_code for path in paths] == [200] * len(paths)


def test_the_diff_is_that_of_compare(root: Path) -> None:
    runs = [make_run(root, seed=1), make_run(root, "a blue ball", seed=2, finished=False)]
    found = compare(runs)
    with client(root) as web:
        told = web.get(f"/v1/runs/{runs[0].name}/diff/{runs[1].name}").json()
        assert web.get(f"/v1/runs/{runs[0].name}/diff/nothing").status_code == 404
    assert told["settings"] == json.loads(json.dumps(found.settings)) and "seed" in told["settings"]
    assert told["called"]["silhouette_iou"] == "silhouettes of mesh and field, overlap"
    assert told["figures"] == found.figures and told["unfinished"] == [runs[1].name]


def test_thumbnails_are_the_turntable_and_change_with_it(root: Path) -> None:
    run = make_shown_run(root, "a red ball", (1.0, 0.0, 0.0))
    with client(root) as web:
        still = Image.open(io.BytesIO(web.get(f"{RUN}/thumbnail").content)).convert("RGB")
        assert (
            still.size == (256, 256) and still.getpixel((128, 128))[0] > 200 > still.getpixel((128, 128))[1]
        )
        assert web.get(f"{RUN}/thumbnail?turn=1").content == (run / "turntable.webp").read_bytes()
        Image.new("RGB", (64, 64), (0, 0, 255)).save(run / "turntable.webp")
        os.utime(run / "turntable.webp", ns=(1, 1))
        later = Image.open(io.BytesIO(web.get(f"{RUN}/thumbnail").content)).convert("RGB")
        assert later.getpixel((128, 128))[2] > 200 > later.getpixel((128, 128))[0]


def test_a_run_without_a_picture_has_a_thumbnail_that_says_so(root: Path) -> None:
    (make_run(root, finished=False) / "previews" / "000010.png").unlink()
    with client(root) as web:
        answer = web.get(f"{RUN}/thumbnail?turn=1")
    assert answer.status_code == 200 and Image.open(io.BytesIO(answer.content)).size == (256, 256)


# ---- exports ----


def test_an_export_is_what_the_command_wrote_and_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch
) -> None:
    run = make_run(root)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    one = fake_export("(to / 'a.stl').write_text(json.dumps(args))")
    with client(root, one) as web:
        answer = web.post(
            f"{RUN}/export",
            json={"formats": ["stl"], "faces": 500, "recolor": {"red": "--to=/etc"}, "quads": True},
        )
    said = json.loads(answer.content)
    assert answer.headers["content-disposition"] == 'attachment; filename="a.stl"'
    assert said[:6] == [
        "export",
        "--format=stl",
        "--faces=500",
        "--recolor=red=--to=/etc",
        "--quads",
        said[5],
    ]
    assert said[-1] == str(run) and said[-2] == "--json"
    two = fake_export("(to / 'a.obj').write_text('o'); (to / 'a.mtl').write_text('m')")
    with client(root, two) as web:
        answer = web.post(f"{RUN}/export", json={"formats": ["obj"]})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.mtl": b"m", "a.obj": b"o"}
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"formats": []}, {"formats": ["exe"]}, {"faces": 3}, {"faces": 10**7}, {"texture": 10**5},
                {"to": "/etc"}, {"size": "x" * 99}, {"recolor": {str(k): "red" for k in range(99)}},
                {"style": "--to=/etc"}],
)  # fmt: skip
def test_exports_that_ask_for_too_much_or_the_unknown_are_refused(options: dict, root: Path) -> None:
    make_run(root)
    with client(root, fake_export("sys.exit(9)")) as web:
        assert web.post(f"{RUN}/export", json=options).status_code == 422
        assert web.post("/v1/runs/nothing/export", json={}).status_code == 404


def test_what_the_command_refuses_is_told_in_its_words(root: Path) -> None:
    make_run(root)
    refuses = "print(json.dumps({'event': 'error', 'message': 'the size cannot be read.'})); sys.exit(2)"
    with client(root, fake_export(refuses)) as web:
        answer = web.post(f"{RUN}/export", json={"size": "big"})
    assert answer.status_code == 422 and answer.json()["error"] == "the size cannot be read."
    for script, words in (("sys.exit(1)", "did not say of what"), ("pass", "wrote nothing")):
        with client(root, fake_export(script)) as web:
            assert words in web.post(f"{RUN}/export", json={}).json()["error"]


def test_an_export_that_takes_too_long_is_ended(root: Path, tmp_path: Path) -> None:
    make_run(root)
    slow = fake_export(
        f"import os; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(60)",
        seconds=1.5,
    )
    with client(root, slow) as web:
        assert "was ended" in web.post(f"{RUN}/export", json={}).json()["error"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_exports_go_one_at_a_time_and_too_many_are_refused(root: Path, tmp_path: Path) -> None:
    """Each holds a file while it works, and notes if it finds one."""
    make_run(root)
    mark, go = tmp_path / "at-work", tmp_path / "go"
    script = (
        f"mark = pathlib.Path({str(mark)!r}); (to / 'a.glb').write_text(str(mark.exists())); mark.touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(.02)\n"
        "mark.unlink()"
    )
    exporter = fake_export(script, waiting=1)
    answers = []
    with client(root, exporter) as web:
        ask = lambda: answers.append(web.post(f"{RUN}/export", json={}))  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        while exporter._places < 2 or not mark.exists():
            time.sleep(0.01)
        refused = web.post(f"{RUN}/export", json={})
        go.touch()
        for thread in threads:
            thread.join()
    assert refused.status_code == 429 and "under way" in refused.json()["error"]
    assert [answer.text for answer in answers] == ["False", "False"] and exporter._places == 0


@pytest.mark.slow
def test_a_real_run_is_exported_by_the_real_command(root: Path) -> None:
    """Of a run that is made by the server's own worker."""
    from tests.server.desk import until

    with client(root, workers=1) as web:
        job = web.post("/v1/jobs", json={"prompt": "a red ball"}).json()
        done = until(
            lambda: (now := web.get(f"/v1/jobs/{job['id']}").json())["state"] in ("done", "failed") and now,
            120,
        )
        assert done["state"] == "done", done["error"]
        answer = web.post(
            f"/v1/runs/{done['run']}/export", json={"formats": ["stl"], "size": "12cm", "texture": 0}
        )
        assert answer.status_code == 200 and len(answer.content) > 84


def test_options_become_arguments_that_the_command_takes() -> None:
    from dreamlab.cli import _parser

    options = ExportOptions(
        formats=("glb", "obj"), faces=500, size="12cm", origin="base", texture=512, texture_format="jpeg",
        style="low-poly", palette="on", parts="meshes", recolor={"red": "navy"}, quads=True,
        compression="draco",
    )  # fmt: skip
    args = _parser().parse_args(["export", *options.arguments(), "--to=x", "--name=y", "--json", "run"])
    assert (args.format, args.faces, args.size, args.origin, args.texture, args.texture_format) == (
        "glb,obj", 500, "12cm", "base", 512, "jpeg",
    )  # fmt: skip
    assert (args.style, args.palette, args.parts, args.recolor) == ("low-poly", "on", "meshes", ["red=navy"])
    assert args.quads and args.draco and args.subject == "run"


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_the_command_can_be_asked_for(style: str, root: Path) -> None:
    make_run(root)
    with client(root, fake_export("(to / 'a.stl').write_text(json.dumps(args))")) as web:
        assert f"--style={style}" in web.post(f"{RUN}/export", json={"style": style}).json()
        refused = web.post(f"{RUN}/export", json={"style": style.upper()})
        said = web.get("/v1/openapi.json").json()["components"]["schemas"]["ExportOptions"]["properties"]
    assert refused.status_code == 422 and "low-poly" in refused.json()["error"]
    assert said["style"]["enum"] == list(STYLES)


def test_the_page_offers_every_style() -> None:
    text = page_files()["exporting.js"].decode()
    listed = text.partition("const STYLES = ")[2].partition(";")[0]
    assert tuple(re.findall(r'"([\w-]+)"', listed)) == tuple(STYLES)
