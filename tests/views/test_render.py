from __future__ import annotations

import math
import subprocess
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.views import render as module
from dreamlab.views.gl import PyrenderRenderer
from dreamlab.views.render import framed, render_mesh

STYLES = ["lit", "albedo", "normal", "clay", "wireframe"]
try:
    PyrenderRenderer()
    GL = ""
except UnavailableError as error:
    GL = str(error)
needs_gl = pytest.mark.skipif(bool(GL), reason=f"no GL on this machine: {GL}")


def views(*azimuths: float, elevation: float = 0.0, size: int = 96) -> Cameras:
    n = len(azimuths)
    return orbit_cameras(
        torch.tensor(azimuths),
        torch.full((n,), elevation),
        torch.full((n,), 3.5),
        torch.full((n,), 0.6),
        (size, size),
    )


RENDERERS = [pytest.param("pyrender", marks=needs_gl), "native"]


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("which", ["colored", "textured"])
def test_albedo_is_the_colour_itself_on_the_side_where_it_belongs(renderer, which: str, request) -> None:
    mesh = framed(request.getfixturevalue(which))
    front, back, right = render_mesh(mesh, views(0, math.pi, math.pi / 2), "albedo", renderer=renderer) / 255
    red, blue = [0.8, 0.1, 0.1], [0.1, 0.2, 0.8]
    assert front[52, 70] == pytest.approx(red, abs=0.02) and front[52, 26] == pytest.approx(blue, abs=0.02)
    assert back[52, 70] == pytest.approx(blue, abs=0.02) and back[52, 26] == pytest.approx(red, abs=0.02)
    assert right[52, 48] == pytest.approx(red, abs=0.02)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_normals_point_where_the_surface_looks(renderer, colored) -> None:
    ball = Mesh(
        colored.vertices, colored.faces, colored.vertices / colored.vertices.norm(dim=-1, keepdim=True)
    )
    above = render_mesh(framed(ball), views(0.0, elevation=1.5), "normal", renderer=renderer)[0] / 255
    seen = above[(above < 0.999).any(-1)]
    assert seen[:, 1].mean() > 0.6  # +Y, up
    assert np.abs(np.linalg.norm(seen * 2 - 1, axis=1) - 1).mean() < 0.05


@pytest.mark.parametrize("renderer", RENDERERS)
def test_transparent_pictures_have_straight_alpha(renderer, colored) -> None:
    picture = render_mesh(framed(colored), views(0.0), "albedo", None, renderer)[0]
    assert picture.shape[-1] == 4
    assert picture[0, 0].tolist() == [0, 0, 0, 0]
    edge = (picture[..., 3] > 20) & (picture[..., 3] < 235)
    assert edge.any()
    # not darkened by what is missing, save where red meets blue
    assert (picture[edge][:, :3].max(-1) > 190).mean() > 0.85


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_background_is_what_was_asked_for(renderer, colored) -> None:
    picture = render_mesh(framed(colored), views(0.0), "lit", (0.2, 0.4, 0.6), renderer)[0]
    assert picture[0, 0].tolist() == [51, 102, 153]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_open_meshes_are_seen_from_behind(renderer) -> None:
    sheet = Mesh(torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    front, back = render_mesh(framed(sheet), views(0.0, math.pi), "albedo", None, renderer)
    assert front[48, 48, 3] == back[48, 48, 3] == 255


@pytest.mark.parametrize(
    ("which", "style"), [("colored", "albedo"), *(("textured", style) for style in STYLES)]
)
@needs_gl
def test_both_renderers_give_the_same_picture(which: str, style, request) -> None:
    """The stated tolerance: over the object, a mean difference below 0.02 (wires: 0.06)."""
    mesh, cameras = framed(request.getfixturevalue(which)), views(0.4, elevation=0.3, size=160)
    one, two = (
        render_mesh(mesh, cameras, style, None, r).astype(float) / 255 for r in ("pyrender", "native")
    )
    a, b = (p[..., :3] * p[..., 3:] for p in (one, two))
    covered = (one[..., 3] > 0) | (two[..., 3] > 0)
    difference = np.abs(a - b).max(-1)[covered]
    assert difference.mean() < (0.06 if style == "wireframe" else 0.02)
    assert np.abs(one[..., 3] - two[..., 3]).mean() < 0.01
    if style != "wireframe":
        assert (difference > 0.1).mean() < 0.04


def test_lit_is_brighter_where_the_light_comes_from(colored) -> None:
    picture = render_mesh(framed(colored), views(0.0, elevation=0.3), "clay", None, "native")[0].astype(
        float
    )
    ball = picture[30:50, 38:58]
    assert ball[:8, :8, :3].mean() > ball[-8:, -8:, :3].mean() + 5


def test_the_normal_map_shows_in_the_light(textured) -> None:
    plain = Mesh(
        textured.vertices, textured.faces, textured.normals, uv=textured.uv, textures=textured.textures[:1]
    )
    mapped, flat = (
        render_mesh(framed(m), views(0.0), "normal", None, "native").astype(int) for m in (textured, plain)
    )
    assert np.abs(mapped - flat).max() > 10


def test_wires_are_dark_lines_on_clay(colored) -> None:
    wires, clay = (
        render_mesh(framed(colored), views(0.0, size=256), s, None, "native")[0]
        for s in ("wireframe", "clay")
    )
    inside = clay[..., 3] == 255
    darker = clay[..., :3].mean(-1)[inside].astype(float) - wires[..., :3].mean(-1)[inside]
    assert 0.1 < (darker > 40).mean() < 0.9


def test_framed_fills_the_unit_sphere_wherever_the_mesh_was(colored) -> None:
    moved = Mesh(colored.vertices * 0.01 + 5, colored.faces)
    vertices = framed(moved).vertices
    assert float(vertices.norm(dim=-1).max()) == pytest.approx(1)
    assert (vertices.amin(0) + vertices.amax(0)).abs().max() < 1e-3


# ---- refusals and fallbacks ----


def no_gl(self) -> None:
    raise UnavailableError("pyrender cannot open a GL context", got="a test")


def test_pyrender_by_name_is_an_error_where_it_is_not_there(colored, monkeypatch) -> None:
    monkeypatch.setattr(PyrenderRenderer, "__init__", no_gl)
    with pytest.raises(UnavailableError, match="GL context"):
        render_mesh(framed(colored), views(0.0), renderer="pyrender")


def test_auto_falls_back_to_native_and_says_so_once(colored, monkeypatch) -> None:
    monkeypatch.setattr(PyrenderRenderer, "__init__", no_gl)
    module._automatic.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="native rasteriser"):
            one = render_mesh(framed(colored), views(0.0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            two = render_mesh(framed(colored), views(0.0))
        assert np.array_equal(one, two)
        assert np.array_equal(one, render_mesh(framed(colored), views(0.0), renderer="native"))
    finally:
        module._automatic.cache_clear()


def test_a_machine_without_pyrender_is_told_what_to_install(monkeypatch) -> None:

    monkeypatch.setitem(sys.modules, "pyrender", None)
    with pytest.raises(UnavailableError, match="libegl1"):
        PyrenderRenderer()


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(InputError, match="no faces"):
        render_mesh(Mesh(torch.rand(3, 3), torch.zeros(0, 3, dtype=torch.int64)), views(0.0))


@needs_gl
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_pictures_by_gl_and_triton_live_in_one_process() -> None:
    """Mesa's LLVM and Triton's crash where Mesa's is there first, so the renderer loads Triton first."""
    code = (
        "from dreamlab.views.gl import PyrenderRenderer; PyrenderRenderer(); import sys; "
        "assert 'triton' in sys.modules; import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
