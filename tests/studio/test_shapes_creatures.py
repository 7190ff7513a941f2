"""Creatures, vehicles, buildings, tools, toys: faces look to +Z, halves mirror each other, captions tell the
truth.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from studio.nouns import drawn, holds_for_all, made, volume

from dreamlab.studio.shapes import (
    animals,
    arms,
    beasts,
    birds,
    boats,
    buildings,
    characters,
    craft,
    grammar,
    insects,
    instruments,
    people,
    rides,
    sealife,
    street,
    tools,
    towers,
    toys,
    vehicles,
)
from dreamlab.studio.shapes.core import Builder, Shape
from dreamlab.studio.shapes.grammar import COLORS, Generator
from dreamlab.studio.shapes.parts import (
    DARK,
    EYE_WHITE,
    LAMP,
    eyes,
    gable,
    hull,
    on_ellipsoid,
    pair,
    side_profile,
    spindle,
    trunk,
    wheel,
)

CREATURES = (
    *animals.GENERATORS,
    *beasts.GENERATORS,
    *birds.GENERATORS,
    *insects.GENERATORS,
    *sealife.GENERATORS,
    *characters.GENERATORS,
    *people.GENERATORS,
)
MODULES = (vehicles, rides, craft, boats, buildings, towers, arms, tools, instruments, toys, street)
THINGS = tuple(g for module in MODULES for g in module.GENERATORS)
MINE = (*CREATURES, *THINGS)

# Spots strewn at random, a coat patch on one side, a curly tail, a scarf's end, something different in either
# hand.
UNEVEN_CREATURES = {"cow", "giraffe", "dog", "pig", "penguin", "knight", "wizard", "pirate"}
EVEN_THINGS = (
    "car", "truck", "train", "fire truck", "skateboard", "rocket", "boat", "sailboat", "submarine",
    "church", "barn", "pagoda", "sword", "guitar", "trumpet",
)  # fmt: skip
WITH_HEADLAMPS = ("car", "truck", "bus", "train", "fire truck", "police car", "motorcycle", "tractor")


def names(generators: tuple[Generator, ...]) -> list[str]:
    return [g.noun for g in generators]


def hits(shape: Shape, toward: tuple[float, float, float], color: np.ndarray, rays: int = 90) -> int:
    """How many of a grid of parallel rays from that side end on a face painted exactly so."""
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, process=False)
    out = np.array(toward, float)
    right = np.cross((0, 1, 0), out)
    u, v = np.meshgrid(*[(np.arange(rays) + 0.5) / rays * 2 - 1] * 2)
    origins = 2 * out + u.reshape(-1, 1) * right + v.reshape(-1, 1) * np.array((0.0, 1.0, 0.0))
    found = mesh.ray.intersects_first(origins, np.broadcast_to(-out, origins.shape))
    found = found[found >= 0]
    return int(np.isclose(shape.face_colors[found], color, atol=1e-4).all(axis=1).sum())


def mirror_gap(vertices: np.ndarray) -> float:
    """Furthest that a vertex's mirror image in x = 0 lies from any vertex."""
    return float(cKDTree(vertices).query(vertices * (-1, 1, 1))[0].max())


def face_marks(shape: Shape, front: tuple[float, float, float]) -> tuple[int, int]:
    """Rays that see eyes (whites, or else what is black) from that side and from the opposite one."""
    white = np.isclose(shape.face_colors, EYE_WHITE, atol=1e-4).all(axis=1).any()
    x, y, z = front
    return tuple(hits(shape, side, EYE_WHITE if white else DARK) for side in (front, (-x, -y, -z)))


def test_the_face_of_a_creature_looks_to_the_front() -> None:
    """Eyes (or what stands for them: visor slits, a mouth) are seen from +Z and less from -Z."""

    def law(noun: str) -> None:
        for seed in range(2):
            front, back = face_marks(made(noun, seed, grammar.PURPLE), (0, 0, 1))
            assert front > back
            assert front >= 3

    holds_for_all(sorted({*names(CREATURES)} - {"astronaut"}), law)


def test_most_creatures_show_no_better_face_to_either_side() -> None:
    """The same oracle, asked from +X against -X: eyes come in pairs, so neither side may win clearly."""
    for noun in ("duck", "cat", "elephant", "owl", "frog", "robot", "man"):
        left, right = face_marks(made(noun, 0, grammar.PURPLE), (1, 0, 0))
        assert abs(left - right) <= 0.2 * max(left, right, 10)


def test_the_visor_of_the_astronaut_is_in_front() -> None:
    shape = made("astronaut", 0, grammar.PURPLE)
    only_in_front = [
        int(hits(shape, (0, 0, 1), rgb))
        for rgb in np.unique(shape.face_colors, axis=0)
        if hits(shape, (0, 0, -1), rgb) == 0
    ]
    assert max(only_in_front) > 150


def test_head_lamps_shine_to_the_front() -> None:
    def law(noun: str) -> None:
        shape = made(noun, 1, grammar.PURPLE)
        assert hits(shape, (0, 0, 1), LAMP) > 10
        assert hits(shape, (0, 0, -1), LAMP) == 0

    holds_for_all(WITH_HEADLAMPS, law)


def test_left_mirrors_right() -> None:
    def law(noun: str) -> None:
        for seed in range(3):
            # Small round mouths are tubes whose vertices may sit a little differently on either side.
            assert mirror_gap(drawn(noun, seed, grammar.PURPLE).merged()[0].vertices) < 4e-3

    holds_for_all((*sorted({*names(CREATURES)} - UNEVEN_CREATURES), *EVEN_THINGS), law)


def test_the_mirror_oracle_sees_an_uneven_creature() -> None:
    for noun in ("cow", "knight"):
        assert mirror_gap(drawn(noun, 0, grammar.PURPLE).merged()[0].vertices) > 0.01


def test_what_a_caption_says_is_drawn() -> None:
    """A colour that a detail names is on the object, as a clear share of some part's paint."""
    words = sorted((c.word for c in COLORS), key=len, reverse=True)

    def law(noun: str) -> None:
        for seed in range(4):
            builder = drawn(noun, seed, grammar.PURPLE)
            painted = np.unique(np.concatenate([c.reshape(-1, 3) for c in builder.colors]), axis=0)
            for detail in builder.details:
                for word in re.findall("|".join(words), detail):
                    assert any(lies_in(rgb, word) for rgb in painted), (detail, word)

    holds_for_all(names(MINE), law)


def lies_in(rgb: np.ndarray, word: str) -> bool:
    """Whether a paint lies in the word's box, allowing for fixed whites and blacks beside the sampled
    ones.
    """
    return bool(np.abs(samples_of(word) - rgb).max(axis=1).min() < 0.16)


@cache
def samples_of(word: str) -> np.ndarray:
    (color,) = (c for c in COLORS if c.word == word)
    return np.array([color.sample(np.random.default_rng(k)) for k in range(24)])


def test_props_stay_low_poly_and_closed_parts_wind_outwards() -> None:
    def law(noun: str) -> None:
        for seed in (3, 4):
            builder = drawn(noun, seed, grammar.PURPLE)
            assert 80 <= sum(len(s.faces) for s in builder.solids) <= 3800
            for solid in builder.solids:
                assert volume(solid._replace(vertices=solid.vertices - solid.vertices.mean(axis=0))) > 0
                assert np.isfinite(solid.vertices).all()

    holds_for_all(names(MINE), law)


def test_another_seed_draws_another_creature_or_thing() -> None:
    def law(noun: str) -> None:
        assert made(noun, 0).vertices.tobytes() != made(noun, 1).vertices.tobytes()

    holds_for_all(names(MINE), law)


def test_a_yellow_duck_has_a_beak_in_another_colour_in_front() -> None:
    for seed in range(6):
        shape = made("duck", seed, grammar.YELLOW)
        assert shape.captions[:2] == ("a duck", "a yellow duck")
        assert re.search(r"with an? (orange|red) beak|and an? (orange|red) beak", shape.captions[-1])
        foremost = shape.face_colors[shape.vertices[shape.faces].mean(axis=1)[:, 2].argmax()]
        r, g, b = foremost
        assert g < 0.62 * r
        assert b < 0.35


def test_wheels_stand_on_the_ground_in_front_and_behind() -> None:
    def law(noun: str) -> None:
        solid = drawn(noun, 0, grammar.PURPLE).merged()[0]
        low = solid.vertices[solid.vertices[:, 1] < solid.vertices[:, 1].min() + 0.02]
        assert low[:, 2].max() > 0.3
        assert low[:, 2].min() < -0.3

    holds_for_all(("car", "bus", "tractor", "police car", "bicycle", "motorcycle"), law)


@pytest.mark.parametrize(
    ("noun", "axis"), [("giraffe", 1), ("rocket", 1), ("lighthouse", 1), ("bus", 2), ("saw", 0)]
)
def test_the_long_side_of_long_things(noun: str, axis: int) -> None:
    extent = np.ptp(drawn(noun, 2, grammar.PURPLE).merged()[0].vertices, axis=0)
    assert int(extent.argmax()) == axis


def test_the_elephant_has_its_trunk_and_the_shark_its_nose_in_front() -> None:
    for noun in ("elephant", "shark", "whale", "airplane", "submarine", "sailing ship", "tank"):
        vertices = drawn(noun, 5, grammar.PURPLE).merged()[0].vertices
        tip = vertices[vertices[:, 2] > vertices[:, 2].max() - 0.05]
        assert np.abs(tip[:, 0]).max() < 0.3 * np.ptp(vertices[:, 0]), noun


def test_shared_parts_are_closed_forms() -> None:
    assert volume(gable(2, 1, 3)) == pytest.approx(3)
    assert volume(side_profile([(0, 0), (2, 0), (2, 1), (0, 1)], 0.5)) == pytest.approx(1)
    assert volume(spindle([(0, 0, 1, 2), (3, 0, 1, 2)], 64)) == pytest.approx(6 * np.pi, rel=0.01)
    assert volume(spindle([(0, 0, 1, 2), (3, 0, 1, 2)], 64, square=0.02)) == pytest.approx(24, rel=0.05)
    assert volume(hull([(0, 0, 1, 1, 1), (2, 0, 1, 1, 1)])) == pytest.approx(4)
    assert volume(pair(gable(2, 1, 3).at(x=4))) == pytest.approx(6)
    tyre, hub = wheel(0.5, 0.2)
    for solid in (tyre, hub, trunk(1, 0.4, 0.3)):
        assert volume(solid) > 0
    assert np.ptp(tyre.vertices, axis=0) == pytest.approx((0.2, 1.0, 1.0))


def test_side_profiles_run_forward_and_bodies_lie_along_z() -> None:
    plate = side_profile([(0, 0), (3, 0), (0, 1)], 0.2).vertices
    assert plate[:, 2].max() == pytest.approx(3)
    assert plate[:, 1].max() == pytest.approx(1)
    assert np.abs(plate[:, 0]).max() == pytest.approx(0.1)
    assert np.ptp(spindle([(-1, 0, 0.1, 0.1), (2, 0.5, 0.4, 0.2)]).vertices[:, 2]) == pytest.approx(3)


def test_eyes_sit_on_the_head_and_their_pupils_stand_out() -> None:
    place, direction = on_ellipsoid((1, 2, 3), (1, 1, 1), 90, 0)
    np.testing.assert_allclose(place, (2, 2, 3), atol=1e-12)
    np.testing.assert_allclose(direction, (1, 0, 0), atol=1e-12)
    builder = Builder()
    eyes(builder, (0, 0, 0), (1, 1, 1), 0.1, azimuth=0, elevation=0)
    white, _, pupil, _ = builder.solids
    assert pupil.vertices[:, 2].max() > white.vertices[:, 2].max()
    assert white.vertices[:, 2].max() > 1
