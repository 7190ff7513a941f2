"""A folder of models: what is read, what is skipped and said, and which objects are kept for measurement."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.geometry.color import linear_to_srgb
from dreamlab.studio.asset_files import read_mesh
from dreamlab.studio.assets import HELD_OUT_SHARE, read_folder

TRIANGLE = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0]], np.float32)


def plain_glb(vertices=TRIANGLE, faces=((0, 1, 2),), linear=None, factor=None, **node):
    """A GLB in the layout of the corpus: POSITION float32, COLOR_0 uint16 linear, uint32 indices."""
    vertices, faces = np.asarray(vertices, "<f4"), np.asarray(faces, "<u4")
    linear = np.ones((len(vertices), 3)) if linear is None else np.asarray(linear, float)
    color = np.column_stack([linear, np.ones(len(vertices))])
    parts = [vertices.tobytes(), np.round(color * 65535).astype("<u2").tobytes(), faces.tobytes()]
    starts = np.cumsum([0, *(len(p) for p in parts)])
    views = [
        {"buffer": 0, "byteOffset": int(s), "byteLength": len(p)} for s, p in zip(starts, parts, strict=False)
    ]
    primitive = {"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, **node}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": int(starts[-1])}],
        "bufferViews": views,
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(vertices), "type": "VEC3"},
            {
                "bufferView": 1,
                "componentType": 5123,
                "normalized": True,
                "count": len(vertices),
                "type": "VEC4",
            },
            {"bufferView": 2, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
        ],
    }
    if factor is not None:
        document["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [*factor, 1.0]}}]
        primitive["material"] = 0
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(parts)
    body = (
        struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(binary), 0x004E4942)
        + binary
    )
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def folder_of(path, files, captions=None):
    """Write model files and, unless given, a caption for each."""
    path.mkdir(exist_ok=True)
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    lines = [{"file": n, "captions": ["a red box", "a box"]} for n in files] if captions is None else captions
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (path / "captions.jsonl").write_text(text)
    return path


# ---- one file ----


def test_an_object_is_centred_and_its_furthest_vertex_at_distance_one(tmp_path):
    (tmp_path / "a.glb").write_bytes(plain_glb())
    vertices, faces, _ = read_mesh(tmp_path / "a.glb")
    assert np.abs(vertices.min(0) + vertices.max(0)).max() < 1e-6
    assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(1.0)
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    edge = np.linalg.norm(vertices[1] - vertices[0]) / np.linalg.norm(vertices[2] - vertices[0])
    assert edge == pytest.approx(2.0)  # scaled evenly


def test_vertex_colours_are_linear_light_and_a_face_takes_their_mean(tmp_path):
    linear = np.array([[0.2, 0.214041, 0.0], [0.3, 0.214041, 0.0], [0.142123, 0.214041, 3.0 * 0.214041]])
    (tmp_path / "a.glb").write_bytes(plain_glb(linear=linear))
    assert read_mesh(tmp_path / "a.glb").face_colors == pytest.approx(np.full((1, 3), 0.5), abs=1e-3)


def test_the_base_colour_factor_multiplies_in_linear_light(tmp_path):
    (tmp_path / "a.glb").write_bytes(plain_glb(linear=np.full((3, 3), 0.5), factor=(1.0, 0.5, 0.0)))
    expected = linear_to_srgb(np.array([[0.5, 0.25, 0.0]]))
    assert read_mesh(tmp_path / "a.glb").face_colors == pytest.approx(expected, abs=1e-3)


def test_a_plain_file_is_read_as_trimesh_does(tmp_path):
    shades = np.random.default_rng(1).uniform(size=(162, 1))
    sphere = trimesh.creation.icosphere(subdivisions=2)
    (tmp_path / "a.glb").write_bytes(
        plain_glb(sphere.vertices * [1, 2, 3], sphere.faces, np.repeat(shades, 3, 1))
    )
    mesh = read_mesh(tmp_path / "a.glb")
    other = trimesh.load_scene(tmp_path / "a.glb", process=False).to_mesh()
    assert np.allclose(mesh.vertices, np.asarray(other.vertices) / 3, atol=1e-6)
    assert np.array_equal(mesh.faces, other.faces)
    assert np.allclose(mesh.face_colors, linear_to_srgb(shades[sphere.faces].mean(1)), atol=1e-4)


def test_node_transforms_are_applied(tmp_path):
    turn = [0.0, 0.0, float(np.sqrt(0.5)), float(np.sqrt(0.5))]  # 90 degrees about z
    (tmp_path / "a.glb").write_bytes(
        plain_glb(rotation=turn, scale=[2.0, 2.0, 2.0], translation=[5.0, 0.0, 0.0])
    )
    vertices = read_mesh(tmp_path / "a.glb").vertices
    extent = np.ptp(vertices, axis=0)
    assert extent[1] / extent[0] == pytest.approx(2.0, abs=1e-5)


def test_textures_are_sampled_face_by_face(tmp_path):
    """A sheet of 2 x 2 quads under a texture of four colours, v up."""
    colors = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    image = Image.fromarray(np.kron(colors, np.ones((16, 16, 1), np.uint8)))
    vertices, faces, uv = [], [], []
    for x in range(2):
        for y in range(2):
            n = len(vertices)
            quad = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
            vertices += [(a, b, 0) for a, b in quad]
            uv += [(a / 2, b / 2) for a, b in quad]
            faces += [(n, n + 1, n + 2), (n, n + 2, n + 3)]
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
    visual = trimesh.visual.TextureVisuals(uv=np.array(uv), material=material)
    trimesh.Trimesh(vertices, faces, visual=visual, process=False).export(tmp_path / "sheet.glb")
    mesh = read_mesh(tmp_path / "sheet.glb")
    middles = mesh.vertices[mesh.faces].mean(1)
    for middle, color in zip(middles, mesh.face_colors, strict=True):
        row, column = int(middle[1] < 0), int(middle[0] > 0)
        assert color == pytest.approx(colors[row, column] / 255, abs=1e-3)


def test_obj_materials_give_faces_their_colour(tmp_path):
    (tmp_path / "m.mtl").write_text("newmtl leaf\nKd 0.2 0.6 0.4\nnewmtl bark\nKd 0.5 0.3 0.1\n")
    text = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nusemtl leaf\nf 1 2 3\nusemtl bark\nf 1 2 4\n"
    (tmp_path / "tree.obj").write_text(text)
    colors = read_mesh(tmp_path / "tree.obj").face_colors
    got = sorted(tuple(np.round(c, 2).tolist()) for c in colors)
    assert got == [pytest.approx((0.2, 0.6, 0.4), abs=0.01), pytest.approx((0.5, 0.3, 0.1), abs=0.01)]


DAMAGE = {
    "empty": b"",
    "text": b"this is no model",
    "header only": plain_glb()[:12],
    "cut in the JSON": plain_glb()[:100],
    "cut in the geometry": plain_glb()[:-7],
    "bad JSON": plain_glb().replace(b'"asset"', b'"asset'),
    "an index too far": plain_glb(faces=((0, 1, 3),)),
    "not a number": plain_glb(np.array([[np.nan, 0, 0], [1, 0, 0], [0, 1, 0]])),
    "one point": plain_glb(np.zeros((3, 3))),
    "no faces": plain_glb(faces=np.zeros((0, 3))),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_files_raise_what_can_be_read(tmp_path, what):
    (tmp_path / "x.glb").write_bytes(DAMAGE[what])
    with pytest.raises(DamagedError):
        read_mesh(tmp_path / "x.glb")


def test_an_obj_of_rubbish_is_damaged(tmp_path):
    (tmp_path / "x.obj").write_bytes(b"v 1 2\nf 1 2 3\n\x00\xff")
    with pytest.raises(DamagedError, match=r"x\.obj"):
        read_mesh(tmp_path / "x.obj")


# ---- a folder ----


def test_damage_is_named_and_skipped_and_the_rest_is_read(tmp_path):
    damaged = {f"{name}.glb": data for name, data in DAMAGE.items()}
    assets, report = read_folder(folder_of(tmp_path, {"good.glb": plain_glb(), **damaged}))
    assert [a.file for a in assets] == ["good.glb"]
    assert report.loaded == 1 and {name for name, _ in report.damaged} == damaged.keys()
    assert all(reason for _, reason in report.damaged)
    assert "damaged, skipped: not a number.glb" in str(report)


def test_halves_without_their_other_half_are_counted(tmp_path):
    captions = [{"file": "a.glb", "captions": ["an a"]}, {"file": "gone.glb", "captions": ["a gap"]}]
    files = {"a.glb": plain_glb(), "b.glb": plain_glb(), "notes.txt": b"x"}
    assets, report = read_folder(folder_of(tmp_path, files, captions))
    assert len(assets) == 1
    assert report.without_captions == ("b.glb",) and report.without_files == ("gone.glb",)
    assert "1 files without captions: b.glb" in str(report)


def test_bad_caption_lines_are_numbered_and_skipped(tmp_path):
    good = {"file": "a.glb", "captions": ["a red box", "a box"]}
    bad = ["{", '"text"', {"captions": ["x"]}, {"file": "b.glb"}, {"file": "b.glb", "captions": []},
           {"file": "b.glb", "captions": [" "]}, {"file": "b.glb", "captions": ["x"], "noun": 3},
           good]  # fmt: skip
    assets, report = read_folder(folder_of(tmp_path, {"a.glb": plain_glb()}, [good, *bad]))
    assert len(assets) == 1
    assert [number for number, _ in report.bad_lines] == list(range(2, 10))
    assert "captioned before" in report.bad_lines[-1][1]


def test_captions_noun_and_category_are_kept(tmp_path):
    line = {
        "file": "deep/er/a.glb",
        "captions": ["a red apple ", "an apple"],
        "category": "food",
        "author": "x",
    }
    assets, _ = read_folder(folder_of(tmp_path, {"deep/er/a.glb": plain_glb()}, [line]))
    assert assets[0].captions == ("a red apple", "an apple")
    assert (assets[0].noun, assets[0].category) == ("apple", "food")


def test_a_folder_that_cannot_be_a_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"captions\.jsonl"):
        read_folder(tmp_path)


def split_of(path, names, nouns):
    captions = [{"file": f, "captions": [f"a {n}"], "noun": n} for f, n in zip(names, nouns, strict=True)]
    assets, report = read_folder(folder_of(path, dict.fromkeys(names, plain_glb()), captions))
    return {a.file for a in assets if a.held_out}, report


def test_what_is_held_out_is_an_unseen_instance_of_a_seen_noun(tmp_path):
    names = [f"{i:03}.glb" for i in range(300)]
    nouns = [f"noun {i % 60}" for i in range(300)]
    held_out, report = split_of(tmp_path, names, nouns)
    assert 0 < len(held_out) == report.held_out
    assert 0.3 * HELD_OUT_SHARE < len(held_out) / 300 < 2.5 * HELD_OUT_SHARE
    trained = {n for f, n in zip(names, nouns, strict=True) if f not in held_out}
    assert trained == set(nouns)


def test_nouns_with_one_object_always_train(tmp_path):
    names = [f"{i:03}.glb" for i in range(150)]
    held_out, _ = split_of(tmp_path, names, [f"noun {i}" for i in range(150)])
    assert held_out == set()
    again, _ = split_of(tmp_path, names, ["thing"] * 150)
    assert again  # the same files, once they share a noun


def test_the_split_survives_growth_and_order(tmp_path):
    names = [f"{i:03}.glb" for i in range(160)]
    some, _ = split_of(tmp_path / "some", names[:120], ["thing"] * 120)
    more, _ = split_of(tmp_path / "more", names[::-1], ["thing"] * 160)
    assert some and some == more & set(names[:120])
