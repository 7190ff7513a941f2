"""Quads that follow the surface: Instant Meshes (Jakob et al. 2015) through pynanoinstantmeshes, an extra."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dreamlab.core.extras import extra
from dreamlab.mesh.geometry import topology as topo
from dreamlab.mesh.surface.decimate import decimate, mended

log = logging.getLogger(__name__)

CREASE = 25.0  # degrees between faces from which on an edge is kept sharp
FINER = 12  # times as many faces as wanted go in: more only takes longer
SUBDIVIDED = 4  # every face that Instant Meshes lays out is cut into this many quads
TRIES = 4
WHOLE = 0.8  # of the volume: less is left where mending had to cut parts away


def remesh_quads(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `budget` triangles that are quads cut in two, halves of a quad one after the other.

    `quads_of` finds the quads again. A closed surface stays closed: places where the quads pinch are filled
    with triangles.

    Raises UnavailableError without pynanoinstantmeshes.
    """
    with extra("quads", "quads need Instant Meshes", "keep clean.remesh=triangles"):
        from pynanoinstantmeshes import remesh
    closed = topo.is_closed(faces)
    fine, corners = decimate(vertices, faces, max(budget * FINER, 20_000))
    wanted = budget / 2
    for _ in range(TRIES):
        with _silenced_output():
            v, quads = remesh(
                fine.astype(np.float32),
                corners.astype(np.uint32),
                -1,
                face_count=max(4, round(wanted / SUBDIVIDED)),
                creaseAngle=CREASE,
                smooth_iter=2,
                deterministic=True,
            )
        v, f = np.array(v, dtype=np.float64), triangles_of(v, np.asarray(quads, dtype=np.int64))
        if closed and not topo.is_closed(f):
            v, f = mended(v, f)
        if len(f) > budget:
            wanted *= 0.97 * budget / len(f)
        elif not closed or (topo.is_closed(f) and _volume(v, f) > WHOLE * _volume(vertices, faces)):
            return v, f
        else:
            wanted *= 0.8
    log.warning("no closed quad mesh of %d faces was found on so rough a surface: triangles instead", budget)
    return decimate(vertices, faces, budget)


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    return float(topo.signed_volumes(vertices - vertices.mean(0), faces).sum())


def triangles_of(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Quads [Q,4] as triangles [F,3], cut along the shorter diagonal; a quad that repeats a corner is one."""
    across = [np.linalg.norm(vertices[quads[:, i]] - vertices[quads[:, i + 2]], axis=1) for i in (0, 1)]
    turned = np.where((across[1] < across[0])[:, None], np.roll(quads, -1, axis=1), quads)
    pairs = np.stack([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]], 1).reshape(-1, 3)
    a, b, c = pairs.T
    return pairs[(a != b) & (b != c) & (c != a)]


def quads_of(faces: np.ndarray) -> list[list[int]]:
    """Faces of four corners where two triangles (a, b, c), (a, c, d) follow each other, else of three."""
    rows = faces.tolist()
    out, at = [], 0
    while at < len(rows):
        this, following = rows[at], rows[at + 1] if at + 1 < len(rows) else None
        if following and following[:2] == [this[0], this[2]] and following[2] not in this:
            out.append([*this, following[2]])
            at += 2
        else:
            out.append(this)
            at += 1
    return out


@contextmanager
def _silenced_output() -> Iterator[None]:
    """Instant Meshes writes its progress to the process's standard output, past Python's: sent nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
