"""Plants: mushroom, trees, cactus, flowers, bush."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import BoolArray, Builder, FloatArray, Rng, Solid, join, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    CLAY,
    DARK_GREEN,
    GREEN,
    GREY,
    LIME,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SHORT,
    TALL,
    UPRIGHT,
    WHITE,
    WIDE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import blade, curve, tube
from dreamlab.studio.shapes.solids import capsule, cone, cylinder, dome, frustum, lathe, lump, sphere

LEAVES = (GREEN, GREEN, DARK_GREEN, LIME)


@generator("mushroom", "plant", natural=(RED, RED, BROWN, BEIGE, ORANGE), sizes=UPRIGHT)
def mushroom(b: Builder, rng: Rng, main: Paint) -> None:
    stem = paint(rng, (WHITE, BEIGE), unlike=main.color)
    height, radius = rng.uniform(0.5, 0.9), rng.uniform(0.13, 0.2)
    foot = radius * rng.uniform(1.1, 1.5)
    b.add(lathe([(foot, 0), (radius * 1.05, height * 0.35), (radius, height)]), stem.rgb)
    cap_radius, cap_height = rng.uniform(0.55, 0.75), rng.uniform(0.35, 0.6)
    cap = dome(cap_radius, cap_height, segments=16, rows=5).at(y=height - 0.02)
    b.add(cap, main.rgb)
    b.add(lathe([(cap_radius * 0.92, 0), (cap_radius * 0.96, 0.02)], 16).at(y=height - 0.03), stem.shade(0.9))
    if rng.random() < 0.65:
        spots = paint(rng, (WHITE, WHITE, WHITE, YELLOW, BLUE, PURPLE), unlike=main.color)
        places, normals = surface_points(cap, rng, int(rng.integers(8, 13)), keep=cap.normals()[:, 1] > 0)
        for place, normal in zip(places, normals, strict=True):
            size = rng.uniform(0.06, 0.1)
            b.add(sphere(size, 0.025, size, segments=8, rows=4).aligned(normal).at(*place), spots.rgb)
        b.say(f"with {spots.words()} spots")


def _trunk(rng: Rng, height: float, radius: float) -> tuple[Solid, Paint]:
    bark = paint(rng, (BROWN, BROWN, BROWN, GREY))
    return lathe([(radius * 1.5, 0), (radius, height * 0.25), (radius * 0.7, height)], 9), bark


@generator("tree", "plant", natural=(*LEAVES, ORANGE), sizes=UPRIGHT)
def tree(b: Builder, rng: Rng, main: Paint) -> None:
    height = rng.uniform(0.55, 0.85)
    trunk, bark = _trunk(rng, height, rng.uniform(0.07, 0.11))
    b.add(trunk, bark.rgb)
    if rng.random() < 0.4:
        r = rng.uniform(0.45, 0.58)
        b.add(lump(rng, r, r * rng.uniform(0.9, 1.2), r, 0.08).at(y=height + 0.25), main.rgb)
    else:
        turn = rng.uniform(0, 360)
        count = int(rng.integers(3, 6))
        for k in range(count):
            r = rng.uniform(0.3, 0.38)
            side = lump(rng, r, r * 0.85, r, 0.1).at(rng.uniform(0.22, 0.32), height + rng.uniform(0, 0.15))
            b.add(side.ry(turn + 360 * k / count), main.shade(rng.uniform(0.9, 1)))
        b.add(lump(rng, 0.4, 0.36, 0.4, 0.1).at(y=height + 0.38), main.rgb)
    if rng.random() < 0.3:
        fruit = paint(rng, (RED, RED, ORANGE, YELLOW, PINK), unlike=main.color)
        crown = b.solids[-1]
        places, _ = surface_points(crown, rng, 10, keep=crown.normals()[:, 1] > -0.3)
        for place in places:
            b.add(sphere(0.055, segments=7, rows=5).at(*place), fruit.rgb)
        b.say(f"with {fruit.words()} fruit")


@generator("pine tree", "plant", natural=(DARK_GREEN, DARK_GREEN, GREEN, WHITE), sizes=UPRIGHT)
def pine_tree(b: Builder, rng: Rng, main: Paint) -> None:
    trunk, bark = _trunk(rng, 0.4, rng.uniform(0.07, 0.1))
    b.add(trunk, bark.rgb)
    tiers, y, radius = int(rng.integers(3, 5)), 0.22, rng.uniform(0.42, 0.54)
    snowy = main.color != "white" and rng.random() < 0.25
    for k in range(tiers):
        r, h = radius * (1 - 0.72 * k / tiers), rng.uniform(0.48, 0.56) * (1 - 0.4 * k / tiers)
        b.add(cone(r, h, 12).at(y=y), main.shade(1 - 0.05 * (tiers - k)))
        if snowy:
            b.add(cone(r * 0.42, h * 0.42, 12).at(y=y + h * 0.62), (0.95, 0.96, 0.97))
        y += h * 0.58
    if snowy:
        b.say("covered with snow")


@generator("palm tree", "plant", natural=(GREEN, GREEN, DARK_GREEN), sizes=(TALL,), shelters=True)
def palm_tree(b: Builder, rng: Rng, main: Paint) -> None:
    bark = paint(rng, (BROWN, BEIGE), unlike=main.color)
    lean, height = rng.uniform(-0.3, 0.3), rng.uniform(1.0, 1.35)
    path = curve([(0, 0, 0), (lean * 0.3, height * 0.5, 0), (lean, height, 0)], 8)
    b.add(tube(path, np.linspace(0.1, 0.06, 8) * np.where(np.arange(8) % 2, 1, 0.85), 8), bark.rgb)
    count, turn = int(rng.integers(7, 10)), rng.uniform(0, 360)
    for k in range(count):
        length, droop = rng.uniform(0.6, 0.75), rng.uniform(0.3, 0.45)
        b.add(
            _frond(length, droop).ry(turn + 360 * k / count).at(lean, height),
            main.shade(rng.uniform(0.88, 1.05)),
        )
    if rng.random() < 0.5:
        for k in range(3):
            b.add(
                sphere(0.075, segments=8, rows=6).at(0.09).ry(120 * k + turn).at(lean, height - 0.07),
                (0.33, 0.2, 0.1),
            )
        b.say("with coconuts")


def _frond(length: float, droop: float) -> Solid:
    """Broad leaf along +Z that rises, then hangs."""
    leaf = blade(length, 0.3, 0.05, 0, 0.45)
    x, y, _ = leaf.vertices.T
    t = y / length
    fold = np.abs(x) * -0.35
    rise = length * (0.75 * t - 1.5 * t**2 * droop / 0.4) + leaf.vertices[:, 2] + fold
    return Solid(np.stack([x, rise, y], axis=1), leaf.faces[:, ::-1])


@generator("cactus", "plant", natural=(GREEN, GREEN, DARK_GREEN), sizes=UPRIGHT)
def cactus(b: Builder, rng: Rng, main: Paint) -> None:
    height, radius = rng.uniform(0.9, 1.2), rng.uniform(0.15, 0.2)
    base = 0.0
    if rng.random() < 0.45:
        pot = paint(rng, (CLAY, BROWN, WHITE, RED, BLUE, YELLOW), unlike=main.color)
        base = _pot(b, pot, 0.26, 0.28)
        b.say(f"in {pot.a('pot')}")
    b.add(capsule(radius, height, 12).at(y=base + height / 2 - 0.08), main.rgb)
    turn = rng.uniform(-25, 25)
    for side in (-1, 1) if rng.random() < 0.8 else (1,):
        y, reach, up = rng.uniform(0.3, 0.55), radius + rng.uniform(0.17, 0.25), rng.uniform(0.25, 0.42)
        path = curve([(0, y, 0), (reach * 0.75, y, 0), (reach, y + 0.12, 0), (reach, y + up, 0)], 8)
        r = radius * rng.uniform(0.5, 0.65)
        arm = tube(path, r, 8)
        tip = sphere(r, segments=8, rows=6).at(reach, y + up)
        for part in (arm, tip):
            b.add(part.scaled(side, 1, 1).ry(turn).at(y=base), main.rgb)
    if rng.random() < 0.4:
        bloom = paint(rng, (PINK, RED, YELLOW, WHITE, PURPLE), unlike=main.color)
        for k in range(5):
            b.add(blade(0.17, 0.13, 0.04, 0.08).rx(35).ry(72 * k).at(y=base + height - 0.1), bloom.rgb)
        b.say(f"with {bloom.a('flower')}")


def _pot(b: Builder, pot: Paint, radius: float, height: float) -> float:
    """Adds a flower pot with earth and returns the height of the earth."""
    b.add(frustum(radius * 0.68, radius * 0.9, height * 0.8), pot.rgb)
    b.add(cylinder(radius, height * 0.25).at(y=height * 0.75), pot.shade(0.92))
    b.add(cylinder(radius * 0.85, 0.02).at(y=height - 0.005), (0.24, 0.16, 0.1))
    return height


def _stalk(b: Builder, rng: Rng, height: float, green: FloatArray, leaves: int) -> float:
    """A stem with leaves; returns how far its top leans along X."""
    lean = rng.uniform(-0.1, 0.1)
    b.add(tube(curve([(0, 0, 0), (lean * 0.2, height / 2, 0), (lean, height, 0)], 6), 0.035, 6), green)
    for k in range(leaves):
        leaf = blade(rng.uniform(0.38, 0.5), 0.18, 0.03, 0.15).rx(rng.uniform(30, 50)).ry(90 + 180 * k)
        b.add(leaf.at(y=height * rng.uniform(0.05, 0.3)), green * 0.9)
    return lean


@generator("flower", "plant", natural=(RED, YELLOW, PINK, PURPLE, BLUE, WHITE, ORANGE), sizes=(TALL,))
def flower(b: Builder, rng: Rng, main: Paint) -> None:
    green = paint(rng, (GREEN, DARK_GREEN, LIME), unlike=main.color)
    eye = paint(rng, (YELLOW, YELLOW, ORANGE, BROWN, WHITE), unlike=main.color)
    height, count, size = rng.uniform(0.75, 1.0), int(rng.integers(6, 10)), rng.uniform(0.42, 0.52)
    lean, tip = _stalk(b, rng, height, green.rgb, int(rng.integers(1, 3))), rng.uniform(35, 65)
    for k in range(count):
        petal = blade(size, size * rng.uniform(0.62, 0.75), 0.05, 0.06, 0.6)
        b.add(
            petal.rz(360 * k / count).rx(-90 + tip).at(lean, height, 0.03), main.shade(0.94 if k % 2 else 1)
        )
    b.add(sphere(0.16, 0.07, 0.16, segments=12, rows=6).rx(tip).at(lean, height + 0.02, 0.05), eye.rgb)
    b.say(f"with {eye.a('middle')}")


@generator("tulip", "plant", natural=(RED, RED, YELLOW, PINK, PURPLE, WHITE, ORANGE), sizes=(TALL, SHORT))
def tulip(b: Builder, rng: Rng, main: Paint) -> None:
    green = paint(rng, (GREEN, DARK_GREEN), unlike=main.color)
    height = rng.uniform(0.6, 0.8)
    lean = _stalk(b, rng, height, green.rgb, 2)
    wide, tall = rng.uniform(0.23, 0.28), rng.uniform(0.5, 0.6)
    cup = lathe(
        [(0, 0), (wide * 0.75, 0.07), (wide, tall * 0.4), (wide * 0.8, tall * 0.75), (0, tall * 0.7)], 12
    )
    b.add(cup.at(lean, height), main.rgb)
    for k in range(6):
        petal = blade(tall, wide * 1.15, 0.06, 0.02, 0.45).rx(4 if k % 2 else 8).at(z=wide * 0.55)
        b.add(petal.ry(60 * k).at(lean, height + 0.04), main.shade(0.92 if k % 2 else 1.05))


@generator("bush", "plant", natural=LEAVES, sizes=(TALL, WIDE))
def bush(b: Builder, rng: Rng, main: Paint) -> None:
    count, turn = int(rng.integers(4, 7)), rng.uniform(0, 360)
    for k in range(count):
        r = rng.uniform(0.3, 0.42)
        side = lump(rng, r, r * 0.9, r, 0.12).at(rng.uniform(0.3, 0.45), r * rng.uniform(0.65, 0.85))
        b.add(side.ry(turn + 360 * k / count), main.shade(rng.uniform(0.88, 1)))
    crown = lump(rng, 0.45, 0.42, 0.45, 0.1).at(y=0.5)
    b.add(crown, main.rgb)
    if rng.random() < 0.5:
        berries = paint(rng, (RED, RED, PURPLE, BLUE, WHITE, PINK, YELLOW), unlike=main.color)
        bearing = join(*b.solids)
        places, _ = surface_points(bearing, rng, 16, keep=_outermost(bearing))
        for place in places:
            b.add(sphere(0.055, segments=7, rows=5).at(*place), berries.rgb)
        b.say(f"with {berries.words()} berries")


def _outermost(solid: Solid) -> BoolArray:
    """Faces in the upper outer part of a clump, which no other lump hides."""
    centres = solid.centres()
    return np.hypot(centres[:, 0], centres[:, 2]) + np.maximum(centres[:, 1] - 0.4, 0) > 0.52


@generator("potted plant", "plant", natural=LEAVES, sizes=(TALL,))
def potted_plant(b: Builder, rng: Rng, main: Paint) -> None:
    pot = paint(rng, (CLAY, CLAY, WHITE, BLUE, RED, YELLOW, BLACK), unlike=main.color)
    earth = _pot(b, pot, 0.3, rng.uniform(0.36, 0.48))
    count, broad = int(rng.integers(9, 14)), rng.uniform(0.2, 0.32)
    for k in range(count):
        inner = k % 3 == 0
        leaf = blade(rng.uniform(0.7, 0.95), broad, 0.05, rng.uniform(0.15, 0.3), rng.uniform(0.45, 0.6))
        tilt = rng.uniform(5, 18) if inner else rng.uniform(28, 52)
        b.add(leaf.rx(tilt).ry(360 * k * 0.382).at(y=earth - 0.02), main.shade(rng.uniform(0.85, 1.05)))
    b.say(f"in {pot.a('pot')}")


GENERATORS = (mushroom, tree, pine_tree, palm_tree, cactus, flower, tulip, bush, potted_plant)
