"""A surface's colours as a few flat ones: which there are, where each is, and what is left over.

Distilled objects are coloured by parts, with noise around each part's colour. Colours are found by k-means in
CIE L*a*b* (D65), places by a mean-field approximation of the Potts model (as Kraehenbuehl and Koltun 2011 for
images; here over the edges of a mesh). What is smooth and large in the rest stays, as a gradient.
"""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.texture.palette_colors import find_colors, weighted_median
from dreamlab.mesh.texture.surface_graph import SurfaceGraph

ROUNDS = 15  # of the mean field
CREASE = 0.3  # vote over an edge between faces at a right angle; 1 where they are level
EDGE = 40.0  # Delta E along an edge at which neighbours' votes have fallen to 0.6
ISLAND = 0.0008  # share of the area below which a patch of one colour is a speckle
BLUR, BROAD, MIXED = 0.03, 0.7, 20.0  # sizes, share and Delta E that tell a blur from a colour
CAP = 35.0  # Delta E: what lies farther off a colour is as wrong as this
SMALL = 0.002  # share of the area that a colour has to carry
RINGS = 2  # corners on both sides of a border that show whether it is a step
STEP = 0.6  # of the distance of two colours that shows at their border: below, it is one colour's gradient
SMOOTH = 0.1  # sizes: what varies over less than this is noise to a gradient
SIGNAL = 0.5  # share of a colour's variance that a gradient has to explain to be kept
FAINT = 1.5  # Delta E, root mean square: a fainter gradient is not kept
FLAT = 5.0  # mean CIEDE2000: a palette farther from the blurred colours than this is not worth its loss


class PaletteConfig(BaseModel):
    """Whether the surface is painted in a few flat colours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["auto", "on", "off"] = Setting(
        default="off", description="'auto': only where the colours are flat by parts, and pictures agree"
    )
    colors: int = Setting(default=8, ge=1, le=32, description="at most so many colours")
    noise: float = Setting(default=14.0, gt=0, description="Delta E that a place may lie off its colour")
    smoothness: float = Setting(default=1.2, ge=0, description="how much each neighbour's colour weighs")
    gradients: bool = Setting(default=True, description="whether a colour may shade off smoothly")


class Palette(NamedTuple):
    """A surface in K flat colours [K,3] (sRGB in 0..1): every corner's probability of each [V,K], every
    face's likeliest [F], the gradients in L*a*b* [V,K,3] (0 where a colour is flat), and the area-weighted
    mean CIEDE2000 between the painted corners and the colours that were given, both blurred."""

    colors: np.ndarray
    probability: np.ndarray
    labels: np.ndarray
    gradient: np.ndarray
    error: float


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """sRGB [...,3] in 0..1 as CIE L*a*b* under D65."""
    from skimage.color import rgb2lab

    return rgb2lab(rgb)


def rgb_of(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* [...,3] as sRGB in 0..1, clipped to what screens can show."""
    from skimage.color import lab2rgb

    with warnings.catch_warnings():  # warns of colours that no screen has
        warnings.simplefilter("ignore", UserWarning)
        return lab2rgb(lab)


def find_palette(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray, config: PaletteConfig | None = None
) -> Palette:
    """The palette of a surface (corners [V,3] welded, faces [F,3]) whose corners have these sRGB colours
    [V,3] in 0..1. Deterministic; the order of corners changes rounding only."""
    from skimage.color import deltaE_ciede2000

    config = config or PaletteConfig()
    graph = SurfaceGraph(vertices, faces)
    lab = lab_of(colors)
    paints = Paints(lab, graph)
    soft = paints.blur(lab)
    votes = graph.votes(soft, CREASE, EDGE)
    centres = find_colors(soft, graph.area, config.colors)
    probability = potts(lab, centres, votes, config)
    keep = without_mixtures(probability.argmax(1), centres, paints)
    if len(keep) < len(centres):
        probability = potts(lab, centres[keep], votes, config)
    probability = without_islands(probability, votes, graph.area)
    probability = gradients_joined(probability, paints)
    label = probability.argmax(1)
    found = [paints.fit(label == k) for k in range(probability.shape[1])]
    flat = rgb_of(np.stack([paint.color for paint in found]))
    gradient = np.stack([paint.gradient for paint in found], 1) * config.gradients
    error = float(np.average(deltaE_ciede2000(soft, soft - paints.off(found, label)), weights=graph.area))
    return Palette(flat, probability, probability[faces].sum(1).argmax(1), gradient, error)


class Paint(NamedTuple):
    """A colour [3] in L*a*b* and its gradient [V,3] over the whole surface."""

    color: np.ndarray
    gradient: np.ndarray


class Paints:
    """Fits a colour, and a gradient where one is there, to parts of a surface of these colours [V,3]."""

    def __init__(self, lab: np.ndarray, graph: SurfaceGraph) -> None:
        self.lab, self.graph = lab, graph
        self.blur, self.smooth = graph.diffusion(BLUR * graph.size), graph.diffusion(SMOOTH * graph.size)

    def fit(self, own: np.ndarray) -> Paint:
        """To the corners `own` [V], not all False: the median, and the smooth part of the rest where it is
        neither faint nor a small part of it."""
        area = self.graph.area
        inner = own & (self.graph.linked @ ~own == 0)  # at a border the field is a blur of both sides
        inner = inner if area[inner].sum() > area[own].sum() / 4 else own
        color = weighted_median(self.lab[inner], area[inner])
        rest = self.lab - color
        mask = inner.astype(np.float64)[:, None]
        both = self.smooth(np.concatenate([rest * mask, mask], 1))
        low = both[:, :3] / np.maximum(both[:, 3:], 1e-9)
        power = np.average((low[inner] ** 2).sum(-1), weights=area[inner])
        whole = np.average((self.blur(rest * mask)[inner] ** 2).sum(-1), weights=area[inner])
        if power < FAINT**2 or power < SIGNAL * whole:
            low = np.zeros_like(low)
        return Paint(color, low)

    def off(self, paints: list[Paint], label: np.ndarray) -> np.ndarray:
        """The blurred difference [V,3] of the surface and the paints on it, where a label is not -1."""
        rest = np.zeros_like(self.lab)
        for k, paint in enumerate(paints):
            own = label == k
            rest[own] = self.lab[own] - paint.color - paint.gradient[own]
        return self.blur(rest)


def potts(lab: np.ndarray, centres: np.ndarray, votes, config: PaletteConfig) -> np.ndarray:
    """Probabilities [V,K] of each colour [K,3] at corners of these colours [V,3] whose neighbours vote."""
    cost = ((lab[:, None] - centres[None]) ** 2).sum(-1).clip(max=CAP**2) / (2 * config.noise**2)
    probability = _softmax(-cost)
    for _ in range(ROUNDS):
        probability = _softmax(config.smoothness * (votes @ probability) - cost)
    return probability


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def without_islands(probability: np.ndarray, votes, area: np.ndarray) -> np.ndarray:
    """Patches of less than ISLAND of the area take their neighbours' colours, colours of less than SMALL are
    dropped."""
    total = area.sum()
    for _ in range(4):
        label = probability.argmax(1)
        share = np.bincount(label, weights=area, minlength=probability.shape[1]) / total
        if (share < SMALL).any() and len(share) > 1:
            keep = share >= min(SMALL, share.max())
            probability = probability[:, keep] + 1e-12
            probability /= probability.sum(1, keepdims=True)
            continue
        pairs = votes.tocoo()
        same = label[pairs.row] == label[pairs.col]
        patch = topo.labels_of(np.stack([pairs.row, pairs.col], 1)[same], len(label))
        small = np.bincount(patch, weights=area)[patch] < ISLAND * total
        if not small.any() or small.all():
            break
        fixed = ~small
        guess = np.where(fixed[:, None], probability, 0)
        for _ in range(12):
            spread = votes @ guess
            weight = spread.sum(1, keepdims=True)
            guess = np.where(fixed[:, None], probability, spread / np.maximum(weight, 1e-30))
        probability = np.where(guess.sum(1, keepdims=True) > 0.5, guess, probability)
    return probability


def gradients_joined(probability: np.ndarray, paints: Paints) -> np.ndarray:
    """Two colours that meet without a step become one, where one gradient fits better than the two: the ends
    of what was a gradient."""
    while probability.shape[1] > 1:
        label = probability.argmax(1)
        paint = [paints.fit(label == k) for k in range(probability.shape[1])]
        for _, i, j in sorted(level_borders(label, paints)):
            both = np.where(label == i, 0, np.where(label == j, 1, -1))
            parts = paints.off([paint[i], paint[j]], both)
            whole = paints.off([paints.fit(both >= 0)], np.minimum(both, 0))
            if paints.graph.area @ (whole**2).sum(-1) < paints.graph.area @ (parts**2).sum(-1):
                probability = probability.copy()
                probability[:, i] += probability[:, j]
                probability = np.delete(probability, j, 1)
                break
        else:
            break
    return probability


def level_borders(label: np.ndarray, paints: Paints) -> list[tuple[float, int, int]]:
    """Pairs of colours that meet, with the part of their distance that shows near the border, where it is
    below STEP."""
    graph, lab = paints.graph, paints.lab
    count = int(label.max()) + 1
    held = [label == k for k in range(count)]
    mean = np.stack([np.average(lab[own], axis=0, weights=graph.area[own]) for own in held])
    a, b = graph.ends.T
    out = []
    for i, j in np.unique(np.sort(np.stack([label[a], label[b]], 1)[label[a] != label[b]], axis=1), axis=0):
        sides = []
        for own, other in ((i, j), (j, i)):
            near = np.zeros(len(label), dtype=bool)
            near[a[(label[a] == own) & (label[b] == other)]] = True
            near[b[(label[b] == own) & (label[a] == other)]] = True
            for _ in range(RINGS):
                near |= (graph.linked @ near > 0) & (label == own)
            sides.append(np.average(lab[near], axis=0, weights=graph.area[near]))
        step = float(np.linalg.norm(sides[0] - sides[1]) / max(np.linalg.norm(mean[i] - mean[j]), 1e-9))
        if step < STEP:
            out.append((step, int(i), int(j)))
    return out


def without_mixtures(label: np.ndarray, centres: np.ndarray, paints: Paints) -> np.ndarray:
    """The colours to keep: all but those that are only the blur between two others, on the line between them
    and nowhere broad."""
    count = len(centres)
    held = (label[:, None] == np.arange(count)).astype(np.float64)
    area = paints.graph.area
    broad = (area @ (paints.blur(held) * held)) / np.maximum(area @ held, 1e-30)
    keep = list(range(count))
    for k in np.argsort(broad, kind="stable"):
        rest = [other for other in keep if other != k]
        if broad[k] < BROAD and _between(centres[k], centres[rest]):
            keep = rest
    return np.array(keep)


def _between(color: np.ndarray, others: np.ndarray) -> bool:
    """Whether a colour lies within MIXED of a line between two others, and not at its ends."""
    for i in range(len(others)):
        way = others[i + 1 :] - others[i]
        at = ((color - others[i]) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-9)
        off = np.linalg.norm(color - others[i] - at[:, None] * way, axis=-1)
        if ((at > 0.1) & (at < 0.9) & (off < MIXED)).any():
            return True
    return False
