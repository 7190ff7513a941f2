"""Training batches: random objects, captions and cameras, rendered afresh for every step.

A batch is a function of (seed, step) alone, so a training that was interrupted meets the same batches again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.utils.data import Dataset

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.types import Cameras
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.studio.corpus import Corpus
from dreamlab.studio.render import render_views


class TrainingBatch(NamedTuple):
    """n renders of objects: x [n,5,S,S] in model space, their cameras, and one caption number an
    object.
    """

    x: Float[Tensor, "n 5 S S"]
    azimuth: Float[Tensor, " n"]
    elevation: Float[Tensor, " n"]
    distance: Float[Tensor, " n"]
    fovy: Float[Tensor, " n"]
    caption: Int[Tensor, " g"]

    def cameras(self) -> Cameras:
        """The cameras as matrices."""
        side = self.x.shape[-1]
        return orbit_cameras(self.azimuth, self.elevation, self.distance, self.fovy, (side, side))


class BatchConfig(BaseModel):
    """What a batch is made of.

    images: how many a step. views: how many views of one object stand in a group, one of these. single: share
    of batches in which every image shows another object. shares: how often the corpus' sources are sampled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(default=64, ge=1)
    views: tuple[int, ...] = Field(default=(4, 8), min_length=1)
    single: float = Field(default=0.5, ge=0, le=1)
    shares: tuple[float, float, float] = (0.65, 0.12, 0.23)
    size: int = 64


def sample_cameras(rng: np.random.Generator, groups: int, views: int) -> tuple[np.ndarray, ...]:
    """Azimuth, elevation, distance and fovy of groups of views.

    Three groups in four stand evenly around the object, as distillation will place them; elevations
    mostly at eye level and above, some over the pole and from below; the unit sphere about fills the picture.
    Of groups of twelve and more, three in five form two rings instead.
    """
    shape = (groups, views)
    even = rng.uniform(0, 2 * math.pi, (groups, 1)) + np.arange(views) * 2 * math.pi / views
    azimuth = np.where(rng.random((groups, 1)) < 0.75, even, rng.uniform(0, 2 * math.pi, shape))
    alone = rng.random((groups, 1)) < 0.4
    level, sphere = rng.uniform(-12, 55, shape), np.degrees(np.arcsin(rng.uniform(-0.5, 1, shape)))
    elevation = np.radians(np.where(rng.random(shape) < 0.8, level, sphere))
    elevation = np.where(alone, elevation, elevation[:, :1])
    if views >= 12:
        rings = two_rings(rng, groups, views)
        azimuth, elevation = np.where(alone, (azimuth, elevation), rings)
    fovy = np.radians(rng.uniform(30, 50, (groups, 1))) + np.zeros(shape)
    distance = rng.uniform(0.92, 1.15, (groups, 1)) / np.sin(fovy / 2)
    return tuple(a.ravel() for a in (azimuth % (2 * math.pi), elevation, distance, fovy))


def two_rings(rng: np.random.Generator, groups: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and elevation of groups that stand as whole sets of views are sampled: two thirds evenly around
    the object near eye level, the rest evenly around it from 25 to 45 degrees higher.
    """
    high = views // 3
    azimuth = [
        rng.uniform(0, 2 * math.pi, (groups, 1)) + np.arange(n) * 2 * math.pi / n
        for n in (views - high, high)
    ]
    elevation = np.radians(rng.uniform(0, 30, (groups, 1))) + np.zeros((groups, views))
    elevation[:, views - high :] += np.radians(rng.uniform(25, 45, (groups, 1)))
    return np.concatenate(azimuth, axis=1), elevation


def picture(
    corpus: Corpus, index: int, cameras: tuple[np.ndarray, ...], size: int
) -> Float[np.ndarray, "n S S 8"]:
    """Photographs of one object of the corpus."""
    return render_views(*corpus.mesh(index), *cameras, size=size)


class Batches(Dataset):
    """Batch number `step` of a training, sampled from the objects that are not held out."""

    def __init__(self, corpus: Corpus, first_caption: np.ndarray, config: BatchConfig, seed: int) -> None:
        self.corpus, self.first_caption, self.config, self.seed = corpus, first_caption, config, seed
        usable = [np.flatnonzero((corpus.source == s) & ~corpus.held_out) for s in range(3)]
        share = np.array([s if len(u) else 0.0 for s, u in zip(config.shares, usable, strict=True)])
        self.sources, self.share = usable, share / share.sum()

    def __getitem__(self, step: int) -> TrainingBatch:
        rng = np.random.default_rng((self.seed, step))
        views = 1 if rng.random() < self.config.single else int(rng.choice(self.config.views))
        groups = self.config.images // views
        cameras = sample_cameras(rng, groups, views)
        images, captions = [], []
        for group in range(groups):
            index = int(rng.choice(self.sources[rng.choice(3, p=self.share)]))
            rows = slice(group * views, (group + 1) * views)
            images.append(picture(self.corpus, index, tuple(c[rows] for c in cameras), self.config.size))
            captions.append(self.first_caption[index] + rng.integers(len(self.corpus.captions[index])))
        pictures = torch.from_numpy(np.concatenate(images))
        x = to_model_space(pictures[..., :3], pictures[..., 3:4], pictures[..., 4:5])
        azimuth, elevation, distance, fovy = (torch.from_numpy(c).float() for c in cameras)
        return TrainingBatch(x, azimuth, elevation, distance, fovy, torch.tensor(captions))
