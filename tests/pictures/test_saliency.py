"""Objects before any background: what the network is shown, what is made of its answer, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.pictures import saliency
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.cutout import cut_out
from dreamlab.pictures.read import read_rgba
from dreamlab.pictures.saliency import NETWORKS, network_file, salient_opacity
from dreamlab.run.pictures import prepared
from tests.pictures.test_read_and_cut import RED, disc, on, plain

SIDE = 64  # of the pictures that the networks of these tests are shown


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message: an integer below 128, or what has a length."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    length = bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) if len(data) > 127 else bytes([len(data)])
    return bytes([number << 3 | 2]) + length + data


def tensor_type(name: str, *shape: int) -> bytes:
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def onnx_file(path: Path, weights: tuple[float, float, float], channels: int = 3) -> Path:
    """An ONNX network that answers with the logistic function of a weighted sum of the channels."""
    raw = np.array(weights, np.float32).tobytes()
    weight = b"".join(field(1, size) for size in (1, 3, 1, 1)) + field(2, 1) + field(8, "w") + field(9, raw)
    sums = field(1, "picture") + field(1, "w") + field(2, "sum") + field(4, "Conv")
    shares = field(1, "sum") + field(2, "mask") + field(4, "Sigmoid")
    ends = field(11, tensor_type("picture", 1, channels, SIDE, SIDE))
    ends += field(12, tensor_type("mask", 1, 1, SIDE, SIDE))
    graph = field(1, sums) + field(1, shares) + field(2, "tiny") + field(5, weight) + ends
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without networks of whoever runs the tests."""
    for name in ("U2NET_HOME", "REMBG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def ort() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install 'dreamlab[cutout]')")


def noise() -> np.ndarray:
    """No plain background, and nothing red in it."""
    colors = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.float32)
    return colors * np.array([0, 1, 1], np.float32)


@pytest.mark.usefixtures("ort")
def test_an_object_before_any_background_is_cut_out_and_wears_none_of_it(home: Path, tmp_path: Path) -> None:
    onnx_file(home / ".u2net" / "u2netp.onnx", (20, 0, 0))
    on(noise()).save(tmp_path / "p.png")
    found = cut_out(read_rgba(tmp_path / "p.png").rgba, "p.png")
    assert found.by == "network"
    assert np.abs(found.opacity - disc()).mean() < 0.02  # seen at another size, and brought back
    assert ((found.opacity > 0.5) != (disc() > 0.5)).mean() < 0.01
    seen = found.opacity > 0.2
    straight = found.premultiplied[seen] / found.opacity[seen][:, None]
    np.testing.assert_allclose(straight, np.broadcast_to(RED / 255, straight.shape), atol=0.03)
    assert prepared([ImageConfig(path=tmp_path / "p.png")])[0].said == (
        "p.png is cut out as a network sees it; where that goes wrong, give it an alpha channel",
    )


@pytest.mark.usefixtures("ort")
def test_a_plain_background_and_an_alpha_need_no_network(home: Path, tmp_path: Path) -> None:
    onnx_file(home / ".u2net" / "u2net.onnx", (-1, 0, 0))
    on(plain()).save(tmp_path / "p.png")
    assert cut_out(read_rgba(tmp_path / "p.png").rgba, "p.png").by == "plain"


@pytest.mark.usefixtures("ort")
@pytest.mark.parametrize("name", [network.name for network in NETWORKS])
def test_the_network_is_shown_what_it_was_trained_on(name: str, home: Path) -> None:
    """Pictures over their brightest value, less a mean, over a deviation: a sum of the channels tells."""
    weights = (0.5, -0.3, 0.2)
    onnx_file(home / ".u2net" / f"{name}.onnx", weights)
    color = np.random.default_rng(1).random((SIDE, SIDE, 3)).astype(np.float32) * 0.8
    shown = (color / color.max() - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    if name == "isnet-general-use":
        shown = color / color.max() - 0.5
    wanted = 1 / (1 + np.exp(-(shown @ np.array(weights))))
    wanted = (wanted - wanted.min()) / (wanted.max() - wanted.min())
    np.testing.assert_allclose(salient_opacity(color), wanted, atol=1e-5)


def test_files_are_found_where_rembg_keeps_them_the_best_network_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert network_file() is None
    small = onnx_file(home / ".u2net" / "u2netp.onnx", (1, 0, 0))
    assert network_file() == (NETWORKS[3], small)
    best = onnx_file(home / ".rembg" / "models" / "isnet-general-use" / "isnet-general-use.onnx", (1, 0, 0))
    assert network_file() == (NETWORKS[0], best)
    for name in ("XDG_DATA_HOME", "REMBG_HOME", "U2NET_HOME"):  # each before the ones above
        monkeypatch.setenv(name, str(tmp_path / name))
        assert network_file() is None
        inside = tmp_path / name / ("rembg" if name == "XDG_DATA_HOME" else "")
        own = onnx_file(inside / "models" / "u2net" / "u2net.onnx", (1, 0, 0))
        assert network_file() == (NETWORKS[1], own)


def refused(folder: Path) -> str:
    on(noise()).save(folder / "p.png")
    with pytest.raises(InputError) as caught:
        prepared([ImageConfig(path=folder / "p.png")])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_missing_is_said(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saliency, "importable", lambda module: False)
    line = refused(tmp_path)
    assert "has no plain background" in line and "alpha channel" in line and "'dreamlab[cutout]'" in line
    assert f"isnet-general-use.onnx into {home / '.u2net'}" in line
    with pytest.raises(UnavailableError, match="no network that finds objects is there"):
        salient_opacity(np.zeros((4, 4, 3), np.float32))
    onnx_file(home / ".u2net" / "u2net.onnx", (1, 0, 0))
    assert refused(tmp_path).endswith("or have a network find it: pip install 'dreamlab[cutout]'.")
    monkeypatch.setattr(saliency, "importable", lambda module: True)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(UnavailableError, match=r"needs onnxruntime.*dreamlab\[cutout\]"):
        salient_opacity(np.zeros((4, 4, 3), np.float32))


@pytest.mark.usefixtures("ort")
def test_a_file_that_is_no_such_network_is_refused(home: Path, tmp_path: Path) -> None:
    path = home / ".u2net" / "u2net.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>moved</html>")
    assert f"{path} cannot be read as a network" in refused(tmp_path)
    onnx_file(path, (1, 0, 0), channels=1)
    line = refused(tmp_path)
    assert "cannot be read as a network" in line or "expected an input of N x 3 x S x S" in line


@pytest.mark.usefixtures("ort")
def test_a_network_that_sees_nothing_says_so(home: Path, tmp_path: Path) -> None:
    onnx_file(home / ".u2net" / "u2net.onnx", (0, 0, 0))
    assert "shows no object; got the network sees none" in refused(tmp_path)


def test_pictures_of_one_value_are_shown_as_they_are(home: Path) -> None:
    """No division by nothing in a black picture."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install 'dreamlab[cutout]')")
    onnx_file(home / ".u2net" / "u2net.onnx", (1, 1, 1))
    assert np.isfinite(salient_opacity(np.zeros((8, 8, 3), np.float32))).all()
