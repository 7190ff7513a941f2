"""The nodes as ComfyUI calls them, against stand-ins for the modules of its node API: its names and
signatures."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from dreamlab.comfy import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, nodes
from dreamlab.comfy.convert import comfy_mesh, mesh_from_comfy, pictures_from_comfy
from dreamlab.comfy.nodes import ExportMesh, LoadMesh, TextToMesh
from dreamlab.core.errors import ConfigError, InputError, UnavailableError
from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.run.pictures import Suggested
from dreamlab.run.run_dir import RunDir

TINY = """
stages.shape.steps: 2
stages.refine.steps: 2
stages.turntable.frames: 0
stages.extract.resolution: 32
stages.texture.resolution: 64
stages.clean.denoise.iterations: 0
renderer.samples: 32
"""


class NewMesh:
    def __init__(
        self,
        vertices,
        faces,
        uvs=None,
        vertex_colors=None,
        texture=None,
        metallic_roughness=None,
        vertex_counts=None,
        face_counts=None,
        unlit=False,
        normals=None,
        tangents=None,
        normal_map=None,
    ) -> None:
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})


class OldMesh:
    def __init__(self, vertices, faces) -> None:
        self.vertices, self.faces = vertices, faces


class Interrupted(Exception):
    pass


def module(monkeypatch, name: str, **contents: Any) -> None:
    found = ModuleType(name)
    found.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, found)


@pytest.fixture
def comfy(monkeypatch, tmp_path) -> SimpleNamespace:
    """ComfyUI, pretended: where its outputs go, what its bar was told, and its button."""
    told = SimpleNamespace(steps=[], out=tmp_path / "output", stop=False)

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
            told.steps.append((value, total))

    def check() -> None:
        if told.stop and told.steps:
            raise Interrupted

    module(monkeypatch, "comfy_api")
    module(monkeypatch, "comfy_api.latest", Types=SimpleNamespace(MESH=NewMesh))
    module(monkeypatch, "folder_paths", get_output_directory=lambda: str(told.out))
    module(monkeypatch, "comfy")
    module(monkeypatch, "comfy.utils", ProgressBar=Bar)
    module(monkeypatch, "comfy.model_management", throw_exception_if_processing_interrupted=check)
    return told


@pytest.fixture
def cup() -> Mesh:
    """A ball with everything that a mesh can have."""
    ball = trimesh.creation.icosphere(2)
    vertices = torch.from_numpy(np.array(ball.vertices)).float()
    chance = np.random.default_rng(0)
    maps = {name: chance.integers(0, 256, (8, 8, 3), dtype=np.uint8) for name in ("albedo", "normal")}
    return Mesh(
        vertices,
        torch.from_numpy(np.array(ball.faces)),
        normals=vertices,
        uv=(vertices[:, :2] + 1) / 2,
        textures=tuple((name, torch.from_numpy(image)) for name, image in maps.items()),
    )


def test_every_node_has_what_comfyui_asks_for() -> None:
    assert set(NODE_CLASS_MAPPINGS) == set(NODE_DISPLAY_NAME_MAPPINGS)
    for node in NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        assert callable(getattr(node, node.FUNCTION)) and node.CATEGORY
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        code = getattr(node, node.FUNCTION).__code__
        assert {*inputs["required"], *inputs.get("optional", {})} == {*code.co_varnames[1 : code.co_argcount]}


def test_a_mesh_comes_back_as_it_went(comfy, cup) -> None:
    batch = comfy_mesh(cup)
    assert batch.vertices.shape == (1, len(cup.vertices), 3) and batch.texture.shape == (1, 8, 8, 3)
    again = mesh_from_comfy(batch)
    for name in ("vertices", "faces", "normals", "uv"):
        assert torch.allclose(getattr(again, name), getattr(cup, name), atol=1e-6), name
    assert [name for name, _ in again.textures] == ["albedo", "normal"]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(again.textures, cup.textures, strict=True))


def test_texture_coordinates_are_those_of_the_glb(comfy, cup, tmp_path) -> None:
    """Oracle: trimesh, which reads a GLB's own numbers and turns v."""
    write(cup, tmp_path / "cup.glb")
    theirs = trimesh.load_scene(tmp_path / "cup.glb").to_geometry().visual.uv
    ours = comfy_mesh(cup).uvs[0].numpy()
    assert np.allclose(ours, theirs * [1, -1] + [0, 1], atol=1e-5)


def test_vertex_colours_are_linear_there(comfy, cup) -> None:
    gray = replace(cup, colors=torch.full_like(cup.vertices, 0.5), uv=None, textures=())
    batch = comfy_mesh(gray)
    assert batch.vertex_colors[0, 0].tolist() == pytest.approx([0.2140] * 3, abs=1e-4)
    assert batch.uvs is None and torch.allclose(mesh_from_comfy(batch).colors, gray.colors, atol=1e-6)


def test_padding_of_unequal_meshes_is_left_behind(comfy) -> None:
    vertices, faces = torch.zeros(2, 6, 3), torch.zeros(2, 4, 3, dtype=torch.int64)
    vertices[0, :3], faces[0, 0] = torch.eye(3), torch.tensor([0, 1, 2])
    batch = NewMesh(vertices, faces, vertex_counts=torch.tensor([3, 6]), face_counts=torch.tensor([1, 4]))
    one = mesh_from_comfy(batch)
    assert torch.equal(one.vertices, torch.eye(3)) and one.faces.tolist() == [[0, 1, 2]]
    with pytest.raises(InputError, match="mesh 2"):
        mesh_from_comfy(batch, 2)


def test_older_versions_get_the_shape(comfy, cup, monkeypatch) -> None:
    module(monkeypatch, "comfy_api.latest")
    module(monkeypatch, "comfy_extras")
    module(monkeypatch, "comfy_extras.nodes_hunyuan3d", MESH=OldMesh)
    assert torch.equal(mesh_from_comfy(comfy_mesh(cup)).vertices, cup.vertices)


def test_outside_of_comfyui_it_is_said(cup) -> None:
    with pytest.raises(UnavailableError, match="ComfyUI is not here"):
        comfy_mesh(cup)


@pytest.mark.slow
def test_a_prompt_becomes_a_mesh_with_pictures_and_files(comfy) -> None:
    mesh, pictures, glb, folder = TextToMesh().make("a red ball", "fast", 3, settings=TINY)
    assert Path(folder).parent == comfy.out / "dreamlab" and Path(glb).parent == Path(folder)
    assert torch.equal(mesh_from_comfy(mesh).faces, load(glb).faces)
    assert pictures.shape == (4, 512, 512, 3) and 0 <= pictures.min() < pictures.max() <= 1
    assert comfy.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "seed: 3" in (Path(folder) / "config.yaml").read_text()


def test_the_stop_button_stops_a_run_and_keeps_it(comfy) -> None:
    comfy.stop = True
    with pytest.raises(Interrupted):
        TextToMesh().make("a red ball", "fast", 0, settings=TINY)
    assert comfy.steps == [(1, 4)]
    (run,) = [p for p in (comfy.out / "dreamlab").iterdir() if p.is_dir()]
    assert any((run / "checkpoints").iterdir())


def shown(color: float = 0.8) -> tuple[torch.Tensor, torch.Tensor]:
    """A ball as IMAGE and MASK of Load Image."""
    y, x = np.mgrid[0:48, 0:48] + 0.5
    clear = torch.from_numpy((np.hypot(x - 24, y - 24) > 18).astype(np.float32))[None]
    image = torch.tensor([color, 0.1, 0.1]).expand(1, 48, 48, 3)
    return image, clear


def test_an_image_and_its_mask_become_a_picture_with_alpha() -> None:
    image, mask = shown()
    (data,) = pictures_from_comfy(image, mask)
    rgba = np.asarray(Image.open(BytesIO(data)))
    assert rgba.shape == (48, 48, 4) and (rgba[..., 3] == 255 * (1 - mask[0].numpy())).all()
    assert (rgba[..., :3] == [204, 26, 26]).all()
    for without in (None, torch.zeros(1, 64, 64)):  # what Load Image gives for a picture without alpha
        (data,) = pictures_from_comfy(image, without)
        assert np.asarray(Image.open(BytesIO(data))).shape == (48, 48, 3)
    for wrong in (torch.ones(1, 9, 9), mask.expand(3, -1, -1)):
        with pytest.raises(InputError, match="the mask is not of"):
            pictures_from_comfy(image.expand(2, -1, -1, -1), wrong)


def test_a_run_is_shown_the_pictures_with_their_cameras(comfy) -> None:
    comfy.stop = True
    image, mask = shown()
    with pytest.raises(Interrupted):
        TextToMesh().make(
            "a red ball", "fast", 0, "", TINY, image.expand(2, -1, -1, -1), mask, cameras="0; 90,10"
        )
    (run,) = [p for p in (comfy.out / "dreamlab").iterdir() if p.is_dir()]
    cameras = [(i["azimuth"], i["elevation"]) for i in RunDir(run).config().model_dump()["images"]]
    assert cameras == [(0.0, None), (90.0, 10.0)] and (run / "picture-2.png").is_file()


@pytest.mark.parametrize(("cameras", "told"), [("0;90", "as many as pictures"), ("left", "cannot read the")])
def test_cameras_that_cannot_be_used_are_told(comfy, cameras: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        TextToMesh().make("a red ball", "fast", 0, "", TINY, *shown(), cameras=cameras)


def test_without_a_prompt_the_picture_is_named(comfy, monkeypatch) -> None:
    said = Suggested("a red mushroom", "")
    monkeypatch.setattr(nodes, "suggested_prompt", lambda image: said)
    comfy.stop = True
    with pytest.raises(Interrupted):
        TextToMesh().make(" ", "fast", 0, "", TINY, *shown())
    assert [p.name for p in (comfy.out / "dreamlab").iterdir() if p.is_dir()] == ["0001-a-red-mushroom"]


@pytest.mark.parametrize("text", ["- a list", "just words", "a: [", "stages.shape.stepz: 3"])
def test_settings_that_cannot_be_used_are_told(text, comfy) -> None:
    with pytest.raises(ConfigError):
        TextToMesh().make("a red ball", "fast", 0, settings=text)


def test_a_file_becomes_a_mesh_and_a_mesh_files_with_numbers(comfy, cup, tmp_path) -> None:
    write(cup, tmp_path / "cup.glb")
    (mesh,) = LoadMesh().load(str(tmp_path / "cup.glb"))
    first = ExportMesh().export(mesh, "my cup", "glb")
    second = ExportMesh().export(mesh, "my cup", "glb", faces=100)
    names = [Path(done["result"][0]).name for done in (first, second)]
    assert names == ["my-cup_00001.glb", "my-cup_00002.glb"]
    assert second["ui"]["3d"] == [{"filename": names[1], "subfolder": "dreamlab", "type": "output"}]
    whole, light = (load(comfy.out / "dreamlab" / name) for name in names)
    assert len(whole.faces) == len(cup.faces) and len(light.faces) <= 100 and len(whole.textures) == 2


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path) -> None:
    path = tmp_path / "a.stl"
    missing = LoadMesh.IS_CHANGED(str(path))
    assert missing != missing
    path.write_bytes(b"")
    assert LoadMesh.IS_CHANGED(str(path)) == LoadMesh.IS_CHANGED(str(path)) == path.stat().st_mtime
