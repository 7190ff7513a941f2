"""The judge of generated images and objects: a small classifier that has only ever seen held-out renders.

It classifies a 64x64 picture twice: which noun, and which colour word. One network looks in two ways,
at colour and outline or at outline and relative depth (form without colour), for it was trained with the
other channels blanked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from dreamlab.core.diffusion import per_image
from dreamlab.core.errors import DamagedError, InputError
from dreamlab.evaluate.prompts import HELD_OUT, MeasureConfig
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.studio import shapes
from dreamlab.studio.batches import sample_cameras
from dreamlab.studio.render import render_views

Channels = Literal["color", "form"]
_CHANNELS = {"color": (1.0, 1.0, 1.0, 1.0, 0.0), "form": (0.0, 0.0, 0.0, 1.0, 1.0)}
FORMAT = "dreamlab-judge-3"
_FRAMING = torch.tensor((0.1, 0.1, 0.1, 0.15))
"""How far size, place in the picture (half its side is 1) and relative depth are moved when a judge
learns."""


@dataclass(frozen=True)
class LabelledImages:
    """Photographs with their answers: x [n,5,S,S] in model space; noun and colour are class numbers [n]."""

    x: Float[Tensor, "n 5 S S"]
    noun: Int[Tensor, " n"]
    color: Int[Tensor, " n"]


class Prediction(NamedTuple):
    """Probabilities [n, classes] of nouns and colours."""

    noun: Tensor
    color: Tensor


def sample_labelled_images(
    nouns: Sequence[str], objects: int, views: int, seed: tuple[int, ...], size: int = 64
) -> LabelledImages:
    """Photographs of `objects` fresh procedural objects a noun, in random colours, from random sides; kept in
    half precision.
    """
    images, answers = [], []
    for number, noun in enumerate(nouns):
        for copy in range(objects):
            rng = np.random.default_rng((*seed, number, copy))
            color = int(rng.integers(len(shapes.COLORS)))
            shape = shapes.make(rng, noun, shapes.COLORS[color])
            cameras = sample_cameras(rng, 1, views)
            out = torch.from_numpy(
                render_views(shape.vertices, shape.faces, shape.face_colors, *cameras, size=size)
            )
            images.append(to_model_space(out[..., :3], out[..., 3:4], out[..., 4:5]).half())
            answers += [(number, color)] * views
    noun, color = torch.tensor(answers).T
    return LabelledImages(torch.cat(images), noun, color)


class Judge(nn.Module):
    """Patches of 4x4, four convolutions down to 4x4, and two heads."""

    mask: Tensor

    def __init__(self, nouns: Sequence[str], widths: tuple[int, int, int] = (48, 64, 128)) -> None:
        super().__init__()
        self.nouns = tuple(nouns)
        a, b, c = widths
        layers = [*_block(nn.Conv2d(5, a, 4, 4))]
        for inputs, outputs, stride in ((a, a, 1), (a, b, 2), (b, b, 1), (b, c, 2)):
            layers += _block(nn.Conv2d(inputs, outputs, 3, stride, 1))
        self.trunk = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.3))
        self.noun = nn.Linear(4 * c, len(self.nouns))
        self.color = nn.Linear(4 * c, len(shapes.COLORS))
        self.register_buffer("mask", torch.tensor(list(_CHANNELS.values()))[:, :, None, None])

    def forward(self, x: Float[Tensor, "n 5 S S"], channels: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
        """Logits of noun and colour; channels 0 looks at colour, 1 at form."""
        features = self.trunk(x.float() * self.mask[channels])
        return self.noun(features), self.color(features)

    @torch.no_grad()
    def look(self, x: Float[Tensor, "n 5 S S"], channels: Channels = "color") -> Prediction:
        """What each picture shows. Of colours, only the channels "color" count."""
        self.eval()
        number = list(_CHANNELS).index(channels)
        parts = [self(rows, torch.full((len(rows),), number)) for rows in x.split(256)]
        return Prediction(*(torch.cat(logits).softmax(1) for logits in zip(*parts, strict=True)))


def _block(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.GroupNorm(8, convolution.out_channels), nn.SiLU()]


def _worn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures as a generator might leave them: a little blurred and noisy, so that the judge looks at the
    object.
    """
    amount, noise = torch.rand(2, len(x), 1, 1, 1, generator=generator)
    worn = torch.lerp(x, F.avg_pool2d(x, 3, 1, 1), amount)
    return worn + torch.randn(x.shape, generator=generator) * 0.12 * noise


def reframed(
    x: Float[Tensor, "n 5 S S"],
    larger: Float[Tensor, " n"],
    aside: Float[Tensor, "n 2"],
    nearer: Float[Tensor, " n"],
) -> Float[Tensor, "n 5 S S"]:
    """The object larger by this share, to the right and down by shares of half the picture, and nearer by
    this much relative depth in model space.
    """
    nothing = x.new_tensor((-1.0, -1.0, -1.0, -1.0, 0.0))[:, None, None]
    back = torch.eye(2).expand(len(x), 2, 2) / per_image(1 + larger, x)[:, :, 0]
    grid = F.affine_grid(
        torch.cat([back, -(back @ aside[:, :, None])], dim=2), list(x.shape), align_corners=False
    )
    moved = F.grid_sample(x - nothing, grid, align_corners=False)
    relative_depth = per_image(1 + larger, x) * moved[:, 4:] + per_image(nearer, x) * moved[:, 3:4] / 2
    return torch.cat([moved[:, :4], relative_depth], dim=1) + nothing


def _moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture framed a little differently.

    Real objects fill the unit sphere to a hair. One that lost the tip of its tail and is then measured anew
    does not stand as they do, which must not make a bear of a dog.
    """
    larger, right, down, nearer = (torch.rand(4, len(x), generator=generator) * 2 - 1) * _FRAMING[:, None]
    return reframed(x, larger, torch.stack([right, down], 1), nearer)


def train_judge(labelled: LabelledImages, nouns: Sequence[str], epochs: int = 16, seed: int = 0) -> Judge:
    """Train a judge on labelled images: one cosine-decayed AdamW run, 8 steps an epoch or more."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    judge = Judge(nouns).train()
    batch = min(128, max(1, len(labelled.x) // 8))
    steps = epochs * (len(labelled.x) // batch)
    adam = torch.optim.AdamW(judge.parameters(), 3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, steps + 1, pct_start=0.1)
    order = torch.cat([torch.randperm(len(labelled.x), generator=generator) for _ in range(epochs)])
    for rows in order[: steps * batch].split(batch):
        channels = (torch.rand(batch, generator=generator) < 0.4).long()  # colour is the harder look
        noun, color = judge(_worn(_moved(labelled.x[rows].float(), generator), generator), channels)
        seen = channels == 0
        loss = F.cross_entropy(noun, labelled.noun[rows], label_smoothing=0.05)
        loss = loss + F.cross_entropy(color[seen], labelled.color[rows][seen])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        schedule.step()
    return judge.eval()


def judge_of(config: MeasureConfig, kept: Path | None = None) -> Judge:
    """A judge of the config's nouns, trained on renders that no prior was trained on.

    kept: where to keep it for the next time. Raises InputError for a file that holds a judge of other nouns.
    """
    from safetensors.torch import save_file

    judging = f"{FORMAT}; {config.judge_objects} objects of {', '.join(config.vocabulary)}"
    if kept is not None and kept.is_file():
        return _kept_judge(kept, judging, config.vocabulary)
    labelled = sample_labelled_images(config.vocabulary, config.judge_objects, 6, (HELD_OUT, 1))
    judge = train_judge(labelled, config.vocabulary)
    if kept is not None:
        partial = kept.with_suffix(".partial")
        save_file(judge.state_dict(), partial, metadata={"judging": judging})
        partial.replace(kept)
    return judge


def _kept_judge(path: Path, judging: str, nouns: Sequence[str]) -> Judge:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header, state = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise DamagedError(f"{path} holds no judge", got=str(error).splitlines()[0]) from error
    if header.get("judging") != judging:
        mend = "Name another file, or delete it to train a new judge"
        raise InputError(f"{path} holds another judge", mend=mend)
    judge = Judge(nouns)
    judge.load_state_dict(state)
    return judge.eval()
