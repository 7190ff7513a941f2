"""One GLB, glTF or OBJ file to triangles with a flat sRGB colour a face."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError
from dreamlab.mesh.geometry.colour import linear_to_srgb, srgb_to_linear

SUFFIXES = (".glb", ".gltf", ".obj")

_MAGIC, _JSON_CHUNK, _BINARY_CHUNK = b"glTF", 0x4E4F534A, 0x004E4942
_TRIANGLES = 4
_COMPONENTS = {5121: np.dtype("<u1"), 5123: np.dtype("<u2"), 5125: np.dtype("<u4"), 5126: np.dtype("<f4")}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
# Where a textured face is sampled: its centroid and three points towards the corners.
_SAMPLES = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float64)
_SAMPLES /= _SAMPLES.sum(1, keepdims=True)
# Faces of a cut-out or blended material that are less opaque than this are left out.
_LEAST_ALPHA = 0.4


class ColouredMesh(NamedTuple):
    """vertices [V,3] float32, faces [F,3] int32, face_colors [F,3] float32 sRGB in 0..1."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    face_colors: Float[np.ndarray, "F 3"]


def read_mesh(path: Path) -> ColouredMesh:
    """Read one model file; its bounding box is centred at the origin and its furthest vertex at distance 1.

    A GLB of one untextured mesh is read with numpy alone, everything else through trimesh: node transforms,
    base colour factors and textures (four texels a face), vertex colours, all averaged over a face in linear
    light. glTF's factors and vertex colours are linear, OBJ's are taken as sRGB.

    Raises:
        DamagedError: the file cannot be read, or holds no triangle with a finite, non-zero extent.
    """
    try:
        mesh = _read_plain_glb(path.read_bytes()) if path.suffix.lower() == ".glb" else None
        mesh = mesh if mesh is not None else _read_with_trimesh(path)
    except DamagedError:
        raise
    except Exception as error:  # parsers of foreign formats raise whatever they like
        raise DamagedError(f"{path.name} cannot be read", got=f"{type(error).__name__}: {error}") from error
    return _normalised(mesh, path.name)


def _normalised(mesh: ColouredMesh, name: str) -> ColouredMesh:
    vertices, faces, colours = mesh
    if len(faces) == 0:
        raise DamagedError(f"{name} holds no triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DamagedError(f"{name} has a face that refers to a missing vertex")
    used = vertices[faces.reshape(-1)].astype(np.float64)
    if not (np.isfinite(used).all() and np.isfinite(colours).all()):
        raise DamagedError(f"{name} holds coordinates or colours that are not finite")
    centre = 0.5 * (used.min(0) + used.max(0))
    radius = np.linalg.norm(used - centre, axis=1).max()
    if radius <= 0.0:
        raise DamagedError(f"{name} is a single point")
    # Vertices that no face uses may be anything.
    moved = np.nan_to_num((vertices - centre) / radius, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
    colours = colours.astype(np.float32).clip(0.0, 1.0)
    return ColouredMesh(moved.astype(np.float32), faces.astype(np.int32), colours)


def _read_plain_glb(data: bytes) -> ColouredMesh | None:
    """The fast path: one identity node, one mesh, plain triangles. None where a full loader is needed."""
    document, binary = _glb_chunks(data)
    nodes, meshes = document.get("nodes", []), document.get("meshes", [])
    if len(nodes) != 1 or len(meshes) != 1 or nodes[0].keys() - {"mesh", "name", "extras"}:
        return None
    if document.get("images") or document.get("extensionsRequired") or len(document.get("buffers", [])) != 1:
        return None
    vertices, faces, colours = [], [], []
    count = 0
    for primitive in meshes[0]["primitives"]:
        attributes = primitive["attributes"]
        if primitive.get("mode", _TRIANGLES) != _TRIANGLES or primitive.get("extensions"):
            return None
        position = _accessor(document, binary, attributes["POSITION"])
        n = 0 if position is None else len(position)
        corner, index = np.ones((n, 3)), np.arange(n)
        if "COLOR_0" in attributes:
            corner = _accessor(document, binary, attributes["COLOR_0"])
        if "indices" in primitive:
            index = _accessor(document, binary, primitive["indices"])
        if position is None or corner is None or index is None:
            return None
        face = index.reshape(-1, 3).astype(np.int64)
        if face.size and face.max() >= n:
            got = str(face.max())
            raise DamagedError("a face refers to a missing vertex", expected=f"indices below {n}", got=got)
        factor = np.asarray(_base_colour(document, primitive)[:3])
        vertices.append(position)
        faces.append(face + count)
        colours.append(linear_to_srgb((corner[face, :3].mean(1) * factor).clip(0, 1)))
        count += n
    return ColouredMesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(colours))


def _glb_chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """glTF 2.0, section 4.4: a 12-byte header, then chunks of length, type and payload."""
    if len(data) < 20 or data[:4] != _MAGIC:
        raise DamagedError("not a GLB file", expected="the header glTF", got=repr(data[:4]))
    length, kind = struct.unpack_from("<II", data, 12)
    if kind != _JSON_CHUNK or 20 + length > len(data):
        raise DamagedError("the GLB's JSON is cut off", expected=f"{length} bytes", got=str(len(data) - 20))
    document = json.loads(data[20 : 20 + length])
    start = 20 + length
    if start + 8 > len(data):
        return document, b""
    length, kind = struct.unpack_from("<II", data, start)
    payload = data[start + 8 : start + 8 + length]
    if kind != _BINARY_CHUNK or len(payload) != length:
        raise DamagedError("the GLB's geometry is cut off", expected=f"{length} bytes", got=str(len(payload)))
    return document, payload


def _accessor(document: dict[str, Any], binary: bytes, index: int) -> np.ndarray | None:
    """One tightly packed accessor [n,width], normalised integers as floats in 0..1; None for other sorts."""
    accessor = document["accessors"][index]
    if "sparse" in accessor or "bufferView" not in accessor or accessor["componentType"] not in _COMPONENTS:
        return None
    view = document["bufferViews"][accessor["bufferView"]]
    kind, width = _COMPONENTS[accessor["componentType"]], _WIDTHS[accessor["type"]]
    if view.get("byteStride", kind.itemsize * width) != kind.itemsize * width:
        return None
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(-1, width)
    return values / np.iinfo(kind).max if accessor.get("normalized") else values


def _base_colour(document: dict[str, Any], primitive: dict[str, Any]) -> list[float]:
    """The material's linear RGBA factor; white where there is none."""
    if "material" not in primitive:
        return [1.0] * 4
    material = document["materials"][primitive["material"]]
    return material.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1.0] * 4)


def _read_with_trimesh(path: Path) -> ColouredMesh:
    import trimesh
    from trimesh.resolvers import FilePathResolver

    if path.suffix.lower() == ".obj":
        scene = trimesh.load_scene(path, process=False)
    else:
        resolver = FilePathResolver(str(path))
        data = io.BytesIO(_with_materials(path))
        scene = trimesh.load_scene(data, file_type=path.suffix[1:].lower(), resolver=resolver, process=False)
    vertices, faces, colours = [], [], []
    count = 0
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        part = scene.geometry[name]
        if not isinstance(part, trimesh.Trimesh) or len(part.faces) == 0:
            continue
        linear, alpha = _linear_face_colours(part, linear_factors=path.suffix.lower() != ".obj")
        seen = alpha >= _LEAST_ALPHA
        vertices.append(trimesh.transform_points(part.vertices, transform))
        faces.append(np.asarray(part.faces)[seen] + count)
        colours.append(linear_to_srgb(linear[seen].clip(0, 1)))
        count += len(part.vertices)
    if not vertices:
        raise DamagedError(f"{path.name} holds no triangles")
    return ColouredMesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(colours))


def _with_materials(path: Path) -> bytes:
    """The glTF file with a white material wherever a primitive has none.

    trimesh (5.2) squeezes vertex colours into bytes, wrapping 16-bit ones around, unless there is a material.
    """
    data = path.read_bytes()
    is_binary = path.suffix.lower() == ".glb"
    document, binary = _glb_chunks(data) if is_binary else (json.loads(data), b"")
    bare = [p for m in document.get("meshes", []) for p in m["primitives"] if "material" not in p]
    if not bare:
        return data
    materials = document.setdefault("materials", [])
    for primitive in bare:
        primitive["material"] = len(materials)
    materials.append({"pbrMetallicRoughness": {"baseColorFactor": [1.0] * 4}})
    text = json.dumps(document).encode()
    if not is_binary:
        return text
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), _JSON_CHUNK) + text
    body += struct.pack("<II", len(binary), _BINARY_CHUNK) + binary
    return _MAGIC + struct.pack("<II", 2, 12 + len(body)) + body


def _linear_face_colours(part: Any, linear_factors: bool) -> tuple[np.ndarray, np.ndarray]:
    """Factor x texture x vertex colour in linear light [F,3], and alpha [F] (1 for opaque materials)."""
    n, visual = len(part.faces), part.visual
    material = getattr(visual, "material", None)
    if material is None:  # plain vertex or face colours
        own = np.asarray(visual.face_colors, np.float64) / 255.0
        return (own[:, :3] if linear_factors else srgb_to_linear(own[:, :3])), np.ones(n)

    names = ("baseColorFactor", "baseColorTexture") if linear_factors else ("diffuse", "image")
    factor, image = (getattr(material, name, None) for name in names)
    rgba = np.ones(4) if factor is None else np.asarray(factor, np.float64) / 255.0
    linear = np.tile(rgba[:3] if linear_factors else srgb_to_linear(rgba[:3]), (n, 1))
    alpha = np.full(n, rgba[3])
    if image is not None and visual.uv is not None:
        texels = _texels(image, np.asarray(visual.uv)[part.faces])
        linear *= srgb_to_linear(texels[..., :3]).mean(1)
        alpha *= texels[..., 3].mean(1)
    corner = visual.vertex_attributes.get("color")
    if corner is not None:
        scale = np.iinfo(corner.dtype).max if corner.dtype.kind in "iu" else 1.0
        linear *= (np.asarray(corner, np.float64)[part.faces, :3] / scale).mean(1)
    opaque = linear_factors and getattr(material, "alphaMode", None) in (None, "OPAQUE")
    return linear, np.ones(n) if opaque else alpha


def _texels(image: Any, corners: np.ndarray) -> np.ndarray:
    """Nearest texels [F,S,4] in 0..1 at fixed points of each face; corners [F,3,2], v up, wrapping."""
    pixels = np.asarray(image.convert("RGBA"))
    height, width = pixels.shape[:2]
    uv = np.einsum("sk,fkc->fsc", _SAMPLES, corners)
    column = np.floor(uv[..., 0] * width).astype(np.int64) % width
    row = np.floor((1.0 - uv[..., 1]) * height).astype(np.int64) % height
    return pixels[row, column] / 255.0
