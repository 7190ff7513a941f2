"""Materials of Wavefront OBJ: colour, how solid they are, and their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from dreamlab.core.errors import InputError
from dreamlab.core.types import Material
from dreamlab.mesh.geometry.color import srgb_to_linear
from dreamlab.mesh.io.companions import companion, plain_name
from dreamlab.mesh.io.images import Picture, decode_image
from dreamlab.mesh.io.parts import REPEAT
from dreamlab.mesh.io.text import decoded, is_number

MOST_BYTES = 64 << 20  # of an MTL
MOST_PICTURE = 512 << 20  # of a picture's file
MOST_GONE = 1000  # pictures that are not there; no further ones are looked for
MOST_TEXELS = 500_000_000  # of all pictures of a file together: 2 GB
UNUSED = {"map_ka": "", "map_kd": "", "map_d": "", "norm": "", "bump": "bumps", "map_bump": "bumps"} | {
    "disp": "displacement", "refl": "reflections", "map_ke": "light of its own", "map_ks": "gloss",
    "map_ns": "gloss", "map_pr": "roughness", "map_pm": "metal", "decal": "decals",
}  # fmt: skip
# Words that follow an option of a map; those of the other options are numbers, three at most.
WORDS = {"-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-type", "-colorspace"}
NUMBERS = {"-s": 3, "-o": 3, "-t": 3, "-mm": 2, "-bm": 1, "-boost": 1, "-texres": 1}


@dataclass(frozen=True)
class Map:
    """A picture that an MTL names, and how it lies: uv times scale plus offset."""

    file: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False


@dataclass(frozen=True)
class Surface:
    """One material. factor [4] is linear light and alpha; albedo, normal_map as of Part; uv of the file are
    to be multiplied by `scale` and then moved by `offset`."""

    factor: Float[np.ndarray, " 4"] | None = None
    albedo: UInt8[np.ndarray, "H W 4"] | None = None
    normal_map: UInt8[np.ndarray, "H W 3"] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    material: Material = REPEAT


@dataclass
class _Entry:
    numbers: dict[str, list[float]] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)


class Pictures:
    """Pictures beside a file, each read once.

    Of those that are not there or cannot be read, `missing` has the ones that colour it, `lost` the others.
    """

    def __init__(self, folder: Path, lost: list[str], missing: list[str]) -> None:
        self.folder, self.lost, self.missing = folder, lost, missing
        self._read: dict[Path, Picture] = {}
        self._left, self._gone = MOST_TEXELS, 0

    def __call__(
        self, name: str, base: Path | None = None, colors: bool = True
    ) -> UInt8[np.ndarray, "H W 4"] | None:
        told, shown = self.missing if colors else self.lost, plain_name(name)
        path = companion(name, self.folder, base) if self._gone < MOST_GONE else None
        if path is None:
            self._gone += 1
            told.append(f"the texture {shown}, which is not beside it")
            return None
        try:
            picture = self._picture(path, shown)
        except (InputError, OSError) as error:
            reason = error.what if isinstance(error, InputError) else error.strerror
            told.append(f"the texture {shown} ({reason})")
            return None
        if picture.smaller > 1:
            self.lost.append(f"the full size of {shown} ({picture.smaller} times smaller now)")
        return picture.rgba

    def _picture(self, path: Path, shown: str) -> Picture:
        if path not in self._read:
            if path.stat().st_size > MOST_PICTURE:
                raise InputError(f"{shown} is too large")
            picture = decode_image(path.read_bytes(), shown)
            self._left -= picture.rgba.size // 4
            if self._left < 0:
                raise InputError(f"all together have more than {MOST_TEXELS // 10**6} million pixels")
            self._read[path] = picture
        return self._read[path]


def read_mtl(path: Path, pictures: Pictures, used: set[str]) -> dict[str, Surface]:
    """The materials of an MTL that are used, by name; pictures are looked for beside it, then beside the OBJ.

    What they say and a Surface cannot hold is noted in `pictures.lost`.
    """
    if path.stat().st_size > MOST_BYTES:
        pictures.missing.append(f"the materials of {plain_name(path.name)}, which is too large")
        return {}
    entries = _entries(decoded(path.read_bytes()))
    return {name: _surface(entry, pictures, path.parent) for name, entry in entries.items() if name in used}


def _entries(text: str) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    entry = _Entry()  # of lines before the first name
    for line in text.split("\n"):
        word, _, rest = line.strip().replace("\t", " ").partition(" ")
        key = word.lower()
        if key == "newmtl":
            entry = entries.setdefault(rest.strip(), _Entry())
        elif key in UNUSED:
            named = map_of(rest)
            if named is not None:
                entry.maps.setdefault(key, named)
        elif key in ("kd", "d", "tr", "ke", "pm", "pr"):
            entry.numbers[key] = list(_numbers(rest.split()))
    return entries


def _numbers(words: list[str]) -> Iterator[float]:
    """Those that the words begin with."""
    for word in words:
        if not is_number(word) or not isfinite(number := float(word.replace(",", "."))):
            return
        yield number


def map_of(text: str) -> Map | None:
    """The file that a map's line names after its options, spaces and all; None if it names none."""
    out, rest = Map(""), text.strip()
    while rest.startswith("-") and " " in rest:  # a dash alone may begin a file's name
        option, _, rest = rest.partition(" ")
        option, rest = option.lower(), rest.lstrip()
        if option in WORDS:
            value, _, rest = rest.partition(" ")
            if option == "-clamp":
                out = replace(out, clamp=value.lower() == "on")
        elif option in NUMBERS:
            values = list(_numbers(rest.split(maxsplit=NUMBERS[option])[: NUMBERS[option]]))
            rest = "".join(rest.split(maxsplit=len(values))[len(values) :])
            u, v = (*values, *[1.0 if option == "-s" else 0.0] * 2)[:2]
            if option in ("-s", "-o"):
                out = replace(out, **{"scale" if option == "-s" else "offset": (u, v)})
        rest = rest.lstrip()
    return replace(out, file=rest) if rest else None


def _surface(entry: _Entry, pictures: Pictures, base: Path) -> Surface:
    color = entry.maps.get("map_kd")
    albedo = None if color is None else pictures(color.file, base)
    bumps = entry.maps.get("norm")
    normals = None if bumps is None else pictures(bumps.file, base, colors=False)
    alpha = _alpha(entry)
    cut = entry.maps.get("map_d")
    if cut is not None:
        mask = pictures(cut.file, base)
        if mask is None or color is None or albedo is None or mask.shape != albedo.shape:
            pictures.lost.append("transparency by a picture")
        else:  # the same picture twice has alpha; a mask of its own has greys
            solid = mask[..., 3] if color.file == cut.file else mask[..., :3].mean(-1).astype(np.uint8)
            albedo = np.dstack([albedo[..., :3], solid])
    material = replace(
        REPEAT,
        alpha="blend" if alpha < 1 or (cut is not None and albedo is not None) else "opaque",
        wrap=("clamp", "clamp") if color is not None and color.clamp else REPEAT.wrap,
        metallic=_share(entry, "pm", 0.0),
        roughness=_share(entry, "pr", 1.0),
    )
    glow = max(entry.numbers.get("ke", []), default=0.0) > 0
    # a normal map may be named once more as map_Bump, for Blender
    others = [key for key, found in entry.maps.items() if bumps is None or found.file != bumps.file]
    pictures.lost += [lost for key in others if (lost := UNUSED[key])]
    pictures.lost += ["light of its own"] * glow
    lies = color or bumps or Map("")
    return Surface(_factor(entry, alpha, albedo is not None), albedo,
                   None if normals is None else np.ascontiguousarray(normals[..., :3]),
                   lies.scale, lies.offset, material)  # fmt: skip


def _share(entry: _Entry, key: str, other: float) -> float:
    return float(np.clip((entry.numbers.get(key) or [other])[0], 0, 1))


def _alpha(entry: _Entry) -> float:
    """d, or 1 - Tr. A Tr of 1 alone is taken as solid: some programs mean d by it, and nobody hides an object
    so."""
    d, tr = entry.numbers.get("d"), entry.numbers.get("tr")
    if d:
        return float(np.clip(d[0], 0, 1))
    return float(np.clip(1 - tr[0], 0, 1)) or 1.0 if tr else 1.0


def _factor(entry: _Entry, alpha: float, textured: bool) -> Float[np.ndarray, " 4"] | None:
    """Kd in linear light. Under a texture only if it is a colour: programs write some grey there that they do
    not mean (0, .64, .8), and show the texture as it is."""
    kd = entry.numbers.get("kd") or [1.0]
    kd = (kd * 3)[:3]
    if textured and max(kd) - min(kd) < 0.02:
        kd = [1.0] * 3
    factor = np.append(srgb_to_linear(np.clip(np.nan_to_num(kd, nan=1.0), 0, 1)), alpha)
    return None if (factor == 1).all() else factor
