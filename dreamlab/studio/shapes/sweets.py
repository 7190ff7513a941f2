"""Food that is made: cakes, sweets, snacks."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLUE,
    BROWN,
    FAT,
    GREEN,
    LIGHT_BLUE,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    TALL,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.solids import capsule, frustum, lathe, ribbed, sphere, torus

SPRINKLES = (RED, YELLOW, BLUE, GREEN, WHITE, PINK, ORANGE, PURPLE)
CREAMS = (PINK, PINK, WHITE, BROWN, LIGHT_BLUE, YELLOW, PURPLE, TURQUOISE)


@generator("donut", "food", natural=CREAMS + (RED,))
def donut(b: Builder, rng: Rng, main: Paint) -> None:
    dough = paint(rng, (BEIGE, BEIGE, BROWN), unlike=main.colour)
    thick = rng.uniform(0.26, 0.33)
    ring = torus(0.62, thick, 24, 12)
    low = ring.centres()[:, 1] + 0.09 * np.sin(np.arange(len(ring.faces)) * 1.7) < -0.32 * thick
    b.add(ring, np.where(low[:, None], dough.rgb * (0.92, 0.8, 0.6), main.rgb))
    if rng.random() < 0.6:
        many = rng.random() < 0.6
        single = paint(rng, SPRINKLES, unlike=main.colour)
        places, normals = surface_points(ring, rng, 22, keep=ring.centres()[:, 1] > thick * 0.35)
        for place, normal in zip(places, normals, strict=True):
            rgb = paint(rng, SPRINKLES, unlike=main.colour).rgb if many else single.rgb
            stick = capsule(0.028, 0.14, 5, 4).rz(90).ry(rng.uniform(0, 360)).aligned(normal)
            b.add(stick.at(*place), rgb)
        b.say("with colourful sprinkles" if many else f"with {single.words()} sprinkles")


@generator("cupcake", "food", natural=CREAMS, sizes=(TALL, FAT))
def cupcake(b: Builder, rng: Rng, main: Paint) -> None:
    wrap = paint(rng, (BROWN, RED, BLUE, YELLOW, PINK, WHITE, TURQUOISE), unlike=main.colour)
    base = ribbed(frustum(0.3, 0.43, 0.42, 36), 18, 0.06)
    b.add(base, wrap.rgb)
    swirls, y, radius = int(rng.integers(3, 5)), 0.44, 0.47
    for k in range(swirls):
        r = radius * (1 - 0.8 * k / swirls)
        b.add(sphere(r, 0.17, segments=14, rows=6).at(y=y + 0.03), main.shade(1 - 0.04 * (k % 2)))
        y += 0.16
    if rng.random() < 0.6:
        top = paint(rng, (RED, RED, BLUE, YELLOW), unlike=main.colour)
        b.add(sphere(0.12, segments=10, rows=8).at(y=y + 0.08), top.rgb)
        b.say("with a cherry on top" if top.colour == "red" else f"with a {top.words()} berry on top")
    b.say(f"in a {wrap.words()} wrapper")


@generator("ice cream cone", "food", natural=CREAMS, sizes=(TALL,))
def ice_cream_cone(b: Builder, rng: Rng, main: Paint) -> None:
    waffle = np.array((0.82, 0.58, 0.3))
    long, r = rng.uniform(0.7, 0.85), rng.uniform(0.32, 0.37)
    cone = lathe([(0, 0), (r * 0.9, long), (r * 0.8, long + 0.02)], 12)
    stripe = (np.arange(len(cone.faces)) % 2 == 0)[:, None]
    b.add(cone, np.where(stripe, waffle, waffle * 0.88))
    scoops = int(rng.integers(1, 4))
    y = long + r * 0.45
    for k in range(scoops):
        s = r * (1.22 - 0.08 * k)
        b.add(sphere(s, s * 0.95, segments=12, rows=9).at(y=y), main.shade(1 - 0.06 * (k % 2)))
        if k == 0:
            b.add(ribbed(lathe([(s * 0.95, 0), (s * 1.12, 0.05), (s * 0.9, 0.12)], 24), 9, 0.1).at(y=y - s * 0.42), main.rgb)
        y += s * 1.05
    if scoops > 1:
        b.say("with two scoops" if scoops == 2 else "with three scoops")
    if rng.random() < 0.35:
        b.add(sphere(0.11, segments=9, rows=7).at(y=y - 0.02), (0.8, 0.08, 0.12))
        b.say("with a cherry on top")


GENERATORS = (donut, cupcake, ice_cream_cone)
