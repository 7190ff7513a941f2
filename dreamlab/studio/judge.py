"""The judge of generated images and objects: a small classifier that has only ever seen held-out renders.

It answers three questions of a 64x64 picture: which noun, which colour word, and from which of eight sides.
Two judges
are trained: one on colour and opacity, one on opacity and relief alone (form without colour).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from dreamlab.priors.embedded import has_matrix_units, to_model_space
from dreamlab.priors.unet import channels_last
from dreamlab.studio import shapes
from dreamlab.studio.batches import draw_cameras
from dreamlab.studio.photograph import photograph

SIDES = 8
COLOUR_CHANNELS = (0, 1, 2, 3)
FORM_CHANNELS = (3, 4)


@dataclass(frozen=True)
class Exam:
    """Photographs with their answers: x [n,5,S,S] in model space; noun, colour and side are class numbers
    [n].
    """

    x: Float[Tensor, "n 5 S S"]
    noun: Int[Tensor, " n"]
    colour: Int[Tensor, " n"]
    side: Int[Tensor, " n"]


def side_of(azimuth: np.ndarray) -> np.ndarray:
    """Which eighth of the circle an azimuth lies in; side 0 is centred on the front."""
    return np.floor(azimuth / (2 * math.pi) * SIDES + 0.5).astype(np.int64) % SIDES


def draw_exam(
    nouns: tuple[str, ...], objects: int, views: int, seed: tuple[int, ...], size: int = 64
) -> Exam:
    """Photographs of `objects` fresh procedural objects a noun, in random colours, from random sides."""
    images, answers = [], []
    for number, noun in enumerate(nouns):
        for copy in range(objects):
            rng = np.random.default_rng((*seed, number, copy))
            colour = int(rng.integers(len(shapes.COLOURS)))
            shape = shapes.make(rng, noun, shapes.COLOURS[colour])
            cameras = draw_cameras(rng, 1, views)
            images.append(photograph(shape.vertices, shape.faces, shape.face_colours, *cameras, size=size))
            answers += [(number, colour, side) for side in side_of(cameras[0])]
    pictures = torch.from_numpy(np.concatenate(images))
    noun, colour, side = torch.tensor(answers).T
    return Exam(to_model_space(pictures[..., :3], pictures[..., 3:4], pictures[..., 4:5]), noun, colour, side)


class Judge(nn.Module):
    """Four strided convolutions and three heads over chosen channels of a model-space picture."""

    def __init__(self, nouns: int, channels: tuple[int, ...], width: int = 48) -> None:
        super().__init__()
        self.channels = list(channels)
        widths = (len(channels), width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.GroupNorm(8, outputs), nn.SiLU()]
            layers += [nn.Conv2d(outputs, outputs, 3, 1, 1), nn.GroupNorm(8, outputs), nn.SiLU()]
        self.trunk = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.3))
        features = 16 * width
        self.noun = nn.Linear(features, nouns)
        self.colour = nn.Linear(features, len(shapes.COLOURS))
        self.side = nn.Linear(features, SIDES)

    def forward(self, x: Float[Tensor, "n 5 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of noun, colour and side."""
        features = self.trunk(x[:, self.channels].contiguous(memory_format=torch.channels_last))
        return self.noun(features), self.colour(features), self.side(features)

    @torch.no_grad()
    def answers(self, x: Float[Tensor, "n 5 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """The likeliest noun, colour and side of each picture."""
        self.eval()
        parts = [torch.stack([logits.argmax(1) for logits in self(rows)]) for rows in x.split(256)]
        noun, colour, side = torch.cat(parts, dim=1)
        return noun, colour, side


def _worn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures as a generator might leave them: a little blurred and noisy, so that the judge looks at the
    object.
    """
    blurred = F.avg_pool2d(x, 3, 1, 1)
    amount = torch.rand(len(x), 1, 1, 1, generator=generator)
    noise = (
        torch.randn(x.shape, generator=generator) * 0.12 * torch.rand(len(x), 1, 1, 1, generator=generator)
    )
    return torch.lerp(x, blurred, amount) + noise


def train_judge(exam: Exam, channels: tuple[int, ...], nouns: int, epochs: int = 6, seed: int = 0) -> Judge:
    """Train a judge on an exam with its answers. One cosine-decayed AdamW run, bfloat16 where it is fast."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    judge = Judge(nouns, channels).train()
    channels_last(judge)
    batch = 128
    steps = max(1, epochs * (len(exam.x) // batch))
    adam = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, steps + 1, pct_start=0.1)
    order = torch.cat([torch.randperm(len(exam.x), generator=generator) for _ in range(epochs + 1)])
    for step in range(steps):
        rows = order[step * batch : (step + 1) * batch]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_matrix_units("cpu")):
            noun, colour, side = judge(_worn(exam.x[rows], generator))
        loss = F.cross_entropy(noun.float(), exam.noun[rows], label_smoothing=0.05)
        loss = loss + 0.5 * F.cross_entropy(colour.float(), exam.colour[rows])
        loss = loss + 0.5 * F.cross_entropy(side.float(), exam.side[rows])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        schedule.step()
    return judge.eval()
