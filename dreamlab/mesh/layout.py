"""Where the things of a scene stand: on, under, over, beside, before, behind and between each other, or as
a hat on a head.

Things are solid, keep their size and face +Z; nothing leans or falls over. What stands on something is let
down on it where most of its underside is held, as near to the middle as that goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from dreamlab.core.errors import InputError
from dreamlab.mesh.geometry.heights import HeightMap, clearance, heights_of, top_region
from dreamlab.mesh.scene_words import Group, Relation

GAP = 0.15  # between things beside each other, as a share of the smaller one's longest side
CELLS, MOST_CELLS = 16, 160  # of height maps: along what is let down, and along what it may rest on
HELD = 0.03  # of its height: how far an underside may be from what holds it
CENTRAL = 0.5  # what a place at the rim is worth less than one in the middle
SINK = 0.1  # of its height: how deep what is worn is pulled over what it touches first
BALANCED = 0.3  # of its half width: how far the middle of what holds it may be from its own


@dataclass(frozen=True)
class Solid:
    """A closed shape where it lies in the scene: vertices [V,3] in metres, faces [F,3]."""

    name: str
    vertices: Float[np.ndarray, "V 3"]
    faces: np.ndarray

    @property
    def low(self) -> np.ndarray:
        return self.vertices.min(0)

    @property
    def high(self) -> np.ndarray:
        return self.vertices.max(0)

    @property
    def longest(self) -> float:
        return float((self.high - self.low).max())

    def moved(self, by: np.ndarray) -> Solid:
        return replace(self, vertices=self.vertices + by)

    def footed(self, x: float, y: float, z: float) -> Solid:
        """With the middle of its underside there."""
        middle = (self.low + self.high) / 2
        return self.moved(np.array([x, y, z]) - [middle[0], self.low[1], middle[2]])


def laid_out(groups: Sequence[Group], solids: Sequence[Solid]) -> tuple[list[Solid], list[str]]:
    """The solids, one for each thing of the groups in their order, at their places, the last group's first
    one at the origin; and what is to be said of those that did not go where they should.

    Raises InputError where nothing of a thing could hold another.
    """
    rows = np.split(np.arange(len(solids)), np.cumsum([len(group.things) for group in groups])[:-1])
    placed: dict[int, Solid] = {}
    notes: list[str] = []
    for k in reversed(range(len(groups))):
        relation = groups[k].relation
        anchors = [] if relation is None else [placed[i] for i in rows[k + 1]]
        for row in rows[k]:
            solid = solids[row]
            if relation is None:
                amid = rows[k - 1] if k > 0 and groups[k - 1].relation == "between" else []
                solid = _alongside(solid, placed, rows[k], [solids[i] for i in amid])
            else:
                solid, note = _related(solid, relation, anchors, list(placed.values()))
                notes += [note] if note else []
            placed[int(row)] = solid
    return [placed[i] for i in range(len(solids))], notes


def _alongside(solid: Solid, placed: dict[int, Solid], row: np.ndarray, amid: Sequence[Solid]) -> Solid:
    """Of the last group: the first at the origin, the others beside it, with room for what stands between."""
    if not placed:
        return solid.footed(0, 0, 0)
    first = placed[int(row[0])]
    room = max((float((a.high - a.low)[0]) * (1 + GAP) for a in amid), default=0.0)
    return _beside(solid, first, list(placed.values()), np.array([1.0, 0, 0]), room)


def _related(
    solid: Solid, relation: Relation, anchors: Sequence[Solid], others: Sequence[Solid]
) -> tuple[Solid, str]:
    """The solid at its place; and a note, if that is another than it should have."""
    anchor = anchors[0]
    if relation == "on":
        return _resting(solid, anchor, others)
    if relation == "worn":
        return _worn(solid, anchor), ""
    if relation == "over":
        top = max(other.high[1] for other in others)
        middle = (anchor.low + anchor.high) / 2
        return solid.footed(middle[0], top + GAP * min(solid.longest, anchor.longest), middle[2]), ""
    if relation == "under":
        if (found := _sheltered(solid, anchor, others)) is not None:
            return found, ""
        note = f"there is no room for {solid.name} under {anchor.name}: it stands beside"
        return _beside(solid, anchor, others, np.array([1.0, 0, 0])), note
    if relation == "between":
        return _amid(solid, anchors, others)
    if relation == "beside":
        return _beside(solid, anchor, others, np.array([1.0, 0, 0])), ""
    ways = {"left": [-1.0, 0, 0], "right": [1.0, 0, 0], "before": [0, 0, 1.0], "behind": [0, 0, -1.0]}
    return _beside(solid, anchor, others, np.array(ways[relation]), one_side=True), ""


def _worn(solid: Solid, anchor: Solid) -> Solid:
    """Over the middle of the anchor's top, SINK deeper than where it first touches it."""
    (x, z), _ = top_region(anchor.vertices, anchor.faces)
    there = solid.footed(x, float(anchor.high[1]) + solid.longest, z)
    drop = clearance(there.vertices, there.faces, anchor.vertices, anchor.faces)
    assert np.isfinite(drop)  # the middle lies over the anchor
    return there.moved(np.array([0, -drop - SINK * float((solid.high - solid.low)[1]), 0]))


def _amid(solid: Solid, anchors: Sequence[Solid], others: Sequence[Solid]) -> tuple[Solid, str]:
    a, b = anchors[:2]
    spot = ((a.high + b.low) / 2 if b.low[0] > a.high[0] else (a.low + b.high) / 2)[0]
    there = solid.footed(float(spot), float(a.low[1]), float((a.low + a.high)[2] / 2))
    if not any(_overlap(there, other) for other in others):
        return there, ""
    note = f"there is no room for {solid.name} between {a.name} and {b.name}: it stands before them"
    return _beside(there, a, others, np.array([0, 0, 1.0])), note


def _beside(
    solid: Solid,
    anchor: Solid,
    others: Sequence[Solid],
    way: np.ndarray,
    room: float = 0.0,
    one_side: bool = False,
) -> Solid:
    """On the anchor's ground, a gap from it along `way` (sideways also the other way, if that is free, unless
    it is to be `one_side`), further off where something else stands."""
    gap = GAP * min(solid.longest, anchor.longest) + room
    middle = (anchor.low + anchor.high) / 2
    reach = (anchor.high - anchor.low) / 2 + (solid.high - solid.low) / 2 + gap
    sides = [way, -way] if way[0] and not one_side else [way]
    for extra in range(64):
        for side in sides:
            spot = middle + side * (reach + extra * gap)
            there = solid.footed(float(spot[0]), float(anchor.low[1]), float(spot[2]))
            if not any(_overlap(there, other) for other in others):
                return there
    raise InputError(f"there is no room for {solid.name} beside {anchor.name}")


def _overlap(a: Solid, b: Solid) -> bool:
    """Whether their boxes share a point."""
    return bool((a.low < b.high).all() and (b.low < a.high).all())


def _resting(solid: Solid, anchor: Solid, others: Sequence[Solid]) -> tuple[Solid, str]:
    """Let down onto the anchor, where it is held best; with a note, where it would fall."""
    spots = _Spots(solid, anchor, others)
    rest, held, balanced = spots.resting()
    only = _Spots(solid, anchor, [anchor]).resting()[0]
    free = rest <= only + 1e-6 * solid.longest  # on the anchor, and not on what stands there already
    note, worth = "", np.where(free & balanced, held - CENTRAL * spots.off_centre, -np.inf)
    if not np.isfinite(worth).any():
        note = f"{anchor.name} hardly holds {solid.name}, which would fall: give one another size"
        worth = np.where(free & np.isfinite(rest), -spots.off_centre, -np.inf)
    if not np.isfinite(worth).any():
        raise InputError(
            f"there is no room for {solid.name} on {anchor.name}",
            mend="Give it another size: --size THING=LENGTH",
        )
    x, z = spots.place(int(worth.argmax()))
    there = solid.footed(x, float(max(other.high[1] for other in others)) + solid.longest, z)
    drop = min(clearance(there.vertices, there.faces, o.vertices, o.faces) for o in others)
    assert np.isfinite(drop)  # the maps have seen the anchor below
    return there.moved(np.array([0, -drop, 0])), note


def _sheltered(solid: Solid, anchor: Solid, others: Sequence[Solid]) -> Solid | None:
    """On the anchor's ground and under it, as near to its middle as it fits; None where it does not."""
    spots = _Spots(solid, anchor, others)
    ground, fits = float(anchor.low[1]), spots.sheltered().reshape(-1)
    nearest = np.argsort(spots.off_centre.reshape(-1), kind="stable")
    for k in nearest[fits[nearest]][:50]:
        x, z = spots.place(int(k))
        there = solid.footed(x, ground, z)
        low = min(clearance(o.vertices, o.faces, there.vertices, there.faces) for o in others)
        if low > 0:
            return there
    return None


class _Spots:
    """Places for a solid over an anchor, on a grid of height maps of both: of the tops of all that stands
    there (or of its undersides), and of the solid's own."""

    def __init__(self, solid: Solid, anchor: Solid, others: Sequence[Solid]) -> None:
        foot, ground = (solid.high - solid.low)[[0, 2]], (anchor.high - anchor.low)[[0, 2]]
        self.cell = float(max(foot.max() / CELLS, ground.max() / MOST_CELLS))
        self.solid, self.anchor, self.others = solid, anchor, others
        half = np.ceil(foot / 2 / self.cell) + 1
        self.count = np.ceil(ground / self.cell).astype(int) + 1
        middle = (anchor.low + anchor.high)[[0, 2]] / 2
        self.first = middle - (self.count - 1) / 2 * self.cell  # the first spot for the solid's middle
        self.own = heights_of(
            solid.vertices, solid.faces, *self._grid((solid.low + solid.high)[[0, 2]] / 2, half)
        )
        self.half = half.astype(int)

    def _grid(self, middle: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        return middle - half * self.cell, (2 * half + 1).astype(int), self.cell

    def _around(self) -> list[HeightMap]:
        first = self.first - self.half * self.cell
        count = self.count + 2 * self.half
        return [heights_of(o.vertices, o.faces, first, count, self.cell) for o in self.others]

    def place(self, k: int) -> tuple[float, float]:
        x, z = np.unravel_index(k, self.count)
        return float(self.first[0] + x * self.cell), float(self.first[1] + z * self.cell)

    @property
    def off_centre(self) -> Float[np.ndarray, "X Z"]:
        """How far each place is from the anchor's middle: 1 at its corners."""
        x, z = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in self.count)
        return np.hypot(x[:, None], z[None]) / 2**0.5

    def resting(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At each place how high the solid's lowest point comes to rest, which share of its underside is held
        there, and whether it is held on all sides of its middle. [X,Z] each."""
        top = np.max([m.top for m in self._around()], axis=0)
        under = self.own.bottom - self.solid.low[1]
        height = np.full(tuple(self.count), -np.inf)
        cells = np.argwhere(np.isfinite(under))
        x, z = self.count
        for i, j in cells:
            np.maximum(height, top[i : i + x, j : j + z] - under[i, j], out=height)
        slack = HELD * float(self.solid.high[1] - self.solid.low[1])
        held, lean = np.zeros_like(height), np.zeros((2, *height.shape))
        foot = under < slack + under[np.isfinite(under)].min()
        for i, j in cells[foot[tuple(cells.T)]]:
            touches = top[i : i + x, j : j + z] - under[i, j] > height - slack
            held += touches
            lean += touches * (np.array([i, j]) - self.half)[:, None, None]
        lean = np.abs(lean) / np.maximum(held, 1)
        balanced = (lean[0] <= BALANCED * self.half[0]) & (lean[1] <= BALANCED * self.half[1]) & (held > 0)
        return height, held / max(foot.sum(), 1), balanced & np.isfinite(height)

    def sheltered(self) -> np.ndarray:
        """Whether the solid fits at each place [X,Z] on the ground under the anchor, at least half of it."""
        maps = self._around()
        roof = np.min([m.bottom for m in maps], axis=0)  # inf where nothing is
        over = heights_of(
            self.anchor.vertices, self.anchor.faces, self.first - self.half * self.cell,
            self.count + 2 * self.half, self.cell,
        ).bottom  # fmt: skip
        head = self.own.top - self.solid.low[1] + self.anchor.low[1]
        fits, covered = np.ones(tuple(self.count), bool), np.zeros(tuple(self.count))
        cells = np.argwhere(np.isfinite(head))
        x, z = self.count
        for i, j in cells:
            fits &= roof[i : i + x, j : j + z] > head[i, j]
            covered += np.isfinite(over[i : i + x, j : j + z])
        return fits & (covered >= 0.5 * len(cells))
