"""People: man, knight, wizard, astronaut, pirate, princess. The clothes bear the colour."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, FloatArray, Rng
from dreamlab.studio.shapes.grammar import (
    BLACK,
    BLUE,
    BROWN,
    DARK_BLUE,
    DARK_RED,
    GOLDEN,
    GREEN,
    GREY,
    LIGHT_BLUE,
    METAL,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    SILVER,
    TURQUOISE,
    WHITE,
    YELLOW,
    Paint,
    generator,
    paint,
    with_article,
)
from dreamlab.studio.shapes.parts import DARK, SKIN, STEEL, TIMBER
from dreamlab.studio.shapes.paths import extrude, rod, star_outline
from dreamlab.studio.shapes.solids import box, cone, cylinder, dome, lathe, sphere, torus

HEAD, HEAD_RADII = (0.0, 1.5, 0.0), (0.27, 0.29, 0.27)
HAIR = (BROWN, BLACK, YELLOW, ORANGE, GREY)


def head_of(b: Builder, skin: FloatArray) -> None:
    """Head with eyes, nose and mouth at HEAD."""
    b.add(sphere(*HEAD_RADII, segments=14).at(*HEAD), skin)
    b.add_pair(sphere(0.065, 0.07, 0.04, segments=8, rows=6).at(0.105, 1.54, 0.235), (0.98, 0.98, 0.98))
    b.add_pair(sphere(0.04, 0.045, 0.03, segments=8, rows=6).at(0.105, 1.54, 0.27), DARK)
    b.add(sphere(0.045, 0.05, 0.06, segments=8, rows=6).at(0, 1.47, 0.28), skin * 0.9)
    b.add(sphere(0.09, 0.025, 0.03, segments=8, rows=4).at(0, 1.37, 0.235), (0.7, 0.25, 0.25))


def arms_of(b: Builder, rng: Rng, sleeve: FloatArray, hand: FloatArray, shoulder: float = 0.3) -> FloatArray:
    """Arms from (±shoulder, 1.1, 0) hanging or half lifted; returns the place of the right-hand (+X) hand."""
    lift = rng.uniform(0.0, 0.5)
    end = np.array((shoulder + 0.2 + 0.14 * lift, 0.62 + 0.4 * lift, 0.06 + 0.14 * lift))
    b.add_pair(sphere(0.12, segments=8, rows=6).at(shoulder, 1.1, 0), sleeve)
    b.add_pair(rod((shoulder, 1.1, 0), end, (0.11, 0.085), 8), sleeve)
    b.add_pair(sphere(0.095, segments=8, rows=6).at(*end), hand)
    return end


def legs_of(b: Builder, trousers: FloatArray, shoes: FloatArray) -> None:
    """Two legs and shoes below y = 0.62."""
    b.add_pair(lathe([(0.11, 0.08), (0.12, 0.3), (0.145, 0.64)], 10).at(x=0.15), trousers)
    b.add_pair(sphere(0.12, 0.09, 0.2, segments=10, rows=6).at(0.16, 0.08, 0.06), shoes)


@generator("man", "character", natural=(BLUE, RED, GREEN, YELLOW, ORANGE, GREY, WHITE))
def man(b: Builder, rng: Rng, main: Paint) -> None:
    skin, hair = np.array(SKIN[rng.integers(4)]), paint(rng, HAIR, unlike=main.color)
    fat = rng.uniform(0.9, 1.15)
    b.add(
        lathe([(0.27, 0.58), (0.26, 0.75), (0.32, 1.08), (0.26, 1.2), (0.1, 1.26)], 12).scaled(fat, 1, 0.66),
        main.rgb,
    )
    b.add(cylinder(0.09, 0.12, 8).at(y=1.2), skin)
    legs_of(b, main.shade(0.62), DARK * 2)
    arms_of(b, rng, main.rgb, skin, 0.3 * fat)
    b.add(lathe([(0.285, 0), (0.285, 0.07)], 12).scaled(fat, 1, 0.68).at(y=0.6), DARK * 2)
    head_of(b, skin)
    b.add_pair(sphere(0.05, 0.07, 0.05, segments=8, rows=6).at(0.27, 1.5, 0), skin * 0.95)
    if rng.random() < 0.4:
        b.add(dome(0.3, 0.25, 14, 4).at(0, 1.58, -0.02), hair.rgb)
        b.add(sphere(0.24, 0.025, 0.2, segments=12, rows=4).at(0, 1.6, 0.26), hair.rgb)
        b.say(f"with {with_article(hair.words())} cap")
    else:
        b.add(dome(0.3, 0.22, 14, 4).at(0, 1.6, -0.03), hair.rgb)
        b.add(sphere(0.27, 0.26, 0.14, segments=12, rows=6).at(0, 1.52, -0.17), hair.rgb)
        if rng.random() < 0.3:
            b.add(sphere(0.2, 0.16, 0.12, segments=10, rows=6).at(0, 1.28, 0.18), hair.rgb)
            b.say(f"with {with_article(hair.words())} beard")
        else:
            b.say(f"with {hair.words()} hair")


@generator("knight", "character", natural=(METAL, METAL, METAL, GREY, GOLDEN, BLACK))
def knight(b: Builder, rng: Rng, main: Paint) -> None:
    crest = paint(rng, (RED, BLUE, PURPLE, YELLOW, GREEN), unlike=main.color)
    b.add(
        lathe([(0.36, 0.56), (0.27, 0.76), (0.36, 1.06), (0.3, 1.2), (0.12, 1.26)], 12).scaled(1, 1, 0.72),
        main.rgb,
    )
    legs_of(b, main.shade(0.85), main.shade(0.6))
    hand = arms_of(b, rng, main.shade(0.9), main.shade(0.65), 0.34)
    b.add_pair(dome(0.18, 0.16, 10, 3).rz(-24).at(0.36, 1.08, 0), main.rgb)
    b.add(lathe([(0.26, 0), (0.3, 0.2), (0.29, 0.4), (0.17, 0.55), (0, 0.6)], 14).at(y=1.22), main.rgb)
    slit = DARK if main.color != "black" else STEEL
    b.add(box(0.4, 0.065, 0.08).at(0, 1.5, 0.25), slit)
    b.add(box(0.05, 0.26, 0.06).at(0, 1.26, 0.28), slit)
    b.add(sphere(0.06, 0.22, 0.3, segments=10).rx(-24).at(0, 1.9, -0.1), crest.rgb)
    blade_rgb = STEEL * 1.3 if main.color not in ("silver", "white", "grey") else STEEL * 1.5
    x, y, z = hand
    b.add(
        extrude([(-0.05, 0), (0.05, 0), (0.05, 0.8), (0, 0.95), (-0.05, 0.8)], 0.04).at(
            x, y + 0.06, z + 0.04
        ),
        np.minimum(blade_rgb, 1),
    )
    b.add(box(0.3, 0.06, 0.08).at(x, y + 0.04, z + 0.04), (0.85, 0.65, 0.2))
    b.add(cylinder(0.035, 0.26, 8).at(x, y - 0.2, z + 0.04), TIMBER)
    shield = [
        (-0.24, 0.26),
        (0.24, 0.26),
        (0.24, -0.02),
        (0.15, -0.22),
        (0, -0.34),
        (-0.15, -0.22),
        (-0.24, -0.02),
    ]
    b.add(extrude(shield, 0.08, bevel=0.15).at(-x - 0.02, y + 0.04, z + 0.14), crest.rgb)
    b.add(box(0.09, 0.46, 0.03).at(-x - 0.02, y - 0.2, z + 0.185), (0.95, 0.93, 0.85))
    b.add(box(0.38, 0.09, 0.03).at(-x - 0.02, y + 0.06, z + 0.185), (0.95, 0.93, 0.85))
    b.say(f"with {with_article(crest.words())} shield")


@generator("wizard", "character", natural=(BLUE, PURPLE, DARK_BLUE, RED, GREEN, GREY))
def wizard(b: Builder, rng: Rng, main: Paint) -> None:
    beard = paint(rng, (WHITE, WHITE, WHITE, GREY), unlike=main.color)
    orb = paint(rng, (LIGHT_BLUE, RED, GREEN, YELLOW, PINK), unlike=main.color)
    trim = (
        np.array((0.95, 0.8, 0.25)) if main.color not in ("yellow", "golden") else np.array((0.5, 0.2, 0.6))
    )
    skin, wide = np.array(SKIN[rng.integers(4)]), rng.uniform(0.44, 0.54)
    b.add(lathe([(wide, 0), (wide * 0.75, 0.4), (0.3, 0.9), (0.28, 1.14), (0.12, 1.26)], 14), main.rgb)
    b.add(lathe([(wide * 1.03, 0), (wide * 0.99, 0.08)], 14), trim)
    b.add(torus(0.31, 0.045, 14, 6).at(y=0.78), trim)
    hand = arms_of(b, rng, main.shade(0.85), skin)
    head_of(b, skin)
    b.add(sphere(0.24, 0.4, 0.14, segments=12).at(0, 1.14, 0.24), beard.rgb)
    b.add_pair(sphere(0.14, 0.045, 0.05, segments=8, rows=4).rz(-16).at(0.1, 1.39, 0.3), beard.rgb)
    b.add(sphere(0.27, 0.3, 0.15, segments=10, rows=6).at(0, 1.42, -0.17), beard.rgb)
    tall = rng.uniform(0.6, 0.85)
    b.add(cylinder(0.46, 0.05, 16).at(y=1.68), main.shade(0.85))
    b.add(
        lathe([(0.3, 0), (0.17, tall * 0.5), (0.06, tall * 0.85), (0, tall)], 12).rx(-6).at(y=1.71), main.rgb
    )
    b.add(lathe([(0.31, 0), (0.285, 0.09)], 12).at(y=1.72), trim)
    b.add(extrude(star_outline(5, 0.11, 0.05), 0.04).at(0, 1.93, 0.24), trim)
    b.add(rod((hand[0] + 0.02, 0.0, hand[2] + 0.04), (hand[0] + 0.02, 1.5, hand[2] + 0.04), 0.04, 8), TIMBER)
    b.add(sphere(0.13, segments=10, rows=8).at(hand[0] + 0.02, 1.6, hand[2] + 0.04), orb.rgb)
    b.say(f"with {with_article(beard.words())} beard")
    b.say(f"with {with_article(orb.words())} orb on a staff")


@generator("astronaut", "character", natural=(WHITE, WHITE, WHITE, ORANGE, SILVER), wild=0.2)
def astronaut(b: Builder, rng: Rng, main: Paint) -> None:
    visor = paint(rng, (GOLDEN, DARK_BLUE, BLACK, LIGHT_BLUE), unlike=main.color)
    stripe = paint(rng, (RED, BLUE, ORANGE), unlike=main.color)
    fat = rng.uniform(0.95, 1.12)
    b.add(lathe([(0.3, 0.52), (0.35, 0.7), (0.37, 1.0), (0.28, 1.2)], 12).scaled(fat, 1, 0.8), main.rgb)
    b.add_pair(lathe([(0.17, 0.1), (0.16, 0.3), (0.19, 0.62)], 10).at(x=0.19), main.rgb)
    b.add_pair(torus(0.165, 0.045, 12, 6).at(0.19, 0.36, 0), stripe.rgb)
    b.add_pair(box(0.3, 0.17, 0.44, bevel=0.05).at(0.2, 0, 0.06), main.shade(0.6))
    hand = arms_of(b, rng, main.rgb, main.shade(0.6), 0.37 * fat)
    b.add_pair(rod((0.37 * fat, 1.1, 0), hand * (0.97, 1.02, 0.97), (0.15, 0.12), 8), main.shade(0.96))
    b.add(sphere(0.37, segments=16, rows=10).at(y=1.5), main.rgb)
    b.add(sphere(0.27, 0.23, 0.16, segments=14).at(0, 1.5, 0.25), visor.rgb)
    b.add(torus(0.27, 0.05, 14, 6).at(y=1.2), STEEL)
    b.add(box(0.62, 0.72, 0.26, bevel=0.05).at(0, 0.66, -0.38), main.shade(0.75))
    b.add(box(0.32, 0.22, 0.1, bevel=0.02).at(0, 0.86, 0.28), STEEL)
    for x, rgb in ((-0.08, (0.9, 0.15, 0.15)), (0.0, (0.2, 0.7, 0.3)), (0.08, (0.2, 0.4, 0.9))):
        b.add(sphere(0.032, segments=6, rows=4).at(x, 0.98, 0.34), rgb)
    b.say(f"with {with_article(visor.words())} visor")
    b.say(f"with {stripe.words()} stripes")


@generator("pirate", "character", natural=(RED, BLUE, DARK_RED, GREEN, PURPLE, BROWN))
def pirate(b: Builder, rng: Rng, main: Paint) -> None:
    skin, beard = np.array(SKIN[rng.integers(3)]), paint(rng, (BROWN, ORANGE, GREY), unlike=main.color)
    b.add(
        lathe([(0.46, 0.3), (0.31, 0.7), (0.33, 1.06), (0.26, 1.2), (0.1, 1.26)], 12).scaled(1, 1, 0.72),
        main.rgb,
    )
    b.add(box(0.2, 0.56, 0.06).at(0, 0.58, 0.22), (0.95, 0.93, 0.88))
    b.add(lathe([(0.325, 0), (0.325, 0.1)], 12).scaled(1, 1, 0.76).at(y=0.68), DARK)
    b.add(box(0.14, 0.12, 0.05).at(0, 0.67, 0.25), (0.95, 0.78, 0.25))
    b.add(lathe([(0.13, 0.1), (0.12, 0.3), (0.15, 0.6)], 10).at(x=-0.16), main.shade(0.6))
    b.add(sphere(0.13, 0.09, 0.2, segments=10, rows=6).at(-0.17, 0.08, 0.06), DARK)
    b.add(lathe([(0.05, 0), (0.075, 0.3), (0.14, 0.34), (0.15, 0.6)], 10).at(x=0.16), TIMBER)
    hand = arms_of(b, rng, main.rgb, skin)
    b.add(
        extrude([(-0.04, 0), (0.04, 0), (0.1, 0.4), (0.02, 0.75), (-0.04, 0.4)], 0.04).at(
            hand[0], hand[1] + 0.06, hand[2] + 0.04
        ),
        STEEL * 1.3,
    )
    b.add(
        sphere(0.12, 0.06, 0.1, segments=8, rows=6).at(hand[0], hand[1] + 0.07, hand[2] + 0.04),
        (0.85, 0.65, 0.2),
    )
    head_of(b, skin)
    b.add(sphere(0.09, 0.085, 0.05, segments=10, rows=6).at(-0.105, 1.54, 0.26), DARK)
    b.add(rod((-0.26, 1.5, 0.12), (0.16, 1.66, 0.24), 0.02, 5), DARK)
    b.add(sphere(0.22, 0.17, 0.13, segments=10, rows=6).at(0, 1.3, 0.17), beard.rgb)
    b.add(sphere(0.27, 0.24, 0.14, segments=10, rows=6).at(0, 1.5, -0.16), beard.rgb)
    crown = [(0.28, -0.03), (0.44, 0.06), (0.28, 0.18), (0.1, 0.3)]
    hat = [*crown, *((-x, y) for x, y in crown[::-1])]
    for z, lean in ((0.27, -18), (-0.27, 18)):
        b.add(extrude(hat, 0.06).rx(lean).at(0, 1.66, z), DARK * 1.5)
    b.add(dome(0.29, 0.2, 12, 3).at(y=1.64), DARK * 1.5)
    b.add(sphere(0.085, 0.085, 0.03, segments=10, rows=6).at(0, 1.81, 0.3), (0.97, 0.97, 0.95))
    b.add(box(0.1, 0.07, 0.03).at(0, 1.71, 0.29), (0.97, 0.97, 0.95))
    b.say(f"with {with_article(beard.words())} beard")
    b.say("with a black hat")


@generator("princess", "character", natural=(PINK, PINK, PURPLE, LIGHT_BLUE, YELLOW, TURQUOISE, WHITE))
def princess(b: Builder, rng: Rng, main: Paint) -> None:
    skin, hair = np.array(SKIN[rng.integers(4)]), paint(rng, HAIR[:4], unlike=main.color)
    wide = rng.uniform(0.55, 0.66)
    b.add(lathe([(wide, 0), (wide * 0.93, 0.2), (wide * 0.66, 0.5), (0.18, 0.8), (0.17, 0.84)], 16), main.rgb)
    b.add(
        torus(wide * 0.98, 0.05, 20, 6).at(y=0.06),
        main.shade(1.5) if main.color != "white" else main.shade(0.8),
    )
    b.add(
        lathe([(0.18, 0.8), (0.26, 1.08), (0.22, 1.16), (0.09, 1.22)], 12).scaled(1, 1, 0.74),
        main.shade(0.88),
    )
    b.add(cylinder(0.085, 0.14, 8).at(y=1.16), skin)
    b.add_pair(sphere(0.14, segments=10, rows=6).at(0.28, 1.08, 0), main.shade(0.88))
    lift = rng.uniform(0, 0.3)
    b.add_pair(rod((0.3, 1.04, 0), (0.5 + 0.1 * lift, 0.66 + lift, 0.12), (0.08, 0.06), 8), skin)
    head_of(b, skin)
    b.add(dome(0.31, 0.26, 14, 4).at(0, 1.56, -0.03), hair.rgb)
    b.add(sphere(0.33, 0.5, 0.18, segments=12).at(0, 1.36, -0.2), hair.rgb)
    b.add_pair(sphere(0.09, 0.34, 0.12, segments=10, rows=6).at(0.28, 1.36, -0.02), hair.rgb)
    gold = (
        np.array((0.95, 0.78, 0.22))
        if main.color not in ("yellow", "golden")
        else np.array((0.85, 0.86, 0.9))
    )
    b.add(lathe([(0.18, 0), (0.2, 0.09)], 12).at(0, 1.77, 0), gold)
    for k in range(6):
        b.add(cone(0.055, 0.15, 5).at(0, 1.84, 0.17).ry(60 * k), gold)
    b.say(f"with {hair.words()} hair")


GENERATORS = (man, knight, wizard, astronaut, pirate, princess)
