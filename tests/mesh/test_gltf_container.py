"""glTF files as containers: what is compressed, what follows the end, and what claims more than is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from dreamlab.core.errors import DamagedError, InputError, UnavailableError
from dreamlab.mesh.io.load import load, load_flat
from dreamlab.mesh.surface.clean import solidity
from tests.mesh.gltf_files import FLOAT, GltfBuilder, container, cube, saved, square, triangle

# ---- GLB ----


def glb(builder: GltfBuilder, text: bytes | None = None, **how) -> bytes:
    """A GLB of the document, or of other bytes in its place."""
    document = {**builder.document(), "buffers": [{"byteLength": len(builder.binary)}]}
    return container(json.dumps(document).encode() if text is None else text, builder.binary, **how)


def one_triangle() -> GltfBuilder:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    return builder


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 5, b"\n", b"signed by somebody" * 99])
@pytest.mark.parametrize("claimed", [False, True])
def test_bytes_after_the_end_of_a_glb_harm_nothing(tail: bytes, claimed: bool, tmp_path) -> None:
    data = glb(one_triangle(), claim=len(tail) if claimed and len(tail) < 8 else 0) + tail
    (tmp_path / "m.glb").write_bytes(data)
    assert len(load(tmp_path / "m.glb").faces) == 1


def test_a_header_that_claims_more_than_all_chunks_harms_nothing_but_a_chunk_may_not(tmp_path) -> None:
    (tmp_path / "m.glb").write_bytes(glb(one_triangle(), claim=1000))
    assert len(load(tmp_path / "m.glb").faces) == 1
    (tmp_path / "m.glb").write_bytes(glb(one_triangle())[:-4])
    with pytest.raises(DamagedError, match="cut off"):
        load(tmp_path / "m.glb")


@pytest.mark.parametrize("pad", [b" ", b"\0"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["café".encode(), "café".encode("latin-1"), b"plain"])
def test_json_is_read_however_it_was_padded_marked_or_encoded(pad, mark, name, tmp_path) -> None:
    builder = one_triangle()
    document = {**builder.document(), "buffers": [{"byteLength": len(builder.binary)}]}
    text = mark + json.dumps(document).encode().replace(b'"2.0"', b'"2.0", "copyright": "' + name + b'"')
    (tmp_path / "m.glb").write_bytes(glb(builder, text + b" " * 3, pad=pad))
    assert len(load(tmp_path / "m.glb").faces) == 1


def test_other_versions_say_what_they_are(tmp_path) -> None:
    builder = one_triangle()
    builder.json["asset"] = {"version": "1.0"}
    with pytest.raises(UnavailableError, match=r"glTF 1\.0"):
        load(saved(builder, tmp_path))


def test_buffers_may_lie_in_the_uri_as_escaped_text(tmp_path) -> None:
    path = saved(one_triangle(), tmp_path)
    document = json.loads(path.read_text())
    raw = "".join(f"%{byte:02x}" for byte in one_triangle().binary)
    document["buffers"][0]["uri"] = "data:application/octet-stream," + raw
    path.write_text(json.dumps(document))
    assert len(load(path).faces) == 1


EMPTY = b'{"asset": {"version": "2.0"}}'


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[]", b'{"asset": 3}', b"null", EMPTY])
def test_json_of_another_kind_is_damage_or_empty(text: bytes, tmp_path) -> None:
    (tmp_path / "m.gltf").write_bytes(text)
    with pytest.raises((DamagedError, InputError), match=r"m\.gltf"):
        load(tmp_path / "m.gltf")


# ---- compression by meshoptimizer ----


def compressed(builder: GltfBuilder, values: np.ndarray, mode: str, **how) -> int:
    import meshopt

    data = meshopt.encode_gltf_buffer(values, mode)
    at = builder.view(data)
    spec = dict(builder.json["bufferViews"][at])
    stride = values.dtype.itemsize * (values.shape[1] if values.ndim == 2 else 1)
    spec |= {"mode": mode, "count": len(values), "byteStride": stride, **how}
    builder.json["bufferViews"][at] = {
        "buffer": 1,
        "byteLength": values.nbytes,
        "extensions": {"EXT_meshopt_compression": spec},
    }
    kinds = {1: "SCALAR", 3: "VEC3"}
    accessor = {"bufferView": at, "componentType": 5126, "type": kinds[3 if values.ndim == 2 else 1]}
    accessor |= {"componentType": 5125} if values.ndim == 1 else {}
    builder.json["accessors"].append({**accessor, "count": len(values)})
    return len(builder.json["accessors"]) - 1


def ball_in_meshopt(folder: Path) -> tuple[Path, trimesh.Trimesh]:
    ball = trimesh.creation.icosphere(subdivisions=3)
    builder = GltfBuilder(extensionsRequired=["EXT_meshopt_compression"])
    corners = compressed(builder, np.asarray(ball.vertices, FLOAT), "ATTRIBUTES")
    index = compressed(builder, np.asarray(ball.faces.reshape(-1), np.uint32), "TRIANGLES")
    builder.mesh({"attributes": {"POSITION": corners}, "indices": index})
    return builder.save(folder / "m.gltf"), ball


def test_meshopt_geometry_comes_back_to_the_bit(tmp_path) -> None:
    pytest.importorskip("meshopt", reason="meshopt is not installed (pip install 'dreamlab[meshopt]')")
    path, ball = ball_in_meshopt(tmp_path)
    back = load_flat(path)
    assert (back.vertices == ball.vertices.astype(FLOAT)).all()
    assert {tuple(sorted(f)) for f in back.faces.tolist()} == {tuple(sorted(f)) for f in ball.faces.tolist()}
    assert solidity(load(path)).volume == pytest.approx(ball.volume, rel=1e-5)


def test_without_the_package_meshopt_is_unavailable_and_says_what_helps(tmp_path, monkeypatch) -> None:
    pytest.importorskip("meshopt", reason="meshopt is not installed (pip install 'dreamlab[meshopt]')")
    path, _ = ball_in_meshopt(tmp_path)
    monkeypatch.setitem(sys.modules, "meshopt", None)
    with pytest.raises(UnavailableError, match=r"dreamlab\[meshopt\]"):
        load(path)


@pytest.mark.parametrize("change", [{"count": 10**12}, {"count": -3}, {"mode": "MAGIC"}, {"byteStride": 7}])
def test_meshopt_data_that_lies_is_damage(change: dict, tmp_path) -> None:
    pytest.importorskip("meshopt", reason="meshopt is not installed (pip install 'dreamlab[meshopt]')")
    path, _ = ball_in_meshopt(tmp_path)
    text = path.read_text()
    for name, value in change.items():
        was = {"count": "642", "mode": '"ATTRIBUTES"', "byteStride": "12"}
        old = f'"{name}": {was[name]}'
        new = f'"{name}": "{value}"' if isinstance(value, str) else f'"{name}": {value}'
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(DamagedError, match="meshopt"):
        load(path)


def test_where_compression_is_a_choice_the_plain_bytes_are_read(tmp_path, monkeypatch) -> None:
    builder = GltfBuilder(extensionsUsed=["EXT_meshopt_compression"])
    builder.mesh(triangle(builder))
    for view in builder.json["bufferViews"]:
        view["extensions"] = {"EXT_meshopt_compression": {"buffer": 9, "byteLength": 1}}
    monkeypatch.setitem(sys.modules, "meshopt", None)
    assert len(load(saved(builder, tmp_path)).faces) == 1


# ---- files that say more than is there ----


@pytest.mark.slow
def test_nodes_that_double_thirty_times_are_damage(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    builder.json["nodes"] = [*({"children": [k + 1, k + 1]} for k in range(30)), {"mesh": 0}]
    with pytest.raises(DamagedError, match="multiply"):
        load(saved(builder, tmp_path))


def test_a_small_file_cannot_ask_for_a_billion_faces(tmp_path, monkeypatch) -> None:
    from dreamlab.mesh.io import gltf_read

    monkeypatch.setattr(gltf_read, "MOST_REPEATED", 100)
    builder = GltfBuilder()
    builder.mesh(cube(builder))
    builder.json["nodes"] = [{"mesh": 0, "translation": [3 * k, 0, 0]} for k in range(9)]  # 8 * 12 copies
    assert len(load(saved(builder, tmp_path)).faces) == 108
    builder.json["nodes"].append({"mesh": 0})
    with pytest.raises(InputError, match="too often"):
        load(saved(builder, tmp_path))


def test_a_stride_of_zero_is_none_and_one_that_is_too_small_is_damage(tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    builder.json["bufferViews"][0]["byteStride"] = 0
    assert len(load(saved(builder, tmp_path)).faces) == 1
    builder.json["bufferViews"][0]["byteStride"] = 4
    with pytest.raises(DamagedError, match="stride"):
        load(saved(builder, tmp_path))


@pytest.mark.parametrize("count", [4, 10**9, 10**18, -1])
@pytest.mark.parametrize("which", [0, 1])
def test_counts_that_lie_are_damage(which: int, count: int, tmp_path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    builder.json["accessors"][which]["count"] = count
    if count == 4:  # what follows in the buffer would be read
        builder.json["accessors"][1 - which]["count"] = 2
    with pytest.raises(DamagedError, match=r"m\.gltf"):
        load(saved(builder, tmp_path))


@pytest.mark.parametrize("count", [10**12, -1])
def test_zeros_without_bytes_are_not_made_by_the_terabyte(count: int, tmp_path) -> None:
    builder = GltfBuilder()
    primitive = triangle(builder)
    primitive["attributes"]["POSITION"] = builder.sparse(count, [0], [[0, 0, 0]])
    builder.mesh(primitive)
    with pytest.raises(DamagedError, match="claims"):
        load(saved(builder, tmp_path))


def test_geometry_in_an_extension_that_nobody_knows_is_refused_by_its_name(tmp_path) -> None:
    builder = GltfBuilder(extensionsRequired=["ACME_packed_mesh"])
    builder.mesh(square(builder))
    for accessor in builder.json["accessors"]:
        del accessor["bufferView"]
    with pytest.raises(UnavailableError, match="ACME_packed_mesh"):
        load(saved(builder, tmp_path))


@pytest.mark.parametrize(
    "name", ["KHR_lights_punctual", "KHR_materials_ior", "ACME_poetry", "KHR_texture_basisu"]
)
def test_other_required_extensions_refuse_nothing(name: str, tmp_path) -> None:
    builder = GltfBuilder(extensionsRequired=[name], extensionsUsed=[name])
    builder.mesh(triangle(builder))
    assert len(load(saved(builder, tmp_path)).faces) == 1
