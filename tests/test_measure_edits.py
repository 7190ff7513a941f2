"""The measure of edits: what stayed, how deep a part sinks, and what a mask takes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.types import Mesh
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.gltf import GlbObject
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.gltf_join import joined_gltf
from dreamlab.mesh.io.load import load
from dreamlab.mesh.texture.unwrap import unwrap
from tests.test_given import plain, two_halves

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import measure_edits as script


def textured(path: Path, side: float = 2.0) -> Path:
    from dataclasses import replace

    flat = unwrap(plain(trimesh.creation.box((side, 2, 2))), resolution=64)
    image = torch.full((64, 64, 3), 128, dtype=torch.uint8)
    return write(replace(flat, textures=(("albedo", image),)), path)[0]


def test_a_joined_file_has_the_first_rows_and_another_box_has_not(tmp_path: Path) -> None:
    box, other = textured(tmp_path / "box.glb"), textured(tmp_path / "other.glb", 3.0)
    ball = plain(trimesh.creation.icosphere(1))
    made = tmp_path / "made.glb"
    made.write_bytes(joined_gltf(GltfFile(box), [GlbObject("ball", ball)]))
    assert script.same_rows(box, made) and not script.same_rows(other, made)


def test_how_deep_a_part_sinks_is_told_of_its_height(tmp_path: Path) -> None:
    box, made = textured(tmp_path / "box.glb"), tmp_path / "made.glb"
    lid = plain(trimesh.creation.box((1, 1, 1)))
    for y, sinks in ((1.25, 0.25), (1.5, 0.0), (1.75, -0.25)):
        made.write_bytes(joined_gltf(GltfFile(box), [GlbObject("lid", lid, at=(0.0, y, 0.0))]))
        told = script.put_on(load(box), load(made))
        assert told["sinks"] == pytest.approx(sinks, abs=1e-3) and told["changed_outside"] < 0.005


def test_what_a_mask_takes_is_told_of_its_colour_and_of_the_others() -> None:
    ball: Mesh = two_halves(trimesh.creation.icosphere(3, 5.0))

    def mask(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
        assert np.linalg.norm(x, axis=1) == pytest.approx(5, abs=0.1)
        return np.where(x[:, 0] > 0, 1.0, 0.25)

    told = script.taken(ball, mask, (0.9, 0.1, 0.1))
    assert told["of_the_right_colour"] == pytest.approx(1, abs=0.02)
    assert told["of_the_others"] == pytest.approx(0.25, abs=0.02) and 0.5 < told["mask_takes"] < 0.75
