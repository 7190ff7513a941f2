"""Food from the oven and the stall: bread, burger, hot dog, pizza, egg, cheese."""

from __future__ import annotations

import numpy as np

from dreamlab.studio.shapes.core import Builder, Rng, surface_points
from dreamlab.studio.shapes.grammar import (
    BEIGE,
    BROWN,
    GOLDEN,
    LONG_X,
    ORANGE,
    RED,
    TALL,
    WHITE,
    WIDE,
    YELLOW,
    Paint,
    generator,
    paint,
)
from dreamlab.studio.shapes.paths import arc, curve, extrude, rod, tube
from dreamlab.studio.shapes.solids import capsule, cylinder, lathe, ribbed, sphere

CRUST = np.array((0.72, 0.45, 0.2))
SEEDY = ("white", "beige", "yellow", "golden", "silver")


@generator("burger", "food", natural=(GOLDEN, BROWN, BEIGE), sizes=(TALL,))
def burger(b: Builder, rng: Rng, main: Paint) -> None:
    """The bun bears the colour."""
    y = rng.uniform(0.2, 0.26)
    b.add(lathe([(0.58, 0), (0.64, 0.08), (0.64, y), (0, y)], 18), main.rgb)
    layers = [("lettuce", (0.4, 0.72, 0.2)), ("patty", (0.33, 0.18, 0.1)), ("cheese", (1.0, 0.76, 0.15))]
    if rng.random() < 0.6:
        layers.insert(1, ("tomato", (0.86, 0.16, 0.12)))
    if rng.random() < 0.3:
        layers.append(("patty", (0.33, 0.18, 0.1)))
        b.say("with two patties")
    for kind, rgb in layers:
        if kind == "lettuce":
            b.add(ribbed(cylinder(0.74, 0.06, 36), 12, 0.1).at(y=y), rgb)
            y += 0.05
        elif kind == "patty":
            b.add(lathe([(0.6, 0), (0.68, 0.06), (0.68, 0.11), (0.6, 0.16)], 18).at(y=y), rgb)
            y += 0.16
        elif kind == "tomato":
            b.add(cylinder(0.62, 0.07, 18).at(y=y), rgb)
            y += 0.06
        else:
            b.add(cylinder(0.86, 0.05, 4).at(y=y), rgb)
            y += 0.045
    tall = rng.uniform(0.36, 0.46)
    profile = [(0.62, 0), (0.67, 0.08), (0.62, tall * 0.55), (0.42, tall * 0.86), (0, tall)]
    top = lathe(profile, 18).at(y=y)
    b.add(top, main.rgb)
    if rng.random() < 0.6:
        seed = (0.35, 0.2, 0.08) if main.color in SEEDY[:4] else (0.97, 0.92, 0.75)
        places, normals = surface_points(top, rng, 14, keep=top.centres()[:, 1] > y + tall * 0.5)
        for place, normal in zip(places, normals, strict=True):
            b.add(sphere(0.045, 0.025, 0.03, segments=6, rows=4).aligned(normal).at(*place), seed)
        b.say("with seeds")


@generator("hot dog", "food", natural=(GOLDEN, BEIGE, BROWN), sizes=(LONG_X,))
def hot_dog(b: Builder, rng: Rng, main: Paint) -> None:
    """The bun bears the colour; the sausage lies along X."""
    long = rng.uniform(1.5, 1.75)
    for side in (-1, 1):
        half = capsule(0.22, long, 12).rz(90)
        b.add(half.at(y=0.22, z=side * 0.2), main.rgb)
    sausage = curve([(-long / 2 - 0.12, 0.44, 0), (0, 0.38, 0), (long / 2 + 0.12, 0.44, 0)], 9)
    b.add(tube(sausage, [0.08, 0.16, 0.18, 0.18, 0.18, 0.18, 0.18, 0.16, 0.08], 9), (0.62, 0.2, 0.1))
    sauce = paint(rng, (YELLOW, YELLOW, RED), unlike=main.color)
    x = np.linspace(-long / 2 + 0.05, long / 2 - 0.05, 26)
    wave = np.stack([x, np.full(26, 0.57) + 0.03 * (x / long * 2) ** 2, 0.07 * np.sin(x * 15)], axis=1)
    b.add(tube(wave, 0.035, 6), sauce.rgb)
    b.say("with mustard" if sauce.color == "yellow" else "with ketchup")


@generator("pizza slice", "food", natural=(YELLOW, GOLDEN, ORANGE), sizes=(WIDE,))
def pizza_slice(b: Builder, rng: Rng, main: Paint) -> None:
    """Stands on its point and shows its topping to +Z; the cheese bears the colour."""
    half, long, thick = rng.uniform(22, 28), 1.5, rng.uniform(0.08, 0.13)
    rim = arc(long, 90 - half, 90 + half, 9)[:, :2]
    b.add(extrude([(0, 0), *rim], thick), CRUST * (1.1, 1.15, 1.2))
    b.add(extrude([(0, 0.04), *(rim * 0.97)], thick + 0.05), main.rgb)
    b.add(tube(arc(long, 90 - half, 90 + half, 9), 0.11, 8), CRUST)
    topping = paint(rng, (RED, RED, BROWN, WHITE), unlike=main.color)
    for x, y in ((-0.22, 1.12), (0.24, 1.15), (0.02, 0.82), (0.0, 0.42)):
        size = 0.13 if y > 0.5 else 0.08
        spot = cylinder(size, 0.05, 10).rx(90).at(x + rng.uniform(-0.04, 0.04), y, thick * 0.5)
        b.add(spot, topping.rgb * (0.9 if topping.color == "red" else 1))
    if topping.color == "red":
        b.say("with red salami")
    else:
        b.say(f"with {topping.words()} mushrooms")
    if rng.random() < 0.5:
        for x, y in ((-0.05, 1.2), (-0.12, 0.62), (0.2, 0.9)):
            b.add(
                sphere(0.07, 0.03, 0.03, segments=6, rows=4).rz(40 * x * 10).at(x, y, thick * 0.5),
                (0.2, 0.5, 0.15),
            )


@generator("egg", "food", natural=(WHITE, WHITE, BEIGE, BROWN))
def egg(b: Builder, rng: Rng, main: Paint) -> None:
    """A plain egg, sometimes in an egg cup, sometimes with bright spots or bands."""
    body = sphere(0.55, 0.74, segments=14, rows=14).at(y=0.74)
    x, y, z = body.vertices.T
    narrow = 1 - 0.16 * (y / 0.74 - 1)
    body = body._replace(vertices=np.stack([x * narrow, y, z * narrow], axis=1))
    style = rng.random()
    trim = paint(rng, (RED, YELLOW, ORANGE, WHITE, BROWN), unlike=main.color)
    if style < 0.2:
        band = (np.abs(body.centres()[:, 1] - 0.74) < 0.16)[:, None]
        b.add(body, np.where(band, trim.rgb, main.rgb))
        b.say(f"with {trim.a('stripe')}")
    else:
        b.add(body, main.rgb)
    if 0.2 < style < 0.4:
        places, normals = surface_points(body, rng, 16)
        for place, normal in zip(places, normals, strict=True):
            b.add(sphere(0.07, 0.015, 0.07, segments=7, rows=4).aligned(normal).at(*place), trim.rgb)
        b.say(f"with {trim.words()} spots")
    if style > 0.75:
        cup = [
            (0.34, -0.3),
            (0.32, -0.24),
            (0.1, -0.16),
            (0.12, -0.05),
            (0.42, 0.1),
            (0.58, 0.42),
            (0.54, 0.42),
        ]
        b.add(lathe([*cup, (0, 0.1)], 14), trim.rgb)
        b.say(f"in {trim.a('cup')}")


@generator("bread loaf", "food", natural=(GOLDEN, BROWN, BROWN), sizes=(LONG_X, TALL))
def bread_loaf(b: Builder, rng: Rng, main: Paint) -> None:
    """A tin loaf along X with a bulging top, its cut face pale."""
    long, thick = rng.uniform(1.0, 1.3), rng.uniform(0.36, 0.44)
    waist = thick * 0.9
    side = [
        (waist, 0),
        (waist, 0.38),
        (thick * 1.12, 0.5),
        (thick * 1.08, 0.68),
        (thick * 0.7, 0.82),
        (0, 0.86),
    ]
    outline = np.array([*side, *((-x, y) for x, y in reversed(side[:-1]))])
    slices = int(rng.integers(0, 3))
    b.add(extrude(outline, long).ry(90), main.rgb)
    crumb = (0.96, 0.88, 0.7) if main.color != "beige" else (0.99, 0.96, 0.9)
    inner = (outline - (0, 0.4)) * 0.88 + (0, 0.4)
    b.add(extrude(inner, 0.02).ry(90).at(long / 2), crumb)
    for k in range(slices):
        x = long / 2 + 0.16 + 0.2 * k
        for scale, depth, rgb in ((1.0, 0.1, main.rgb), (0.88, 0.12, crumb)):
            face = extrude((outline - (0, 0.4)) * scale + (0, 0.4), depth).ry(90).rz(-8 - 6 * k)
            b.add(face.at(x), rgb)
    for x in np.linspace(-long * 0.32, long * 0.32, 4):
        b.add(rod((x - 0.08, 0.85, 0.22), (x + 0.08, 0.85, -0.22), 0.035, 5), main.shade(0.72))
    if slices:
        b.say("with a cut slice" if slices == 1 else "with two cut slices")


@generator("cheese", "food", natural=(YELLOW, YELLOW, ORANGE, GOLDEN), sizes=(TALL,))
def cheese(b: Builder, rng: Rng, main: Paint) -> None:
    """A wedge on its flat side, point to +Z and X, with round holes."""
    tall, spread = rng.uniform(0.5, 0.65), rng.uniform(26, 34)
    rim = arc(1.5, 90 - spread, 90 + spread, 7)[:, :2]
    body = extrude([(0, 0), *rim], tall).rx(-90).at(y=tall / 2).ry(rng.uniform(-25, 25))
    b.add(body, main.rgb)
    middle = body.vertices.mean(axis=0)
    places, directions = surface_points(body, rng, 13, keep=body.normals()[:, 1] > -1e-6)
    for place, normal in zip(places, directions, strict=True):
        # Drawn in from the edges within its own face, lest the disc stick out over them.
        offset = place - middle
        place = place - 0.22 * (offset - (offset @ normal) * normal)
        size = rng.uniform(0.06, 0.12)
        b.add(cylinder(size, 0.012, 9).aligned(normal).at(*place), main.shade(0.72))
    b.say("with holes")


GENERATORS = (burger, hot_dog, pizza_slice, egg, bread_loaf, cheese)
