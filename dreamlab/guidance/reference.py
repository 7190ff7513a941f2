"""Pictures of the object beside a prior: what is seen from their cameras is known, and conditions the rest.

The picture's camera takes part in every group of views, and there the picture stands in the place of the
render. A prior whose views see each other is so told of it at every noise level, z = alpha x + sigma eps with
the picture's x, as inpainting by replacement does (RePaint: Lugmayr et al. 2022; SDEdit: Meng et al. 2022):
no weights are changed. The render itself is drawn to the picture by a loss of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.types import Cameras, Condition, GuidanceOut, RenderOutput, Views
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.guidance.protocol import Guidance
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.priors.embedded.prior import EmbeddedPrior, alpha_sigma, by_channel

_SIDE = 64  # pixels along a side of a picture for which a weight of 1 is as strong as a prior's pull
SOLID = 4.0
"""How much opacity counts for, beside a channel of colour."""
LEVEL = 0.3
"""The most noise that a picture's colour gets, where the other views have more: the weights have learned from
such pictures, and less noise does no better (dreamlab/weights/TRAINING.md)."""
_FAINT = 0.02  # opacity below which the render's own depth says nothing


@dataclass(frozen=True)
class Picture:
    """What one camera sees of the object: premultiplied sRGB [S,S,3] and opacity [S,S,1], 0..1.

    camera: of one view, of any size. weight: of its loss; 1 is as strong as a prior whose answer for that
    view is the picture.
    """

    premultiplied: Float[Tensor, "S S 3"]
    opacity: Float[Tensor, "S S 1"]
    camera: Cameras
    weight: float = 1.0

    def sized(self, like: Float[Tensor, "B H W C"]) -> tuple[Float[Tensor, "H W 3"], Float[Tensor, "H W 1"]]:
        """Colour and opacity at the size and place of these views, averaged over their pixels."""
        both = torch.cat([self.premultiplied, self.opacity], -1).permute(2, 0, 1)[None].to(like)
        if both.shape[-2:] != like.shape[1:3]:
            both = F.interpolate(both, size=like.shape[1:3], mode="area")
        return both[0, :3].permute(1, 2, 0), both[0, 3:].permute(1, 2, 0)


def reference_loss(render: RenderOutput, row: int, picture: Picture) -> Float[Tensor, ""]:
    """How far one view is from its picture: w 64^2 / 2 times the mean over pixels of the squared differences,
    in -1..1, of premultiplied colour, and of opacity SOLID times. What stands behind the object does not come
    in.

    Of a 64x64 view it has the gradient w (x - y) of score distillation with the weighting "uniform" and an
    answer y, for each channel of colour. Opacity counts for more, for what is dark in the picture is as
    easily see-through, and where a hole is once no colour is learned.
    """
    color, opacity = picture.sized(render.rgb)
    apart = (2 * (render.premultiplied[row] - color)).square().sum(-1)
    apart = apart + SOLID * (2 * (render.opacity[row] - opacity)).square().sum(-1)
    return 0.5 * picture.weight * _SIDE**2 * apart.mean()


class BesidePictures(EmbeddedPrior):
    """The embedded prior beside pictures: a view from a picture's camera is that picture, and the mean
    pictures, for CFGConfig.mean_color, have its colour.

    Colour and opacity of such a view have LEVEL at most, so that the other views are made beside what can be
    seen from the first step on; its depth, which no picture tells, has its group's level. A prior may have
    been trained so (TrainConfig.pictures). What a prompt shows on average has a colour of its own, towards
    which the whole object would drift away from its pictures.
    """

    def __init__(self, prior: EmbeddedPrior, pictures: Sequence[Picture]) -> None:
        self.__dict__.update(prior.__dict__)  # the same network, vocabulary and copies
        like = torch.zeros(1, self.resolution, self.resolution, 3, device=self.device)
        shown = [(color, solid) for color, solid in (picture.sized(like) for picture in pictures)]
        colors, opacities = (torch.stack(parts) for parts in zip(*shown, strict=True))
        self._like = to_model_space(colors, opacities, torch.zeros_like(opacities))
        self._from = torch.cat([picture.camera.c2w for picture in pictures]).to(self.device)

    def denoise(
        self,
        z_t: Float[Tensor, "B C H W"],
        t: Float[Tensor, " B"],
        condition: Condition,
        views: Views | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """As the prior's, with the pictures as clean as they are shown to it. Their noise is that of z_t."""
        if views is None:
            return super().denoise(z_t, t, condition)
        shown = (views.cameras.c2w[:, None] == self._from).flatten(2).all(2).any(1)
        color_t = torch.where(shown, t.clamp_max(LEVEL), t)
        x = views.x.detach()
        alpha, sigma = by_channel(alpha_sigma(t), alpha_sigma(t))
        cleaner, less = by_channel(alpha_sigma(color_t), alpha_sigma(t))
        z = torch.where(shown[:, None, None, None], cleaner * x + less / sigma * (z_t - alpha * x), z_t)
        return self.answer(z, color_t, t, condition, views)

    def mean(self, condition: Condition, cameras: Cameras) -> Float[Tensor, "B C H W"]:
        """As the prior's, in the mean colour of all pictures."""
        mean = super().mean(condition, cameras)
        rows = torch.arange(len(mean), device=mean.device) % len(self._like)
        return self.with_mean_color_of(mean, self._like[rows])


class WithPictures:
    """A method with pictures beside it: see the module's head. loss = the method's + sum reference_loss / B.

    Of a prior that looks at groups of `group` views, the first ones of each group, at most half of it, are
    pictures, and which of several is drawn anew in every step. To single views one picture a step is added,
    which the method does not see. The render's depth stays in the place of the picture's, which is unknown:
    where the prior sees depth, it goes on to shape what the picture shows.
    """

    def __init__(self, method: Guidance, pictures: Sequence[Picture], group: int) -> None:
        self.method, self.pictures, self.group = method, tuple(pictures), group
        self._shown: dict[int, int] = {}  # picture by row, of this step

    def select_cameras(self, cameras: Cameras, progress: float, generator: torch.Generator) -> Cameras:
        """The sampled cameras with those of the pictures among them."""
        together = 1 if self.group == 1 else max(1, min(len(self.pictures), self.group // 2))
        starts = [0] if self.group == 1 else range(0, len(cameras) - self.group + 1, self.group)
        self._shown = {}
        for start in starts:
            chosen = self._chosen(together, generator)
            self._shown |= {start + place: number for place, number in enumerate(chosen)}
        if not self._shown:  # fewer views than a group, which the method refuses
            return cameras
        own = [self.pictures[number].camera.resized(*cameras.size) for number in self._shown.values()]
        known = Cameras.cat(own).to(cameras.c2w.device)
        if self.group == 1:
            return Cameras.cat([known, cameras])
        rows = torch.tensor(list(self._shown), device=cameras.c2w.device)
        names = [f.name for f in fields(Cameras) if f.name != "size"]
        mixed = {n: getattr(cameras, n).index_copy(0, rows, getattr(known, n)) for n in names}
        return replace(cameras, **mixed)

    def _chosen(self, count: int, generator: torch.Generator) -> list[int]:
        if count == len(self.pictures):
            return list(range(count))
        return torch.randperm(len(self.pictures), generator=generator)[:count].tolist()

    def __call__(
        self,
        render: RenderOutput,
        cameras: Cameras,
        prompts: ViewPrompts,
        progress: float,
        generator: torch.Generator,
    ) -> GuidanceOut:
        """As the method, with "reference" among the metrics: how far the views are from their pictures, as a
        root mean square of colour and opacity, 0..1, as these count."""
        terms = [
            (reference_loss(render, row, self.pictures[n]), self.pictures[n].weight)
            for row, n in self._shown.items()
        ]
        if self.group == 1:
            rest = slice(len(self._shown), None)
            out = self.method(_rows(render, rest), cameras[rest], prompts, progress, generator)
        else:
            out = self.method(self.shown(render, cameras), cameras, prompts, progress, generator)
        loss = out.loss + torch.stack([term for term, _ in terms]).sum() / len(cameras)
        apart = [term.detach() / (2 * weight * _SIDE**2 * (3 + SOLID)) for term, weight in terms if weight]
        told = {"reference": torch.stack(apart).mean().sqrt()} if apart else {}
        return GuidanceOut(loss, {**out.metrics, **told})

    def shown(self, render: RenderOutput, cameras: Cameras) -> RenderOutput:
        """The render with pictures in the place of their rows, before the same backgrounds. Other rows are
        untouched."""
        rgb, opacity, depth = list(render.rgb), list(render.opacity), list(render.depth)
        for row, number in self._shown.items():
            color, solid = self.pictures[number].sized(render.rgb)
            rgb[row] = color + (1 - solid) * render.background[row]
            far = cameras.distance[row]
            depth[row] = solid * (depth[row] + _FAINT * far) / (opacity[row] + _FAINT)
            opacity[row] = solid
        return replace(render, rgb=torch.stack(rgb), opacity=torch.stack(opacity), depth=torch.stack(depth))

    def state_dict(self) -> dict[str, Tensor]:
        return self.method.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.method.load_state_dict(state)


def _rows(render: RenderOutput, rows: slice) -> RenderOutput:
    """Some of the views."""
    kept = {f.name: getattr(render, f.name) for f in fields(RenderOutput)}
    return replace(render, **{name: v[rows] for name, v in kept.items() if v is not None})
