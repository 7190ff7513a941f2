"""Every figure has a known answer planted: real photographs reach the ceiling, mirrored, turned or repainted
ones fail where they must and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.core.types import Cameras
from dreamlab.evaluate.camera_fidelity import camera_fidelity
from dreamlab.evaluate.classifier import Judge, judge_of, reframed, sample_labelled_images, train_judge
from dreamlab.evaluate.measure import (
    binding,
    labelled_images,
    measure_sampler,
    mistaken,
    naming,
    real_pictures,
)
from dreamlab.evaluate.objects import judge_objects, majority, seen
from dreamlab.evaluate.prompts import (
    HELD_OUT,
    VIEWS,
    EvalPrompt,
    MeasureConfig,
    prior_sampler,
    render_shape,
    ring,
    rings,
    sample_prompts,
    visible,
)
from dreamlab.mesh.io.parts import FlatMesh
from dreamlab.priors.embedded.model_space import to_model_space
from dreamlab.priors.embedded.prior import EmbeddedPrior
from dreamlab.priors.embedded.unet import UNet, UNetConfig
from dreamlab.studio import shapes
from dreamlab.studio.render import render_views

NOUNS = ("banana", "car", "snowman")
WORDS = [c.word for c in shapes.COLORS]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(sample_labelled_images(NOUNS, 20, 6, (HELD_OUT, 1)), NOUNS, epochs=12)


@pytest.fixture(scope="module")
def prompts() -> list[EvalPrompt]:
    return sample_prompts(NOUNS, 12, (1,))


@pytest.fixture(scope="module")
def real(prompts: list[EvalPrompt]) -> Tensor:
    return real_pictures(prompts, NOUNS, 5)


def parsed(phrase: str) -> tuple[shapes.ColorWord, str]:
    words = phrase.split(" ", 1)[1]
    color = max((c for c in shapes.COLORS if words.startswith(c.word + " ")), key=lambda c: len(c.word))
    return color, words.removeprefix(color.word + " ")


def photographs(
    repaint: Callable[[list[shapes.ColorWord]], list[shapes.ColorWord]] = list,
) -> Callable[[Sequence[str], Cameras, int], Tensor]:
    """A sampler that answers with photographs of real objects, in other colours if asked to."""

    def draw(prompts: Sequence[str], cameras: Cameras, seed: int) -> Tensor:
        out = []
        for number in range(0, len(prompts), VIEWS):
            rng = np.random.default_rng((1, seed, number))
            things = [parsed(phrase) for phrase in prompts[number].split(" on ")]
            colors, nouns = repaint([c for c, _ in things]), tuple(n for _, n in things)
            if len(things) == 1:
                shape = shapes.make(rng, nouns[0], colors[0])
            else:
                shape = shapes.scene(rng, "on", (nouns[0], nouns[1]), (colors[0], colors[1]))
            out.append(render_shape(shape, cameras[number : number + VIEWS]))
        return torch.cat(out)

    return draw


@pytest.mark.slow
def test_a_judge_learns_what_it_is_shown(judge: Judge) -> None:
    fresh = sample_labelled_images(NOUNS, 8, 4, (2,))
    for channels in ("color", "form"):
        assert (judge.look(fresh.x, channels).noun.argmax(1) == fresh.noun).float().mean() > 0.8


def test_real_photographs_reach_every_ceiling(judge: Judge) -> None:
    config = MeasureConfig(nouns=NOUNS, prompts=8, scenes=0)
    figures = measure_sampler(photographs(), config, judge)
    for name in ("noun", "form_noun", "color_near"):
        assert float(str(figures[f"{name}_ceiling"])) > 0.6, name
        assert float(str(figures[f"{name}_ratio"])) > 0.8, name
    for name in ("left_right", "front_back"):
        assert float(str(figures[name])) > 0.9 and float(str(figures[f"{name}_ceiling"])) > 0.9
    assert "binding" not in figures and "colors_mistaken" in figures


def test_real_objects_wear_their_own_colours_and_swapped_ones_do_not() -> None:
    config = MeasureConfig(nouns=("apple", "table"), scenes=12)
    right, ceiling = binding(photographs(), config)
    swapped, _ = binding(photographs(lambda colors: colors[::-1]), config)
    assert right > 0.8 and ceiling > 0.8 and swapped < 0.3


def test_other_colours_fail_in_colour_alone(judge: Judge, prompts: list[EvalPrompt], real: Tensor) -> None:
    shifted = [q._replace(color=(q.color + 7) % len(WORDS)) for q in prompts]
    right = naming(judge, labelled_images(real, prompts))
    wrong = naming(judge, labelled_images(real_pictures(shifted, NOUNS, 5), prompts))
    assert wrong["color"] < 0.4 * right["color"] and wrong["noun"] > 0.8 * right["noun"]
    (common, count), *_ = mistaken(judge, labelled_images(real_pictures(shifted, NOUNS, 5), prompts)).items()
    assert count > 1 and " > " in common


def test_other_nouns_fail_in_noun(judge: Judge, prompts: list[EvalPrompt], real: Tensor) -> None:
    shifted = [q._replace(noun=(q.noun + 1) % len(NOUNS)) for q in prompts]
    wrong = naming(judge, labelled_images(real, shifted))
    assert wrong["noun"] < 0.2 and wrong["form_noun"] < 0.2


def test_a_reframed_picture_is_what_a_moved_camera_photographs() -> None:
    """Through a lens so long that there is no perspective."""
    shape = shapes.make(np.random.default_rng(3), "car", shapes.COLORS[0])
    still = np.array([0.0]), np.array([0.3])
    far = 1.25 / math.tan(0.01)
    lens = np.array([far]), np.array([0.02])
    aside = np.array([[0.25, 0.0, 0.0]])

    def pictured(distance: np.ndarray, offset: np.ndarray) -> Tensor:
        out = render_views(
            shape.vertices, shape.faces, shape.face_colors, *still, distance, lens[1], offset=offset, size=64
        )
        out = torch.from_numpy(out)
        return to_model_space(out[..., :3], out[..., 3:4], out[..., 4:5])

    x, wanted = pictured(lens[0], 0 * aside), pictured(lens[0] / 1.1, aside)
    # The camera stands 0.25 to the right, so the object 0.25 / 1.25 to the left, and 1.1 times as far.
    got = reframed(x, torch.tensor([0.1]), torch.tensor([[-0.22, 0.0]]), torch.zeros(1))
    assert (got - wanted)[:, :4].abs().mean() < 0.02 < 0.1 < (x - wanted)[:, :4].abs().mean()
    nearer = reframed(x, torch.zeros(1), torch.zeros(1, 2), torch.tensor([0.3]))
    solid = x[:, 3] > 0.99
    assert torch.allclose(nearer[:, 4][solid], x[:, 4][solid] + 0.3, atol=1e-2)
    assert torch.allclose(nearer[:, :4], x[:, :4], atol=1e-5)


def test_mirrored_views_fail_left_and_right(prompts: list[EvalPrompt], real: Tensor) -> None:
    found = camera_fidelity(real.flip(-1), prompts, NOUNS, objects=6)
    assert found["left_right"] < 0.1 and found["left_right_ceiling"] > 0.9
    assert found["iou_mirrored"] > found["iou_asked"] + 0.05
    assert found["iou_asked_ceiling"] > found["iou_mirrored_ceiling"] + 0.05


def test_views_from_behind_fail_front_and_back(prompts: list[EvalPrompt], real: Tensor) -> None:
    behind = real.view(-1, VIEWS, *real.shape[1:]).roll(2, dims=1).flatten(0, 1)
    found = camera_fidelity(behind, prompts, NOUNS, objects=6)
    assert found["front_back"] < 0.1 and found["front_back_ceiling"] > 0.9


def test_a_prior_that_ignores_the_camera_is_no_better_than_chance(prompts: list[EvalPrompt]) -> None:
    cameras = ring(1, 0.5)
    rng = np.random.default_rng(3)
    same = torch.cat([render_shape(q.real(NOUNS, rng), cameras).expand(VIEWS, -1, -1, -1) for q in prompts])
    found = camera_fidelity(same, prompts, NOUNS, objects=6)
    assert 0.3 < found["left_right"] < 0.7 and 0.3 < found["front_back"] < 0.7


def test_nouns_without_a_side_are_not_asked() -> None:
    round_things = sample_prompts(("orange",), 4, (2,))
    found = camera_fidelity(real_pictures(round_things, ("orange",), 0), round_things, ("orange",))
    assert found["sides_asked"] == 0 and math.isnan(found["left_right"]) and math.isnan(found["iou_asked"])


@pytest.mark.slow
def test_objects_reach_the_ceiling_and_others_and_missing_ones_do_not(
    judge: Judge, prompts: list[EvalPrompt]
) -> None:
    made = [q.real(NOUNS, np.random.default_rng((2, i))) for i, q in enumerate(prompts)]
    meshes = [seen(FlatMesh(s.vertices, s.faces, s.face_colors)) for s in made]
    good, answers = judge_objects(judge, meshes, prompts, copies=1)
    assert (
        good["noun_ratio"] > 0.8 and good["form_noun_ratio"] > 0.8 and good["noun"] >= good["noun_view"] - 0.1
    )
    assert answers[0].keys() == {"noun", "color", "form_noun"}
    half = [mesh if i % 2 else None for i, mesh in enumerate(meshes)]
    missing, answers = judge_objects(judge, half, prompts, copies=1)
    assert missing["noun"] <= 0.5 and answers[0] == {} and answers[1] != {}
    none, _ = judge_objects(judge, [None] * len(prompts), prompts, copies=1)
    assert none["noun"] == 0 and none["noun_ceiling"] > 0.6
    others = [q._replace(noun=(q.noun + 1) % len(NOUNS)) for q in prompts]
    assert judge_objects(judge, meshes, others, copies=1)[0]["noun"] < 0.2


def test_the_majority_decides_and_the_surer_side_where_there_is_none() -> None:
    votes = torch.tensor([[[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]], [[0.5, 0.5], [0.1, 0.9], [0.6, 0.4]]])
    assert majority(votes).tolist() == [0, 0]
    assert majority(torch.tensor([[[0.6, 0.4], [0.1, 0.9]]])).tolist() == [1]


def test_what_no_screen_can_show_is_clipped_and_the_rest_is_kept(real: Tensor) -> None:
    torch.testing.assert_close(visible(real), real)
    wild = torch.tensor([1.5, -2.0, 0.2, -0.4, 3.0]).view(1, 5, 1, 1)
    torch.testing.assert_close(visible(wild).flatten(), torch.tensor([-0.4, -1.0, -0.4, -0.4, 3.0]))


def test_many_prompts_are_sampled_together_and_each_view_gets_its_own() -> None:
    class Echo(EmbeddedPrior):
        """Answers with the first number of its condition and the sine of its camera."""

        sizes: tuple[int, ...] = ()

        def denoise(self, z_t, t, condition, views=None):
            Echo.sizes += (len(z_t),)
            output = torch.zeros_like(z_t)
            output[:, 4] = condition.pooled[:, 0].view(-1, 1, 1)
            if views is not None:
                output[:, 3] = views.cameras.azimuth.sin().view(-1, 1, 1)
            return output

    prior = Echo(UNet(UNetConfig(channels=(16, 16, 16), embedding=32, head=16)))
    config = MeasureConfig(steps=2, batch=2, guidance_scale=1.0)
    prompts, cameras = ["a cat", "a dog", "a cat"], rings([0.1, 0.7, 1.3])
    x = prior_sampler(prior, config)([p for p in prompts for _ in range(VIEWS)], cameras, 0)
    assert set(Echo.sizes) == {8, 4}
    pooled = prior.embed(prompts).pooled
    assert pooled is not None
    torch.testing.assert_close(x[:, 4, 0, 0], pooled[:, 0].repeat_interleave(VIEWS), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(x[:, 3, 0, 0], cameras.azimuth.sin(), atol=1e-4, rtol=1e-3)


def test_a_kept_judge_is_the_same_and_another_one_is_refused(tmp_path: Path) -> None:
    config, path = MeasureConfig(nouns=("banana", "car"), judge_objects=2), tmp_path / "judge.safetensors"
    first, again = judge_of(config, path), judge_of(config, path)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    with pytest.raises(InputError, match="another judge"):
        judge_of(MeasureConfig(nouns=("banana", "mug"), judge_objects=2), path)
    path.write_bytes(b"no judge at all")
    with pytest.raises(DamagedError, match="no judge"):
        judge_of(config, path)
