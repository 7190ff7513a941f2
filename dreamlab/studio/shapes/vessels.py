"""Vessels: teapot, mug, bottle, vase, barrel and their kin."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    CLAY,
    COLOURS,
    FAT,
    GLASS,
    GOLDEN,
    GREEN,
    GREY,
    METAL,
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
from dreamlab.studio.shapes.solids import cylinder, lathe, sphere

CHINA = (WHITE, BLUE, RED, GREEN, YELLOW, CLAY, BLACK)


@generator("teapot", "household", natural=CHINA, sizes=(TALL, SHORT), wild=0.4)
def teapot(b: Builder, rng: Rng, main: Paint) -> None:
    """Spout to +X, handle to -X."""
    tall = rng.uniform(0.42, 0.52)
    accent = paint(rng, (*COLOURS[:10], GOLDEN, BLACK, WHITE), unlike=main.colour)
    two = rng.random() < 0.4
    trim = accent.rgb if two else main.shade(0.92)
    b.add(sphere(0.58, tall, segments=16, rows=10).at(y=tall), main.rgb)
    b.add(cylinder(0.32, 0.06, 14).at(y=-0.01), main.shade(0.85))
    b.add(lathe([(0.34, 0), (0.32, 0.07), (0.2, 0.13), (0, 0.16)], 14).at(y=tall * 1.78), trim)
    b.add(sphere(0.09, segments=9, rows=7).at(y=tall * 1.78 + 0.22), trim)
    spout = curve([(0.45, tall * 0.75, 0), (0.78, tall * 0.95, 0), (0.88, tall * 1.45, 0), (1.05, tall * 1.75, 0)], 9)
    b.add(tube(spout, np.linspace(0.17, 0.075, 9), 9), main.rgb)
    loop = curve([(-0.45, tall * 1.5, 0), (-0.8, tall * 1.6, 0), (-0.92, tall * 1.05, 0), (-0.5, tall * 0.55, 0)], 11)
    b.add(tube(loop, 0.06, 7), trim)
    if two:
        b.say(f"with {_a(accent)} lid and handle")


def _a(colour: Paint) -> str:
    words = colour.words()
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _handle(radius: float, y: float, size: float, thick: float):
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
        drink = paint(rng, (BROWN, BROWN, WHITE), unlike=main.colour)
        b.add(cylinder(r * 0.87, 0.03, 18).at(y=h * 0.82), drink.rgb * (0.6 if drink.colour == "brown" else 1))
        b.say("of coffee" if drink.colour == "brown" else "of milk")
    if rng.random() < 0.35:
        band = paint(rng, COLOURS, unlike=main.colour)
        b.add(cylinder(r * 1.02, h * 0.2, 18).at(y=h * rng.uniform(0.3, 0.5)), band.rgb)
        b.say(f"with {_a(band)} stripe")


@generator("bottle", "household", natural=(GREEN, GLASS, BROWN, BLUE, RED), sizes=(TALL, FAT, THIN))
def bottle(b: Builder, rng: Rng, main: Paint) -> None:
    r, h, neck = rng.uniform(0.26, 0.34), rng.uniform(0.65, 0.85), rng.uniform(0.09, 0.12)
    top = h + rng.uniform(0.4, 0.55)
    profile = [(r * 0.9, 0), (r, 0.05), (r, h), (r * 0.75, h + 0.13), (neck, h + 0.25), (neck, top)]
    b.add(lathe(profile, 16), main.rgb)
    cap = paint(rng, (BROWN, BLACK, WHITE, GOLDEN, RED), unlike=main.colour)
    b.add(cylinder(neck * 1.25, 0.12, 12).at(y=top - 0.03), cap.rgb)
    b.say(f"with {_a(cap)} cap")
    if rng.random() < 0.5:
        label = paint(rng, (WHITE, WHITE, YELLOW, RED), unlike=main.colour)
        b.add(cylinder(r * 1.02, h * 0.32, 16).at(y=h * 0.32), label.rgb)
        b.say(f"with {_a(label)} label")


@generator("vase", "household", natural=CHINA + (GLASS,), sizes=UPRIGHT, wild=0.4)
def vase(b: Builder, rng: Rng, main: Paint) -> None:
    foot, belly, neck, lip = rng.uniform(0.2, 0.28), rng.uniform(0.4, 0.52), rng.uniform(0.12, 0.22), rng.uniform(0.24, 0.34)
    low, high = rng.uniform(0.35, 0.6), rng.uniform(1.2, 1.4)
    outer = curve([(foot, 0, 0), (belly, low, 0), (neck, high * 0.8, 0), (lip, high, 0)], 12)[:, :2]
    b.add(lathe([*outer, (lip * 0.86, high), (neck * 0.7, high * 0.8), (0, high * 0.7)], 16), main.rgb)
    if rng.random() < 0.4:
        band = paint(rng, COLOURS, unlike=main.colour)
        k = int(abs(outer[:, 1] - low).argmin())
        strip = outer[k - 1 : k + 2] * (1.03, 1)
        b.add(lathe(strip, 16), band.rgb)
        b.say(f"with {_a(band)} stripe")


@generator("barrel", "household", natural=(WOODEN, WOODEN, WOODEN, RED, BLUE), sizes=(TALL, SHORT, FAT), holds=True)
def barrel(b: Builder, rng: Rng, main: Paint) -> None:
    r, h, bulge = rng.uniform(0.38, 0.46), rng.uniform(1.05, 1.25), rng.uniform(1.18, 1.3)
    profile = [(r, 0), (r * (1 + bulge) / 2, h * 0.22), (r * bulge, h * 0.5), (r * (1 + bulge) / 2, h * 0.78), (r, h)]
    body = lathe([*profile, (r * 0.88, h), (r * 0.88, h - 0.05), (0, h - 0.05)], 16)
    plank = (np.arange(len(body.faces)) % 2 == 0)[:, None]
    b.add(body, np.where(plank, main.rgb, main.shade(0.88)))
    hoops = paint(rng, (GREY, BLACK, METAL, GOLDEN), unlike=main.colour)
    for share in (0.1, 0.3, 0.7, 0.9):
        wide = float(np.interp(h * share, [p[1] for p in profile], [p[0] for p in profile])) * 1.03
        b.add(cylinder(wide, 0.07, 16).at(y=h * share - 0.035), hoops.rgb)
    b.say(f"with {hoops.words()} hoops")


GENERATORS = (teapot, mug, bottle, vase, barrel)
