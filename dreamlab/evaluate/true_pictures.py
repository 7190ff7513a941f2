"""The perfect prior: it answers every view with the true picture of one mesh, whatever the noise.

What a run makes of it is the best that the run can do with any prior of these channels: what is wrong with
the result is the field's, the method's or the meshing's fault. With stated errors (blur, noise, views that
are slightly turned) it errs as learned priors do, by a known amount.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.diffusion import CosineSchedule
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras, Condition, Mesh, RenderOutput, Views
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.priors.embedded.model_space import to_model_space, with_mean_color_of
from dreamlab.priors.embedded.prior import relative_depth_of

SUPERSAMPLE = 4  # rays a pixel, each way: the box filter
REMEMBERED = 64  # pictures; one step asks for the same views several times


class TruePicturesConfig(BaseModel):
    """The pictures' size in pixels, and how they err.

    blur: standard deviation of a Gaussian, in pixels. noise: standard deviation of white noise a pixel, the
    same for colour and opacity (0..1) and for relative depth (world units). jitter: standard deviation in
    degrees of each view's turn about each world axis: the picture is that of a turned object. seed: of noise
    and jitter. views_per_group: how many views of a step belong together, as for the embedded prior.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Field(default=64, ge=8, le=1024)
    blur: float = Field(default=0.0, ge=0.0)
    noise: float = Field(default=0.0, ge=0.0)
    jitter: float = Field(default=0.0, ge=0.0, le=90.0)
    seed: int = 0
    views_per_group: int = Field(default=4, ge=1)

    def build(self, mesh: Mesh) -> TruePicturesPrior:
        return TruePicturesPrior(mesh, self)


class TruePicturesPrior:
    """A Prior in the embedded one's space: premultiplied albedo, opacity and relative depth, five channels.

    Prompts, noisy images and levels are not looked at. The errors of a view are sampled by the seed and the
    camera alone, so the same camera gets the same answer, also in a run that was resumed; then guidance of
    any scale changes nothing, that of the mean colour included; that of the camera must be off
    (`cfg.camera=null`), for it asks what is seen from nowhere.

    Args:
        mesh: inside the unit sphere, facing +Z; both sides of its faces are shown.
    """

    channels = 5

    def __init__(self, mesh: Mesh, config: TruePicturesConfig | None = None) -> None:
        self.mesh, self.config = mesh, config or TruePicturesConfig()
        self.resolution, self.views_per_group = self.config.resolution, self.config.views_per_group
        self.schedule = CosineSchedule()
        self._pictures: OrderedDict[bytes, Tensor] = OrderedDict()

    def embed(self, prompts: Sequence[str]) -> Condition:
        return Condition(torch.zeros(len(prompts), 1, 1), torch.ones(len(prompts), 1, dtype=torch.bool))

    def encode(self, render: RenderOutput, cameras: Cameras) -> Views:
        """Albedo, opacity and relative depth of renders, resampled to the prior's size where they have
        another."""
        x = to_model_space(render.premultiplied, render.opacity, relative_depth_of(render, cameras))
        if x.shape[-1] != self.resolution:
            size = (self.resolution, self.resolution)
            x = F.interpolate(x, size, mode="bilinear", antialias=True)
        return Views(x, cameras)

    def alpha_sigma(self, t: Float[Tensor, " B"]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        return self.schedule.alpha_sigma(t)

    def denoise(
        self,
        z_t: Float[Tensor, "B 5 h w"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B 5 h w"]:
        """The true pictures of these views. Raises ConfigError without views: what is seen from nowhere?"""
        if views is None:
            raise ConfigError(
                "true pictures need the camera", got="a question without it", mend="Set cfg.camera=null"
            )
        return self.pictures(views.cameras).to(z_t)

    def mean(self, condition: Condition, cameras: Cameras) -> Float[Tensor, "B 5 h w"]:
        """What is seen on average: the true pictures."""
        return self.pictures(cameras)

    def with_mean_color_of(
        self, x0: Float[Tensor, "B 5 h w"], like: Float[Tensor, "B 5 h w"], blur: float | None = None
    ) -> Float[Tensor, "B 5 h w"]:
        """x0 with the mean colour of `like`, as the embedded prior does it."""
        return with_mean_color_of(x0, like, self.views_per_group, blur)

    @torch.no_grad()
    def pictures(self, cameras: Cameras) -> Float[Tensor, "B 5 h w"]:
        """What the prior answers for these cameras, in model space."""
        cameras = cameras.to("cpu").resized(self.resolution, self.resolution)
        return torch.stack([self._picture(cameras[row : row + 1]) for row in range(len(cameras))])

    def _picture(self, camera: Cameras) -> Float[Tensor, "5 h w"]:
        key = torch.cat([camera.c2w.flatten(), camera.fovy]).float().numpy().tobytes()
        if key not in self._pictures:
            self._pictures[key] = self._erring(camera, self._generator(key))
            if len(self._pictures) > REMEMBERED:
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def _generator(self, camera: bytes) -> torch.Generator:
        digest = hashlib.sha256(self.config.seed.to_bytes(8, "big", signed=True) + camera).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def _erring(self, camera: Cameras, generator: torch.Generator) -> Float[Tensor, "5 h w"]:
        turn = torch.randn(3, generator=generator) * math.radians(self.config.jitter)
        layers = true_layers(self.mesh, turned(camera, turn))
        if self.config.blur:
            layers = blurred(layers, self.config.blur)
        layers = layers + self.config.noise * torch.randn(layers.shape, generator=generator)
        return to_model_space(*layers.movedim(1, -1).split((3, 1, 1), dim=-1))[0]


def true_layers(mesh: Mesh, cameras: Cameras) -> Float[Tensor, "B 5 H W"]:
    """Premultiplied sRGB albedo, opacity and relative depth (weighted by opacity) of a mesh, box-filtered.

    Relative depth is the camera's distance from the world's origin minus the depth along the view axis.
    """
    height, width = cameras.size
    fine = surface_views(mesh, cameras.resized(height * SUPERSAMPLE, width * SUPERSAMPLE))
    seen = fine.seen[..., None].float()
    away = cameras.c2w[:, :3, 3].norm(dim=-1).view(-1, 1, 1, 1)
    layers = torch.cat([fine.albedo, seen, (away - fine.depth) * seen], dim=-1)
    return F.avg_pool2d(layers.movedim(-1, 1), SUPERSAMPLE)


def turned(cameras: Cameras, turn: Float[Tensor, " 3"]) -> Cameras:
    """The cameras as they see an object that is turned about the origin by a rotation vector, radians."""
    x, y, z = turn.double().tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    about = torch.eye(4, dtype=torch.float64)
    about[:3, :3] = torch.linalg.matrix_exp(-cross)
    return replace(cameras, c2w=(about @ cameras.c2w.double()).to(cameras.c2w))


def blurred(images: Float[Tensor, "B C H W"], deviation: float) -> Float[Tensor, "B C H W"]:
    """Convolved with a Gaussian of this standard deviation in pixels, cut off at four; zeros lie outside."""
    from kornia.filters import gaussian_blur2d

    side = 2 * math.ceil(4 * deviation) + 1
    return gaussian_blur2d(images, (side, side), (deviation, deviation), border_type="constant")
