"""Priors that serve many runs: each run is the one that it would have been with priors of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from known import red_ball_prior, small_config
from priors import tiny

from dreamlab.priors.diffusers.image_space import LatentSpace
from dreamlab.priors.diffusers.stable_diffusion import StableDiffusionPriorConfig
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.begin import new_run
from dreamlab.run.config import RunConfig
from dreamlab.run.events import Step
from dreamlab.run.pipeline import generate
from dreamlab.run.prior_cache import Build, PriorCache, build_prior
from dreamlab.run.run_dir import RunDir

CPU = torch.device("cpu")
FILES = ("mesh.glb", "mesh.obj", "metrics.jsonl")


@pytest.fixture()
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for every embedded prior that is built; each is the one that knows a red ball."""
    log: list[str] = []

    def build(self: EmbeddedPriorConfig, device: Any = "cpu") -> Any:
        log.append(str(device))
        return red_ball_prior()

    monkeypatch.setattr(EmbeddedPriorConfig, "build", build)
    return log


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("model"))


@pytest.fixture()
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No prompts from disk."""
    monkeypatch.setattr("dreamlab.priors.diffusers.prompt_cache.cache_folder", lambda: tmp_path / "prompts")


def whole_run(root: Path, config: RunConfig, build: Build = build_prior) -> RunDir:
    run = new_run(config, root)
    assert list(generate(run.config(), run, build=build))
    return run


def result(run: RunDir) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in FILES}


def few(**changes: Any) -> RunConfig:
    return small_config(threads=1, stages={"shape": {"steps": 2}, "colour": {"steps": 2}}, **changes)


def test_runs_of_one_prior_are_those_of_priors_of_their_own(built: list[str], tmp_path: Path) -> None:
    configs = [few(seed=seed) for seed in (1, 2)]
    alone = [whole_run(tmp_path / "alone", config) for config in configs]
    assert len(built) == 2
    cache = PriorCache()
    shared = [whole_run(tmp_path / "shared", config, cache) for config in configs]
    assert len(built) == 3
    assert [result(run) for run in shared] == [result(run) for run in alone]
    facts = [(run.environment() or {})["prior"] for run in (*alone, *shared)]
    assert "given" not in facts[0] and "sha256" in facts[0] and facts == [facts[0]] * 4


@pytest.mark.parametrize("then", [PriorCache(), build_prior])
def test_a_run_goes_on_with_whichever_prior(built: list[str], tmp_path: Path, then: Build) -> None:
    reference = whole_run(tmp_path, few())
    run = new_run(few(), tmp_path)
    events = generate(run.config(), run, build=PriorCache())
    while not (isinstance(event := next(events), Step) and event.done == 3):
        pass
    events.close()
    steps = [event.done for event in generate(run.config(), run, build=then) if isinstance(event, Step)]
    assert steps == [4]
    assert result(run) == result(reference)


@pytest.mark.slow
def test_what_a_method_trains_stays_with_its_run(model: Path, prompts: None, tmp_path: Path) -> None:
    """A LoRA on the network's own weights: the next run finds the network as it was loaded."""
    tiny_prior = {"kind": "stable-diffusion", "model": str(model), "resolution": 32}
    config = few(prior=tiny_prior, guidance={"kind": "vsd", "learning_rate": 0.01})
    alone = whole_run(tmp_path / "alone", config)
    cache = PriorCache()
    first = whole_run(tmp_path / "shared", config, cache)
    prior = cache(config.prior, CPU)
    second = whole_run(tmp_path / "shared", config, cache)
    assert cache(config.prior, CPU) is prior
    assert result(first) == result(second) == result(alone)
    fresh = config.prior.build("cpu")
    for part in ("network", "space.vae"):
        mine, theirs = (_part(p, part).state_dict() for p in (prior, fresh))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def _part(prior: Any, path: str) -> Any:
    for name in path.split("."):
        prior = getattr(prior, name)
    return prior


def test_only_the_priors_used_last_are_kept(built: list[str]) -> None:
    cache = PriorCache(size=2)
    one, two, three = (EmbeddedPriorConfig(views_per_group=n) for n in (1, 2, 3))
    first, second = cache(one, CPU), cache(two, CPU)
    assert cache(one, CPU) is first
    cache(three, CPU)
    assert cache(one, CPU) is first and len(built) == 3
    assert cache(two, CPU) is not second and len(built) == 4


def test_another_device_is_another_prior(built: list[str]) -> None:
    cache = PriorCache()
    assert cache(EmbeddedPriorConfig(), CPU) is not cache(EmbeddedPriorConfig(), torch.device("cpu", 0))
    assert built == ["cpu", "cpu:0"]


def test_files_that_have_changed_are_read_again(built: list[str], tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"old")
    cache, config = PriorCache(), EmbeddedPriorConfig(weights=weights)
    prior = cache(config, CPU)
    assert cache(config, CPU) is prior
    weights.write_bytes(b"newer")
    assert cache(config, CPU) is not prior


def test_files_within_folders_count_too(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StableDiffusionPriorConfig, "build", lambda self, device: red_ball_prior())
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    cache, config = PriorCache(), StableDiffusionPriorConfig(model=str(model), vae=str(tmp_path))
    prior = cache(config, CPU)
    assert cache(config, CPU) is prior
    (tmp_path / "vae" / "config.json").write_text('{"other": 1}')
    assert cache(config, CPU) is not prior


def test_a_prior_that_a_run_has_changed_is_built_anew(model: Path, prompts: None) -> None:
    """A VAE that overflowed goes on in float32; the next run begins in its own precision again."""
    cache, config = PriorCache(), StableDiffusionPriorConfig(model=str(model), vae_dtype="bfloat16")
    prior: Any = cache(config, CPU)
    assert cache(config, CPU) is prior
    assert isinstance(prior.space, LatentSpace)
    prior.space._gradient_broke = True
    with pytest.warns(UserWarning, match="goes on in float32"):
        prior.space.encode(torch.zeros(1, 3, 32, 32))
    again: Any = cache(config, CPU)
    assert again is not prior and again.space.dtype == torch.bfloat16


def test_prompts_of_earlier_runs_are_forgotten(model: Path, prompts: None) -> None:
    """How prompts are batched decides their last digits: a run encodes those that it would encode alone."""
    cache = PriorCache()
    config = StableDiffusionPriorConfig(model=str(model), cache_prompts=False)
    batches: list[list[str]] = []
    for _ in range(2):
        prior: Any = cache(config, CPU)
        encode = prior.prompts._encode
        prior.prompts._encode = lambda texts, encode=encode: (batches.append(texts), encode(texts))[1]
        prior.embed(["", "a red mushroom"])
        prior.embed(["a red mushroom"])
        prior.prompts._encode = encode
    assert batches == [["", "a red mushroom"]] * 2


def test_a_prior_that_cannot_be_built_leaves_no_trace(tmp_path: Path) -> None:
    cache, config = PriorCache(), EmbeddedPriorConfig(weights=tmp_path / "none.safetensors")
    for _ in range(2):
        with pytest.raises(Exception, match="no weights"):
            cache(config, CPU)
