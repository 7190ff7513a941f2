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
    SHORT,
    TALL,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import blade, tube
from dreamlab.studio.shapes.solids import capsule, cylinder, frustum, lathe, ribbed, sphere, torus

SPRINKLES = (RED, YELLOW, BLUE, GREEN, WHITE, PINK, ORANGE, PURPLE)
CREAMS = (PINK, PINK, WHITE, BROWN, LIGHT_BLUE, YELLOW, PURPLE, TURQUOISE)


@generator("donut", "food", natural=(*CREAMS, RED))
def donut(b: Builder, rng: Rng, main: Paint) -> None:
    dough = paint(rng, (BEIGE, BEIGE, BROWN), unlike=main.color)
    thick = rng.uniform(0.26, 0.33)
    ring = torus(0.62, thick, 24, 12)
    low = ring.centres()[:, 1] + 0.09 * np.sin(np.arange(len(ring.faces)) * 1.7) < -0.32 * thick
    b.add(ring, np.where(low[:, None], dough.rgb * (0.92, 0.8, 0.6), main.rgb))
    if rng.random() < 0.6:
        many = rng.random() < 0.6
        single = paint(rng, SPRINKLES, unlike=main.color)
        places, normals = surface_points(ring, rng, 22, keep=ring.centres()[:, 1] > thick * 0.35)
        for place, normal in zip(places, normals, strict=True):
            rgb = paint(rng, SPRINKLES, unlike=main.color).rgb if many else single.rgb
            stick = capsule(0.028, 0.14, 5, 4).rz(90).ry(rng.uniform(0, 360)).aligned(normal)
            b.add(stick.at(*place), rgb)
        b.say("with colourful sprinkles" if many else f"with {single.words()} sprinkles")


@generator("cupcake", "food", natural=CREAMS, sizes=(TALL, FAT))
def cupcake(b: Builder, rng: Rng, main: Paint) -> None:
    wrap = paint(rng, (BROWN, RED, BLUE, YELLOW, PINK, WHITE, TURQUOISE), unlike=main.color)
    base = ribbed(frustum(0.3, 0.43, 0.42, 36), 18, 0.06)
    b.add(base, wrap.rgb)
    swirls, y, radius = int(rng.integers(3, 5)), 0.44, 0.47
    for k in range(swirls):
        r = radius * (1 - 0.8 * k / swirls)
        b.add(sphere(r, 0.17, segments=14, rows=6).at(y=y + 0.03), main.shade(1 - 0.04 * (k % 2)))
        y += 0.16
    if rng.random() < 0.6:
        top = paint(rng, (RED, RED, BLUE, YELLOW), unlike=main.color)
        b.add(sphere(0.12, segments=10, rows=8).at(y=y + 0.08), top.rgb)
        b.say("with a cherry on top" if top.color == "red" else f"with {top.a('berry')} on top")
    b.say(f"in {wrap.a('wrapper')}")


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
            drip = ribbed(lathe([(s * 0.95, 0), (s * 1.12, 0.05), (s * 0.9, 0.12)], 24), 9, 0.1)
            b.add(drip.at(y=y - s * 0.42), main.rgb)
        y += s * 1.05
    if scoops > 1:
        b.say("with two scoops" if scoops == 2 else "with three scoops")
    if rng.random() < 0.35:
        b.add(sphere(0.11, segments=9, rows=7).at(y=y - 0.02), (0.8, 0.08, 0.12))
        b.say("with a cherry on top")


@generator("cake", "food", natural=CREAMS, sizes=(TALL, SHORT))
def cake(b: Builder, rng: Rng, main: Paint) -> None:
    cream = paint(rng, (WHITE, WHITE, PINK, BROWN, YELLOW, RED), unlike=main.color)
    tiers, y, radius = int(rng.integers(1, 4)), 0.06, 0.7
    b.add(cylinder(0.82, 0.06, 20), (0.85, 0.85, 0.88))
    for _ in range(tiers):
        tall = rng.uniform(0.36, 0.46) * (1.25 if tiers == 1 else 1)
        b.add(cylinder(radius, tall, 20).at(y=y), main.rgb)
        puffs = int(radius * 20)
        for k in range(puffs):
            puff = sphere(0.085, segments=7, rows=5).at(z=radius * 0.93).ry(360 * k / puffs)
            b.add(puff.at(y=y + tall), cream.rgb)
        y, radius = y + tall, radius * 0.68
    b.say(f"with {cream.words()} cream")
    if rng.random() < 0.6:
        count = 1 if tiers == 3 else int(rng.integers(3, 6))
        stick = paint(rng, (RED, BLUE, YELLOW, WHITE, PINK), unlike=main.color)
        for k in range(count):
            out = 0.0 if count == 1 else radius * 0.85
            b.add(cylinder(0.04, 0.28, 7).at(z=out, y=y).ry(360 * k / count), stick.rgb)
            b.add(blade(0.14, 0.08, 0.07).at(z=out, y=y + 0.28).ry(360 * k / count), (1.0, 0.75, 0.15))
        b.say("with a candle on top" if count == 1 else "with candles on top")
    else:
        b.add(sphere(0.1, segments=9, rows=7).at(y=y + 0.07), (0.8, 0.08, 0.12))
        b.say("with a cherry on top")


@generator("lollipop", "food", natural=(RED, PINK, BLUE, GREEN, YELLOW, PURPLE, ORANGE, TURQUOISE))
def lollipop(b: Builder, rng: Rng, main: Paint) -> None:
    stick = rng.uniform(1.0, 1.3)
    b.add(cylinder(0.045, stick, 7), (0.95, 0.94, 0.9))
    disc = lathe([(0, -0.1), (0.35, -0.1), (0.5, 0), (0.35, 0.1), (0, 0.1)], 20).rx(90).at(y=stick + 0.35)
    b.add(disc, main.rgb)
    if rng.random() < 0.7:
        swirl = paint(rng, (WHITE, WHITE, YELLOW, PINK), unlike=main.color)
        turn = np.linspace(0, 4.2 * np.pi, 30)
        r = np.linspace(0.03, 0.4, 30)
        for side in (-1, 1):
            z = side * np.interp(r, (0.3, 0.45), (0.1, 0.05))
            path = np.stack([r * np.cos(turn), r * np.sin(turn) + stick + 0.35, z], axis=1)
            b.add(tube(path, 0.03, 5), swirl.rgb)
        b.say(f"with {swirl.a('swirl')}")


@generator("candy", "food", natural=(RED, PINK, BLUE, GREEN, YELLOW, PURPLE, ORANGE, TURQUOISE))
def candy(b: Builder, rng: Rng, main: Paint) -> None:
    """A wrapped sweet with twisted ends to both sides."""
    r = rng.uniform(0.36, 0.44)
    ball = sphere(r * 1.15, r, segments=14, rows=10)
    if rng.random() < 0.6:
        band = paint(rng, (WHITE, WHITE, YELLOW), unlike=main.color)
        striped = (np.abs(ball.centres()[:, 0] / r) % 0.7 < 0.22)[:, None]
        b.add(ball, np.where(striped, band.rgb, main.rgb))
        b.say(f"with {band.words()} stripes")
    else:
        b.add(ball, main.rgb)
    for side in (-1, 1):
        fan = ribbed(lathe([(0.07, 0), (0.34, 0.38), (0.3, 0.4), (0, 0.3)], 24), 8, 0.25)
        b.add(fan.scaled(1, 1, 0.75).rz(-90 * side).at(side * r * 1.05), main.shade(0.92))


GENERATORS = (donut, cupcake, ice_cream_cone, cake, lollipop, candy)
