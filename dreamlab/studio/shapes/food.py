"""Food: fruit and vegetables."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid, surface_points
from dreamlab.studio.shapes.grammar import (
    DARK_GREEN,
    DARK_RED,
    FAT,
    GOLDEN,
    GREEN,
    LIME,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SHORT,
    TALL,
    THIN,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import arc, blade, curve, extrude, tube
from dreamlab.studio.shapes.solids import frustum, lathe, ribbed, sphere

STALK = (0.35, 0.22, 0.1)


def _stalk_and_leaf(b: Builder, rng: Rng, y: float, leaf_chance: float) -> None:
    lean = rng.uniform(-0.12, 0.12)
    b.add(tube(curve([(0, y - 0.1, 0), (lean * 0.4, y + 0.08, 0), (lean, y + 0.24, 0)], 5), 0.035, 6), STALK)
    if rng.random() < leaf_chance:
        green = paint(rng, (GREEN, GREEN, LIME))
        leaf = blade(rng.uniform(0.42, 0.55), 0.26, 0.04, 0.1)
        b.add(leaf.rx(rng.uniform(50, 70)).ry(rng.uniform(0, 360)).at(y=y + 0.02), green.rgb)
        b.say("with a green leaf")


@generator("apple", "food", natural=(RED, RED, RED, GREEN, LIME, YELLOW))
def apple(b: Builder, rng: Rng, main: Paint) -> None:
    waist, drop = rng.uniform(0.42, 0.52), rng.uniform(0.82, 0.95)
    profile = [
        (0, 0.1),
        (0.2, 0.02),
        (waist, 0.12),
        (0.66, 0.42),
        (0.72, 0.72),
        (0.62, 1.0),
        (0.4, 1.14),
        (0.18, 1.1),
    ]
    b.add(lathe([*profile, (0, drop)], 16), main.rgb)
    _stalk_and_leaf(b, rng, 1.02, 0.7)


@generator("pear", "food", natural=(LIME, LIME, YELLOW, GREEN), sizes=(TALL, FAT))
def pear(b: Builder, rng: Rng, main: Paint) -> None:
    neck = rng.uniform(0.2, 0.28)
    profile = [(0, 0.06), (0.25, 0), (0.52, 0.18), (0.6, 0.45), (0.5, 0.75), (neck + 0.07, 1.05), (neck, 1.3)]
    b.add(lathe([*profile, (neck * 0.65, 1.45), (0, 1.48)], 16), main.rgb)
    _stalk_and_leaf(b, rng, 1.46, 0.5)


@generator("orange", "food", natural=(ORANGE,))
def orange(b: Builder, rng: Rng, main: Paint) -> None:
    b.add(sphere(0.7, 0.66, segments=16, rows=12).at(y=0.66), main.rgb)
    b.add(lathe([(0.09, 0), (0.05, 0.05)], 6).at(y=1.3), (0.25, 0.45, 0.15))
    if rng.random() < 0.6:
        b.add(blade(0.45, 0.24, 0.04, 0.08).rx(65).ry(rng.uniform(0, 360)).at(y=1.33), (0.2, 0.52, 0.16))
        b.say("with a green leaf")


@generator("lemon", "food", natural=(YELLOW,))
def lemon(b: Builder, rng: Rng, main: Paint) -> None:
    tip = rng.uniform(0.1, 0.16)
    half = [(0, -0.85), (tip * 0.7, -0.82), (tip, -0.7), (0.38, -0.48), (0.52, -0.15), (0.52, 0.15)]
    body = (
        lathe([*half, (0.38, 0.48), (tip, 0.7), (tip * 0.6, 0.8), (0, 0.82)], 14)
        .rz(-90)
        .rz(rng.uniform(0, 12))
    )
    b.add(body, main.rgb)
    if rng.random() < 0.5:
        b.add(blade(0.5, 0.26, 0.04, 0.1).rz(60).at(-0.75, 0.05), (0.2, 0.5, 0.16))
        b.say("with a green leaf")


@generator("banana", "food", natural=(YELLOW, YELLOW, YELLOW, GREEN))
def banana(b: Builder, rng: Rng, main: Paint) -> None:
    span, radius = rng.uniform(56, 72), rng.uniform(0.17, 0.22)
    path = arc(0.9, 270 - span, 270 + span, 12)
    thick = radius * np.array([0.35, 0.6, 0.85, 1, 1.05, 1.08, 1.08, 1.05, 1, 0.85, 0.6, 0.3])
    b.add(tube(path, thick, 6), main.rgb)
    ahead = path[-1] - path[-2]
    b.add(tube([path[-1] - ahead * 0.1, path[-1] + ahead * 1.1], radius * 0.32, 6), main.shade(0.75))
    b.add(sphere(radius * 0.38, segments=6, rows=5).at(*path[0]), (0.2, 0.14, 0.08))
    b.add(sphere(radius * 0.36, segments=6, rows=5).at(*(path[-1] + ahead * 1.1)), (0.25, 0.17, 0.09))


@generator("carrot", "food", natural=(ORANGE,), sizes=(TALL, FAT, THIN))
def carrot(b: Builder, rng: Rng, main: Paint) -> None:
    r = rng.uniform(0.24, 0.32)
    profile = [
        (0, 0),
        (r * 0.3, 0.22),
        (r * 0.62, 0.6),
        (r * 0.9, 1.05),
        (r, 1.2),
        (r * 0.75, 1.32),
        (0, 1.34),
    ]
    b.add(lathe(profile, 12), main.rgb)
    for k in range(4):
        y = rng.uniform(0.35, 1.15)
        at = np.interp(y, [p[1] for p in profile], [p[0] for p in profile])
        b.add(
            sphere(0.09, 0.018, 0.03, segments=6, rows=4).at(z=at * 0.97).ry(90 * k + 30).at(y=y),
            main.shade(0.7),
        )
    count = int(rng.integers(5, 8))
    for k in range(count):
        leaf = blade(rng.uniform(0.4, 0.6), 0.15, 0.05, 0.14).rx(rng.uniform(8, 25)).ry(360 * k / count)
        b.add(leaf.at(y=1.28), (0.2, rng.uniform(0.5, 0.62), 0.16))
    b.say("with green leaves")


@generator("pumpkin", "food", natural=(ORANGE,), sizes=(TALL, SHORT))
def pumpkin(b: Builder, rng: Rng, main: Paint) -> None:
    tall = rng.uniform(0.45, 0.6)
    ribs = int(rng.integers(7, 10))
    body = ribbed(sphere(0.75, tall, segments=ribs * 4, rows=10), ribs, rng.uniform(0.12, 0.18))
    b.add(body.at(y=tall), main.rgb)
    lean = rng.uniform(-0.12, 0.12)
    stem = curve([(0, tall * 1.85, 0), (0, tall * 2 + 0.1, 0), (lean, tall * 2 + 0.25, 0)], 6)
    b.add(tube(stem, [0.12, 0.08, 0.07, 0.06, 0.06, 0.07], 7), (0.25, 0.38, 0.14))
    if rng.random() < 0.35:
        eye = extrude([(-0.11, 0), (0.11, 0), (0, 0.2)], 0.12)
        dark = (
            (0.1, 0.05, 0.02) if main.color not in ("black", "dark blue", "dark green") else (1.0, 0.8, 0.2)
        )
        b.add_pair(eye.at(0.2, tall * 1.15, 0.62), dark)
        b.add(sphere(0.3, 0.09, 0.08, segments=10, rows=4).at(0, tall * 0.72, 0.63), dark)
        b.say("with a carved face")


@generator("pineapple", "food", natural=(YELLOW, GOLDEN, GOLDEN, ORANGE), sizes=(TALL, FAT))
def pineapple(b: Builder, rng: Rng, main: Paint) -> None:
    tall, wide = rng.uniform(0.52, 0.62), rng.uniform(0.38, 0.44)
    body = sphere(wide, tall, segments=14, rows=11).at(y=tall)
    dark = (np.arange(len(body.faces)) // 7 % 2 == 0)[:, None]
    b.add(body, np.where(dark, main.shade(0.88), main.rgb))
    places, normals = surface_points(body, rng, 26)
    for place, normal in zip(places, normals, strict=True):
        b.add(frustum(0.05, 0.012, 0.05, 4).aligned(normal).at(*(place - normal * 0.01)), main.shade(0.7))
    green = paint(rng, (GREEN, DARK_GREEN), unlike=main.color)
    for ring, (count, tilt, length) in enumerate(((6, 48, 0.4), (5, 28, 0.5), (4, 8, 0.6))):
        for k in range(count):
            leaf = blade(length, 0.15, 0.03, 0.1).rx(tilt).ry(360 * k / count + 30 * ring)
            b.add(leaf.at(y=tall * 1.93), green.shade(0.85 + 0.08 * ring))
    b.say(f"with {green.words()} leaves")


@generator("cherry", "food", natural=(RED, RED, DARK_RED))
def cherry(b: Builder, rng: Rng, main: Paint) -> None:
    """Two cherries on joined stalks."""
    apart, green = rng.uniform(0.36, 0.44), paint(rng, (GREEN, LIME), unlike=main.color)
    for side in (-1, 1):
        low = rng.uniform(0.0, 0.12)
        b.add(sphere(0.34, 0.32, segments=12, rows=9).at(side * apart, 0.32 + low), main.rgb)
        path = curve([(side * apart, 0.6 + low, 0), (side * apart * 0.6, 0.95, 0), (0, 1.28, 0)], 6)
        b.add(tube(path, 0.035, 6), (0.3, 0.42, 0.14))
    b.add(blade(0.55, 0.28, 0.04, 0.1).rz(-70).at(0, 1.27), green.rgb)
    b.say(f"with {green.a('leaf')}")


@generator("strawberry", "food", natural=(RED,), sizes=(TALL, FAT))
def strawberry(b: Builder, rng: Rng, main: Paint) -> None:
    wide = rng.uniform(0.44, 0.52)
    profile = [
        (0, 0),
        (wide * 0.3, 0.06),
        (wide * 0.62, 0.3),
        (wide * 0.92, 0.62),
        (wide, 0.85),
        (wide * 0.75, 1.05),
    ]
    body = lathe([*profile, (0, 1.08)], 14)
    b.add(body, main.rgb)
    seed = (
        (0.98, 0.86, 0.45) if main.color not in ("yellow", "golden", "beige", "white") else (0.55, 0.35, 0.1)
    )
    places, normals = surface_points(body, rng, 26, keep=body.centres()[:, 1] < 0.95)
    for place, normal in zip(places, normals, strict=True):
        b.add(sphere(0.028, 0.018, 0.028, segments=6, rows=4).aligned(normal).at(*place), seed)
    for k in range(6):
        leaf = blade(0.42, 0.2, 0.04, 0.12).rx(rng.uniform(68, 80)).ry(60 * k)
        b.add(leaf.at(y=1.06), (0.2, 0.5, 0.15))
    b.add(tube([(0, 1.0, 0), (0, 1.22, 0)], 0.035, 6), (0.25, 0.5, 0.15))
    b.say("with green leaves")


@generator("watermelon slice", "food", natural=(RED, RED, RED, PINK, YELLOW))
def watermelon_slice(b: Builder, rng: Rng, main: Paint) -> None:
    """Half a disc standing on its rind; the flesh bears the colour."""
    thick, half = rng.uniform(0.3, 0.45), rng.uniform(68, 90)
    flesh, white, rind = (_segment(r, half, thick * t) for r, t in ((0.84, 1.04), (0.9, 1.0), (1.0, 0.98)))
    b.add(rind, (0.12, 0.42, 0.14))
    b.add(white, (0.93, 0.96, 0.82))
    b.add(flesh, main.rgb)
    for x, y in ((-0.42, -0.25), (0, -0.25), (0.42, -0.25), (-0.22, -0.5), (0.22, -0.5)):
        spot = sphere(0.035, 0.065, 0.02, segments=6, rows=5)
        for side in (-1, 1):
            b.add(spot.at(x, y, side * thick * 0.52), (0.08, 0.05, 0.03))
    b.say("with a green rind")


def _segment(radius: float, half: float, depth: float) -> Solid:
    """Disc segment hanging below y = 0, cut open by `half` degrees to both sides of straight down."""
    rim = arc(radius, 270 - half, 270 + half, 15)[:, :2]
    top = -np.cos(np.deg2rad(half)) * 0.9
    return extrude([*rim, (0, top)] if half < 89 else rim, depth)


@generator("bunch of grapes", "food", natural=(PURPLE, PURPLE, GREEN, LIME, DARK_RED))
def grapes(b: Builder, rng: Rng, main: Paint) -> None:
    r = rng.uniform(0.15, 0.18)
    for row, count in enumerate((7, 8, 6, 4, 1)):
        ring = (0.3, 0.34, 0.25, 0.15, 0.0)[row]
        for k in range(count):
            grape = (
                sphere(r * rng.uniform(0.92, 1.05), segments=8, rows=6)
                .at(z=ring)
                .ry(360 * k / count + 25 * row)
            )
            b.add(grape.at(y=1.0 - row * r * 1.35), main.shade(rng.uniform(0.85, 1.08)))
    b.add(tube(curve([(0, 1.0, 0), (0, 1.25, 0), (0.08, 1.42, 0)], 5), 0.04, 6), STALK)
    b.add(blade(0.5, 0.4, 0.04, 0.12, 0.5).rx(60).ry(rng.uniform(0, 360)).at(y=1.15), (0.22, 0.52, 0.16))


@generator("corn cob", "food", natural=(YELLOW,), sizes=(THIN, FAT))
def corn(b: Builder, rng: Rng, main: Paint) -> None:
    wide = rng.uniform(0.24, 0.29)
    y = np.linspace(0.25, 1.55, 14)
    r = (
        wide
        * np.sqrt(np.clip(1 - (np.abs(y - 0.75) / 0.9) ** 3, 0.06, 1))
        * np.where(np.arange(14) % 2, 1.06, 0.96)
    )
    cob = ribbed(lathe([(0, 0.2), *np.stack([r, y], axis=1), (0, 1.6)], 24), 8, 0.1)
    b.add(cob, main.rgb)
    for k in range(4):
        husk = blade(rng.uniform(0.9, 1.15), 0.4, 0.05, 0.1, 0.4).rx(14).at(z=0.12).ry(90 * k + 20)
        b.add(husk, (0.35, rng.uniform(0.58, 0.68), 0.2))
    b.say("with green leaves")


GENERATORS = (
    apple, pear, orange, lemon, banana, carrot, pumpkin, pineapple, cherry, strawberry, watermelon_slice,
    grapes, corn,
)  # fmt: skip
