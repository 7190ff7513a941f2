"""The Blender add-on: its pure parts always, the whole in Blender's own Python where that is at hand.

BLENDER_PYTHON names a Python that has bpy: python3.11 -m venv V; V/bin/pip install bpy==5.0.1 "numpy<2".
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = f"{sys.executable} {ROOT / 'tests' / 'blender' / 'stand_in.py'}"


def load(module: str = "") -> ModuleType:
    """The add-on, or a module of it, as Blender would load it."""
    folder = ROOT / "scripts" / "blender" / "dreamlab_addon"
    if "dreamlab_addon" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "dreamlab_addon", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["dreamlab_addon"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["dreamlab_addon"])
    return importlib.import_module(f"dreamlab_addon.{module}") if module else sys.modules["dreamlab_addon"]


orders, jobs = load("orders"), load("jobs")
Order = orders.Order


def over(job: Any) -> Any:
    """The job's progress at its end."""
    job.wait(60)
    assert job.progress.state != "running"
    return job.progress


# ---- orders ----


def test_the_words_of_a_command_are_those_of_dreamlab() -> None:
    from dreamlab.cli import _parser

    words = orders.command_line("python -m dreamlab", Order("a fox", "fast", 7), "runs", "--device cpu")
    assert words[:3] == ["python", "-m", "dreamlab"]
    args = _parser().parse_args(words[3:])
    assert (args.prompt, args.preset, args.seed, args.out) == ("a fox", "fast", 7, Path("runs"))
    assert args.json and args.device == "cpu" and args.begin is None
    mesh = orders.command_line("dreamlab", Order("a fox", mesh="cube.glb", repaint=True), "runs")
    args = _parser().parse_args(mesh[1:])
    assert args.begin == "cube.glb" and args.preset is None and args.set[-2:] == list(orders.REPAINT)


def test_a_path_with_blanks_is_one_word(tmp_path: Path) -> None:
    program = tmp_path / "my tools" / "dreamlab"
    program.parent.mkdir()
    program.touch()
    assert orders.command_line(str(program), Order("a fox"), "runs")[0] == str(program)
    with pytest.raises(ValueError, match="preferences"):
        orders.command_line("", Order("a fox"), "runs")


def test_presets_are_some_that_there_are() -> None:
    from dreamlab.run.presets import preset_names

    assert set(orders.PRESETS) <= set(preset_names())


def test_a_server_is_not_sent_a_mesh() -> None:
    assert orders.request(Order("a fox", "fast", 7)) == {"prompt": "a fox", "preset": "fast", "seed": 7}
    with pytest.raises(ValueError, match="prompts alone"):
        orders.request(Order("a fox", mesh="cube.glb"))


@pytest.mark.slow  # colours are fitted first
def test_what_a_repainted_mesh_is_set_to_moves_no_corner(tmp_path: Path) -> None:
    """By the settings that the add-on gives, on a mesh of more faces than refined ones are left with."""
    import numpy as np
    import trimesh
    from known import red_ball_prior

    from dreamlab.mesh.io.load import load as load_mesh
    from dreamlab.run.machine import environment
    from dreamlab.run.pipeline import generate
    from dreamlab.run.resolve import resolve
    from dreamlab.run.run_dir import RunDir

    ball = trimesh.creation.icosphere(subdivisions=4, radius=2.0)  # 5,120 faces
    ball.export(tmp_path / "ball.glb")
    small = ["stages.refine.steps=3", "stages.refine.views=4", "stages.refine.size=16", "cfg.mean_color=null"]
    small += ["cfg.camera=null", "stages.texture.resolution=64", "stages.turntable.frames=0"]
    small += ["stages.texture.palette.mode=off", "stages.export.formats=[glb]", *orders.REPAINT]
    config = resolve(
        "a red ball", preset="refine", settings={"begin": str(tmp_path / "ball.glb")}, overrides=small
    )
    run = RunDir.create(tmp_path / "runs", config, environment())
    list(generate(config, run, red_ball_prior()))
    mesh = load_mesh(run.path / "mesh.glb")
    assert len(mesh.faces) == 5120
    known = trimesh.PointCloud(np.asarray(ball.vertices) / 2.0).kdtree
    assert known.query(mesh.vertices.numpy())[0].max() < 1e-5


# ---- a process ----


def test_a_process_tells_how_far_it_is_and_where_its_mesh_lies(tmp_path: Path) -> None:
    progress = over(jobs.ProcessJob(STAND_IN, Order("a tower"), str(tmp_path)))
    assert progress.state == "done" and Path(progress.files["glb"]).is_file()
    assert (progress.step, progress.steps, progress.share) == (4, 4, 1.0)
    assert progress.note == "a note" and progress.run


@pytest.mark.parametrize(
    ("prompt", "said"), [("fail", "the prompt is unknown"), ("crash", "Traceback no such thing")]
)
def test_a_process_that_fails_says_of_what(tmp_path: Path, prompt: str, said: str) -> None:
    progress = over(jobs.ProcessJob(STAND_IN, Order(prompt), str(tmp_path)))
    assert progress.state == "failed" and progress.error == said


def test_a_process_can_be_cancelled(tmp_path: Path) -> None:
    job = jobs.ProcessJob(STAND_IN, Order("hang"), str(tmp_path))
    while job.progress.step < 2:
        time.sleep(0.02)
    job.cancel()
    progress = over(job)
    assert progress.state == "cancelled" and progress.error == "" and job._process.returncode == 130


def test_a_command_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        jobs.ProcessJob(str(tmp_path / "nothing"), Order("a tower"), str(tmp_path))


# ---- a server ----


class Desk(BaseHTTPRequestHandler):
    """Answers as a dreamlab server does; what it was asked stands in `asked`."""

    asked: list[tuple[str, str, Any, str]]
    looks: int

    def _answer(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(("POST", self.path, body, self.headers.get("Authorization", "")))
        if body["prompt"] == "refused":
            self._answer(b'{"error": "the queue is full", "mend": "Try again"}', 429)
        else:
            self._answer(json.dumps({"id": "j1", "state": "queued", "step": 0, "steps": 0}).encode(), 201)

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, None, ""))
        if self.path.endswith("mesh.glb"):
            self._answer(b"glTF")
            return
        type(self).looks += 1
        facts: dict[str, Any] = {"id": "j1", "state": "running", "phase": "shape", "step": 2, "steps": 4}
        if self.looks > 1 and not self.asked[0][2]["prompt"] == "long":
            failed = self.asked[0][2]["prompt"] == "fail"
            facts |= {"state": "failed" if failed else "done", "error": "no surface" if failed else None}
            facts["files"] = {} if failed else {"glb": "/v1/jobs/j1/files/mesh.glb"}
        self._answer(json.dumps(facts).encode())

    def do_DELETE(self) -> None:
        self.asked.append(("DELETE", self.path, None, ""))
        self._answer(json.dumps({"id": "j1", "state": "cancelled"}).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(jobs, "_POLL", 0.02)
    kind = type("AnyDesk", (Desk,), {"asked": [], "looks": 0})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()


def test_a_servers_job_is_followed_and_its_mesh_fetched(desk: Any) -> None:
    url, kind = desk
    progress = over(jobs.ServerJob(url, Order("a fox", "fast", 7), token="secret"))
    assert progress.state == "done" and Path(progress.files["glb"]).read_bytes() == b"glTF"
    assert (progress.step, progress.steps) == (2, 4)
    body = {"prompt": "a fox", "preset": "fast", "seed": 7}
    assert kind.asked[0] == ("POST", "/v1/jobs", body, "Bearer secret")
    shutil.rmtree(Path(progress.files["glb"]).parent)


@pytest.mark.parametrize(
    ("prompt", "said"), [("fail", "no surface"), ("refused", "the server says: the queue is full. Try again")]
)
def test_a_servers_refusal_is_told(desk: Any, prompt: str, said: str) -> None:
    progress = over(jobs.ServerJob(desk[0], Order(prompt)))
    assert progress.state == "failed" and progress.error == said


def test_a_servers_job_can_be_cancelled(desk: Any) -> None:
    url, kind = desk
    job = jobs.ServerJob(url, Order("long"))
    while kind.looks < 2:
        time.sleep(0.01)
    job.cancel()
    assert over(job).state == "cancelled" and kind.asked[-1][:2] == ("DELETE", "/v1/jobs/j1")


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_POLL", 0.0)
    progress = over(jobs.ServerJob("http://127.0.0.1:9", Order("a fox")))
    assert progress.state == "failed" and "refused" in progress.error.lower()


@pytest.mark.slow
def test_dreamlabs_own_server_makes_a_mesh_for_it(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = tmp_path / "runs"
    root.mkdir()
    words = [sys.executable, str(ROOT / "scripts/known_server.py"), str(root), str(port), "1"]
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)}) as server:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            job = jobs.ServerJob(f"http://127.0.0.1:{port}", Order("a red ball", "fast"))
            job.wait(300)
            assert job.progress.state == "done", job.progress.error
            assert Path(job.progress.files["glb"]).read_bytes()[:4] == b"glTF"
            assert job.progress.steps == 6
            refused = over(jobs.ServerJob(f"http://127.0.0.1:{port}", Order("a fox", "no-such-preset")))
            assert refused.state == "failed" and refused.error.startswith("the server says: ")
        finally:
            server.terminate()


# ---- the zip ----


def packed(folder: Path) -> Path:
    target = folder / "addon.zip"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "blender_addon"), str(target)], check=True)
    return target


def test_the_zip_holds_the_add_on_and_is_the_same_each_time(tmp_path: Path) -> None:
    first = packed(tmp_path)
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
    assert {"__init__.py", "blender_manifest.toml", "ui.py", "jobs.py", "LICENSE"} <= set(names)
    data = first.read_bytes()
    assert packed(tmp_path).read_bytes() == data


def test_the_add_on_has_dreamlabs_version() -> None:
    import dreamlab

    manifest = ROOT / "scripts" / "blender" / "dreamlab_addon" / "blender_manifest.toml"
    assert f'version = "{dreamlab.__version__}"' in manifest.read_text()


def test_the_add_on_needs_nothing_but_blenders_own_python() -> None:
    """Imported by a Python without site packages; `ui` and `scene` need bpy, and nothing else."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import dreamlab_addon.jobs, dreamlab_addon.orders"
    folder = ROOT / "scripts" / "blender"
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(folder)], check=True)


def python_with_bpy() -> str | None:
    return os.environ.get("BLENDER_PYTHON") or (sys.executable if importlib.util.find_spec("bpy") else None)


@pytest.mark.parametrize("module", [None, object()])
@pytest.mark.parametrize("said", ["", "/opt/blender/python"])
def test_the_session_is_left_out_only_where_no_python_has_bpy(
    said: str, module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python that is named counts as it is, so that a wrong name fails instead of leaving the test out."""
    monkeypatch.setenv("BLENDER_PYTHON", said)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: {"bpy": module}[name])
    assert python_with_bpy() == (said or (sys.executable if module else None))
    monkeypatch.undo()
    marks = {mark.name: mark for mark in test_in_blender_it_makes_repaints_and_goes_away.pytestmark}
    assert marks["skipif"].args == (python_with_bpy() is None,)


@pytest.mark.slow
@pytest.mark.skipif(python_with_bpy() is None, reason="no Python with bpy: set BLENDER_PYTHON")
def test_in_blender_it_makes_repaints_and_goes_away(tmp_path: Path) -> None:
    python = python_with_bpy()
    assert python is not None
    around = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    told = subprocess.run(
        [
            python,
            str(ROOT / "tests" / "blender" / "session.py"),
            str(packed(tmp_path)),
            STAND_IN,
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        env=around | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")},
    )
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    facts = json.loads(told.stdout.split("FACTS ")[1])
    assert facts["registered"] and facts["made"] == [["FINISHED"], False, "12 faces"]
    name, (low, high) = facts["tower"]
    assert name == "a tower"
    # 0.6 high on the cursor, as wide as a third of it, as deep as a sixth
    assert low == pytest.approx([0.9, 1.95, 3.0], abs=1e-3) and high == pytest.approx(
        [1.1, 2.05, 3.6], abs=1e-3
    )
    assert facts["repainted"] == [["FINISHED"], "12 faces", True]
    for ours, theirs in zip(facts["box"], facts["cube"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)
    assert facts["failed"] == [["FINISHED"], "the prompt is unknown"]
    assert "resume" in facts["cancelled"] and "cannot start" in str(facts["missing"])
    assert facts["objects"] == 3 and facts["gone"]
