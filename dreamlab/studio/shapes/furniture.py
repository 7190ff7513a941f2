"""Furniture: things to sit, lie and put things on."""

from __future__ import annotations

from dreamlab.studio.shapes.core import Builder, FloatArray, Rng
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BLACK,
    BLUE,
    BROWN,
    GOLDEN,
    GREEN,
    GREY,
    LONG_X,
    METAL,
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
from dreamlab.studio.shapes.paths import rod
from dreamlab.studio.shapes.solids import box, cushion, cylinder, frustum, lathe, sphere

CLOTH = (RED, BLUE, GREEN, GREY, BEIGE, PURPLE, PINK, TURQUOISE, YELLOW, WHITE)
WOODS = (WOODEN, WOODEN, WOODEN, WHITE, BLACK, RED, BLUE)


def _legs(
    b: Builder, rgb: FloatArray, x: float, z: float, height: float, thick: float, splay: float = 0.0
) -> None:
    """Four legs under (±x, ±z); splay moves the feet outwards by that share."""
    for sx in (-1, 1):
        for sz in (-1, 1):
            foot = (sx * x * (1 + splay), 0, sz * z * (1 + splay))
            b.add(rod(foot, (sx * x, height, sz * z), (thick * 0.8, thick), 6), rgb)


@generator("chair", "furniture", natural=WOODS, sizes=(TALL, WIDE), wild=0.3)
def chair(b: Builder, rng: Rng, main: Paint) -> None:
    wide, seat, back = rng.uniform(0.62, 0.76), rng.uniform(0.55, 0.68), rng.uniform(0.6, 0.85)
    thick, z = rng.uniform(0.04, 0.06), wide / 2 - 0.06
    _legs(b, main.shade(0.9), wide / 2 - 0.07, z, seat, thick, rng.uniform(0, 0.15))
    b.add(box(wide, 0.09, wide, bevel=0.02).at(y=seat), main.rgb)
    style = int(rng.integers(3))
    if style == 0:
        b.add(box(wide, back, 0.09, bevel=0.02).rx(-5).at(y=seat + 0.05, z=-z), main.rgb)
    else:
        for sx in (-1, 1):
            post = rod(
                (sx * (wide / 2 - 0.05), seat, -z), (sx * (wide / 2 - 0.05), seat + back, -z - 0.06), thick
            )
            b.add(post, main.rgb)
        slats = (0.35, 0.62, 0.9) if style == 1 else (0.88,)
        for share in slats:
            slat = box(wide - 0.06, 0.14, 0.06).at(y=seat + back * share - 0.07, z=-z - 0.06 * share)
            b.add(slat, main.rgb)
        if style == 2:
            for k in range(4):
                x = (k - 1.5) * wide / 5
                b.add(rod((x, seat, -z), (x, seat + back * 0.88, -z - 0.05), 0.028, 6), main.rgb)
    if rng.random() < 0.35:
        soft = paint(rng, CLOTH, unlike=main.color)
        b.add(cushion(wide * 0.86, 0.13, wide * 0.86, 0.4).at(y=seat + 0.12), soft.rgb)
        b.say(f"with {soft.a('cushion')}")


@generator("stool", "furniture", natural=WOODS, sizes=(TALL, SHORT), wild=0.3, holds=True)
def stool(b: Builder, rng: Rng, main: Paint) -> None:
    high, r = rng.uniform(0.7, 1.1), rng.uniform(0.32, 0.4)
    count = int(rng.integers(3, 5))
    for k in range(count):
        leg = rod((0, 0, r * 1.05), (0, high, r * 0.6), 0.05, 6)
        b.add(leg.ry(360 * k / count + 45), main.shade(0.88))
    b.add(cylinder(r, 0.13, 16).at(y=high), main.rgb)


@generator(
    "table", "furniture", natural=WOODS, sizes=(TALL, SHORT, LONG_X), wild=0.3, holds=True, shelters=True
)
def table(b: Builder, rng: Rng, main: Paint) -> None:
    wide, deep, high = rng.uniform(1.1, 1.6), rng.uniform(0.8, 1.0), rng.uniform(0.6, 0.75)
    if rng.random() < 0.3:
        r = rng.uniform(0.55, 0.7)
        b.add(cylinder(r, 0.08, 20).at(y=high), main.rgb)
        b.add(lathe([(0.32, 0), (0.3, 0.06), (0.08, 0.14), (0.07, high)], 12), main.shade(0.88))
        b.say("with one leg")
        return
    b.add(box(wide, 0.09, deep, bevel=0.02).at(y=high), main.rgb)
    b.add(box(wide * 0.86, 0.1, deep * 0.8).at(y=high - 0.09), main.shade(0.9))
    thick = rng.uniform(0.045, 0.07)
    _legs(b, main.shade(0.9), wide / 2 - 0.1, deep / 2 - 0.1, high, thick, rng.uniform(0, 0.06))


@generator("bench", "furniture", natural=WOODS, sizes=(LONG_X,), wild=0.3, shelters=True)
def bench(b: Builder, rng: Rng, main: Paint) -> None:
    wide, seat = rng.uniform(1.4, 1.8), rng.uniform(0.42, 0.5)
    frame = paint(rng, (BLACK, GREY, METAL), unlike=main.color)
    for z in (-0.18, 0.0, 0.18):
        b.add(box(wide, 0.07, 0.15).at(y=seat, z=z), main.rgb)
    for y in (0.2, 0.42):
        b.add(box(wide, 0.17, 0.06).at(y=seat + y, z=-0.3), main.rgb)
    for sx in (-1, 1):
        x = sx * (wide / 2 - 0.18)
        for foot, top in (((x, 0, 0.24), (x, seat, 0.18)), ((x, 0, -0.3), (x, seat + 0.6, -0.34))):
            b.add(rod(foot, top, 0.045, 6), frame.rgb)
    b.say(f"with {frame.words()} legs")


@generator("sofa", "furniture", natural=(*CLOTH, BROWN), sizes=(LONG_X,), wild=0.3)
def sofa(b: Builder, rng: Rng, main: Paint) -> None:
    wide, deep, seat = rng.uniform(1.5, 1.9), rng.uniform(0.75, 0.85), 0.3
    b.add(box(wide, seat, deep, bevel=0.04).at(y=0.1), main.shade(0.92))
    b.add(box(wide, rng.uniform(0.65, 0.85), 0.24, bevel=0.06).at(y=0.12, z=-deep / 2 + 0.08), main.rgb)
    arm = rng.uniform(0.48, 0.58)
    for sx in (-1, 1):
        b.add(box(0.22, arm, deep, bevel=0.06).at(sx * (wide / 2 - 0.02), 0.1), main.shade(0.96))
    count = int(rng.integers(2, 4))
    each = (wide - 0.24) / count
    for k in range(count):
        x = (k - (count - 1) / 2) * each
        b.add(cushion(each * 0.97, 0.2, deep * 0.8, 0.3).at(x, seat + 0.14, 0.1), main.shade(1.06))
    for sx in (-1, 1):
        for z in (-0.3, 0.3):
            b.add(cylinder(0.05, 0.11, 6).at(sx * (wide / 2 - 0.1), 0, z), (0.2, 0.13, 0.08))
    if rng.random() < 0.4:
        soft = paint(rng, CLOTH, unlike=main.color)
        for sx in (-1, 1):
            pillow = cushion(0.38, 0.38, 0.16, 0.5).rx(-18).at(sx * (wide / 2 - 0.36), seat + 0.4, -0.12)
            b.add(pillow, soft.rgb)
        b.say(f"with {soft.words()} pillows")


@generator("bed", "furniture", natural=CLOTH, sizes=(LONG_X,), wild=0.3)
def bed(b: Builder, rng: Rng, main: Paint) -> None:
    """The blanket bears the colour: it is what one sees of a bed."""
    frame = paint(rng, (WOODEN, WOODEN, WHITE, BLACK, GREY), unlike=main.color)
    linen = paint(rng, (WHITE, BEIGE, GREY), unlike=main.color)
    wide, long = rng.uniform(0.85, 1.3), rng.uniform(1.6, 1.8)
    b.add(box(wide, 0.16, long).at(y=0.16), frame.rgb)
    b.add(box(wide + 0.06, rng.uniform(0.6, 0.75), 0.08, bevel=0.02).at(z=-long / 2), frame.rgb)
    b.add(box(wide + 0.06, 0.3, 0.07, bevel=0.02).at(z=long / 2), frame.rgb)
    b.add(box(wide * 0.96, 0.2, long * 0.97, bevel=0.05).at(y=0.3), linen.rgb)
    b.add(box(wide * 1.04, 0.37, long * 0.7, bevel=0.05).at(y=0.17, z=long * 0.14), main.rgb)
    count = 2 if wide > 1.05 else 1
    for k in range(count):
        x = (k - (count - 1) / 2) * wide / count
        b.add(cushion(wide / count * 0.75, 0.18, 0.36, 0.5).at(x, 0.56, -long / 2 + 0.3), linen.shade(1.2))
    b.say(f"with {frame.a('frame')}")


@generator(
    "lamp", "furniture", natural=(RED, YELLOW, WHITE, BEIGE, BLUE, GREEN, GOLDEN), sizes=(TALL,), wild=0.3
)
def lamp(b: Builder, rng: Rng, main: Paint) -> None:
    """The shade bears the colour."""
    stand = paint(rng, (BLACK, METAL, WOODEN, GOLDEN, WHITE), unlike=main.color)
    high = rng.uniform(0.55, 0.95)
    b.add(lathe([(0.28, 0), (0.27, 0.06), (0.06, 0.1), (0.04, 0.14)], 14), stand.rgb)
    if rng.random() < 0.4:
        b.add(sphere(0.15, 0.2, segments=12, rows=8).at(y=0.28), stand.rgb)
    b.add(cylinder(0.04, high, 8).at(y=0.08), stand.rgb)
    top, bottom, tall = rng.uniform(0.2, 0.32), rng.uniform(0.44, 0.54), rng.uniform(0.42, 0.55)
    b.add(frustum(bottom, top, tall, 18).at(y=high), main.rgb)
    b.add(cylinder(bottom * 0.9, 0.02, 18).at(y=high - 0.015), (0.98, 0.95, 0.8))
    b.say(f"with {stand.a('stand')}")


@generator("bookshelf", "furniture", natural=WOODS, sizes=(TALL, WIDE), wild=0.3)
def bookshelf(b: Builder, rng: Rng, main: Paint) -> None:
    wide, deep, shelves = rng.uniform(0.85, 1.05), 0.34, int(rng.integers(3, 5))
    tall = shelves * 0.42 + 0.06
    b.add_pair(box(0.07, tall, deep).at(wide / 2), main.rgb)
    b.add(box(wide, tall, 0.05).at(z=-deep / 2 + 0.025), main.shade(0.75))
    for k in range(shelves + 1):
        b.add(box(wide, 0.06, deep).at(y=k * 0.42), main.rgb)
    for k in range(shelves):
        x, end = -wide / 2 + 0.07, wide / 2 - rng.uniform(0.05, 0.3)
        while x < end:
            thick = rng.uniform(0.06, 0.1)
            cover = paint(rng, (RED, BLUE, GREEN, YELLOW, PURPLE, BROWN, WHITE), unlike=main.color)
            b.add(
                box(thick * 0.92, rng.uniform(0.24, 0.32), 0.2).at(x + thick / 2, k * 0.42 + 0.06, -0.02),
                cover.rgb,
            )
            x += thick
    b.say("full of books")


@generator("cabinet", "furniture", natural=WOODS, sizes=(TALL, SHORT, WIDE), wild=0.3, holds=True)
def cabinet(b: Builder, rng: Rng, main: Paint) -> None:
    wide, tall, deep = rng.uniform(0.8, 1.1), rng.uniform(0.9, 1.5), rng.uniform(0.45, 0.55)
    knobs = paint(rng, (GOLDEN, BLACK, METAL, WHITE), unlike=main.color)
    b.add(box(wide, tall, deep).at(y=0.12), main.rgb)
    b.add(box(wide + 0.1, 0.07, deep + 0.08, bevel=0.02).at(y=tall + 0.12), main.shade(0.85))
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(
                box(0.09, 0.12, 0.09).at(sx * (wide / 2 - 0.06), 0, sz * (deep / 2 - 0.06)), main.shade(0.75)
            )
    if rng.random() < 0.5:
        b.add_pair(
            box(wide / 2 - 0.07, tall - 0.1, 0.04, bevel=0.015).at(wide / 4, 0.17, deep / 2), main.shade(0.86)
        )
        b.add_pair(sphere(0.045, segments=8, rows=6).at(0.09, 0.12 + tall / 2, deep / 2 + 0.05), knobs.rgb)
        b.say(f"with two doors and {knobs.words()} knobs")
        return
    drawers = int(rng.integers(3, 5))
    each = tall / drawers
    for k in range(drawers):
        y = 0.12 + each * k
        b.add(box(wide - 0.12, each - 0.07, 0.05, bevel=0.015).at(0, y + 0.035, deep / 2), main.shade(0.86))
        b.add_pair(
            sphere(0.045, segments=8, rows=6).at(wide * 0.22, y + each / 2, deep / 2 + 0.05), knobs.rgb
        )
    b.say(f"with drawers and {knobs.words()} knobs")


GENERATORS = (bookshelf, cabinet, chair, stool, table, bench, sofa, bed, lamp)
