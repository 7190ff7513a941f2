"""Things of land and sky: snowman, rock, cloud, mountain."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    GREY,
    LONG_X,
    ORANGE,
    PURPLE,
    RED,
    SILVER,
    STONE,
    TALL,
    WHITE,
    WIDE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import extrude, moon_outline, rod
from dreamlab.studio.shapes.solids import box, cone, cylinder, lathe, lump, sphere, torus


@generator("snowman", "nature", natural=(WHITE,), wild=0.12)
def snowman(b: Builder, rng: Rng, main: Paint) -> None:
    r1, r2, r3 = rng.uniform(0.46, 0.54), rng.uniform(0.34, 0.38), rng.uniform(0.25, 0.29)
    y2, y3 = r1 * 1.7 + r2 * 0.6, r1 * 1.7 + r2 * 1.95 + r3 * 0.6
    coal = np.array((0.07, 0.07, 0.08)) if main.color != "black" else np.array((0.9, 0.9, 0.9))
    for r, y in ((r1, r1 * 0.92), (r2, y2), (r3, y3)):
        b.add(sphere(r, segments=14, rows=10).at(y=y), main.rgb)
    b.add(cone(0.065, rng.uniform(0.28, 0.38), 8).rx(90).at(0, y3, r3 * 0.9), (0.98, 0.5, 0.08))
    b.add_pair(sphere(0.045, segments=7, rows=6).at(r3 * 0.4, y3 + r3 * 0.35, r3 * 0.85), coal)
    for dy in (-0.14, 0.02, 0.18):
        z = np.sqrt(r2**2 - dy**2)
        b.add(sphere(0.045, segments=7, rows=6).at(0, y2 + dy, z), coal)
    b.add_pair(
        rod((r2 * 0.85, y2 + 0.05, 0), (r2 + 0.42, y2 + rng.uniform(0.1, 0.3), 0.05), 0.028, 5),
        (0.3, 0.2, 0.12),
    )
    if rng.random() < 0.6:
        hat = paint(rng, (BLACK, BLACK, RED, BLUE, BROWN), unlike=main.color)
        b.add(cylinder(r3 * 1.15, 0.05, 14).at(y=y3 + r3 * 0.72), hat.rgb)
        b.add(cylinder(r3 * 0.75, rng.uniform(0.24, 0.36), 14).at(y=y3 + r3 * 0.72), hat.rgb)
        b.say(f"with {hat.a('hat')}")
    if rng.random() < 0.6:
        scarf = paint(rng, (RED, RED, BLUE, GREEN, YELLOW, PURPLE), unlike=main.color)
        y = (y2 + r2 * 0.85 + y3 - r3 * 0.75) / 2
        b.add(torus(r3 * 0.85, 0.075, 16, 7).at(y=y), scarf.rgb)
        b.add(box(0.12, 0.36, 0.06).rx(-8).at(r3 * 0.5, y - 0.34, r3 * 0.95), scarf.rgb)
        b.say(f"with {scarf.a('scarf')}")


@generator("rock", "nature", natural=(STONE, STONE, GREY, BROWN), sizes=(TALL, WIDE), holds=True)
def rock(b: Builder, rng: Rng, main: Paint) -> None:
    for k in range(int(rng.integers(1, 4))):
        size = 0.6 if k == 0 else rng.uniform(0.2, 0.32)
        stone = lump(rng, size, size * rng.uniform(0.6, 0.85), size * rng.uniform(0.75, 1), 0.16, levels=2)
        facets = np.round(stone.vertices / (size * 0.28)) * size * 0.28 * 0.55 + stone.vertices * 0.45
        stone = Solid(facets, stone.faces).at(0, size * 0.5, 0 if k == 0 else 0.6).ry(140 * k + 60)
        b.add(stone, main.rgb * rng.uniform(0.9, 1.06, size=(len(stone.faces), 1)))
    if rng.random() < 0.2:
        b.add(lump(rng, 0.45, 0.12, 0.4, 0.15).at(y=0.72), (0.3, 0.5, 0.16))
        b.say("with green moss")


@generator("cloud", "nature", natural=(WHITE, WHITE, GREY), sizes=(LONG_X,))
def cloud(b: Builder, rng: Rng, main: Paint) -> None:
    for x, r in ((-0.62, 0.28), (-0.28, 0.4), (0.1, 0.5), (0.45, 0.38), (0.75, 0.25)):
        size = r * rng.uniform(0.88, 1.12)
        puff = sphere(size, size * 0.92, size * 0.9, segments=12, rows=8)
        b.add(puff.at(x + rng.uniform(-0.05, 0.05), size * 0.75, rng.uniform(-0.12, 0.12)), main.rgb)
    b.add(sphere(0.85, 0.2, 0.38, segments=14, rows=6).at(0.05, 0.16), main.shade(0.96))
    if rng.random() < 0.25:
        for x, z in ((-0.45, 0.1), (-0.1, -0.1), (0.25, 0.1), (0.55, -0.05)):
            b.add(lathe([(0, -0.42), (0.05, -0.36), (0, -0.18)], 6).at(x, 0, z), (0.25, 0.5, 0.9))
        b.say("with blue rain")
    elif rng.random() < 0.2:
        bolt = [
            (0.1, 0.1),
            (-0.12, -0.3),
            (0.02, -0.28),
            (-0.08, -0.65),
            (0.2, -0.18),
            (0.06, -0.2),
            (0.22, 0.1),
        ]
        b.add(extrude(bolt, 0.1), (1.0, 0.85, 0.1))
        b.say("with a yellow lightning bolt")


@generator("mountain", "nature", natural=(STONE, GREY, BROWN, GREEN), sizes=(TALL, WIDE))
def mountain(b: Builder, rng: Rng, main: Paint) -> None:
    snow = main.color not in ("white", "silver") and rng.random() < 0.75
    for k in range(int(rng.integers(1, 4))):
        tall = rng.uniform(1.0, 1.25) if k == 0 else rng.uniform(0.5, 0.75)
        _peak(
            b, rng, main, tall, snow, 0.0 if k == 0 else rng.uniform(0.4, 0.55), 130 * k + rng.uniform(0, 60)
        )
    if snow:
        b.say("with a white top")


def _peak(b: Builder, rng: Rng, main: Paint, tall: float, snow: bool, out: float, turn: float) -> None:
    """One summit: a cone of five crumpled rings, its upper third white if there is snow."""
    share = np.array([0, 0.3, 0.62, 0.66, 0.85])
    profile = np.stack([0.75 * tall * (1 - share) ** 1.1 * 0.95 + 0.02, tall * share], axis=1)
    body = lathe([*profile, (0, tall)], 11)
    crumple = np.ones((len(body.vertices), 1))
    crumple[1:-1, 0] = rng.uniform(0.82, 1.12, size=len(body.vertices) - 2)
    points = body.vertices * np.concatenate([crumple, np.ones_like(crumple), crumple], axis=1)
    peak = Solid(points, body.faces)
    white = (np.arange(len(peak.faces)) >= 11 + 2 * 2 * 11) & snow
    b.add(peak.at(z=out).ry(turn), np.where(white[:, None], (0.96, 0.97, 0.98), main.rgb))


@generator("moon", "nature", natural=(YELLOW, YELLOW, GOLDEN, WHITE, SILVER))
def moon(b: Builder, rng: Rng, main: Paint) -> None:
    """A crescent that faces +Z and opens towards +X."""
    crescent = extrude(moon_outline(0.9, rng.uniform(0.35, 0.5)), rng.uniform(0.2, 0.32))
    b.add(crescent.rz(rng.uniform(-5, 30)), main.rgb)


@generator("sun", "nature", natural=(YELLOW, YELLOW, ORANGE))
def sun(b: Builder, rng: Rng, main: Paint) -> None:
    rays = int(rng.integers(8, 13))
    b.add(sphere(0.55, segments=14, rows=10), main.rgb)
    for k in range(rays):
        b.add(cone(0.13, 0.4, 7).at(y=0.58).rz(360 * k / rays), main.shade(0.95))
    if rng.random() < 0.5:
        b.add_pair(sphere(0.06, 0.09, 0.05, segments=7, rows=6).at(0.2, 0.12, 0.5), (0.1, 0.07, 0.05))
        b.add(sphere(0.2, 0.05, 0.05, segments=8, rows=4).at(0, -0.17, 0.51), (0.1, 0.07, 0.05))
        b.say("with a face")


GENERATORS = (snowman, rock, cloud, mountain, moon, sun)
