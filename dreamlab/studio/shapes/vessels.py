"""Vessels: teapot, mug, bottle, vase, barrel and their kin."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, Solid
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    CLAY,
    COLORS,
    FAT,
    GLASS,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
    ORANGE,
    RED,
    SHORT,
    TALL,
    THIN,
    UPRIGHT,
    WHITE,
    WOODEN,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import arc, curve, tube
from dreamlab.studio.shapes.solids import cylinder, lathe, sphere, torus

CHINA = (WHITE, BLUE, RED, GREEN, YELLOW, CLAY, BLACK)


@generator("teapot", "household", natural=CHINA, sizes=(TALL, SHORT), wild=0.4)
def teapot(b: Builder, rng: Rng, main: Paint) -> None:
    """Spout to +X, handle to -X."""
    tall = rng.uniform(0.42, 0.52)
    accent = paint(rng, (*COLORS[:10], GOLDEN, BLACK, WHITE), unlike=main.color)
    two = rng.random() < 0.4
    trim = accent.rgb if two else main.shade(0.92)
    b.add(sphere(0.58, tall, segments=16, rows=10).at(y=tall), main.rgb)
    b.add(cylinder(0.32, 0.06, 14).at(y=-0.01), main.shade(0.85))
    b.add(lathe([(0.34, 0), (0.32, 0.07), (0.2, 0.13), (0, 0.16)], 14).at(y=tall * 1.78), trim)
    b.add(sphere(0.09, segments=9, rows=7).at(y=tall * 1.78 + 0.22), trim)
    spout = curve(
        [(0.45, tall * 0.75, 0), (0.78, tall * 0.95, 0), (0.88, tall * 1.45, 0), (1.05, tall * 1.75, 0)], 9
    )
    b.add(tube(spout, np.linspace(0.17, 0.075, 9), 9), main.rgb)
    loop = curve(
        [(-0.45, tall * 1.5, 0), (-0.8, tall * 1.6, 0), (-0.92, tall * 1.05, 0), (-0.5, tall * 0.55, 0)], 11
    )
    b.add(tube(loop, 0.06, 7), trim)
    if two:
        b.say(f"with {accent.a('lid and handle')}")


def _handle(radius: float, y: float, size: float, thick: float) -> Solid:
    """Ear-shaped handle at +X."""
    path = arc(size, -95, 95, 9) * (0.8, 1, 1) + (radius, y, 0)
    return tube(path, thick, 7)


@generator("mug", "household", natural=CHINA, sizes=(TALL, FAT), wild=0.4)
def mug(b: Builder, rng: Rng, main: Paint) -> None:
    r, h = rng.uniform(0.4, 0.48), rng.uniform(0.85, 1.0)
    inside = rng.random() < 0.35
    body = lathe([(r * 0.92, 0), (r, 0.06), (r, h), (r * 0.88, h), (r * 0.86, 0.1), (0, 0.1)], 18)
    b.add(body, main.rgb)
    b.add(_handle(r * 0.95, h * 0.5, h * 0.28, 0.065), main.rgb)
    if inside:
        drink = paint(rng, (BROWN, BROWN, WHITE), unlike=main.color)
        b.add(cylinder(r * 0.87, 0.03, 18).at(y=h * 0.82), drink.rgb * (0.6 if drink.color == "brown" else 1))
        b.say("of coffee" if drink.color == "brown" else "of milk")
    if rng.random() < 0.35:
        band = paint(rng, COLORS, unlike=main.color)
        b.add(cylinder(r * 1.02, h * 0.2, 18).at(y=h * rng.uniform(0.3, 0.5)), band.rgb)
        b.say(f"with {band.a('stripe')}")


@generator("bottle", "household", natural=(GREEN, GLASS, BROWN, BLUE, RED), sizes=(TALL, FAT, THIN))
def bottle(b: Builder, rng: Rng, main: Paint) -> None:
    r, h, neck = rng.uniform(0.26, 0.34), rng.uniform(0.65, 0.85), rng.uniform(0.09, 0.12)
    top = h + rng.uniform(0.4, 0.55)
    profile = [(r * 0.9, 0), (r, 0.05), (r, h), (r * 0.75, h + 0.13), (neck, h + 0.25), (neck, top)]
    b.add(lathe(profile, 16), main.rgb)
    cap = paint(rng, (BROWN, BLACK, WHITE, GOLDEN, RED), unlike=main.color)
    b.add(cylinder(neck * 1.25, 0.12, 12).at(y=top - 0.03), cap.rgb)
    b.say(f"with {cap.a('cap')}")
    if rng.random() < 0.5:
        label = paint(rng, (WHITE, WHITE, YELLOW, RED), unlike=main.color)
        b.add(cylinder(r * 1.02, h * 0.32, 16).at(y=h * 0.32), label.rgb)
        b.say(f"with {label.a('label')}")


@generator("vase", "household", natural=(*CHINA, GLASS), sizes=UPRIGHT, wild=0.4)
def vase(b: Builder, rng: Rng, main: Paint) -> None:
    foot, belly, neck, lip = (
        rng.uniform(0.2, 0.28),
        rng.uniform(0.4, 0.52),
        rng.uniform(0.12, 0.22),
        rng.uniform(0.24, 0.34),
    )
    low, high = rng.uniform(0.35, 0.6), rng.uniform(1.2, 1.4)
    outer = curve([(foot, 0, 0), (belly, low, 0), (neck, high * 0.8, 0), (lip, high, 0)], 12)[:, :2]
    b.add(lathe([*outer, (lip * 0.86, high), (neck * 0.7, high * 0.8), (0, high * 0.7)], 16), main.rgb)
    if rng.random() < 0.4:
        band = paint(rng, COLORS, unlike=main.color)
        k = int(abs(outer[:, 1] - low).argmin())
        strip = (outer[k - 1 : k + 2] * 0.7 + outer[k] * 0.3) * (1.03, 1)
        b.add(lathe(strip, 16), band.rgb)
        b.say(f"with {band.a('stripe')}")


@generator(
    "barrel", "household", natural=(WOODEN, WOODEN, WOODEN, RED, BLUE), sizes=(TALL, SHORT, FAT), holds=True
)
def barrel(b: Builder, rng: Rng, main: Paint) -> None:
    r, h, bulge = rng.uniform(0.38, 0.46), rng.uniform(1.05, 1.25), rng.uniform(1.18, 1.3)
    profile = [
        (r, 0),
        (r * (1 + bulge) / 2, h * 0.22),
        (r * bulge, h * 0.5),
        (r * (1 + bulge) / 2, h * 0.78),
        (r, h),
    ]
    body = lathe([*profile, (r * 0.88, h), (r * 0.88, h - 0.05), (0, h - 0.05)], 16)
    plank = (np.arange(len(body.faces)) % 2 == 0)[:, None]
    b.add(body, np.where(plank, main.rgb, main.shade(0.88)))
    hoops = paint(rng, (GREY, BLACK, METAL, GOLDEN), unlike=main.color)
    for share in (0.1, 0.3, 0.7, 0.9):
        wide = float(np.interp(h * share, [p[1] for p in profile], [p[0] for p in profile])) * 1.03
        b.add(cylinder(wide, 0.07, 16).at(y=h * share - 0.035), hoops.rgb)
    b.say(f"with {hoops.words()} hoops")


@generator("bowl", "household", natural=(*CHINA, WOODEN), sizes=(SHORT, FAT), wild=0.4)
def bowl(b: Builder, rng: Rng, main: Paint) -> None:
    h, r = rng.uniform(0.5, 0.62), rng.uniform(0.68, 0.78)
    outer = [(0.3, 0), (0.3, 0.07), (r * 0.62, 0.13), (r * 0.88, h * 0.55), (r, h)]
    inner = [(r * 0.93, h), (r * 0.8, h * 0.55), (r * 0.5, 0.2), (0, 0.16)]
    b.add(lathe([*outer, *inner], 18), main.rgb)
    if rng.random() < 0.4:
        soup = paint(rng, (RED, ORANGE, YELLOW, GREEN), unlike=main.color)
        b.add(lathe([(0, h * 0.6), (r * 0.82, h * 0.6), (r * 0.85, h * 0.78), (0, h * 0.8)], 18), soup.rgb)
        b.say(f"of {soup.words()} soup")


@generator("jug", "household", natural=(*CHINA, GLASS, METAL), sizes=(TALL, FAT), wild=0.4)
def jug(b: Builder, rng: Rng, main: Paint) -> None:
    """Lip to +X, handle to -X."""
    belly, h = rng.uniform(0.42, 0.5), rng.uniform(1.2, 1.4)
    outer = curve([(0.3, 0, 0), (belly, h * 0.35, 0), (0.24, h * 0.78, 0), (0.33, h, 0)], 10)[:, :2]
    body = lathe([*outer, (0.28, h), (0.2, h * 0.8), (0, h * 0.7)], 16)
    x, y, z = body.vertices.T
    pull = (
        np.clip((y / h - 0.78) / 0.22, 0, 1)
        * np.clip(x / 0.33, 0, 1) ** 2
        * (1 - np.minimum(np.abs(z) / 0.33, 1))
    )
    b.add(Solid(np.stack([x + 0.22 * pull, y + 0.06 * pull, z], axis=1), body.faces), main.rgb)
    loop = curve(
        [(-0.24, h * 0.92, 0), (-0.62, h * 0.95, 0), (-0.7, h * 0.6, 0), (-belly * 0.9, h * 0.38, 0)], 10
    )
    b.add(tube(loop, 0.06, 7), main.shade(0.92))


@generator("bucket", "household", natural=(METAL, RED, BLUE, YELLOW, GREEN, WOODEN), sizes=(TALL,), wild=0.4)
def bucket(b: Builder, rng: Rng, main: Paint) -> None:
    low, high, h = rng.uniform(0.36, 0.42), rng.uniform(0.5, 0.58), rng.uniform(0.8, 0.95)
    b.add(lathe([(low, 0), (high, h), (high * 0.93, h), (low * 0.95, 0.08), (0, 0.08)], 18), main.rgb)
    b.add(torus(high, 0.04, 18, 6).at(y=h), main.shade(0.85))
    handle = paint(rng, (BLACK, METAL, WHITE), unlike=main.color)
    b.add(tube(arc(high * 1.02, 4, 176, 11), 0.03, 6).at(y=h - 0.04).rx(rng.uniform(-12, 12)), handle.rgb)
    if rng.random() < 0.4:
        b.add(cylinder(high * 0.88, 0.03, 18).at(y=h * 0.85), (0.35, 0.65, 0.92))
        b.say("of water")
    b.say(f"with {handle.a('handle')}")


@generator("pot", "household", natural=(METAL, RED, BLACK, BLUE, GREY), sizes=(TALL, SHORT), wild=0.4)
def pot(b: Builder, rng: Rng, main: Paint) -> None:
    """A cooking pot with a lid and two ears."""
    r, h = rng.uniform(0.55, 0.65), rng.uniform(0.5, 0.7)
    trim = paint(rng, (BLACK, WOODEN, GOLDEN, METAL), unlike=main.color)
    b.add(lathe([(r * 0.92, 0), (r, 0.07), (r, h)], 18), main.rgb)
    b.add(lathe([(r * 1.06, 0), (r * 1.06, 0.05), (r * 0.7, 0.14), (0, 0.17)], 18).at(y=h), main.shade(0.9))
    b.add(lathe([(0.05, 0), (0.05, 0.07), (0.12, 0.1), (0.1, 0.17), (0, 0.18)], 10).at(y=h + 0.15), trim.rgb)
    ear = tube(
        curve([(r * 0.95, 0, 0.15), (r + 0.2, 0, 0.12), (r + 0.2, 0, -0.12), (r * 0.95, 0, -0.15)], 9),
        0.045,
        6,
    )
    b.add_pair(ear.at(y=h * 0.75), trim.rgb)
    b.say(f"with {trim.words()} handles")


@generator("pan", "household", natural=(BLACK, GREY, METAL, RED), wild=0.4)
def pan(b: Builder, rng: Rng, main: Paint) -> None:
    """A frying pan, handle to +X."""
    r, h = rng.uniform(0.55, 0.65), rng.uniform(0.16, 0.22)
    b.add(lathe([(r * 0.85, 0), (r, h), (r * 0.94, h), (r * 0.8, 0.05), (0, 0.05)], 20), main.rgb)
    grip = paint(rng, (BLACK, WOODEN, RED), unlike=main.color)
    end = r + rng.uniform(0.75, 0.95)
    b.add(tube([(r * 0.93, h * 0.7, 0), (r + 0.25, h + 0.06, 0)], 0.05, 6), main.shade(0.85))
    b.add(tube([(r + 0.2, h + 0.05, 0), (end, h + 0.2, 0)], [0.06, 0.075], 7), grip.rgb)
    if rng.random() < 0.35:
        b.add(sphere(r * 0.5, 0.04, r * 0.42, segments=12, rows=4).at(y=0.07), (0.98, 0.98, 0.96))
        b.add(sphere(r * 0.18, 0.07, r * 0.18, segments=10, rows=6).at(0.04, 0.1), (1.0, 0.76, 0.1))
        b.say("with a fried egg")
    b.say(f"with {grip.a('handle')}")


@generator("basket", "household", natural=(BROWN, BEIGE, BEIGE, WHITE), sizes=(TALL, SHORT), wild=0.3)
def basket(b: Builder, rng: Rng, main: Paint) -> None:
    low, high, h = rng.uniform(0.45, 0.52), rng.uniform(0.62, 0.7), rng.uniform(0.42, 0.55)
    body = lathe(
        [
            (low, 0),
            *((low + (high - low) * t, h * t) for t in (0.25, 0.5, 0.75, 1)),
            (high * 0.9, h),
            (low * 0.9, 0.06),
            (0, 0.06),
        ],
        20,
    )
    weave = ((np.arange(len(body.faces)) % 20 + np.arange(len(body.faces)) // 40) % 2 == 0)[:, None]
    b.add(body, np.where(weave, main.rgb, main.shade(0.82)))
    b.add(torus(high, 0.055, 20, 6).at(y=h), main.shade(0.9))
    b.add(tube(arc(high, 0, 180, 13) * (1, 1.15, 1), 0.05, 6).at(y=h), main.shade(0.9))
    if rng.random() < 0.5:
        fruit = paint(rng, (RED, GREEN, ORANGE, YELLOW, WHITE), unlike=main.color)
        for k in range(6):
            r = rng.uniform(0.16, 0.19)
            where = sphere(r, segments=9, rows=7).at(z=0.0 if k == 5 else high * 0.5).ry(72 * k)
            b.add(where.at(y=h + (0.14 if k == 5 else 0.02)), fruit.rgb)
        eggs = fruit.color == "white"
        b.say("of white eggs" if eggs else f"of {fruit.words()} fruit")


GENERATORS = (teapot, mug, bottle, vase, barrel, bowl, jug, bucket, pot, pan, basket)
