"""Buildings: house, castle, church, barn, skyscraper, tent, pagoda. Their fronts, with the door, face +Z."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    DARK_RED,
    GREEN,
    GREY,
    LIGHT_BLUE,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SILVER,
    STONE,
    TALL,
    WHITE,
    WIDE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, EYE_WHITE, PANE, TIMBER, gable
from dreamlab.studio.shapes.paths import extrude, rod
from dreamlab.studio.shapes.solids import box, cone, cylinder, lathe, sphere


def window(b: Builder, x: float, y: float, z: float, width: float, height: float, side: int = 0) -> None:
    """A pane with a white frame; centre (x, y, z); side 0 looks to ±Z, 1 to ±X."""
    for solid, rgb in (
        (box(width * 1.3, height * 1.3, 0.05).at(y=-height * 0.65), EYE_WHITE),
        (box(width, height, 0.08).at(y=-height / 2), PANE * 0.75),
        (box(width * 0.1, height, 0.1).at(y=-height / 2), EYE_WHITE),
        (box(width, height * 0.1, 0.1).at(y=-height * 0.05), EYE_WHITE),
    ):
        b.add((solid.ry(90) if side else solid).at(x, y, z), rgb)


def arch(width: float, height: float, depth: float) -> Solid:
    """A plate with a round top on y = 0, centred on z = 0."""
    angle = np.linspace(0, np.pi, 9)
    r = width / 2
    top = np.stack([r * np.cos(angle), height - r + r * np.sin(angle)], axis=1)
    return extrude(np.concatenate([[(-r, 0), (r, 0)], top]), depth)


def roof_slabs(
    b: Builder, rgb: np.ndarray, width: float, pitch: float, depth: float, y: float, thick: float = 0.08
) -> None:
    """Two slanting slabs over a gable of that width and pitch whose eaves are at height y."""
    angle = np.degrees(np.arctan2(pitch, width / 2))
    length = np.hypot(width / 2, pitch) * 1.13
    b.add_pair(box(length, thick, depth).at(-length / 2).rz(angle).at(0, y + pitch, 0), rgb)


@generator(
    "house",
    "building",
    natural=(WHITE, WHITE, YELLOW, BEIGE, LIGHT_BLUE, RED, PINK, WOODEN),
    sizes=(TALL, WIDE),
)
def house(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, RED, BROWN, DARK_RED, BLUE, GREY), unlike=main.color)
    door = paint(rng, (BROWN, RED, BLUE, WOODEN), unlike=main.color)
    width, tall, depth, pitch = (
        rng.uniform(*s) for s in ((1.0, 1.25), (0.85, 1.05), (0.9, 1.15), (0.4, 0.55))
    )
    front = depth / 2
    b.add(box(width, tall, depth), main.rgb)
    b.add(gable(width, pitch * 0.96, depth * 0.999).at(y=tall - 0.01), main.rgb)
    roof_slabs(b, roof.rgb, width, pitch, depth * 1.08, tall - 0.02, thick=0.08)
    b.add(box(0.28, 0.46, 0.06).at(0, 0, front), door.rgb)
    b.add(sphere(0.03, segments=6, rows=4).at(0.08, 0.22, front + 0.04), (0.95, 0.8, 0.3))
    for x in (-width * 0.32, width * 0.32):
        window(b, x, tall * 0.52, front, 0.2, 0.24)
    window(b, 0, tall + pitch * 0.35, front, 0.17, 0.2)
    for z in (-depth * 0.25, depth * 0.25):
        for x in (-width / 2, width / 2):
            window(b, x, tall * 0.52, z, 0.24, 0.26, side=1)
    window(b, 0, tall * 0.52, -front, 0.3, 0.26)
    if rng.random() < 0.8:
        b.add(box(0.2, 0.55, 0.2).at(width * 0.27, tall + pitch * 0.35, -depth * 0.2), (0.6, 0.27, 0.2))
        b.add(
            box(0.25, 0.07, 0.25).at(width * 0.27, tall + pitch * 0.35 + 0.53, -depth * 0.2),
            (0.45, 0.2, 0.16),
        )
    b.say(f"with {with_article(roof.words())} roof")
    b.say(f"with {with_article(door.words())} door")


@generator("castle", "building", natural=(STONE, STONE, GREY, BEIGE, WHITE, PINK))
def castle(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (RED, BLUE, PURPLE, DARK_RED), unlike=main.color)
    half, wall, tower, high = (
        rng.uniform(0.55, 0.68),
        rng.uniform(0.5, 0.62),
        rng.uniform(0.18, 0.23),
        rng.uniform(0.85, 1.05),
    )
    pointed = rng.random() < 0.65
    for k in range(4):
        side = box(half * 2, wall, 0.16).at(0, 0, half)
        b.add(side.ry(90 * k), main.rgb)
        for x in np.linspace(-half * 0.62, half * 0.62, 4):
            b.add(box(half * 0.2, 0.12, 0.16).at(x, wall - 0.01, half).ry(90 * k), main.rgb)
        corner = cylinder(tower, high, 12).at(half, 0, half).ry(90 * k)
        b.add(corner, main.shade(0.92))
        place = (half, 0, half)
        if pointed:
            b.add(cylinder(tower * 1.2, 0.1, 12).at(half, high - 0.04, half).ry(90 * k), main.shade(0.8))
            b.add(cone(tower * 1.35, 0.52, 12).at(half, high + 0.05, half).ry(90 * k), roof.rgb)
        else:
            _crown(b, main, tower, high, place, 90 * k)
        b.add(box(0.06, 0.18, 0.03).at(0, high * 0.6, tower).ry(20).at(half, 0, half).ry(90 * k), DARK)
    b.add(box(half * 1.0, wall + 0.5, half * 1.0).at(0, 0, -0.06), main.shade(0.96))
    for k in range(4):
        for x in (-0.36, 0.0, 0.36):
            b.add(
                box(half * 0.22, 0.13, 0.12)
                .at(x * half * 1.1, wall + 0.49, half * 0.44)
                .ry(90 * k)
                .at(z=-0.06),
                main.rgb,
            )
    b.add(arch(half * 0.62, wall * 0.78, 0.22).at(0, 0, half), TIMBER)
    b.add(arch(half * 0.46, wall * 0.64, 0.26).at(0, 0, half), DARK)
    b.add(cylinder(0.025, 0.55, 6).at(0, wall + 0.48, -0.06), TIMBER)
    b.add(extrude([(0, 0), (0.3, 0.1), (0, 0.2)], 0.03).at(0.02, wall + 0.8, -0.06), roof.rgb)
    b.say(f"with {roof.words()} roofs" if pointed else f"with {with_article(roof.words())} flag")


def _crown(
    b: Builder, main: Paint, radius: float, y: float, place: tuple[float, float, float], turn: float
) -> None:
    b.add(cylinder(radius * 1.22, 0.1, 12).at(y=y - 0.05).at(*place).ry(turn), main.shade(0.85))
    for k in range(6):
        merlon = box(radius * 0.5, 0.14, 0.08).at(0, y + 0.04, radius * 1.1).ry(60 * k)
        b.add(merlon.at(*place).ry(turn), main.rgb)


@generator("church", "building", natural=(WHITE, WHITE, STONE, BEIGE, RED))
def church(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (BROWN, DARK_RED, GREY, BLUE, RED), unlike=main.color)
    width, tall, depth, pitch = (
        rng.uniform(*s) for s in ((0.72, 0.82), (0.85, 1.0), (1.0, 1.2), (0.3, 0.38))
    )
    tower, high, spire = rng.uniform(0.4, 0.46), rng.uniform(1.4, 1.6), rng.uniform(0.5, 0.65)
    front = depth / 2 + tower * 0.4
    b.add(box(width, tall, depth), main.rgb)
    b.add(gable(width, pitch * 0.96, depth).at(y=tall - 0.01), main.rgb)
    roof_slabs(b, roof.rgb, width, pitch, depth * 1.06, tall - 0.02)
    b.add(box(tower, high, tower).at(0, 0, front - tower / 2 + 0.05), main.shade(0.96))
    middle = front - tower / 2 + 0.05
    b.add(box(tower * 1.14, 0.07, tower * 1.14).at(0, high - 0.02, middle), main.shade(0.8))
    b.add(cone(tower * 0.8, spire, 4).ry(45).at(0, high + 0.04, middle), roof.rgb)
    top = high + spire
    b.add(box(0.05, 0.3, 0.05).at(0, top - 0.03, middle), (0.9, 0.75, 0.25))
    b.add(box(0.2, 0.05, 0.05).at(0, top + 0.13, middle), (0.9, 0.75, 0.25))
    b.add(arch(0.22, 0.4, 0.08).at(0, 0, front + 0.05), TIMBER)
    for turn in range(4):
        b.add(arch(0.16, 0.26, tower * 1.06).ry(90 * turn).at(0, high * 0.76, middle), DARK * 2.5)
    for z in np.linspace(-depth * 0.38, depth * 0.18, 3):
        b.add(arch(0.16, 0.36, width * 1.04).ry(90).at(0, tall * 0.3, z), PANE * 0.7)
    b.say(f"with {with_article(roof.words())} spire")


@generator("barn", "building", natural=(RED, RED, RED, BROWN, DARK_RED, WHITE, WOODEN))
def barn(b: Builder, rng: Rng, main: Paint) -> None:
    roof = paint(rng, (GREY, GREY, BROWN, WHITE, DARK_RED), unlike=main.color)
    trim = np.array((0.97, 0.97, 0.95)) if main.color != "white" else np.array((0.75, 0.2, 0.16))
    half, wall, knee, depth = rng.uniform(0.6, 0.68), rng.uniform(0.72, 0.85), 0.26, rng.uniform(1.0, 1.2)
    ridge = wall + knee + 0.18
    outline = [
        (-half, 0),
        (half, 0),
        (half, wall),
        (half * 0.62, wall + knee),
        (0, ridge),
        (-half * 0.62, wall + knee),
        (-half, wall),
    ]
    b.add(extrude(outline, depth), main.rgb)
    for (x0, y0), (x1, y1) in (
        ((half, wall), (half * 0.62, wall + knee)),
        ((half * 0.62, wall + knee), (0, ridge)),
    ):
        long, angle = np.hypot(x1 - x0, y1 - y0), np.degrees(np.arctan2(y1 - y0, x1 - x0))
        slab = box(long * 1.14, 0.07, depth * 1.08).at(long / 2).rz(angle)
        b.add_pair(slab.at(x0, y0 + 0.01, 0), roof.rgb)
    front = depth / 2
    b.add(box(0.56, 0.5, 0.05).at(0, 0, front), main.shade(0.75))
    for x in (-0.28, 0.0, 0.28):
        b.add(box(0.05, 0.52, 0.08).at(x, 0, front), trim)
    for y in (0.0, 0.47):
        b.add(box(0.6, 0.05, 0.08).at(0, y, front), trim)
    for x in (-0.14, 0.14):
        for turn in (28, -28):
            b.add(box(0.04, 0.54, 0.07).at(y=-0.27).rz(turn).at(x, 0.26, front), trim)
    b.add(box(0.26, 0.26, 0.06).at(0, wall + 0.14, front), trim)
    b.add(box(0.18, 0.18, 0.09).at(0, wall + 0.18, front), DARK * 2)
    for z in (-depth * 0.26, depth * 0.26):
        for x in (-half, half):
            window(b, x, wall * 0.55, z, 0.2, 0.2, side=1)
    b.say(f"with {with_article(roof.words())} roof")


@generator("skyscraper", "building", natural=(GREY, LIGHT_BLUE, BLUE, WHITE, BEIGE, SILVER))
def skyscraper(b: Builder, rng: Rng, main: Paint) -> None:
    wide, deep, tall = rng.uniform(0.5, 0.65), rng.uniform(0.45, 0.6), rng.uniform(1.6, 2.0)
    tiers = int(rng.choice((1, 2, 3)))
    glass = (
        np.array((0.25, 0.4, 0.55))
        if main.color not in ("blue", "dark blue")
        else np.array((0.75, 0.88, 0.97))
    )
    lit = np.array((1.0, 0.92, 0.55))
    y = 0.0
    b.add(box(wide * 1.2, 0.1, deep * 1.2), main.shade(0.7))
    for tier in range(tiers):
        w, d, h = wide * 0.76**tier, deep * 0.76**tier, tall / tiers * (1.15 - 0.15 * tier)
        b.add(box(w, h, d).at(y=y), main.rgb)
        rows, columns = max(3, round(h / 0.19)), 4 if tier == 0 else 3
        for row in range(rows):
            level = y + (0.22 if tier == 0 and row == 0 else 0.06) + (h - 0.1) * row / rows
            for k in range(columns):
                across = (k + 0.5) / columns - 0.5
                rgb = lit if rng.random() < 0.2 else glass
                b.add(box(w / columns * 0.62, h / rows * 0.55, d * 1.03).at(across * w * 0.94, level, 0), rgb)
                b.add(box(w * 1.03, h / rows * 0.55, d / columns * 0.62).at(0, level, across * d * 0.94), rgb)
        y += h
        b.add(box(w * 1.05, 0.05, d * 1.05).at(y=y - 0.02), main.shade(0.75))
    b.add(box(0.24, 0.18, 0.04).at(0, 0.04, deep / 2 + 0.02), DARK)
    if rng.random() < 0.6:
        b.add(cylinder(0.025, 0.45, 6).at(y=y), (0.6, 0.62, 0.65))
        b.add(sphere(0.04, segments=6, rows=4).at(y=y + 0.46), (0.9, 0.1, 0.1))
        b.say("with an antenna")
    else:
        b.add(box(wide * 0.3, 0.12, deep * 0.3).at(y=y), main.shade(0.8))
        b.say("with many windows")


@generator("tent", "building", natural=(ORANGE, GREEN, RED, BLUE, YELLOW, BEIGE))
def tent(b: Builder, rng: Rng, main: Paint) -> None:
    half, tall, depth = rng.uniform(0.6, 0.72), rng.uniform(0.85, 1.05), rng.uniform(1.3, 1.6)
    front = depth / 2
    b.add(gable(half * 2, tall, depth), main.rgb)
    b.add(extrude([(-half * 0.38, 0), (half * 0.38, 0), (0, tall * 0.78)], 0.04).at(z=front), DARK)
    for turn in (1, -1):
        flap = extrude([(0, 0), (0.2 * turn, 0), (0.3 * turn, tall * 0.06), (0, tall * 0.8)], 0.03)
        b.add(flap.ry(-24 * turn).at(half * 0.38 * turn, 0, front + 0.03), main.shade(0.75))
    seam = main.shade(0.7)
    roof_slabs(b, main.shade(0.94), half * 2, tall, depth * 1.04, 0.0, thick=0.03)
    b.add(rod((0, tall + 0.01, -front * 1.1), (0, tall + 0.01, front * 1.1), 0.03, 6), seam)
    for z in (front * 1.04, -front * 1.04):
        b.add(rod((0, 0, z), (0, tall + 0.1, z), 0.025, 6), TIMBER)
        b.add(rod((0, tall, z), (0, 0.0, z * 1.42), 0.014, 4), (0.9, 0.88, 0.8))
        b.add_pair(rod((half, 0.05, z * 0.92), (half * 1.3, 0.0, z), 0.014, 4), (0.9, 0.88, 0.8))
        b.add(cone(0.03, 0.1, 6).at(0, -0.02, z * 1.42), TIMBER)
    if rng.random() < 0.4:
        band = paint(rng, (WHITE, YELLOW, RED, BLUE), unlike=main.color)
        b.add(rod((0, tall + 0.1, front), (0, tall + 0.36, front), 0.02, 6), TIMBER)
        b.add(extrude([(0, 0), (0.26, 0.08), (0, 0.16)], 0.03).at(0.02, tall + 0.18, front), band.rgb)
        b.say(f"with {with_article(band.words())} flag")


@generator("pagoda", "building", natural=(RED, RED, GREEN, BLUE, BROWN, GREY))
def pagoda(b: Builder, rng: Rng, main: Paint) -> None:
    """The roofs bear the colour."""
    wall = paint(rng, (WHITE, WHITE, BEIGE, RED, BROWN), unlike=main.color)
    floors, wide = int(rng.choice((3, 3, 4))), rng.uniform(0.42, 0.5)
    b.add(box(wide * 2.6, 0.12, wide * 2.6), (0.62, 0.6, 0.56))
    y = 0.12
    for floor in range(floors):
        w, h = wide * 0.84**floor, 0.36 * 0.94**floor
        b.add(box(w * 2, h, w * 2).at(y=y), wall.rgb)
        for turn in range(4):
            for x in (-w * 0.55, w * 0.55):
                b.add(box(w * 0.42, h * 0.5, 0.04).at(x, h * 0.26, w).ry(90 * turn).at(y=y), DARK * 3)
        if floor == 0:
            b.add(box(w * 0.5, h * 0.8, 0.06).at(0, y, w), TIMBER)
        y += h
        eaves = lathe([(w * 1.3, 0.0), (w * 2.15, 0.12), (w * 1.45, 0.12), (w * 0.75, 0.3)], 4)
        b.add(eaves.ry(45).at(y=y - 0.04), main.rgb)
        y += 0.18
    b.add(
        lathe([(0.1, 0), (0.03, 0.12), (0.07, 0.2), (0.025, 0.28), (0, 0.46)], 8).at(y=y), (0.9, 0.73, 0.25)
    )
    b.say(f"with {wall.words()} walls")


GENERATORS = (house, castle, church, barn, skyscraper, tent, pagoda)
