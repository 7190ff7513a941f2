"""glTF materials as what a Part can hold: a factor, an albedo, a normal map; and what it cannot, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dreamlab.core.errors import DreamlabError, InputError
from dreamlab.core.types import Material, Wrap
from dreamlab.mesh.io import gltf
from dreamlab.mesh.io.gltf_file import GltfFile
from dreamlab.mesh.io.images import decode_image, lit
from dreamlab.mesh.io.parts import REPEAT

WRAPS: dict[int, Wrap] = {number: wrap for wrap, number in gltf.WRAPS.items()}
GLOSSY = "KHR_materials_pbrSpecularGlossiness"
TRANSFORM = "KHR_texture_transform"
STRENGTH = "KHR_materials_emissive_strength"
SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "MSFT_texture_dds")
ALPHA = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}


class Mapped(NamedTuple):
    """Where a texture's coordinates come from: the set, and what KHR_texture_transform does to them."""

    channel: int = 0
    offset: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)

    def uv(self, rows: Float[np.ndarray, "V 2"]) -> Float[np.ndarray, "V 2"]:
        """Coordinates with v up from the file's own with v down."""
        rows = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
        if self[1:] != Mapped()[1:]:
            (u, v), c, s = (rows * self.scale).T, np.cos(self.turn), np.sin(self.turn)
            rows = np.stack([c * u + s * v, c * v - s * u], 1) + self.offset
        return rows * [1, -1] + [0, 1]


class Texture(NamedTuple):
    """A picture, where it is read, and its sampler as a material without more."""

    image: UInt8[np.ndarray, "H W 4"]
    mapped: Mapped
    sampler: Material


@dataclass(frozen=True)
class Look:
    """A material, read: its factor [4] and emission [3] in linear light, its textures, all read at one place,
    and the rest. opaque: alpha means nothing, by the file."""

    factor: Float[np.ndarray, " 4"] | None = None
    albedo: UInt8[np.ndarray, "H W 4"] | None = None
    normal_map: UInt8[np.ndarray, "N M 3"] | None = None
    rough_metal: UInt8[np.ndarray, "R S 3"] | None = None
    mapped: Mapped | None = None
    emission: Float[np.ndarray, " 3"] | None = None
    opaque: bool = True
    material: Material = REPEAT


class Looks:
    """The materials of one file, each read once. `lost`: what they say that is not kept; `missing`: pictures
    that cannot be read, and why."""

    def __init__(self, file: GltfFile, colors_only: bool = False) -> None:
        self.file, self.colors_only = file, colors_only
        self.lost: set[str] = set()
        self.missing: list[str] = []
        self._images: dict[int, np.ndarray | None] = {}
        self._looks: dict[tuple[int, frozenset[int]], Look] = {}

    def look(self, index: int | None, channels: frozenset[int]) -> Look:
        """A material on a primitive that has these sets of texture coordinates."""
        if index is None:
            return Look()
        key = index, channels
        if key not in self._looks:
            self._looks[key] = self._read(self.file.json["materials"][index], channels)
        return self._looks[key]

    def _read(self, spec: Mapping[str, Any], channels: frozenset[int]) -> Look:
        self.lost |= set(_losses(spec))
        glossy = spec.get("extensions", {}).get(GLOSSY)
        surface = spec.get("pbrMetallicRoughness", {}) if glossy is None else glossy
        word = "baseColor" if glossy is None else "diffuse"
        color = self._texture(surface.get(f"{word}Texture"), channels, "texture")
        glows = any(spec.get("emissiveFactor", ()))
        lamp = self._texture(spec.get("emissiveTexture") if glows else None, channels, "emission")
        bumps, rough = spec.get("normalTexture"), surface.get("metallicRoughnessTexture")
        if self.colors_only:
            bumps = rough = None
        bumps = self._texture(bumps, channels, "normal map")
        rough = self._texture(rough, channels, "metallic-roughness texture")
        first = next((found for found in (color, lamp, bumps) if found is not None), None)
        mapped, sampler = (None, REPEAT) if first is None else (first.mapped, first.sampler)
        lamp, bumps = self._there(lamp, mapped, "emission"), self._there(bumps, mapped, "normal map")
        kept = rough is not None and rough.mapped == mapped
        factor = surface.get(f"{word}Factor")
        look = Look(
            None if factor is None else np.asarray(factor, np.float64),
            None if color is None else color.image,
            None if bumps is None else np.ascontiguousarray(bumps.image[..., :3]),
            np.ascontiguousarray(rough.image[..., :3]) if kept and rough is not None else None,
            mapped,
            opaque=spec.get("alphaMode", "OPAQUE") == "OPAQUE",
            material=replace(sampler, **self._surface(spec, surface, None if kept else rough)),
        )
        return self._glowing(_solid_if_so(look), spec, lamp)

    def _glowing(self, look: Look, spec: Mapping[str, Any], lamp: Texture | None) -> Look:
        """With the light that the surface emits added to its colour: a mesh has one colour."""
        glow = np.asarray(spec.get("emissiveFactor", [0.0, 0.0, 0.0]), np.float64)
        glow = glow * spec.get("extensions", {}).get(STRENGTH, {}).get("emissiveStrength", 1.0)
        if not glow.any() or (lamp is None and "emissiveTexture" in spec):
            return look
        self.lost.add("that emission is light (it is added to the colour)")
        if lamp is None and look.albedo is None:
            return replace(look, emission=glow)
        factor = np.ones(4) if look.factor is None else look.factor
        albedo = lit(look.albedo, factor[:3], None if lamp is None else lamp.image, glow)
        return replace(look, albedo=albedo, factor=np.array([1.0, 1.0, 1.0, factor[3]]))

    def _surface(
        self, spec: Mapping[str, Any], surface: Mapping[str, Any], rough: Texture | None
    ) -> dict[str, Any]:
        """Alpha, sides, metal and roughness; the mean of a texture of those that cannot be kept."""
        metallic, roughness = surface.get("metallicFactor", 1.0), surface.get("roughnessFactor", 1.0)
        if surface is spec.get("extensions", {}).get(GLOSSY):
            metallic, roughness = 0.0, 1.0 - surface.get("glossinessFactor", 1.0)
        elif rough is not None:
            self.lost.add("metallic-roughness texture (its mean is kept)")
            roughness, metallic = (rough.image[..., 1:3].mean((0, 1)) / 255) * [roughness, metallic]
        return {
            "alpha": ALPHA[spec.get("alphaMode", "OPAQUE")],
            "cutoff": float(spec.get("alphaCutoff", 0.5)),
            "double_sided": bool(spec.get("doubleSided", False)),
            "metallic": float(np.clip(metallic, 0, 1)),
            "roughness": float(np.clip(roughness, 0, 1)),
            "unlit": gltf.UNLIT in spec.get("extensions", {}),
            "transmission": _transmission(spec),
        }

    def _texture(self, slot: Mapping[str, Any] | None, channels: frozenset[int], what: str) -> Texture | None:
        if slot is None:
            return None
        moved = slot.get("extensions", {}).get(TRANSFORM, {})
        channel = moved.get("texCoord", slot.get("texCoord", 0))
        if channel not in channels:
            self.lost.add(f"{what} without texture coordinates")
            return None
        image = self._image(slot["index"])
        if image is None:
            return None
        offset, scale = moved.get("offset", (0.0, 0.0)), moved.get("scale", (1.0, 1.0))
        place = Mapped(channel, tuple(offset), moved.get("rotation", 0.0), tuple(scale))
        return Texture(image, place, self._sampler(slot["index"]))

    def _sampler(self, texture: int) -> Material:
        index = self.file.json["textures"][texture].get("sampler")
        spec = {} if index is None else self.file.json["samplers"][index]
        wrap = WRAPS[spec.get("wrapS", 10497)], WRAPS[spec.get("wrapT", 10497)]
        return Material(wrap=wrap, nearest=spec.get("magFilter") == gltf.NEAREST)

    def _there(self, texture: Texture | None, mapped: Mapped | None, what: str) -> Texture | None:
        """The texture, if its coordinates are the first one's: a mesh has one set."""
        if texture is None or texture.mapped == mapped:
            return texture
        self.lost.add(f"{what}, whose texture coordinates are others")
        return None

    def _image(self, texture: int) -> np.ndarray | None:
        """The first of a texture's pictures that can be read. Several textures may share one."""
        reasons = []
        for source in self._sources(texture):
            if source not in self._images:
                try:
                    self._images[source] = self._decoded(source)
                except Exception as error:  # whatever is wrong with a picture, the shape is there
                    reasons.append(error.what if isinstance(error, DreamlabError) else f"image {source}")
                    self._images[source] = None
            if (image := self._images[source]) is not None:
                return image
        self.missing += reasons
        return None

    def _sources(self, texture: int) -> Iterator[int]:
        spec = self.file.json["textures"][texture]
        extensions = spec.get("extensions", {})
        known = [extensions[name]["source"] for name in SOURCES if name in extensions]
        known += [spec["source"]] if "source" in spec else []
        if not known:
            self.missing.append(f"a texture in {', '.join(extensions) or 'no format at all'}")
        yield from known

    def _decoded(self, source: int) -> UInt8[np.ndarray, "H W 4"]:
        spec = self.file.json["images"][source]
        uri = spec.get("uri", "")
        name = f"image {source}" if not uri or uri.startswith("data:") else uri[:80]
        picture = decode_image(self._bytes(spec, name), name)
        if picture.smaller > 1:
            self.lost.add(f"the full size of {name} ({picture.smaller} times smaller each way)")
        return picture.rgba

    def _bytes(self, spec: Mapping[str, Any], name: str) -> bytes:
        if "bufferView" in spec:
            return self.file.view(spec["bufferView"])
        try:
            return self.file.resource(spec.get("uri", ""))
        except InputError:
            raise InputError(f"{name}, which is not beside it") from None


def _solid_if_so(look: Look) -> Look:
    """The look of a solid material, where nothing lets light through whatever the material says."""
    alpha = 1.0 if look.factor is None else float(look.factor[3])
    if look.albedo is not None:
        alpha *= int(look.albedo[..., 3].min()) / 255
    least = {"opaque": 0.0, "mask": look.material.cutoff, "blend": 1.0}[look.material.alpha]
    return replace(look, material=replace(look.material, alpha="opaque")) if alpha >= least else look


def _losses(spec: Mapping[str, Any]) -> Iterator[str]:
    """What a material says and a mesh has no place for."""
    if "occlusionTexture" in spec:
        yield "occlusion texture"
    if spec.get("normalTexture", {}).get("scale", 1.0) != 1.0:
        yield "strength of the normal map"
    for name in spec.get("extensions", {}):
        if name == GLOSSY:
            yield "specular highlights"
        elif name == gltf.TRANSMISSION and "transmissionTexture" in spec["extensions"][name]:
            yield "transmission texture"
        elif name not in (STRENGTH, gltf.UNLIT, gltf.TRANSMISSION):
            yield name


def _transmission(spec: Mapping[str, Any]) -> float:
    found = spec.get("extensions", {}).get(gltf.TRANSMISSION, {})
    return float(np.clip(found.get("transmissionFactor", 0.0), 0, 1))
