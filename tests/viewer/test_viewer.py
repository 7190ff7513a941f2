"""The viewer's parts: cameras, passes, sizes, who may connect, and what it finds in a run's folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest
import torch
from known import BallSDF, red_ball_prior, small_config
from page import Page
from test_pipeline import stop_after
from websockets.exceptions import ConnectionClosed

from dreamlab.cli import main
from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.render import VolumeRendererConfig
from dreamlab.render.background import SolidBackground
from dreamlab.run.pipeline import generate
from dreamlab.viewer.camera import CV_FROM_GL, camera_from
from dreamlab.viewer.follow import Follower
from dreamlab.viewer.pace import SMALLEST, Pace
from dreamlab.viewer.schedules import schedules
from dreamlab.viewer.server import free_port, is_loopback, open_server, same_site
from dreamlab.viewer.sources import MESH_PASSES, SCENE_PASSES, MeshSource, SceneSource
from dreamlab.viewer.window import Window

HERE = "127.0.0.1"


def at(azimuth: float, elevation: float, side: int = 32) -> object:
    angles = torch.tensor([azimuth]), torch.tensor([elevation])
    return orbit_cameras(*angles, torch.tensor([3.0]), torch.tensor([0.7]), (side, side))


# ---- cameras ----


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (1.2, 0.4), (-2.5, -0.9), (3.1, 1.3)])
def test_a_browsers_camera_is_the_orbit_camera_of_its_place(azimuth: float, elevation: float) -> None:
    from viser.transforms import SO3

    ours = at(azimuth, elevation)
    pose = ours.c2w[0].double().numpy()
    told = SO3.from_matrix(pose[:3, :3] @ CV_FROM_GL).wxyz
    theirs = camera_from(told, pose[:3, 3], 0.7, (32, 32))
    for name in ("c2w", "fovy", "azimuth", "elevation", "distance"):
        torch.testing.assert_close(getattr(theirs, name), getattr(ours, name), atol=1e-5, rtol=1e-5)
    assert theirs.size == ours.size


# ---- passes ----


class Scene(BallSDF):
    """A ball with a parameter, as scenes have."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self.weight = torch.nn.Parameter(torch.zeros(1))


def test_the_passes_of_a_ball_are_those_of_a_ball() -> None:
    renderer = VolumeRendererConfig(samples=128).build()
    source = SceneSource(Scene(), renderer, SolidBackground((1.0, 1.0, 1.0)))
    pictures = {show: source.picture(at(0.0, 0.0), show) for show in SCENE_PASSES}
    assert all(p.shape == (32, 32, 3) and p.dtype == "uint8" for p in pictures.values())
    centre, corner, edge = (15, 15), (0, 0), (15, 10)
    assert pictures["opacity"][centre].tolist() == [255] * 3 and pictures["opacity"][corner].max() == 0
    assert abs(int(pictures["colour"][centre][0]) - 128) < 3 and pictures["colour"][corner].min() == 255
    assert pictures["depth"][centre][0] > pictures["depth"][edge][0] > pictures["depth"][corner][0] == 0
    # towards the camera on +Z: (0, 0, 1) is (128, 128, 255)
    assert abs(pictures["normals"][centre].astype(int) - [128, 128, 255]).max() < 15


def test_drawing_changes_nothing_and_draws_no_random_number() -> None:
    renderer = VolumeRendererConfig(samples=32).build()
    source = SceneSource(Scene(), renderer, SolidBackground((1.0, 1.0, 1.0)))
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in renderer.state_dict().items()}
    for show in SCENE_PASSES:
        source.picture(at(0.3, 0.2), show)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(v, state[k]) for k, v in renderer.state_dict().items())
    assert source.scene.weight.grad is None


def tetrahedron() -> Mesh:
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    return Mesh(corners * 40 + 100, faces)


@pytest.mark.parametrize("show", MESH_PASSES)
def test_a_mesh_of_any_size_and_place_fills_the_picture(show: str) -> None:
    picture = MeshSource(tetrahedron()).picture(at(0.5, 0.2), show)
    covered = (picture < 250).any(-1)
    assert 0.15 < covered.mean() < 0.9 and not covered[0].any()


# ---- sizes ----


def test_a_picture_is_as_large_as_can_be_had_in_its_time() -> None:
    pace = Pace()
    pace.saw("colour", 100, 10.0)  # the first is not believed
    assert not pace.knows("colour")
    pace.saw("colour", 100_000, 1.0)
    assert pace.knows("colour") and pace.height("colour", 0.4, 1.0, 1000) == 192  # 200, in steps of 16
    assert pace.height("colour", 0.1, 1.0, 1000) < pace.height("colour", 0.4, 1.0, 1000)
    assert pace.height("colour", 0.4, 4.0, 1000) == 96
    assert pace.height("colour", 100.0, 1.0, 720) == 720
    assert pace.height("colour", 1e-9, 1.0, 720) == SMALLEST and pace.height("colour", 1e-9, 1.0, 40) == 40


def test_schedules_are_those_of_the_step() -> None:
    config = small_config(stages={"shape": {"lr": {"start": 0.02, "end": 0.01}}})
    rows = dict(schedules(config.optimisations[0], 8, config.noise))
    assert rows["progress"] == "100 %" and rows["lr"] == "0.01  (0.02 to 0.01)"
    assert rows["noise.t_max"] == "0.98"


# ---- who may connect ----


@pytest.mark.parametrize(
    ("origin", "asked", "host", "allowed"),
    [
        (None, "127.0.0.1:8080", HERE, True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", HERE, True),
        ("http://localhost:9000", "localhost:9000", HERE, True),  # through a tunnel
        ("http://[::1]:8080", "[::1]:8080", "::1", True),
        ("https://evil.example", "127.0.0.1:8080", HERE, False),
        ("http://127.0.0.1:3000", "127.0.0.1:8080", HERE, False),
        ("http://evil.example:8080", "evil.example:8080", HERE, False),  # a name that leads here
        ("null", "127.0.0.1:8080", HERE, False),
        ("http://lab:8080", "lab:8080", "0.0.0.0", True),
    ],
)
def test_only_our_own_page_may_connect(origin: str | None, asked: str, host: str, allowed: bool) -> None:
    assert same_site(origin, asked, host) is allowed


def test_a_page_of_another_site_gets_nothing_and_our_own_does() -> None:
    window = Window("a red ball", HERE, 0, controls=True)
    try:
        stranger = None
        try:
            stranger = Page(window.url, origin="https://evil.example")
            stranger.wait(lambda: stranger.closed)
        except ConnectionClosed:
            pass
        assert not window.watched and (stranger is None or not stranger.widgets)
        own = Page(window.url, origin=window.url)
        own.wait(lambda: window.watched and "a red ball" in own.text)
        own.close()
    finally:
        window.close()


def test_the_page_listens_to_this_machine_alone_and_is_shared_with_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = open_server(HERE, 0, "dreamlab")
    try:
        (bound,) = {s.getsockname()[0] for s in [socket.create_connection((HERE, server.get_port()))]}
        assert bound == HERE and server.get_host() == HERE
        assert server.request_share_url() is None and server._share_tunnel is None
    finally:
        server.stop()
    assert capsys.readouterr().out == ""  # a script reads ours


@pytest.mark.parametrize(
    ("host", "yes"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)],
)
def test_loopback_is_known(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


def test_the_next_free_port_is_taken_where_none_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamlab.viewer import server

    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr(server, "PORT", taken)
        assert free_port(HERE, None) > taken
        with pytest.raises(UnavailableError, match=f"port {taken}"):
            free_port(HERE, taken)
    with pytest.raises(UnavailableError, match=r"cannot listen at no\.such\.host"):
        free_port("no.such.host.invalid", 8080)


def test_a_missing_viser_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(UnavailableError, match=r"dreamlab\[view\]"):
        open_server(HERE, 0, "dreamlab")


def test_what_a_prompt_holds_is_no_markup() -> None:
    window = Window("a <img src=x> & {1}", HERE, 0, controls=False)
    try:
        page = Page(window.url)
        page.wait(lambda: "img" in page.text)
        assert "&lt;img src=x&gt; &amp; {1}" in page.text and "<img" not in page.text
        page.close()
    finally:
        window.close()


# ---- a run of another process ----


def test_a_run_is_followed_from_checkpoint_to_checkpoint_to_its_mesh(tmp_path: Path) -> None:
    run = stop_after(tmp_path, small_config(stages={"shape": {"steps": 4}, "colour": {"steps": 2}}), 2)
    window = Window("a red ball", HERE, 0, controls=False)
    try:
        follower = Follower(window, run)
        follower.look()
        assert isinstance(follower.source, SceneSource) and follower.version == 1
        follower.look()
        assert follower.version == 1
        picture = follower.source.picture(at(0.5, 0.2), "colour")
        list(generate(run.config(), run, red_ball_prior()))
        follower.look()
        assert isinstance(follower.source, MeshSource) and follower.version == 2
        assert picture.shape == (32, 32, 3)
        shutil.rmtree(run.path)
        follower.look()  # and shows what it has
        assert follower.version == 2
    finally:
        window.close()


def test_view_shows_a_mesh_until_it_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path, *_) = write(tetrahedron(), tmp_path / "thing.glb")
    port = free_port(HERE, 0)
    sizes: list[int] = []

    def visit() -> None:
        while True:
            try:
                page = Page(f"http://{HERE}:{port}")
                break
            except OSError:
                threading.Event().wait(0.05)
        page.wait(lambda: bool(page.pictures) and "4 faces" in page.text)
        sizes.append(page.pictures[0].shape[0])
        page.close()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    assert main(["view", str(path), "--port", str(port), "--no-browser", "--json"]) == 0
    thread.join()
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert told["event"] == "viewer" and told["url"] == f"http://{HERE}:{port}" and sizes
