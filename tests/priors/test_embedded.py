"""The embedded prior: what goes in and out, what it is told of cameras, and files that it must refuse."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import DamagedError
from dreamlab.core.types import Cameras, Condition, RenderOutput, Views
from dreamlab.priors.embedded.model_space import from_model_space, to_model_space
from dreamlab.priors.embedded.prior import (
    FORMAT,
    SHIPPED,
    EmbeddedPrior,
    EmbeddedPriorConfig,
    alpha_sigma,
    camera_conditions,
    load_network,
    read_vocabulary,
    relative_depth_of,
    save_network,
    write_vocabulary,
)
from dreamlab.priors.embedded.sampling import sample, sample_in_mean_color
from dreamlab.priors.embedded.text import MOST_TOKENS, encode_text
from dreamlab.priors.embedded.unet import UNet, UNetConfig
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.priors.protocols import HasConditionalMean, Prior

SMALL = UNetConfig(channels=(16, 16, 16), embedding=32, head=16)


def cameras(n: int, size: int = 64) -> Cameras:
    one = torch.ones(n)
    return orbit_cameras(torch.arange(n) * math.pi / 2, 0.3 * one, 3 * one, 0.7 * one, (size, size))


def random_network(seed: int = 0) -> UNet:
    """A network none of whose weights is zero, so that every input can be felt."""
    torch.manual_seed(seed)
    network = UNet(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def condition(n: int, seed: int = 0) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n, 5, 384, generator=generator)
    return Condition(tokens, torch.ones(n, 5, dtype=torch.bool), tokens.mean(1))


def denoised(prior: EmbeddedPrior, n: int, cameras: Cameras | None, seed: int = 0) -> torch.Tensor:
    z = torch.randn(n, 5, 64, 64, generator=torch.Generator().manual_seed(1))
    views = None if cameras is None else Views(z, cameras)
    return prior.denoise(z, torch.full((n,), 0.6), condition(n, seed), views)


def test_it_is_a_prior() -> None:
    prior = EmbeddedPrior(random_network())
    assert isinstance(prior, Prior) and isinstance(prior, HasConditionalMean)


def test_model_space_and_back_is_the_identity() -> None:
    parts = torch.rand(2, 8, 8, 3), torch.rand(2, 8, 8, 1), torch.rand(2, 8, 8, 1) * 2 - 1
    for before, after in zip(parts, from_model_space(to_model_space(*parts)), strict=True):
        torch.testing.assert_close(after, before)


def test_a_recoloured_object_has_the_others_mean_colour_and_its_own_pattern_and_shape() -> None:
    prior = EmbeddedPrior(random_network(), views_per_group=2)
    opacity = torch.rand(4, 6, 6, 1, generator=torch.Generator().manual_seed(0))
    red, blue = torch.tensor([0.6, 0.2, 0.2]), torch.tensor([0.2, 0.3, 0.7])
    pattern = torch.tensor([-0.1, 0.1]).repeat(3).view(1, 1, 6, 1)
    x = to_model_space(opacity * (red + pattern), opacity, 0 * opacity)
    like = to_model_space((opacity**3) * blue, opacity**3, 0 * opacity)  # another shape
    was, (shown, alpha, _) = from_model_space(x)[0], from_model_space(prior.with_mean_color_of(x, like))
    assert torch.allclose(alpha, opacity)
    for group in (slice(0, 2), slice(2, 4)):
        mean = shown[group].sum((0, 1, 2)) / opacity[group].sum()
        assert torch.allclose(mean, blue, atol=1e-5)
        moved = ((shown - was) / opacity)[group]  # by one straight colour
        assert torch.allclose(moved, moved[0, 0, 0].expand_as(moved), atol=1e-4)


def halves(left: list[float], right: list[float], opacity: torch.Tensor) -> torch.Tensor:
    """One picture [1,5,32,32] of a thing whose halves have two colours."""
    colors = torch.tensor([left, right]).repeat_interleave(16, 0).expand(1, 32, 32, 3)
    return to_model_space(opacity * colors, opacity, 0 * opacity)


def test_near_each_pixel_an_object_takes_the_colours_of_the_others_parts() -> None:
    """Of the whole object both halves move by one colour; with a blur each moves to its counterpart."""
    prior, full = EmbeddedPrior(random_network(), views_per_group=1), torch.ones(1, 32, 32, 1)
    x = halves([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], full)
    like = halves([0.8, 0.2, 0.2], [0.2, 0.4, 0.8], full)
    shown = from_model_space(prior.with_mean_color_of(x, like, blur=0.05))[0][0, 16]
    assert torch.allclose(shown[[2, 29]], torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.4, 0.8]]), atol=0.02)
    shown = from_model_space(prior.with_mean_color_of(x, like))[0][0, 16]
    assert torch.allclose(shown, torch.tensor([0.5, 0.3, 0.5]).expand(32, 3), atol=1e-5)
    for blur in (None, 0.02, 0.5):
        assert torch.allclose(prior.with_mean_color_of(like, like, blur=blur), like, atol=1e-6)


def test_where_the_other_has_nothing_its_whole_object_says_the_colour() -> None:
    prior, full = EmbeddedPrior(random_network(), views_per_group=1), torch.ones(1, 32, 32, 1)
    left = (torch.arange(32) < 8).float().view(1, 1, 32, 1).expand(1, 32, 32, 1)
    x, like = halves([0.5] * 3, [0.5] * 3, full), halves([0.8, 0.2, 0.2], [0.0] * 3, left)
    shown = from_model_space(prior.with_mean_color_of(x, like, blur=0.05))[0][0, 16]
    assert torch.allclose(shown[28], torch.tensor([0.8, 0.2, 0.2]), atol=0.03)


def test_levels_keep_the_variance() -> None:
    alpha, sigma = alpha_sigma(torch.linspace(0, 1, 11))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(11))


def test_relief_of_a_plane_through_the_centre_is_zero() -> None:
    views = cameras(1)
    from dreamlab.core.cameras import camera_rays

    directions = camera_rays(views).directions.view(1, 64, 64, 3)
    cosine = -(directions * views.c2w[:, None, None, :3, 2]).sum(-1, keepdim=True)
    full = torch.ones(1, 64, 64, 1)
    render = RenderOutput(torch.ones(1, 64, 64, 3), full, views.distance / cosine, torch.zeros(1, 64, 64, 3))
    torch.testing.assert_close(relative_depth_of(render, views), torch.zeros(1, 64, 64, 1), atol=1e-5, rtol=0)


def test_relief_is_positive_towards_the_camera() -> None:
    views = cameras(1)
    full = torch.ones(1, 64, 64, 1)
    render = RenderOutput(torch.ones(1, 64, 64, 3), full, 2.0 * full, torch.zeros(1, 64, 64, 3))
    assert relative_depth_of(render, views).min() > 0.9


def test_rays_through_the_centre_have_no_moment() -> None:
    _, rays = camera_conditions(cameras(2), 33)
    torch.testing.assert_close(rays[:, 3:, 16, 16], torch.zeros(2, 3), atol=1e-5, rtol=0)


def test_text_camera_and_neighbours_all_matter() -> None:
    prior = EmbeddedPrior(random_network())
    base = denoised(prior, 4, cameras(4))
    assert (denoised(prior, 4, cameras(4), seed=9) - base).abs().max() > 1e-4
    assert (denoised(prior, 4, None) - base).abs().max() > 1e-4
    other = cameras(4)
    turned = orbit_cameras(
        other.azimuth + torch.tensor([0.0, 1, 0, 0]), other.elevation, other.distance, other.fovy, (64, 64)
    )
    assert (denoised(prior, 4, turned)[0] - base[0]).abs().max() > 1e-6


def test_groups_of_views_do_not_see_other_groups() -> None:
    prior = EmbeddedPrior(random_network())
    z = torch.randn(8, 5, 64, 64, generator=torch.Generator().manual_seed(2))
    t, words = torch.full((8,), 0.5), condition(8)
    views = cameras(8)
    together = prior.denoise(z, t, words, Views(z, views))
    alone = prior.denoise(z[:4], t[:4], words[slice(0, 4)], Views(z, views)[:4])
    torch.testing.assert_close(together[:4], alone, atol=1e-4, rtol=1e-4)


def test_the_mean_picture_answers_where_all_is_noise_and_is_silent_where_none_is() -> None:
    torch.manual_seed(0)
    prior, words, views = EmbeddedPrior(random_network()), condition(4), cameras(4)
    with torch.no_grad():
        prior.network.mean_weight.copy_(torch.tensor([-6.0, -1.0]))
    mean, x = prior.mean(words, views), torch.rand(4, 5, 64, 64)
    z = torch.randn(4, 5, 64, 64)
    noise = prior.denoise(z, torch.ones(4), words, Views(z, views))
    torch.testing.assert_close(noise, mean, atol=0.03, rtol=0)
    clean = prior.denoise(x, torch.full((4,), 0.01), words, Views(x, views))
    torch.testing.assert_close(clean, x, atol=0.1, rtol=0)


def test_two_estimates_are_weighed_as_their_precisions_ask() -> None:
    """The mean weighs as its precision does: x0 = (p_z x_z + p_m mean) / (p_z + p_m)."""
    network = random_network()
    level = torch.tensor([-7.0, -6.0, -2.0])
    z, mean, v = torch.randn(3, 3, 5, 4, 4, dtype=torch.float64)
    alpha, sigma = (torch.sigmoid(s * level.double()).sqrt().view(-1, 1, 1, 1) for s in (1, -1))
    snr = level.double().exp().view(-1, 1, 1, 1)
    with torch.no_grad():
        network.mean_weight.copy_(torch.tensor([-6.0, -1.0]))
        weighed = network._weighed(v, z, mean, level.double())
    expected = ((alpha * z - sigma * v) * snr + mean * math.exp(-6)) / (snr + math.exp(-6))
    torch.testing.assert_close(alpha * z - sigma * weighed, expected, atol=1e-5, rtol=1e-5)


def test_half_precision_answers_nearly_alike() -> None:
    network, views = random_network(), cameras(4)
    full, half = (denoised(EmbeddedPrior(network, bfloat16=b), 4, views) for b in (False, True))
    assert half.dtype == torch.float32 and not torch.equal(full, half)
    torch.testing.assert_close(half, full, atol=0.1, rtol=0.1)


def test_gradient_reaches_the_render_and_never_the_network() -> None:
    prior = EmbeddedPrior(random_network())
    rgb = torch.rand(4, 64, 64, 3, requires_grad=True)
    ones = torch.ones(4, 64, 64, 1)
    views = prior.encode(RenderOutput(rgb, ones * 0.5, ones, torch.zeros(4, 64, 64, 3)), cameras(4))
    (views.x - prior.denoise(views.x, torch.full((4,), 0.5), condition(4), views)).square().sum().backward()
    assert rgb.grad is not None and rgb.grad.abs().max() > 0
    assert all(p.grad is None for p in prior.network.parameters())


def test_weights_survive_the_file(tmp_path: Path) -> None:
    network = random_network()
    save_network(tmp_path / "w.safetensors", SMALL, network.state_dict())
    for name, value in load_network(tmp_path / "w.safetensors").state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=2e-3, rtol=1e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_weights_carry_their_vocabulary_and_older_ones_can_be_given_one(tmp_path: Path) -> None:
    path, taught = tmp_path / "w.safetensors", Vocabulary(steps=3, nouns={"cat": (9.5, 0)}, colors=("red",))
    state = random_network().state_dict()
    save_network(path, SMALL, state, taught)
    assert read_vocabulary(path) == taught
    assert EmbeddedPriorConfig(weights=path).build().vocabulary == taught
    save_network(path, SMALL, state)
    assert read_vocabulary(path) is None
    before = path.stat().st_size, load_network(path).state_dict()
    write_vocabulary(path, taught)
    assert read_vocabulary(path) == taught and path.stat().st_size > before[0]
    for name, value in load_network(path).state_dict().items():
        assert torch.equal(value, before[1][name]), name


def test_missing_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="no weights"):
        load_network(tmp_path / "nowhere.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a tensor in sight")
    with pytest.raises(DamagedError, match="damaged"):
        load_network(broken)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign, metadata={"format": "somebody-else-7"})
    with pytest.raises(DamagedError, match="another version") as caught:
        load_network(foreign)
    assert FORMAT in str(caught.value) and "somebody-else-7" in str(caught.value)
    with pytest.raises(DamagedError, match="another version"):
        read_vocabulary(foreign)
    save_file({"a": torch.zeros(1)}, foreign, metadata={"format": FORMAT, "config": "{"})
    with pytest.raises(DamagedError, match="is damaged"):
        load_network(foreign)
    save_file({"a": torch.zeros(1)}, foreign, metadata={"format": FORMAT, "vocabulary": '{"nouns": 3}'})
    with pytest.raises(DamagedError, match="is damaged"):
        read_vocabulary(foreign)
    save_file({"a": torch.zeros(1)}, foreign, metadata={"format": FORMAT, "config": SMALL.model_dump_json()})
    with pytest.raises(DamagedError, match="is damaged"):  # a tensor is missing
        load_network(foreign)


def test_text_is_padded_masked_and_cut() -> None:
    words = encode_text(["a mushroom", "word " * 100, ""])
    assert words.tokens.shape == (3, MOST_TOKENS, 384)
    assert words.mask.sum(1).tolist()[1:] == [MOST_TOKENS, 2]
    alone = encode_text(["a mushroom"])
    torch.testing.assert_close(
        alone.tokens[0], words.tokens[0, : alone.tokens.shape[1]], atol=1e-4, rtol=1e-4
    )


def test_weight_files_keep_their_names() -> None:
    state = random_network().state_dict()
    assert torch.equal(state["trust"], random_network().mean_weight) and "mean_weight" not in state


def test_sampling_ends_at_what_a_sure_prior_knows() -> None:
    class Sure(EmbeddedPrior):
        def denoise(self, z_t, t, condition, views=None):
            return torch.full_like(z_t, 0.3)

    sampled = sample(Sure(random_network()), condition(4), condition(4), cameras(4), steps=3)
    torch.testing.assert_close(sampled, torch.full_like(sampled, 0.3))


def test_drawn_pictures_go_half_way_to_the_colour_of_the_mean_pictures() -> None:
    blue = torch.tensor([0.2, 0.3, 0.7])
    opacity = torch.rand(4, 64, 64, 1, generator=torch.Generator().manual_seed(0))

    class Black(EmbeddedPrior):
        def denoise(self, z_t, t, condition, views=None):
            return to_model_space(torch.zeros(4, 64, 64, 3), opacity, opacity)

        def mean(self, condition, cameras):
            return to_model_space(blue.expand(4, 64, 64, 3), torch.ones(4, 64, 64, 1), opacity)

    sampled = sample_in_mean_color(Black(random_network()), condition(4), condition(4), cameras(4), steps=3)
    shown, alpha, relative_depth = from_model_space(sampled)
    torch.testing.assert_close(shown, blue / 2 * opacity, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        torch.cat([alpha, relative_depth]), torch.cat([opacity, opacity]), atol=1e-4, rtol=0
    )


def test_sampling_can_begin_from_pictures_and_keeps_them_at_low_levels() -> None:
    class Doubting(EmbeddedPrior):
        def denoise(self, z_t, t, condition, views=None):
            return z_t

    start, prior = 2 * torch.ones(4, 5, 64, 64), Doubting(random_network())
    sampled = sample(prior, condition(4), condition(4), cameras(4), steps=3, start=start, level=0.01)
    torch.testing.assert_close(sampled, start, atol=0.2, rtol=0)


def test_the_shipped_mean_pictures_show_the_side_that_is_asked_for() -> None:
    """A banana is long from the front and short from its end, which is the right one of four cameras."""
    prior = EmbeddedPriorConfig(precision="float32").build()
    opacity = from_model_space(prior.mean(prior.embed(["a yellow banana"] * 4), cameras(4)))[1][..., 0]
    front, side, back, other_side = (opacity > 0.5).any(1).sum(1).tolist()
    assert min(front, back) > 2 * max(side, other_side) > 0


def test_the_shipped_weights_fit_their_promises() -> None:
    prior = EmbeddedPriorConfig(precision="float32").build()
    count = sum(p.numel() for p in prior.network.parameters())
    assert 5e6 <= count <= 12e6
    assert SHIPPED.stat().st_size < 30e6
    assert denoised(prior, 4, cameras(4)).isfinite().all()
