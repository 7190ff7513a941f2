"""Training of the embedded prior: v-prediction on renders of the corpus, with a moving average and exact
resume.

v-prediction: Salimans & Ho 2022, appendix D. Captions and cameras are dropped at random, separately and
together, so that both can be guided (Ho & Salimans 2022).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader

from dreamlab.priors.embedded.prior import (
    alpha_sigma,
    by_channel,
    camera_conditions,
    log_snr,
    save_network,
)
from dreamlab.priors.embedded.unet import UNet, UNetConfig, channels_last
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.priors.precision import has_bfloat16_units
from dreamlab.studio.batches import BatchConfig, Batches, TrainingBatch
from dreamlab.studio.captions import CaptionTable
from dreamlab.studio.corpus import Corpus
from dreamlab.studio.muon import Muon
from dreamlab.studio.training_log import TrainEvent, forget, log
from dreamlab.studio.vocabulary_counts import corpus_counts

_ENDS = ("enter.", "leave.", "embed.0.")
_ENDS += tuple(f"light_field.{end}" for end in _ENDS)
"""Where the network begins and ends: these learn by AdamW, for their rows and columns are no equals."""

PICTURE_LEVELS = (0.0, 0.4)
"""Noise levels of pictures, between these shares of their group's."""


class TrainConfig(BaseModel):
    """Everything that decides a training; saved with it, so that resuming needs nothing else.

    decay: steps between which the learning rate falls linearly to nothing, or None. level_power: noise levels
    are sampled as u ** level_power, u uniform, so below 1 the noisy half, where objects take shape, is seen
    more often.
    drop: share of groups that lose only the text, only the camera, and both, each.
    pictures: share of groups of several views whose first view is a picture beside which the others are made:
    its colour and opacity have PICTURE_LEVELS times the group's noise level, its depth, which no picture
    tells, the group's own.
    mean_first: steps at the beginning in which only the mean pictures are learned. They cost a quarter of the
    others, and the rest of the network has something to begin from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: UNetConfig = UNetConfig()
    batch: BatchConfig = BatchConfig()
    learning_rate: float = Field(default=5e-4, gt=0)
    warmup: int = Field(default=300, ge=1)
    decay: tuple[int, int] | None = None
    level_power: float = Field(default=0.6, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    drop: float = Field(default=0.06, ge=0, le=0.3)
    pictures: float = Field(default=0.0, ge=0, le=1)
    mean_first: int = Field(default=1000, ge=0)
    seed: int = 0


class Trainer:
    """Network, its moving average and the optimisers' moments; `steps` trains, `save` and `load` keep them on
    disk.
    """

    def __init__(self, config: TrainConfig, device: torch.device | str = "cpu") -> None:
        self.config, self.device, self.step = config, torch.device(device), 0
        self._counts = (Vocabulary(), 0, Vocabulary())  # before a step, that step, by each step since
        torch.manual_seed(config.seed)
        self.network = UNet(config.network).to(device)
        channels_last(self.network)
        self.average = {name: p.detach().clone() for name, p in self.network.state_dict().items()}
        inner = {n: p for n, p in self.network.named_parameters() if p.ndim > 1 and not n.startswith(_ENDS)}
        outer = {n: p for n, p in self.network.named_parameters() if n not in inner}
        lr, decay = config.learning_rate, 0.01
        bfloat16 = has_bfloat16_units(device)
        muon = Muon(inner.values(), lr, weight_decay=decay, bfloat16=bfloat16)
        adam = torch.optim.AdamW(outer.values(), lr, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        self.optimisers: tuple[tuple[Mapping[str, Tensor], torch.optim.Optimizer], ...]
        self.optimisers = ((inner, muon), (outer, adam))
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)

    def begin_from(self, network: UNet, vocabulary: Vocabulary | None = None) -> None:
        """Take over the weights of a trained network of the same shape, and its vocabulary; step count
        and moments begin anew.
        """
        self._counts = (vocabulary or Vocabulary(), self.step, Vocabulary())
        self.network.load_state_dict(network.state_dict())
        self.average = {name: p.detach().clone() for name, p in self.network.state_dict().items()}

    @property
    def vocabulary(self) -> Vocabulary:
        """What the network was trained on up to now, earlier trainings included."""
        before, step, each = self._counts
        return before.plus(each, times=self.step - step)

    def steps(
        self, corpus: Corpus, until: int, captions: CaptionTable | None = None, workers: int = 1
    ) -> Iterator[TrainEvent]:
        """Train up to step `until`.

        captions: those of the corpus, if they are encoded already. workers: processes that take pictures; a
        core takes about a thousand in a second, and a fast GPU learns from ten times as many.
        """
        table = (captions or CaptionTable(corpus)).to(self.device)
        batches = Batches(corpus, table.first, self.config.batch, self.config.seed)
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(self.step, until),
            num_workers=workers,
            prefetch_factor=4 if workers == 1 else 2,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_leave_stopping_to_the_parent,
        )
        self._counts = (self.vocabulary, self.step, corpus_counts(batches))
        start = time.perf_counter()
        for views in loader:
            by_level = self._update(TrainingBatch(*views), table)
            self.step += 1
            end = time.perf_counter()
            yield TrainEvent(self.step, by_level, end - start)
            start = end

    def _update(self, views: TrainingBatch, table: CaptionTable) -> Float[Tensor, " 4"]:
        config, device = self.config, self.device
        # What decides shapes is drawn on the CPU, so that a GPU never has to be waited for.
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        groups = len(views.caption)
        per_group = len(views.x) // groups
        fate = torch.rand(groups, generator=random)
        captions = torch.where(fate < 2 * config.drop, table.empty, table.row[views.caption])
        known = ((fate < config.drop) | (fate >= 3 * config.drop)).repeat_interleave(per_group)
        condition = table[captions.repeat_interleave(per_group)]
        level = torch.rand(groups, generator=random).pow(config.level_power)
        t = level.mul(0.998).add(0.001).repeat_interleave(per_group)
        noise = torch.randn(views.x.shape, generator=self._random_on_device(random), device=device)
        colors_t = self._with_pictures(t, per_group, random)
        x, t, colors_t, known = (part.to(device, non_blocking=True) for part in (views.x, t, colors_t, known))
        cameras = views.cameras().to(device)
        camera, rays = camera_conditions(cameras, config.network.image_size // config.network.patch)
        tokens, mask, pooled = condition.tokens, condition.mask, condition.pooled
        assert pooled is not None

        alpha, sigma = by_channel(alpha_sigma(colors_t), alpha_sigma(t), x.shape[1])
        for _, optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            optimiser.param_groups[0]["lr"] = self.rate()
        with self.autocast:
            z = alpha * x + sigma * noise
            conditioning = (tokens, mask, pooled, camera, rays, known)
            mean = self.network.conditional_mean(*conditioning)
            error = (mean.float() - x).square().mean(dim=(1, 2, 3))
            loss = error.mean()
            if self.step >= config.mean_first:
                mean = mean.detach()  # an average it shall stay, not a channel for anything else
                v = self.network(z, mean, log_snr(colors_t), *conditioning, per_group)
                error = (v.float() - (alpha * noise - sigma * x)).square()
                # what a picture shows is known: of it only the depth is asked
                error[:, :4] *= (colors_t == t).view(-1, 1, 1, 1)
                error = error.mean(dim=(1, 2, 3))
                loss = loss + error.mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for _, optimiser in self.optimisers:
            optimiser.step()
        self._follow()
        bands = one_hot((t * 4).long().clamp_max(3), 4).float()
        return error.detach() @ bands / bands.sum(0)

    def _with_pictures(
        self, t: Float[Tensor, " B"], per_group: int, random: torch.Generator
    ) -> Float[Tensor, " B"]:
        """The levels of colour and opacity: those of the groups, but for views that are pictures."""
        if per_group == 1 or self.config.pictures == 0:
            return t
        groups = len(t) // per_group
        shown = torch.rand(groups, generator=random) < self.config.pictures
        low, high = PICTURE_LEVELS
        share = low + (high - low) * torch.rand(groups, generator=random)
        levels = t.clone().view(groups, per_group)
        levels[:, 0] *= torch.where(shown, share, 1.0)
        return levels.view(-1).clamp_min(1e-3)

    def _random_on_device(self, random: torch.Generator) -> torch.Generator:
        """The CPU's own generator there, elsewhere one that begins from it."""
        if self.device.type == "cpu":
            return random
        return torch.Generator(self.device).manual_seed(int(torch.randint(2**62, (), generator=random)))

    def rate(self) -> float:
        """The learning rate of the next step."""
        rate = self.config.learning_rate * min(1.0, (self.step + 1) / self.config.warmup)
        if self.config.decay is not None:
            start, end = self.config.decay
            rate *= min(1.0, max(0.0, (end - self.step) / (end - start)))
        return rate

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        state = self.network.state_dict()
        now = [state[name] for name in self.average]
        averages = list(self.average.values())
        torch._foreach_lerp_(averages, now, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    def save(self, folder: Path) -> None:
        """Write state and EMA weights; a crash at any moment leaves the previous ones whole."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        state |= {f"average.{k}": v for k, v in self.average.items()}
        for parameters, optimiser in self.optimisers:
            for name, parameter in parameters.items():
                state |= {f"{key}:{name}": value for key, value in optimiser.state[parameter].items()}
        partial = folder / "training.partial"
        meta = {"step": str(self.step), "config": self.config.model_dump_json()}
        meta["vocabulary"] = self.vocabulary.model_dump_json()
        save_file({k: v.contiguous() for k, v in state.items()}, partial, metadata=meta)
        partial.replace(folder / "training.safetensors")
        save_network(folder / "embedded.safetensors", self.config.network, self.average, self.vocabulary)

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu", config: TrainConfig | None = None) -> Trainer:
        """Go on from what `save` wrote; a config given here replaces the saved one (new rates, shares,
        corpus).
        """
        from safetensors import safe_open

        path = folder / "training.safetensors"
        with safe_open(path, "pt") as file:
            meta = file.metadata()
        trainer = Trainer(config or TrainConfig.model_validate_json(meta["config"]), device)
        trainer.step = int(meta["step"])
        before = Vocabulary.model_validate_json(meta.get("vocabulary", "{}"))
        trainer._counts = (before, trainer.step, Vocabulary())
        state = load_file(path, device=str(device))
        trainer.network.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("network.")})
        trainer.average = {k[8:]: v for k, v in state.items() if k.startswith("average.")}
        for parameters, optimiser in trainer.optimisers:
            for entry, value in state.items():
                key, _, name = entry.partition(":")
                if name in parameters:
                    # Fused Adam walks memory, so the moments must lie as their parameter lies.
                    like = parameters[name]
                    laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
                    optimiser.state[like][key] = laid
        return trainer


def _leave_stopping_to_the_parent(worker: int) -> None:
    """Ctrl-C goes to all processes of a terminal; without its loader the parent cannot finish its step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def train(
    trainer: Trainer, corpus: Corpus, folder: Path, until: int, save_every: float = 180.0, workers: int = 1
) -> Generator[TrainEvent, None, None]:
    """Train, log every 20th step to log.jsonl, and save every `save_every` seconds and at the end. The
    encoded captions are kept in the folder for the next time. workers: see Trainer.steps.

    What the log holds of later steps, from a training that died after its last save, is dropped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forget(folder / "log.jsonl", trainer.step)
    saved, recent = time.monotonic(), []
    try:
        table = CaptionTable(corpus, folder / "captions.safetensors")
        for event in trainer.steps(corpus, until, table, workers):
            recent.append(event)
            if event.step % 20 == 0:
                log(folder / "log.jsonl", recent)
                recent = []
            if time.monotonic() - saved > save_every:
                trainer.save(folder)
                saved = time.monotonic()
            yield event
    finally:
        trainer.save(folder)
