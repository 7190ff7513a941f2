"""Light rules and backdrops."""

from collections import Counter

import pytest
import torch
from pydantic import TypeAdapter

from dreamlab.core.cameras import camera_rays, turntable
from dreamlab.render.background import (
    BackgroundConfig,
    LearnedBackgroundConfig,
    RandomBackgroundConfig,
    SolidBackgroundConfig,
)
from dreamlab.render.shading import AlbedoShadingConfig, LitShadingConfig, Shading, ShadingConfig, shade


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def directions(n: int = 3) -> torch.Tensor:
    return camera_rays(turntable(n, 0.2, 3.0, 0.7, (4, 5))).directions.view(n, 4, 5, 3)


def test_albedo_until_its_time_then_a_quarter() -> None:
    lights, cameras = LitShadingConfig(albedo_until=0.1).build(), turntable(2, 0.3, 1.2, 0.8, (4, 4))
    generator = rng()
    early = Counter(lights.sample(cameras, 0.09, generator).mode for _ in range(50))
    assert early == {"albedo": 50}
    late = Counter(lights.sample(cameras, 0.1, generator).mode for _ in range(4000))
    for mode, share in (("albedo", 0.25), ("lambertian", 0.375), ("textureless", 0.375)):
        assert late[mode] / 4000 == pytest.approx(share, abs=0.03)


def test_lights_stand_around_the_camera_at_the_papers_distance() -> None:
    lights, cameras = LitShadingConfig(albedo_until=0, lit=1).build(), turntable(1, 0.0, 1.2, 0.8, (4, 4))
    generator = rng()
    drawn = torch.cat([lights.sample(cameras, 0.5, generator).light for _ in range(3000)])
    reach = drawn.norm(dim=-1)
    assert 0.8 <= reach.min() < 0.81 and 1.49 < reach.max() <= 1.5
    # Directions of N((0, 0, 1.2), 1): compare with as many drawn here.
    mean = torch.nn.functional.normalize(drawn, dim=-1).mean(0)
    shifted = torch.randn(200_000, 3, generator=rng(9)) + torch.tensor([0.0, 0.0, 1.2])
    oracle = torch.nn.functional.normalize(shifted, dim=-1).mean(0)
    torch.testing.assert_close(mean, oracle, atol=0.04, rtol=0)


def test_a_light_cone_is_even_in_the_angle_and_around_the_axis() -> None:
    config = LitShadingConfig(albedo_until=0, lit=1, light_cone=60, light_distance=(1, 1))
    cameras = turntable(3000, 0.4, 1.2, 0.8, (4, 4))
    light, axis = config.build().sample(cameras, 0.5, rng()).light, cameras.c2w[:, :3, 2]
    angle = torch.acos((light * axis).sum(-1).clamp(-1, 1)).rad2deg()
    shares = torch.histc(angle, 6, 0, 60) / 3000
    assert angle.max() < 60.01 and (shares - 1 / 6).abs().max() < 0.03
    sideways = [(light * cameras.c2w[:, :3, k]).sum(-1) for k in (0, 1)]
    assert all(
        abs(float(s.mean())) < 0.03 and abs(float((s > 0).float().mean()) - 0.5) < 0.04 for s in sideways
    )


def test_hard_light_is_a_tenth_ambient_and_soft_light_varies() -> None:
    cameras, generator = turntable(1, 0.0, 1.2, 0.8, (4, 4)), rng()
    hard = LitShadingConfig(albedo_until=0, lit=1).build()
    light = hard.sample(cameras, 0.5, generator)
    assert (light.ambient, light.diffuse) == (0.1, 0.9)
    soft = LitShadingConfig(albedo_until=0, lit=1, soft=True).build()
    ambient = [soft.sample(cameras, 0.5, generator).ambient for _ in range(500)]
    assert 0.1 <= min(ambient) < 0.12 and 0.98 < max(ambient) <= 1.0
    assert all(s.ambient + s.diffuse == 1 for s in (soft.sample(cameras, 0.5, generator),))


def test_every_step_draws_the_same_amount_of_randomness() -> None:
    """Else the cameras of a step would depend on how the steps before were lit."""
    cameras, states = turntable(2, 0.3, 1.2, 0.8, (4, 4)), []
    for config in (LitShadingConfig(albedo_until=1), LitShadingConfig(albedo_until=0, lit=1)):
        generator = rng()
        config.build().sample(cameras, 0.5, generator)
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_shade_in_numbers() -> None:
    albedo, up = torch.tensor([[0.2, 0.4, 0.6]]), torch.tensor([[0.0, 1.0, 0.0]])
    origin, above, below = (
        torch.zeros(1, 3),
        torch.tensor([[0.0, 2.0, 0.0]]),
        torch.tensor([[0.0, -2.0, 0.0]]),
    )
    lit = Shading("lambertian", above, 0.1, 0.9)
    clay = Shading("textureless", above, 0.1, 0.9)
    torch.testing.assert_close(shade(albedo, up, origin, above, lit), albedo)
    torch.testing.assert_close(shade(albedo, up, origin, below, lit), 0.1 * albedo)
    torch.testing.assert_close(shade(albedo, up, origin, above, clay), torch.ones(1, 3))
    assert torch.equal(shade(albedo, up, origin, above, Shading.albedo()), albedo)
    assert not Shading.albedo().needs_normals and lit.needs_normals


def test_random_background_is_one_colour_a_view_and_still_without_generator() -> None:
    background = RandomBackgroundConfig(still=(0.1, 0.2, 0.3)).build(rng())
    drawn = background(directions(), rng())
    assert torch.equal(drawn, drawn[:, :1, :1].expand_as(drawn))
    assert len(drawn[:, 0, 0].unique(dim=0)) == 3 and (drawn >= 0).all() and (drawn <= 1).all()
    torch.testing.assert_close(background(directions(), None)[1, 2, 3], torch.tensor([0.1, 0.2, 0.3]))


def test_solid_background_is_its_colour() -> None:
    got = SolidBackgroundConfig(color=(1.0, 0.5, 0.0)).build(rng())(directions(), rng())
    torch.testing.assert_close(got, torch.tensor([1.0, 0.5, 0.0]).expand(3, 4, 5, 3))


def test_a_learned_background_can_give_way_to_random_colours_while_it_learns() -> None:
    background, generator = LearnedBackgroundConfig(random=0.4).build(rng()), rng(1)
    looking, learned = directions(), 0
    for _ in range(1000):
        drawn = background(looking, generator)
        learned += drawn.requires_grad
        if not drawn.requires_grad:
            assert torch.equal(drawn, drawn[:, :1, :1].expand_as(drawn))
    assert 550 < learned < 650 and background(looking, None).requires_grad


def test_learned_background_learns_a_sky_by_direction() -> None:
    background = LearnedBackgroundConfig().build(rng())
    looking = directions(6)
    assert (background(looking, None) - 0.5).abs().max() < 0.2
    sky = (looking[..., 1:2] * 0.8 + 0.5).expand_as(looking).clamp(0, 1)
    adam = torch.optim.Adam(background.parameters(), lr=0.02)
    for _ in range(150):
        adam.zero_grad()
        (background(looking, None) - sky).square().mean().backward()
        adam.step()
    assert (background(looking, None) - sky).abs().mean() < 0.02


def test_kind_chooses() -> None:
    backgrounds: TypeAdapter[BackgroundConfig] = TypeAdapter(BackgroundConfig)
    assert isinstance(backgrounds.validate_python({"kind": "learned"}), LearnedBackgroundConfig)
    shadings: TypeAdapter[ShadingConfig] = TypeAdapter(ShadingConfig)
    assert isinstance(shadings.validate_python({"kind": "albedo"}), AlbedoShadingConfig)
