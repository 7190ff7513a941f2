"""Few colours for many: area-weighted k-means in CIE L*a*b* that stops where what is left is noise."""

from __future__ import annotations

import numpy as np

from dreamlab.mesh.geometry import topology as topo

BIN = 3.0  # Delta E along each side of the cells of L*a*b* that k-means runs on
NEAR = 6.0  # Delta E, root mean square: colours this close to all are enough
CELLS = 1000  # at most; beyond, they are made larger
GAIN = 0.15  # of the residual that a further colour has to save
MERGE = 12.0  # CIEDE2000 below which two are one: the plain Delta E is too large among blues
RARE, FAR = 0.002, 25.0  # share of the area, and Delta E from all others, that make a colour anyway
SWEEPS = 30  # of Lloyd's iteration, at most


def find_colors(lab: np.ndarray, weight: np.ndarray, most: int) -> np.ndarray:
    """At most `most` colours [K,3] for L*a*b* values [N,3] with weights [N].

    Each further one is the cell of colour space that lowers the residual most (greedy k-means++, without its
    dice), and all are moved by Lloyd's iteration. Where the residual is under NEAR, or the gain under GAIN,
    only colours that are FAR from all others and not RARE are added. Those closer than MERGE are merged at
    the end.
    """
    color, share = _cells(lab, weight)
    apart = _distance2(color, color)
    centres = (share @ color / share.sum())[None]
    while len(centres) < most:
        left = _distance2(color, centres).min(1)
        best = int((share[:, None] * np.maximum(left[:, None] - apart, 0)).sum(0).argmax())
        further = lloyd(color, share, np.concatenate([centres, color[best][None]]))
        now, after = (np.sqrt(share @ d / share.sum()) for d in (left, _distance2(color, further).min(1)))
        if now < NEAR or after > (1 - GAIN) * now:
            rare = _rare(color, share, left, apart)
            if rare is None:
                break
            further = lloyd(color, share, np.concatenate([centres, rare[None]]))
        centres = further
    return merged(centres, color, share)


def _rare(color: np.ndarray, share: np.ndarray, left: np.ndarray, to_each: np.ndarray) -> np.ndarray | None:
    """A colour FAR from all centres with RARE of the weight around it, the weightiest, if there is one."""
    around = (share[:, None] * ((to_each < (FAR / 2) ** 2) & (left[:, None] > FAR**2))).sum(0)
    around[left <= FAR**2] = 0
    best = int(around.argmax())
    return color[best] if around[best] >= RARE * share.sum() else None


def _cells(lab: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours and weights of the occupied cells of a grid over L*a*b*."""
    side = BIN
    first, index = topo.unique_rows(np.floor(lab / side).astype(np.int64))
    while len(first) > CELLS:
        side *= 1.25
        first, index = topo.unique_rows(np.floor(lab / side).astype(np.int64))
    share = np.bincount(index, weights=weight, minlength=len(first))
    total = np.stack([np.bincount(index, weight * lab[:, k], len(first)) for k in range(3)], 1)
    used = share > 0
    return total[used] / share[used, None], share[used]


def lloyd(color: np.ndarray, share: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Centres moved to the mean of what is nearest to each, until nothing changes."""
    for _ in range(SWEEPS):
        near = _distance2(color, centres).argmin(1)
        total = np.bincount(near, weights=share, minlength=len(centres))
        mean = np.stack([np.bincount(near, share * color[:, k], len(centres)) for k in range(3)], 1)
        moved = np.where(total[:, None] > 0, mean / np.maximum(total, 1e-30)[:, None], centres)
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    return centres


def merged(centres: np.ndarray, color: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Centres of which no two are closer than MERGE: the closest pair becomes its weighted mean, again and
    again."""
    from skimage.color import deltaE_ciede2000

    while len(centres) > 1:
        apart = deltaE_ciede2000(centres[:, None], centres[None]) + np.diag(np.full(len(centres), np.inf))
        a, b = sorted(np.unravel_index(int(apart.argmin()), apart.shape))
        if apart[a, b] >= MERGE:
            break
        near = _distance2(color, centres).argmin(1)
        wa, wb = share[near == a].sum(), share[near == b].sum()
        both = (wa * centres[a] + wb * centres[b]) / max(wa + wb, 1e-30)
        centres = lloyd(color, share, np.concatenate([np.delete(centres, (a, b), 0), both[None]]))
    return centres


def weighted_median(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The median [C] of each column of values [N,C] with weights [N]."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = weight[order].cumsum(0)
    at = (reached < reached[-1] / 2).sum(0)
    return np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]


def _distance2(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b[None]) ** 2).sum(-1)
