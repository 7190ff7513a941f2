"""Hats, a boot, keepsakes and other small things."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SHORT,
    TALL,
    TURQUOISE,
    WHITE,
    WIDE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import curve, extrude, star_outline, tube
from dreamlab.studio.shapes.solids import box, cone, cylinder, frustum, lathe, sphere, torus

BRIGHT = (RED, BLUE, GREEN, YELLOW, ORANGE, PURPLE, PINK, TURQUOISE)
JEWELS = (RED, BLUE, GREEN, PURPLE, TURQUOISE, PINK)


@generator("balloon", "toy", natural=BRIGHT, wild=0.3)
def balloon(b: Builder, rng: Rng, main: Paint) -> None:
    wide, tall = rng.uniform(0.48, 0.55), rng.uniform(0.58, 0.68)
    body = sphere(wide, tall, segments=16, rows=12)
    x, y, z = body.vertices.T
    pull = np.where(y < 0, 1 - 0.28 * (y / tall) ** 2, 1)
    b.add(body._replace(vertices=np.stack([x * pull, y, z * pull], axis=1)), main.rgb)
    b.add(cone(0.09, 0.12, 8).at(y=-tall - 0.08), main.shade(0.85))
    long, sway = rng.uniform(0.5, 0.8), rng.uniform(0.05, 0.1)
    t = np.linspace(0, 1, 12)
    string = np.stack([sway * np.sin(t * 7), -tall - 0.06 - t * long, np.zeros(12)], axis=1)
    b.add(tube(string, 0.018, 5), (0.92, 0.92, 0.9) if main.color != "white" else (0.25, 0.25, 0.28))


@generator(
    "top hat", "clothing", natural=(BLACK, BLACK, GREY, PURPLE, RED, GREEN), sizes=(TALL, SHORT), wild=0.3
)
def top_hat(b: Builder, rng: Rng, main: Paint) -> None:
    r, tall = rng.uniform(0.4, 0.46), rng.uniform(0.62, 0.8)
    flare = r * rng.uniform(1.0, 1.18)
    brim = [(r, 0), (r * 1.75, 0.06), (r * 1.78, 0.1), (r * 1.72, 0.11), (r, 0.06)]
    b.add(lathe([*brim, (r * 0.97, tall * 0.5), (flare, tall), (0, tall)], 20), main.rgb)
    band = paint(rng, (RED, WHITE, GOLDEN, BLUE, BLACK, PURPLE), unlike=main.color)
    b.add(cylinder(r * 1.03, 0.15, 20).at(y=0.07), band.rgb)
    b.say(f"with {band.a('band')}")


@generator("wizard hat", "clothing", natural=(BLUE, PURPLE, PURPLE, BLACK, GREEN), wild=0.3)
def wizard_hat(b: Builder, rng: Rng, main: Paint) -> None:
    tall, lean, r = rng.uniform(1.0, 1.25), rng.uniform(-0.35, 0.35), rng.uniform(0.4, 0.46)
    b.add(lathe([(r, 0), (r * 1.9, 0.03), (r * 1.9, 0.07), (r, 0.1)], 20), main.shade(0.92))
    path = curve([(0, 0.04, 0), (0, tall * 0.5, 0), (lean * 0.4, tall * 0.8, 0), (lean, tall, 0)], 8)
    b.add(tube(path, np.linspace(r, 0.035, 8), 16), main.rgb)
    trim = paint(rng, (GOLDEN, YELLOW, WHITE, RED), unlike=main.color)
    b.add(cylinder(r * 1.01, 0.12, 18).at(y=0.07), trim.rgb)
    if rng.random() < 0.6:
        cap = b.solids[-2]
        height = cap.centres()[:, 1] / tall
        places, normals = surface_points(cap, rng, 9, keep=(height > 0.2) & (height < 0.7))
        star = extrude(star_outline(5, 0.13, 0.06), 0.07).rx(-90)
        for place, normal in zip(places, normals, strict=True):
            b.add(star.aligned(normal).at(*place), trim.rgb)
        b.say(f"with {trim.words()} stars")
    else:
        b.say(f"with {trim.a('band')}")


@generator("boot", "clothing", natural=(BROWN, BROWN, BLACK, RED, YELLOW), sizes=(TALL, SHORT), wild=0.35)
def boot(b: Builder, rng: Rng, main: Paint) -> None:
    """One boot, toe to +Z."""
    tall = rng.uniform(0.8, 1.1)
    sole = paint(rng, (BLACK, BROWN, WHITE), unlike=main.color)
    b.add(
        lathe([(0.27, 0.1), (0.27, 0.4), (0.29, tall), (0.25, tall), (0.24, 0.45), (0, 0.4)], 14).scaled(
            0.9, 1, 1.05
        ),
        main.rgb,
    )
    foot = sphere(0.28, 0.26, 0.52, segments=14, rows=8)
    x, y, z = foot.vertices.T
    b.add(foot._replace(vertices=np.stack([x, np.maximum(y, -0.16), z], axis=1)).at(0, 0.26, 0.3), main.rgb)
    b.add(torus(0.28, 0.05, 14, 6).scaled(0.9, 1, 1.05).at(y=tall), main.shade(0.85))
    b.add(cylinder(0.3, 0.1, 14).scaled(0.92, 1, 1.75).at(0, 0.02, 0.27), sole.rgb)
    b.add(box(0.44, 0.1, 0.3).at(0, -0.05, -0.1), sole.rgb)
    if rng.random() < 0.4:
        for k in range(3):
            b.add(box(0.3, 0.04, 0.05).rx(-35).at(0, 0.48 + 0.13 * k, 0.28 - 0.015 * k), (0.95, 0.94, 0.9))
        b.say("with white laces")
    b.say(f"with {sole.a('sole')}")


@generator("crown", "clothing", natural=(GOLDEN, GOLDEN, GOLDEN, METAL), sizes=(TALL, WIDE))
def crown(b: Builder, rng: Rng, main: Paint) -> None:
    points, tall, r = int(rng.integers(5, 9)), rng.uniform(0.45, 0.6), 0.62
    b.add(lathe([(r, 0), (r * 1.04, 0.34), (r * 0.94, 0.34), (r * 0.9, 0)], 24), main.rgb)
    jewel = paint(rng, JEWELS, unlike=main.color)
    width = 2 * np.pi * r / points * 0.98
    for k in range(points):
        spike = extrude([(-width / 2, 0), (width / 2, 0), (0, tall)], 0.07).rx(7)
        b.add(spike.at(0, 0.3, r * 0.99).ry(360 * k / points), main.shade(0.97))
        b.add(
            sphere(0.075, segments=8, rows=6).at(0, 0.32 + tall, r * 1.08).ry(360 * k / points),
            main.shade(1.15),
        )
        gem = sphere(0.075, 0.09, 0.05, segments=7, rows=6).at(0, 0.18, r * 1.03).ry(360 * (k + 0.5) / points)
        b.add(gem, jewel.rgb)
    b.say(f"with {jewel.words()} jewels")


@generator("trophy", "household", natural=(GOLDEN, GOLDEN, METAL), sizes=(TALL, WIDE))
def trophy(b: Builder, rng: Rng, main: Paint) -> None:
    tall, r = rng.uniform(0.6, 0.75), rng.uniform(0.4, 0.48)
    foot = paint(rng, (BLACK, WOODEN), unlike=main.color)
    b.add(box(0.56, 0.22, 0.56, taper=0.85), foot.rgb)
    stem = [
        (0.22, 0.22),
        (0.1, 0.32),
        (0.08, 0.46),
        (r * 0.5, 0.58),
        (r * 0.9, 0.58 + tall * 0.5),
        (r, 0.58 + tall),
    ]
    b.add(lathe([*stem, (r * 0.9, 0.58 + tall), (r * 0.7, 0.58 + tall * 0.5), (0, 0.66)], 16), main.rgb)
    ear = curve(
        [
            (r * 0.9, 0.5 + tall, 0),
            (r + 0.28, 0.45 + tall, 0),
            (r + 0.12, 0.5 + tall * 0.4, 0),
            (r * 0.6, 0.64, 0),
        ],
        10,
    )
    b.add_pair(tube(ear, 0.05, 7), main.shade(0.92))
    if rng.random() < 0.5:
        b.add(extrude(star_outline(5, 0.2, 0.09), 0.08).at(0, 0.6 + tall * 0.6, r * 0.93), main.shade(0.72))
        b.say("with a star")
    b.say(f"on {foot.a('base')}")


@generator("bell", "household", natural=(GOLDEN, GOLDEN, METAL, RED), sizes=(TALL, WIDE))
def bell(b: Builder, rng: Rng, main: Paint) -> None:
    lip = rng.uniform(0.62, 0.7)
    outer = [
        (lip, 0),
        (lip * 0.96, 0.07),
        (lip * 0.7, 0.3),
        (0.38, 0.7),
        (0.32, 0.92),
        (0.15, 1.05),
        (0, 1.08),
    ]
    inside = [(0, 0.8), (0.26, 0.78), (0.56 * lip, 0.3), (lip * 0.9, 0)]
    b.add(lathe([*inside, *outer], 18), main.rgb)
    b.add(torus(0.13, 0.04, 14, 6).rx(90).at(y=1.2), main.shade(0.85))
    b.add(sphere(0.14, segments=9, rows=7).at(y=0.0), main.shade(0.6))
    if rng.random() < 0.5:
        bow = paint(rng, (RED, RED, BLUE, GREEN, WHITE), unlike=main.color)
        for side in (-1, 1):
            b.add(cone(0.15, 0.34, 8).scaled(1, 1, 0.6).rz(90 * side).at(side * 0.34, 1.08, 0.12), bow.rgb)
        b.add(sphere(0.1, segments=8, rows=6).at(0, 1.08, 0.14), bow.rgb)
        b.say(f"with {bow.a('bow')}")


@generator("hourglass", "household", natural=(WOODEN, GOLDEN, BLACK, RED), sizes=(TALL, WIDE))
def hourglass(b: Builder, rng: Rng, main: Paint) -> None:
    """The frame bears the colour."""
    tall, r = rng.uniform(0.5, 0.6), 0.36
    for y in (0, tall * 2 + 0.14):
        b.add(cylinder(0.56, 0.14, 18).at(y=y), main.rgb)
    glass = np.array((0.78, 0.9, 0.95))
    sand = paint(rng, (YELLOW, ORANGE, BEIGE, PINK), unlike=main.color)
    rise = np.linspace(0, 1, 8)
    bulb = lathe(np.stack([0.05 + (r - 0.05) * np.sin(rise * np.pi * 0.62), rise * tall], axis=1), 12)
    left = rng.uniform(0.25, 0.7)
    for half, level in ((bulb, left), (bulb.rx(180), left - 1)):
        filled = (half.centres()[:, 1] / tall < level)[:, None]
        b.add(half.at(y=0.14 + tall), np.where(filled, sand.rgb, glass))
    for k in range(3):
        b.add(cylinder(0.065, tall * 2, 7).at(y=0.14, z=0.46).ry(120 * k + 60), main.shade(0.9))
    b.say(f"with {sand.words()} sand")


@generator("diamond", "household", natural=(*JEWELS, WHITE), sizes=(TALL, WIDE))
def diamond(b: Builder, rng: Rng, main: Paint) -> None:
    sides, r = int(rng.integers(3, 6)) * 2, rng.uniform(0.6, 0.7)
    gem = lathe([(0, 0), (r, 0.75), (r * 0.96, 0.82), (r * 0.6, 1.05)], sides)
    spark = rng.uniform(0.82, 1.0, size=len(gem.faces))
    b.add(gem, main.rgb * spark[:, None])


@generator("traffic cone", "tool", natural=(ORANGE,), sizes=(TALL, WIDE))
def traffic_cone(b: Builder, rng: Rng, main: Paint) -> None:
    tall, r = rng.uniform(1.0, 1.2), rng.uniform(0.3, 0.36)
    b.add(box(r * 2.7, 0.1, r * 2.7, bevel=0.03), main.shade(0.92))
    b.add(frustum(r, 0.06, tall, 16).at(y=0.08), main.rgb)
    stripe = paint(rng, (WHITE, WHITE, YELLOW), unlike=main.color)
    for low in (0.3, 0.6) if rng.random() < 0.6 else (0.42,):
        high = low + 0.15

        def radius(share: float) -> float:
            return (r + (0.06 - r) * share) * 1.04

        b.add(frustum(radius(low), radius(high), tall * 0.15, 16).at(y=0.08 + tall * low), stripe.rgb)
    b.say(f"with {stripe.words()} stripes")


GENERATORS = (
    balloon, top_hat, wizard_hat, boot, crown, trophy, bell, hourglass,
    diamond, traffic_cone,
)  # fmt: skip
