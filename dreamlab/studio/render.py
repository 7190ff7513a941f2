"""Meshes to training images: colour, silhouette, relative depth and camera-space normals of many views on the
CPU."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from dreamlab.core.errors import InputError

CHANNELS = ("red", "green", "blue", "alpha", "relative depth", "normal_x", "normal_y", "normal_z")
"""Meaning of the last axis of `render_views`' result."""


def render_views(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    face_colors: Float[np.ndarray, "F 3"],
    azimuth: ArrayLike,
    elevation: ArrayLike,
    distance: ArrayLike,
    fovy: ArrayLike,
    *,
    offset: ArrayLike | None = None,
    roll: ArrayLike | None = None,
    size: int = 64,
    supersample: int = 3,
) -> Float[np.ndarray, "n size size 8"]:
    """Render n unlit views of one mesh with flat faces, antialiased by a box filter.

    Args:
        vertices: world space, Y up, front +Z.
        faces: any winding, rendered from both sides.
        face_colors: sRGB in 0..1.
        azimuth, elevation, distance, fovy: [n] (or scalars), radians; the project's orbit convention.
        offset: [n,3] the point that each camera orbits and looks at, the origin if left out.
        roll: [n] turn of the camera about its view axis, counter-clockwise as seen from behind the camera.
        size: pixels per side. supersample: samples per pixel and side.

    Returns:
        float32 [n,size,size,8], row 0 at the top, zeros where nothing is seen, all channels weighted by
        alpha: premultiplied sRGB albedo; alpha; relative depth = distance of the camera from the world's
        origin minus depth along the view axis, so positive towards the camera; the face normal in camera
        space (x right, y up, z towards the camera), flipped to the side that is seen.

    Surfaces nearer to the camera than 0.01 are clipped. The call holds no lock and no state: it may run in
    many threads or forked processes at once, each using one core.

    Raises:
        InputError: arrays of the wrong shape, indices out of range, coordinates that are not finite.
        UnavailableError: the native kernels were not built.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    face_colors = np.ascontiguousarray(face_colors, np.float32)
    _check_mesh(vertices, faces, face_colors)
    if size < 1 or supersample < 1:
        got = f"{size}, {supersample}"
        raise InputError("an image needs pixels", expected="size, supersample >= 1", got=got)

    angles = (azimuth, elevation, distance, fovy, 0.0 if roll is None else roll)
    try:
        views = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, np.float64)) for a in angles))
        azimuths, elevations, distances, fovys, rolls = views
        centres = np.broadcast_to(0.0 if offset is None else np.asarray(offset), (*fovys.shape, 3))
    except ValueError as error:
        raise InputError("cameras of a render", expected="arrays of one length", got=str(error)) from error
    if fovys.ndim != 1:
        raise InputError("cameras of a render", expected="shape [n]", got=str(list(fovys.shape)))
    frames, from_origin = _frames(azimuths, elevations, distances, rolls, centres)
    if not (np.isfinite(frames).all() and ((fovys > 0) & (fovys < np.pi)).all()):
        raise InputError("cameras of a render", expected="finite angles and distances, fovy in 0..pi")
    focal = np.ascontiguousarray(1.0 / np.tan(0.5 * fovys), np.float32)

    out = np.empty((len(focal), size, size, len(CHANNELS)), np.float32)
    mesh = (vertices.ctypes.data, len(vertices), faces.ctypes.data, len(faces), face_colors.ctypes.data)
    cameras = (frames.ctypes.data, focal.ctypes.data, from_origin.ctypes.data, len(focal))
    _kernel()(*mesh, *cameras, size, supersample, out.ctypes.data)
    return out


def _frames(
    azimuth: np.ndarray, elevation: np.ndarray, distance: np.ndarray, roll: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows right, up, forward, position [n,4,3] and distance from the origin [n] of every camera, float32.

    Written in angles, not through a cross product with the world's up: straight down is no special case.
    """
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    zero = np.zeros_like(ca)
    backward = np.stack([ce * sa, se, ce * ca], -1)
    right = np.stack([ca, zero, -sa], -1)
    up = np.stack([-se * sa, ce, -se * ca], -1)
    cr, sr = np.cos(roll)[:, None], np.sin(roll)[:, None]
    right, up = cr * right + sr * up, cr * up - sr * right
    position = distance[:, None] * backward + offset
    frames = np.ascontiguousarray(np.stack([right, up, -backward, position], 1), np.float32)
    return frames, np.ascontiguousarray(np.linalg.norm(position, axis=-1), np.float32)


def _check_mesh(vertices: np.ndarray, faces: np.ndarray, face_colors: np.ndarray) -> None:
    for name, array in (("vertices", vertices), ("faces", faces), ("face_colors", face_colors)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise InputError(f"{name} of a mesh", expected="shape [N, 3]", got=str(list(array.shape)))
    if len(face_colors) != len(faces):
        raise InputError("one colour a face", expected=f"{len(faces)} colours", got=str(len(face_colors)))
    if not np.isfinite(vertices).all():
        raise InputError("vertices of a mesh", expected="finite coordinates", got="NaN or infinity")
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
        got = f"{faces.min()}..{faces.max()}"
        expected = f"indices 0..{len(vertices) - 1}"
        raise InputError("a face refers to a missing vertex", expected=expected, got=got)


@cache
def _kernel() -> Any:
    """The C function, with its argument types declared once."""
    from dreamlab.ops import native  # brings torch: only where a picture is taken

    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    kernel = native.library().dl_render_views
    kernel.argtypes = [
        pointer, integer, pointer, integer, pointer, pointer, pointer, pointer, integer,
        ctypes.c_int32, ctypes.c_int32, pointer,
    ]  # fmt: skip
    kernel.restype = ctypes.c_int
    return kernel
