"""The light field network: every ray for itself, told of prompt and camera, and able to learn a mean."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from dreamlab.core.cameras import orbit_cameras
from dreamlab.priors.embedded.light_field import PATCH, LightField
from dreamlab.priors.embedded.prior import camera_conditions
from dreamlab.priors.embedded.unet import UNet, UNetConfig

WORDS, ALL = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1)), torch.ones(1, 5) > 0


def field(features: int = 3, channels: int = 2) -> LightField:
    torch.manual_seed(0)
    made = LightField(features, channels, width=32, depth=2, embedding=16, words=(8, 16))
    for end in (made.leave, made.words.out):
        torch.nn.init.normal_(end.weight, std=0.1)
    return made


def test_a_new_light_field_sees_nothing():
    new = LightField(3, 2, width=32, depth=2, embedding=16, words=(8, 16))
    torch.nn.init.zeros_(new.leave.bias)
    output = torch.randn(2, 3), WORDS.expand(2, -1, -1), ALL.expand(2, -1)
    assert torch.equal(new(torch.randn(2, 6, 4, 4), *output), torch.zeros(2, 2, 16, 16))


def test_every_ray_is_answered_for_itself():
    rays, output = torch.randn(1, 6, 4, 4), (torch.randn(1, 3), WORDS, ALL)
    seen, turned = field()(rays, *output), field()(rays.flip(-1), *output)
    blocks = seen.unflatten(-1, (4, PATCH)).flip(-2).flatten(-2)
    assert torch.allclose(turned, blocks, atol=1e-6)


def test_the_prompt_changes_what_is_seen():
    rays = torch.randn(1, 6, 4, 4)
    one, other = (field()(rays, output, WORDS, ALL) for output in (torch.zeros(1, 3), 3 * torch.ones(1, 3)))
    assert (one - other).abs().max() > 1e-3


def test_words_change_what_is_seen_and_padding_does_not():
    rays, features = torch.randn(1, 6, 4, 4), torch.randn(1, 3)
    padded = torch.tensor([[True, True, True, False, False]])
    other = torch.cat([WORDS[:, :3], 9 * torch.ones(1, 2, 8)], dim=1)
    one, two = (field()(rays, features, words, padded) for words in (WORDS, other))
    assert torch.allclose(one, two, atol=1e-6)
    assert (field()(rays, features, other, ALL) - one).abs().max() > 1e-3


def test_mean_pictures_without_a_camera_do_not_depend_on_the_camera():
    torch.manual_seed(0)
    network = UNet(UNetConfig(channels=(16, 16, 16), embedding=32, head=16))
    torch.nn.init.normal_(network.light_field.leave.weight)
    pooled, known = torch.randn(1, 384).expand(2, -1), torch.tensor([True, True])
    camera, rays = torch.randn(2, 16), torch.randn(2, 6, 32, 32)
    text, mask = torch.randn(1, 4, 384).expand(2, -1, -1), torch.ones(2, 4, dtype=torch.bool)
    seen, blind = (network.conditional_mean(text, mask, pooled, camera, rays, k) for k in (known, ~known))
    assert torch.allclose(blind[0], blind[1], atol=1e-4) and not torch.allclose(seen[0], seen[1])


def test_the_mean_of_two_objects_is_learned_for_cameras_between_those_shown():
    """Balls of two sizes, bright on the side of +X: the picture learned is the mean of both."""

    def views(azimuth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one = torch.ones_like(azimuth)
        cameras = orbit_cameras(azimuth, 0.2 * one, 3 * one, 0.8 * one, (16, 16))
        rays = camera_conditions(cameras, 16)[1]
        from_centre = torch.linalg.vector_norm(rays[:, 3:], dim=1, keepdim=True)
        covered = ((from_centre < 0.5).float() + (from_centre < 0.9).float()) / 2
        return F.avg_pool2d(rays, PATCH), covered * (1 + azimuth.sin().view(-1, 1, 1, 1))

    torch.manual_seed(0)
    learner = LightField(1, 1, width=32, depth=2, embedding=8, words=(8, 16))
    output = torch.ones(16, 1), WORDS.expand(16, -1, -1), ALL.expand(16, -1)
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    shown, asked = torch.arange(16) * math.pi / 8, torch.arange(16) * math.pi / 8 + math.pi / 16
    rays, target = views(shown)
    for _ in range(400):
        loss = F.mse_loss(learner(rays, *output), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    rays, target = views(asked)
    error = F.mse_loss(learner(rays, *output), target)
    assert error < 0.02 * target.var()


def test_which_of_two_things_is_the_red_one_is_learned_from_the_words_alone():
    """Two prompts of the same words in another order, and so with the same mean: above and below swap."""
    sky, ground = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    place = torch.tensor([[1.0], [-1.0]]) * torch.ones(1, 8)  # as an encoder marks the first and the second
    words = torch.stack([torch.stack([sky, ground]) + place, torch.stack([ground, sky]) + place])
    mask, features = torch.ones(2, 2) > 0, torch.ones(2, 1)
    rays = torch.zeros(2, 6, 4, 4)
    rays[:, 1, :2], rays[:, 1, 2:] = 1.0, -1.0
    target = torch.zeros(2, 1, 16, 16)
    target[0, :, :8], target[1, :, 8:] = 1.0, 1.0
    torch.manual_seed(0)
    learner = LightField(1, 1, width=32, depth=2, embedding=8, words=(8, 16))
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    for _ in range(300):
        loss = F.mse_loss(learner(rays, features, words, mask), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.01 * target.var()
