"""Pretrained priors are tested offline, with a cache of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from priors import tiny


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HF_HUB_OFFLINE as it is read when huggingface_hub is imported, and an empty cache of prompts."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("dreamlab.priors.diffusers.prompt_cache.cache_folder", lambda: cache)
    return cache


@pytest.fixture(autouse=True)
def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Precision "auto" is float32 on any processor, so that results can be compared closely."""
    monkeypatch.setattr("dreamlab.priors.diffusers.source.has_bfloat16_units", lambda _: False)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Stable Diffusion; tests that change it take `copy`."""
    return tiny.stable_diffusion(tmp_path_factory.mktemp("good"))


@pytest.fixture()
def copy(good: Path, tmp_path: Path) -> Path:
    return shutil.copytree(good, tmp_path / "model")
