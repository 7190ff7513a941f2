"""What every package shares: plain frozen dataclasses, and the protocols of scenes.

Conventions, everywhere: OpenGL camera-to-world matrices (camera looks along its own -Z, +Y up), world Y up,
the object faces +Z and lies inside the box [-1, 1]^3 (generated objects: inside the unit sphere). Angles are
radians. Azimuth 0 looks at the object's front from +Z; azimuth +pi/2 stands on +X. Colours are sRGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Cameras:
    """B pinhole cameras that share one image size.

    c2w [B,4,4]; fovy [B] vertical field of view; azimuth, elevation [B]; distance [B] from the orbit's
    centre; size (H, W) in pixels.
    """

    c2w: Float[Tensor, "B 4 4"]
    fovy: Float[Tensor, " B"]
    azimuth: Float[Tensor, " B"]
    elevation: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]
    size: tuple[int, int]

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Cameras:
        picked = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "size"}
        return Cameras(**picked, size=self.size)

    def to(self, device: torch.device | str) -> Cameras:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "size"}
        return Cameras(**moved, size=self.size)

    @staticmethod
    def cat(parts: Sequence[Cameras]) -> Cameras:
        """Cameras of one image size, one after another."""
        names = [f.name for f in fields(Cameras) if f.name != "size"]
        joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return Cameras(**joined, size=parts[0].size)

    def resized(self, height: int, width: int) -> Cameras:
        """The same views at another image size."""
        return replace(self, size=(height, width))


class Rays(NamedTuple):
    """R rays: origins [R,3] and unit directions [R,3], world space."""

    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]


class Samples(NamedTuple):
    """S packed intervals [t0, t1) along rays, sorted by ray and then by distance. ray_index is int64 [S]."""

    ray_index: Int[Tensor, " S"]
    t0: Float[Tensor, " S"]
    t1: Float[Tensor, " S"]


# What a renderer fills in only where somebody asks for it.
Buffer = Literal["normal", "depth_variance"]


@dataclass(frozen=True)
class RenderOutput:
    """B rendered views.

    rgb [B,H,W,3] in 0..1, composited over `background`; opacity [B,H,W,1] in 0..1; depth [B,H,W,1] the
    *accumulated* distance along the ray, sum of w_i * t_i, so 0 where nothing is hit (divide by opacity for
    the expected distance); background [B,H,W,3]; normal [B,H,W,3] world space, accumulated likewise;
    directions [B,H,W,3] of the rays, unit, away from the camera; depth_variance [B,H,W,1] is
    sum(w (t - mean)^2) / sum(w) along the ray. Buffers that nobody asked for are None.
    """

    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    background: Float[Tensor, "B H W 3"]
    normal: Float[Tensor, "B H W 3"] | None = None
    directions: Float[Tensor, "B H W 3"] | None = None
    depth_variance: Float[Tensor, "B H W 1"] | None = None

    @property
    def premultiplied(self) -> Float[Tensor, "B H W 3"]:
        """The object's colour alone, multiplied by its opacity."""
        return self.rgb - (1.0 - self.opacity) * self.background


@dataclass(frozen=True)
class Views:
    """B views as a prior knows them: what `encode` makes of a render, and `denoise` is given beside z.

    x [B,C,h,w] the images in the prior's own space, with their graph (`denoise` does not look at them: a
    sampler, which has none, gives its z); cameras the B cameras; aux whatever else of the render the prior's
    network is shown, by name, [B,...] each.
    """

    x: Float[Tensor, "B C h w"]
    cameras: Cameras
    aux: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Views:
        return Views(
            self.x[rows], self.cameras[rows], {name: value[rows] for name, value in self.aux.items()}
        )

    def to(self, device: torch.device | str) -> Views:
        """The same on another device."""
        aux = {name: value.to(device) for name, value in self.aux.items()}
        return Views(self.x.to(device), self.cameras.to(device), aux)

    @staticmethod
    def cat(parts: Sequence[Views]) -> Views:
        """Views of one prior, one after another."""
        return Views(
            torch.cat([part.x for part in parts]),
            Cameras.cat([part.cameras for part in parts]),
            {name: torch.cat([part.aux[name] for part in parts]) for name in parts[0].aux},
        )


@dataclass(frozen=True)
class Condition:
    """Encoded text for B images: token states, which of them count, an optional pooled vector, and named
    extras.
    """

    tokens: Float[Tensor, "B L D"]
    mask: Bool[Tensor, "B L"]
    pooled: Float[Tensor, "B P"] | None = None
    extras: tuple[tuple[str, Tensor], ...] = ()

    @property
    def summary(self) -> Float[Tensor, "B P"]:
        """The pooled vector, or the first token's state where there is none."""
        return self.tokens[:, 0] if self.pooled is None else self.pooled

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def __getitem__(self, rows: slice | Tensor | list[int]) -> Condition:
        return Condition(
            self.tokens[rows],
            self.mask[rows],
            None if self.pooled is None else self.pooled[rows],
            tuple((name, value[rows]) for name, value in self.extras),
        )

    def to(self, device: torch.device | str) -> Condition:
        return Condition(
            self.tokens.to(device),
            self.mask.to(device),
            None if self.pooled is None else self.pooled.to(device),
            tuple((name, value.to(device)) for name, value in self.extras),
        )

    @staticmethod
    def cat(parts: Sequence[Condition]) -> Condition:
        """Stack conditions of one prior along the batch. Shorter texts get tokens that do not count, and
        extras of other sizes zeros, at their end."""
        pooled = [p.pooled for p in parts if p.pooled is not None]
        names = [name for name, _ in parts[0].extras]
        return Condition(
            _cat_padded([p.tokens for p in parts]),
            _cat_padded([p.mask for p in parts]),
            torch.cat(pooled) if len(pooled) == len(parts) else None,
            tuple((n, _cat_padded([dict(p.extras)[n] for p in parts])) for n in names),
        )


def _cat_padded(parts: Sequence[Tensor]) -> Tensor:
    """Along the batch; every other dimension is padded with zeros (False) to the longest."""
    shape = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    padded = []
    for part in parts:
        missing = [wanted - size for wanted, size in zip(shape, part.shape[1:], strict=True)]
        ends = [n for size in reversed(missing) for n in (0, size)]
        padded.append(torch.nn.functional.pad(part, ends) if any(missing) else part)
    return torch.cat(padded)


@dataclass(frozen=True)
class GuidanceOut:
    """What a distillation method returns: a scalar loss to call backward on, and figures worth showing.

    Figures that are worked out on a device stay there as 0-d tensors: the loop fetches all of a step at once.
    """

    loss: Float[Tensor, ""]
    metrics: dict[str, float | Float[Tensor, ""]]


# What lies beyond the edge of a texture: the texture again, its mirror image, or its border.
Wrap = Literal["repeat", "mirror", "clamp"]


@dataclass(frozen=True)
class Material:
    """How a mesh's textures are read and its surface is shown; the defaults are matt, solid and atlas-like.

    wrap: beyond 0..1 in u and in v. nearest: texels are squares, not blended. alpha: the albedo's alpha means
    nothing, cuts out what is below `cutoff`, or blends. metallic, roughness in 0..1. unlit: the colours are
    shown as they are, whatever the light. transmission: the share of light that goes through, 0..1.
    """

    wrap: tuple[Wrap, Wrap] = ("clamp", "clamp")
    nearest: bool = False
    alpha: Literal["opaque", "mask", "blend"] = "opaque"
    cutoff: float = 0.5
    double_sided: bool = False
    metallic: float = 0.0
    roughness: float = 1.0
    unlit: bool = False
    transmission: float = 0.0


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh on the CPU. Colours are sRGB floats in 0..1; textures are uint8 images [H,W,3], row 0
    at the top.

    vertices [V,3]; faces [F,3] int64, counter-clockwise from outside; normals [V,3]; colors [V,3], which
    multiply an albedo texture in linear light; uv [V,2] with v up (glTF's v is 1 - v). textures maps names to
    images: "albedo", with a fourth channel where the material has alpha; "normal"; "metallic_roughness",
    shares of the material's roughness in green and of its metal in blue.
    """

    vertices: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    normals: Float[Tensor, "V 3"] | None = None
    colors: Float[Tensor, "V 3"] | None = None
    uv: Float[Tensor, "V 2"] | None = None
    textures: tuple[tuple[str, Tensor], ...] = ()
    material: Material = Material()


@runtime_checkable
class Scene(Protocol):
    """What is optimised, whatever it is made of."""

    def parameters(self) -> Iterable[Tensor]: ...

    def state_dict(self) -> dict[str, Any]: ...


@runtime_checkable
class Field(Scene, Protocol):
    """A scene that fills space: density and albedo at world points inside [-1, 1]^3."""

    def density(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]: ...

    def __call__(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]: ...


@runtime_checkable
class HasDistance(Field, Protocol):
    """A field that knows its surface: where a signed distance is 0."""

    finest_cell: float
    """Length of the finest detail that it can hold, in world units."""

    def distance(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Signed distance to the surface in world units, negative inside."""
        ...


@runtime_checkable
class HasTriangles(Scene, Protocol):
    """A scene that is a surface: triangles whose corners carry gradients, and a colour everywhere on them."""

    faces: Int[Tensor, "F 3"]
    """int64, counter-clockwise from outside; another tensor whenever the topology is another."""

    def vertices(self) -> Float[Tensor, "V 3"]:
        """World positions, differentiable."""
        ...

    def albedo(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """sRGB in 0..1 at world points of the surface."""
        ...


@runtime_checkable
class HasUniformGroups(Protocol):
    """A scene that names groups of parameters whose entries all step by one rate: see
    dreamlab.stages.adam_uniform."""

    uniform_groups: frozenset[str]
