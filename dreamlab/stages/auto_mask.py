"""Where an edit changes an object, found by the prior itself: where its answers under the two prompts differ.

DiffEdit (Couairon et al. 2022, section 3.1) compares predictions under the old and the new prompt at one
noise level, averaged over noises, normalised and cut in two. Here the pictures are views of a mesh from
several sides, and what they say is brought back onto its surface, to where each of them sees it well. It is
cut where that parts it best (Otsu 1979) instead of in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.cameras import camera_rays, distance_to_fit, orbit_cameras
from dreamlab.core.diffusion import add_noise
from dreamlab.core.errors import InputError
from dreamlab.core.types import Cameras, Mesh, RenderOutput
from dreamlab.evaluate.surface_views import surface_views
from dreamlab.guidance.noise import sample_noise
from dreamlab.guidance.query import DenoiseQuery, denoise_batched
from dreamlab.guidance.reference import Picture
from dreamlab.mesh.geometry.shape import centred, frame_of, normals_of
from dreamlab.mesh.surface.colors import SurfaceColors
from dreamlab.mesh.texture.mask import SOFT, Mask
from dreamlab.mesh.texture.palette import lab_of
from dreamlab.mesh.texture.palette_bake import DETAIL, THIRDS, FineSurface, colors_on
from dreamlab.mesh.texture.surface_graph import SurfaceGraph
from dreamlab.priors.protocols import Prior
from dreamlab.stages.shown_colors import projector

RINGS = ((0.0, -5.0), (45.0, 15.0), (22.5, 50.0))  # azimuth of the first view and elevation, degrees
AROUND = 4  # views of a ring: as many as see each other in the embedded prior
NOISES = 2  # that the answers are averaged over, in each of the views that see a place
FOVY = math.radians(40)
FINER = 4  # pixels of a view along each of the prior's
STRONG = 0.9  # the quantile of the surface whose difference counts as a whole one
REACH = 0.3  # of the mesh's size: how far what is found spreads along the surface within a colour
EDGE = 8.0  # of L*a*b*: colours that far apart hardly tell each other what was found
UNSEEN = 1e-6  # of a view: how well places are known that no view sees
LEAK = 1e-3  # of a vote: what an edge between any two colours lets through
FAINT = 0.02  # of a picture's range -1..1: answers that differ less than this nowhere differ
MOST = 0.97  # of the surface: more is everything
ALIKE = 0.75  # of the difference in the mask: where there is more of it outside, the mask parts nothing
BINS = 128


class FoundMask(NamedTuple):
    """How much an edit counts at places of the mesh, and which share of its surface it takes."""

    mask: Mask
    share: float


class AutoMaskConfig(BaseModel):
    """Where the prior's answers differ between what the object was and what it shall be.

    was: the old prompt. level: of the noise, 1 the most: at lower ones a picture's colours are told by itself
    and words add nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["auto"] = "auto"
    was: str = Setting(min_length=1)
    level: float = Setting(default=0.9, gt=0, lt=1)

    def find(self, mesh: Mesh, prior: Prior, now: str) -> FoundMask:
        """The mask for making it `now`; the same for the same settings, whenever it is asked for.

        Raises InputError where the answers differ nowhere or everywhere.
        """
        inside = centred(mesh)
        fine = FineSurface(inside, normals_of(inside))
        values = _on_surface(fine, inside, self._seen(inside, prior, now))
        area = SurfaceGraph(fine.vertices, fine.surface).area
        strong = _quantile(values, area, STRONG)
        if strong < FAINT:
            raise self._useless(now, "nothing")
        heat = (values / strong).clip(0, 1)
        cut = _best_cut(heat, area)
        inner, outer = heat >= cut, heat < cut
        alike = _mean(heat, area * outer) > ALIKE * _mean(heat, area * inner)
        if alike or float((area * inner).sum()) > MOST * float(area.sum()):
            raise self._useless(now, "everything")
        weight = ((heat - cut) / SOFT + 0.5).clip(0, 1)
        return FoundMask(_asked(fine, weight, mesh), _mean(weight, area))

    def _useless(self, now: str, what: str) -> InputError:
        where = "nowhere" if what == "nothing" else "everywhere"
        return InputError(
            f"--mask auto finds {what}: the prior's answers to {self.was!r} and to {now!r} differ {where}",
            mend="Say with --was and the new prompt what differs, or take --mask part:COLOUR, box:… or off",
        )

    @torch.no_grad()
    def _seen(self, mesh: Mesh, prior: Prior, now: str) -> list[tuple[Cameras, Float[Tensor, "H W"]]]:
        """Each view and how far the answers differ in its pixels."""
        generator = torch.Generator().manual_seed(0)
        out, words = [], [prior.embed([text] * AROUND) for text in (now, self.was)]
        device = words[0].tokens.device
        for turn, elevation in RINGS:
            cameras = _ring(turn, elevation, prior.resolution)
            views = prior.encode(_render(mesh, cameras, device), cameras.to(device))
            t = torch.full((len(cameras),), self.level).to(views.x)
            alpha, sigma = (v.to(views.x) for v in prior.alpha_sigma(t))
            total = torch.zeros_like(views.x)
            for _ in range(NOISES):
                z = add_noise(views.x, sample_noise(views.x, generator), alpha, sigma)
                new, old = denoise_batched(prior, [DenoiseQuery(z, t, word, views) for word in words])
                total += new - old
            apart = (total / NOISES).square().mean(1).sqrt()
            out += [(cameras[k : k + 1], one) for k, one in enumerate(apart.float().cpu())]
        return out


def _ring(turn: float, elevation: float, size: int) -> Cameras:
    k = torch.arange(AROUND)
    azimuth = (math.radians(turn) + k * 2 * math.pi / AROUND) % (2 * math.pi)
    one = torch.ones(AROUND)
    fovy = FOVY * one
    return orbit_cameras(azimuth, math.radians(elevation) * one, distance_to_fit(fovy), fovy, (size, size))


def _render(mesh: Mesh, cameras: Cameras, device: torch.device) -> RenderOutput:
    """The mesh unlit before black, in pixels that are the mean of finer ones; on the prior's device."""
    height, width = cameras.size
    fine = cameras.resized(height * FINER, width * FINER)
    views = surface_views(mesh, fine)
    rays = camera_rays(fine).directions.view(*views.depth.shape[:3], 3)
    cosine = -(rays * fine.c2w[:, None, None, :3, 2]).sum(-1, keepdim=True)
    solid = views.seen[..., None].float()
    whole = torch.cat([views.albedo * solid, solid, views.depth / cosine * solid], -1)
    layers = F.avg_pool2d(whole.movedim(-1, 1), FINER).movedim(1, -1).to(device)
    rgb, opacity, depth = layers.split((3, 1, 1), -1)
    return RenderOutput(rgb, opacity, depth, torch.zeros_like(rgb))


def _on_surface(
    fine: FineSurface, mesh: Mesh, seen: Sequence[tuple[Cameras, Float[Tensor, "H W"]]]
) -> Float[np.ndarray, " C"]:
    """What the views' pixels say, at the corners of the fine surface: their mean, weighted by how well each
    sees a place, and spread along the surface within its own colours (a random walker: Grady 2006)."""
    most = max(float(apart.max()) for _, apart in seen) or 1.0
    places = np.einsum("sk,fki->fsi", THIRDS, fine.vertices[fine.surface]).reshape(-1, 3)
    points = torch.from_numpy(places).float()
    total, weight = torch.zeros(len(points), 1), torch.zeros(len(points), 1)
    for camera, apart in seen:
        image = (apart / most)[..., None]
        picture = Picture(image.expand(-1, -1, 3), torch.ones_like(image), camera)
        found, share = projector(mesh, picture).at(points)
        total += found[:, :1] * share
        weight += share
    corner, each = fine.surface.repeat(len(THIRDS), 0).reshape(-1), np.tile(THIRDS, (len(fine.surface), 1))
    count = len(fine.vertices)
    sums = [
        np.bincount(corner, (each * values.double().numpy()).reshape(-1), count) for values in (total, weight)
    ]
    known = np.maximum(sums[1], UNSEEN)
    values = np.where(sums[1] > UNSEEN, sums[0] / known, sums[0].sum() / max(float(sums[1].sum()), UNSEEN))
    return most * _smoothed(fine, mesh, values, known)


def _smoothed(fine: FineSurface, mesh: Mesh, values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values [C] that are as well known as this [C], smoothed over REACH, hardly at all over an edge between
    two colours, and carried to where nothing is known."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import splu

    graph = SurfaceGraph(fine.vertices, fine.surface)
    lab = lab_of(colors_on(fine, SurfaceColors(mesh).colors))
    votes = (graph.votes(lab, 1.0, EDGE) + LEAK * graph.linked) * (REACH * DETAIL) ** 2
    solve = splu((diags(known + np.asarray(votes.sum(1)).reshape(-1)) - votes).tocsc()).solve
    return solve(known * values)


def _quantile(values: np.ndarray, area: np.ndarray, share: float) -> float:
    """The value below which this share of the area lies."""
    order = values.argsort()
    return float(values[order][np.searchsorted(area[order].cumsum(), share * area.sum())])


def _mean(values: np.ndarray, area: np.ndarray) -> float:
    """The mean over the surface; 0 over nothing."""
    return float((area * values).sum() / max(float(area.sum()), 1e-30))


def _best_cut(heat: np.ndarray, area: np.ndarray) -> float:
    """What parts shares 0..1 of a surface into two kinds that are as even as can be (Otsu 1979)."""
    from skimage.filters import threshold_otsu

    counts, edges = np.histogram(heat, BINS, (0.0, 1.0), weights=area)
    return float(threshold_otsu(hist=(counts, (edges[:-1] + edges[1:]) / 2)))


def _asked(fine: FineSurface, weight: np.ndarray, mesh: Mesh) -> Mask:
    frame = frame_of(mesh)
    where = SurfaceColors(Mesh(torch.from_numpy(fine.vertices).float(), torch.from_numpy(fine.surface)))

    def mask(x: np.ndarray, normal: np.ndarray) -> np.ndarray:
        face, share = where.nearest(frame.inside(torch.from_numpy(x)).double().numpy(), normal)
        return np.einsum("nk,nk->n", share, weight[fine.surface[face]])

    return mask
