"""A field's colours with those of pictures, or of sampled views, where their cameras see the surface well.

What a prior makes at 64 pixels is soft; a picture has the detail. Only what lies well inside the outline, is
seen first, and not from aside is taken from it, with soft borders: elsewhere a small error of the shape would
smear the picture over what it does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.cameras import camera_rays, world_to_clip
from dreamlab.core.types import Cameras, Mesh
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.guidance.reference import Picture
from dreamlab.scenes import RadianceField
from dreamlab.stages.protocol import SurfaceMesh

SIDE = 256  # pixels of the views that tell what a camera sees
MARGIN = 5.0  # pixels from an outline, its own or of a part before another, over which a picture fades in
STEP = 0.05  # of depth between pixels, world units, that is such an outline
ASIDE = (0.2, 0.5)  # cosines to the line of sight: nothing of a picture, all of it
ASIDE_OF_VIEWS = (0.26, 1.0)  # the same for views that were made together: from 75 degrees on, nothing
SHARPEST = 4  # power of a view's share among others, by which the one that sees best has most to say
COVERED = 0.15  # share of a view from which on nothing is seen of the field's own colour
BEHIND = (0.015, 0.03)  # world units behind what is seen first: all of it, nothing


class Projector(NamedTuple):
    """A picture as it falls onto the surface: the camera's clip matrix; and by pixel the colour, its share,
    and the depth along the view axis of what is seen first."""

    clip: Float[Tensor, "4 4"]
    color: Float[Tensor, "1 3 S S"]
    share: Float[Tensor, "1 1 s s"]
    depth: Float[Tensor, "1 1 s s"]

    def at(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 1"]]:
        """Colours at world points, and their share in 0..1."""
        seen = torch.cat([x, torch.ones_like(x[:, :1])], 1) @ self.clip.to(x).T
        deep = seen[:, 3:].clamp_min(1e-6)
        place = (seen[:, :2] / deep * seen.new_tensor([1.0, -1.0]))[None, None]

        def sampled(image: Tensor, mode: str) -> Tensor:
            found = F.grid_sample(image.to(x), place, mode, align_corners=False)
            return found[0, :, 0].T

        near, none = BEHIND
        behind = (deep - sampled(self.depth, "nearest")).abs()
        share = sampled(self.share, "bilinear") * ((none - behind) / (none - near)).clamp(0, 1)
        return sampled(self.color, "bilinear").clamp(0, 1), share


def projector(mesh: Mesh, picture: Picture, aside: tuple[float, float] = ASIDE) -> Projector:
    """What a picture says of a mesh's colours; aside: cosines to the line of sight as those above."""
    camera = picture.camera.resized(SIDE, SIDE)
    view = surface_views(mesh, camera)
    _, opacity = picture.sized(view.albedo)
    depth = view.depth[0, ..., 0]
    inside = view.seen[0] & (opacity[..., 0] > 0.98)
    ways = F.pad(depth[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    jump = torch.stack([ways[1:-1, 2:] - depth, ways[2:, 1:-1] - depth]).abs().amax(0) > STEP
    away = torch.from_numpy(distance_transform_edt((inside & ~jump).numpy())).float()
    facing = -(view.normal[0] * camera_rays(camera).directions.view(SIDE, SIDE, 3)).sum(-1)
    none, all_of_it = aside
    share = (away / MARGIN).clamp(0, 1) * ((facing - none) / (all_of_it - none)).clamp(0, 1)
    color = picture.premultiplied / picture.opacity.clamp_min(1e-3)
    return Projector(
        world_to_clip(camera)[0], color.permute(2, 0, 1)[None], share[None, None], depth[None, None]
    )


class PaintedOver(RadianceField):
    """A field in the colours of pictures where these see it; its density is its own."""

    def __init__(self, field: RadianceField, projectors: Sequence[Projector]) -> None:
        super().__init__()
        self.field, self.projectors = field, tuple(projectors)

    def raw(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
        return self.field.raw(x)

    def density(self, x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return self.field.density(x)

    def restart(self, generator: torch.Generator, blob_factor: float = 1.0) -> None:
        self.field.restart(generator, blob_factor)


class ShownColors(PaintedOver):
    """The colours of pictures, one over the other."""

    def forward(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        sigma, rgb = self.field(x)
        for projector in self.projectors:
            color, share = projector.at(x)
            rgb = torch.lerp(rgb, color.to(rgb), share.to(rgb))
        return sigma, rgb


class ViewedColors(PaintedOver):
    """The mean of views that were made together, weighted by how well each sees a place: with the share s of
    a view, sum s^4 c / sum s^4. The field's own colour stays where no view sees much.

    Back-projection as in TEXTure (Richardson et al. 2023, section 3.2), without its trimap: every view was
    made for the whole object before any is put onto it.
    """

    def forward(self, x: Float[Tensor, "N 3"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        sigma, rgb = self.field(x)
        total, none = torch.zeros_like(rgb), torch.zeros_like(rgb[:, :1])
        weight, best = none, none
        for projector in self.projectors:
            color, share = (value.to(rgb) for value in projector.at(x))
            total = total + share**SHARPEST * color
            weight = weight + share**SHARPEST
            best = torch.maximum(best, share)
        return sigma, torch.lerp(rgb, total / weight.clamp_min(1e-12), (best / COVERED).clamp(0, 1))


def shown_on(scene: SurfaceMesh, pictures: Sequence[Picture]) -> SurfaceMesh:
    """The surface with the pictures' colours where they show it; as it is where there are none."""
    colors = scene.field
    if not pictures or colors is None:
        return scene
    assert isinstance(colors, RadianceField)  # what `field` of a run builds
    weighed = [picture for picture in pictures if picture.weight > 0]
    return replace(scene, field=ShownColors(colors, [projector(scene.mesh, p) for p in weighed]))


def viewed_on(scene: SurfaceMesh, cameras: Cameras, views: Float[Tensor, "B 3 H W"]) -> SurfaceMesh:
    """The surface in the colours of views of it, sRGB in 0..1, whatever stands behind it in them."""
    colors = scene.colors()
    assert isinstance(colors, RadianceField)  # what `field` of a run builds
    seen = []
    for k, view in enumerate(views.cpu().clamp(0, 1)):
        image = view.movedim(0, -1)
        picture = Picture(image, torch.ones_like(image[..., :1]), cameras[k : k + 1].to("cpu"))
        seen.append(projector(scene.mesh, picture, ASIDE_OF_VIEWS))
    return replace(scene, field=ViewedColors(colors, seen))
