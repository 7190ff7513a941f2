"""Where an edit may change an object."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dreamlab.cli.mask_option import parse_mask
from dreamlab.core.errors import InputError
from dreamlab.mesh.texture.mask import RIM, BoxMaskConfig, PartMaskConfig
from dreamlab.stages.auto_mask import AutoMaskConfig
from tests.test_given import plain, two_halves

UP = np.array([[0.0, 1.0, 0.0]])


def at(mask, *places: tuple[float, float, float]) -> np.ndarray:
    return mask(np.array(places, dtype=float), np.repeat(UP, len(places), 0))


def test_a_box_holds_what_is_inside_and_fades_where_it_cuts_the_mesh() -> None:
    cube = plain(trimesh.creation.box((2, 2, 2)))
    mask = BoxMaskConfig(low=(-1, 0, -1), high=(1, 1, 1)).build(cube)
    assert at(mask, (0, -0.5, 1), (0, 0, 1), (1, -1e-9, 0)).max() == 0.0
    assert at(mask, (0, 1, 0), (1, 1, 1), (-1, 2.01 * RIM, 0)).min() == 1.0  # its own outside does not fade
    assert at(mask, (0, RIM, 1))[0] == pytest.approx(0.5)


def test_a_thin_box_still_has_a_middle() -> None:
    mask = BoxMaskConfig(low=(-0.5, -0.01, -2), high=(0.5, 0.01, 2)).build(
        plain(trimesh.creation.box((2, 2, 2)))
    )
    assert at(mask, (0, 0, 1))[0] == 1.0


def test_a_box_beside_the_mesh_is_refused_with_where_that_lies() -> None:
    with pytest.raises(InputError, match=r"misses the mesh; expected a box that meets -1,-1,-1 to 1,1,1"):
        BoxMaskConfig(low=(5, 5, 5), high=(6, 6, 6)).build(plain(trimesh.creation.box((2, 2, 2))))


def test_a_part_is_what_has_its_colour() -> None:
    ball = two_halves(trimesh.creation.icosphere(3))
    mask = PartMaskConfig(color="red").build(ball)
    middles = ball.vertices[ball.faces].mean(1).double().numpy()
    weight = mask(middles, middles)
    assert weight[middles[:, 0] > 0.15].min() == 1.0 and weight[middles[:, 0] < -0.15].max() == 0.0


def test_another_colour_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"has no green.*red #.*blue #|has no green.*blue #.*red #"):
        PartMaskConfig(color="green").build(two_halves(trimesh.creation.icosphere(2)))


def test_a_mesh_without_colours_has_no_parts() -> None:
    with pytest.raises(InputError, match="no colours"):
        PartMaskConfig(color="red").build(plain(trimesh.creation.icosphere(2)))


def test_masks_are_read_and_anything_else_is_refused() -> None:
    assert parse_mask("off", "a mug") is None
    assert parse_mask("part:dark red", "a mug") == PartMaskConfig(color="dark red")
    assert parse_mask("auto", "a mug") == AutoMaskConfig(was="a mug")
    box = BoxMaskConfig(low=(-1, 0, -1), high=(1, 2, 1))
    assert parse_mask("box:1,0,-1,-1,2,1", "a mug") == box  # any two opposite corners
    for text in (
        "box:1,2,3",
        "box:0,0,0,0,1,1",
        "box:a,0,0,1,1,1",
        "box:0,0,0,nan,1,1",
        "part:",
        "auto:red",
        "x",
    ):
        with pytest.raises(InputError, match="--mask cannot be read"):
            parse_mask(text, "a mug")
