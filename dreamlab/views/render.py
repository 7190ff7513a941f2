"""Pictures of a mesh: lit, albedo, normal, clay and wireframe, from any camera, with GL or without."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.types import Cameras, Mesh
from dreamlab.mesh.geometry.color import multiplied
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.views.gl import PyrenderRenderer
from dreamlab.views.layers import Geometry, Layer, Renderer
from dreamlab.views.native import NativeRenderer

Style = Literal["lit", "albedo", "normal", "clay", "wireframe"]
RendererName = Literal["auto", "pyrender", "native"]
Background = tuple[float, float, float] | None  # sRGB in 0..1; None: transparent

WHITE = (1.0, 1.0, 1.0)
CLAY = 0.72  # sRGB grey
LINE = (0.13, 0.16, 0.22)  # sRGB of the wires
# pixels a pixel for wires: one that holds parts of two faces cannot tell how near their common edge is
WIRE_FINER = 2
LINE_PIXELS = 1.1  # half the width of a wire in those finer pixels
STEEPEST = 0.3  # cosine to the viewer down to which wires are widened
# towards the light, in the camera's own axes: over the viewer's left shoulder
KEY = np.array([-0.45, 0.65, 0.61])


def render_mesh(
    mesh: Mesh,
    cameras: Cameras,
    style: Style = "lit",
    background: Background = WHITE,
    renderer: RendererName = "auto",
) -> np.ndarray:
    """B pictures of a mesh as uint8 [B,H,W,3], or [B,H,W,4] with straight alpha where background is None.

    lit: albedo under a key light that travels with the camera and a sky. albedo: colour as it is. normal:
    world space, (n + 1) / 2. clay: lit without colour. wireframe: clay with its edges. The pictures of the
    two renderers differ by less than 0.02 (of 1) on average over the object, and only at edges by more than
    0.1.

    renderer "auto": pyrender where GL is there, else the native rasteriser, with one warning.

    Raises:
        UnavailableError: a renderer asked for by name that this machine lacks.
        InputError: a mesh without faces.
    """
    return np.stack(list(iterate_views(mesh, cameras, style, background, renderer)))


def iterate_views(
    mesh: Mesh,
    cameras: Cameras,
    style: Style = "lit",
    background: Background = WHITE,
    renderer: RendererName = "auto",
) -> Iterator[np.ndarray]:
    """`render_mesh`, one picture [H,W,3 or 4] at a time."""
    if len(mesh.faces) == 0:
        raise InputError(
            "the mesh has no faces to render", expected="triangles", got=f"{len(mesh.vertices)} points"
        )
    geometry, layers = _layers(mesh, style)
    tinted = layers[0].texture is not None and mesh.colors is not None
    if tinted and mesh.colors is not None:
        layers.append(Layer(mesh.colors.numpy()))
    finer = WIRE_FINER if style == "wireframe" else 1
    cameras = cameras.resized(cameras.size[0] * finer, cameras.size[1] * finer)
    for view, rendered in enumerate(choose_renderer(renderer).render(geometry, layers, cameras)):
        covered = rendered.coverage > 0
        rgb = np.zeros((*covered.shape, 3), np.float32)
        seen = [layer[covered] for layer in rendered.layers]
        if tinted:
            seen[0] = multiplied(seen[0], seen.pop())
        rgb[covered] = _shade(seen, style, cameras[view : view + 1])
        yield _finish(*_shrunk(rgb, rendered.coverage, finer), background)


def choose_renderer(name: RendererName) -> Renderer:
    """The renderer of that name; "auto" is pyrender if a GL context can be opened, else native (with
    one warning)."""
    if name == "native":
        return NativeRenderer()
    if name == "pyrender":
        return PyrenderRenderer()
    return _automatic()


@cache
def _automatic() -> Renderer:
    try:
        return PyrenderRenderer()
    except UnavailableError as error:
        warnings.warn(
            f"pictures are rendered by the native rasteriser: {error}", RuntimeWarning, stacklevel=4
        )
        return NativeRenderer()


def framed(mesh: Mesh) -> Mesh:
    """The mesh moved and scaled into the unit sphere around the origin, for cameras that look there."""
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    centred = mesh.vertices - (low + high) / 2
    return replace(mesh, vertices=centred / centred.norm(dim=-1).max().clamp(min=1e-12))


def _layers(mesh: Mesh, style: Style) -> tuple[Geometry, list[Layer]]:
    """What to render for a style. Layer 0 is colour (or the distance to the edges), layer 1 the normal, and
    with a normal map: 2 the map, 3 the tangent, 4 the bitangent."""
    vertices = mesh.vertices.float().numpy()
    faces = mesh.faces.numpy()
    uv = None if mesh.uv is None else mesh.uv.float().numpy()
    textures = {name: image.numpy()[..., :3] for name, image in mesh.textures} if uv is not None else {}
    normal = normals_of(mesh).astype(np.float32)
    if style == "wireframe":
        geometry = Geometry(vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3), None)
        return geometry, [Layer(_altitudes(vertices[faces])), Layer(normal[faces].reshape(-1, 3) / 2 + 0.5)]
    if style in ("lit", "albedo") and "albedo" in textures:
        color = Layer(texture=textures["albedo"])
    elif style in ("lit", "albedo") and mesh.colors is not None:
        color = Layer(mesh.colors.numpy())
    else:
        color = Layer(np.full_like(vertices, CLAY))
    layers = [color] if style == "albedo" else [color, Layer(normal / 2 + 0.5)]
    if style in ("lit", "normal", "clay") and "normal" in textures and uv is not None:
        frame = tangents_of(mesh).astype(np.float32)
        tangent, bitangent = frame[:, :3], np.cross(normal, frame[:, :3]) * frame[:, 3:]
        layers += [Layer(texture=textures["normal"]), Layer(tangent / 2 + 0.5), Layer(bitangent / 2 + 0.5)]
    return Geometry(vertices, faces, uv, mesh.material), layers


def _shade(layers: list[np.ndarray], style: Style, camera: Cameras) -> np.ndarray:
    """sRGB [P,3] of the covered pixels of one view from their layers [P,3]."""
    if style == "albedo":
        return layers[0]
    normal = _unit(layers[1] * 2 - 1)
    if len(layers) == 5:
        local, tangent, bitangent = (layer * 2 - 1 for layer in layers[2:])
        normal = _unit(local[:, :1] * tangent + local[:, 1:2] * bitangent + local[:, 2:] * normal)
    if style == "normal":
        return normal / 2 + 0.5
    if style != "wireframe":
        return _light(layers[0], normal, camera)
    wire = _wires(layers[0].min(-1), normal, camera)[:, None]
    return (
        _light(np.full_like(normal, CLAY), normal, camera) * (1 - wire) + np.asarray(LINE, np.float32) * wire
    )


def _light(albedo: np.ndarray, normal: np.ndarray, camera: Cameras) -> np.ndarray:
    """Lambert's law in linear light: a key light fixed to the camera, sky from above, a little from
    everywhere."""
    key = camera.c2w[0, :3, :3].numpy() @ (KEY / np.linalg.norm(KEY)).astype(np.float32)
    shade = 0.62 * np.clip(normal @ key, 0, None) + 0.16 * (normal[..., 1] + 1) + 0.2
    linear = np.clip(albedo, 0, 1) ** 2.2 * shade[..., None]
    return np.clip(linear, 0, 1) ** (1 / 2.2)


def _shrunk(rgb: np.ndarray, coverage: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours and coverage averaged in boxes of `times` pixels each way, colours by their coverage."""
    if times == 1:
        return rgb, coverage
    h, w = (n // times for n in coverage.shape)
    box = np.concatenate([rgb * coverage[..., None], coverage[..., None]], -1)
    box = box.reshape(h, times, w, times, 4).mean((1, 3))
    return box[..., :3] / np.maximum(box[..., 3:], 1e-6), box[..., 3]


def _finish(rgb: np.ndarray, coverage: np.ndarray, background: Background) -> np.ndarray:
    alpha = coverage[..., None]
    if background is None:
        picture = np.concatenate([rgb, alpha], -1)
    else:
        picture = rgb * alpha + np.asarray(background, dtype=np.float32) * (1 - alpha)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


# ---- attributes ----

ALTITUDE = 0.05  # world units that fill the 8 bits of the altitude layer


def _altitudes(corners: np.ndarray) -> np.ndarray:
    """For every corner of every face [3F,3]: its height over each of the three edges, in units of ALTITUDE.

    Interpolated over the face, the smallest of the three is the distance to the nearest edge.
    """
    area2 = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    opposite = np.linalg.norm(np.roll(corners, -1, 1) - np.roll(corners, -2, 1), axis=2)
    height = area2[:, None] / np.maximum(opposite, 1e-12)
    return (np.eye(3)[None] * height[:, None] / ALTITUDE).reshape(-1, 3).astype(np.float32)


def _wires(altitude: np.ndarray, normal: np.ndarray, camera: Cameras) -> np.ndarray:
    """How much of each pixel an edge covers, 0..1. On faces seen from the side a pixel holds more of the
    surface, and a wire must be as much wider there, or it would break up into dots."""
    pixel = 2 * float(camera.distance[0]) * np.tan(float(camera.fovy[0]) / 2) / camera.size[0]
    facing = np.abs(normal @ camera.c2w[0, :3, 2].numpy()).clip(STEEPEST, 1)
    return np.clip(LINE_PIXELS + 0.5 - altitude * ALTITUDE / pixel * facing, 0, 1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6)
