"""Objects put to a glTF file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf import GlbObject
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.gltf_join import joined_gltf
from dreamlab.mesh.texture.unwrap import unwrap
from tests.mesh.gltf_files import GltfBuilder, triangle
from tests.test_given import plain, two_halves


@pytest.fixture
def textured(tmp_path: Path) -> Path:
    from dataclasses import replace

    flat = unwrap(plain(trimesh.creation.box((2, 2, 2))), resolution=64)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    return write(replace(flat, textures=(("albedo", pixels),)), tmp_path / "box.glb", name="box")[0]


def joined(source: Path, tmp_path: Path, *objects: GlbObject, **more: object) -> GltfFile:
    path = tmp_path / "joined.glb"
    path.write_bytes(joined_gltf(GltfFile(source), objects, **more))  # pyright: ignore
    return GltfFile(path)


def test_what_was_there_stays_to_the_byte_and_the_part_is_a_node_of_its_own(
    textured: Path, tmp_path: Path
) -> None:
    ball = two_halves(trimesh.creation.icosphere(1))
    before = GltfFile(textured)
    after = joined(textured, tmp_path, GlbObject("ball", ball, at=(0.0, 3.0, 0.0)), made_by={"prompt": "x"})
    for index in range(len(before.list("accessors"))):
        assert (before.rows(index) == after.rows(index)).all()
    (image,) = before.list("images")
    assert after.list("images")[0] == image and before.view(image["bufferView"]) == after.view(
        after.list("images")[0]["bufferView"]
    )
    for name in ("nodes", "meshes", "materials", "textures"):
        assert after.list(name)[: len(before.list(name))] == before.list(name)
    assert after.json["asset"]["extras"] == {"prompt": "x"}

    scene = trimesh.load(tmp_path / "joined.glb")
    assert set(scene.graph.nodes_geometry) == {"box", "ball"}
    matrix, name = scene.graph["ball"]
    assert matrix[:3, 3] == pytest.approx([0, 3, 0]) and len(scene.geometry[name].faces) == 80
    assert scene.bounds == pytest.approx(np.array([[-1, -1, -1], [1, 4, 1]]), abs=1e-6)


def test_a_part_with_a_texture_has_its_own(textured: Path, tmp_path: Path) -> None:
    from dreamlab.mesh.io.load import load

    after = joined(textured, tmp_path, GlbObject("other", load(textured), at=(5.0, 0.0, 0.0)))
    first, second = after.list("materials")
    one, two = (m["pbrMetallicRoughness"]["baseColorTexture"]["index"] for m in (first, second))
    sources = [after.list("textures")[k]["source"] for k in (one, two)]
    assert sources == [0, 1] and len(after.list("images")) == 2


def test_a_library_of_meshes_is_still_shown(tmp_path: Path) -> None:
    builder = GltfBuilder()
    builder.mesh(triangle(builder))
    builder.json |= {"nodes": [], "scenes": []}
    source = builder.save(tmp_path / "library.gltf")
    document = GltfFile(source).json
    assert not document.get("nodes")
    joined(source, tmp_path, GlbObject("ball", plain(trimesh.creation.icosphere(1))))
    assert len(trimesh.load(tmp_path / "joined.glb").graph.nodes_geometry) == 2
