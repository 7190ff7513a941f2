"""The light field network: every ray for itself, told of prompt and camera, and able to learn a mean."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from dreamlab.cameras import orbit_cameras
from dreamlab.priors.embedded import camera_conditions
from dreamlab.priors.light_field import PATCH, LightField
from dreamlab.priors.unet import UNet, UNetConfig


def field(features: int = 3, channels: int = 2) -> LightField:
    torch.manual_seed(0)
    made = LightField(features, channels, width=32, depth=2, embedding=16)
    torch.nn.init.normal_(made.leave.weight, std=0.1)
    return made


def test_a_new_light_field_sees_nothing():
    new = LightField(3, 2, width=32, depth=2, embedding=16)
    torch.nn.init.zeros_(new.leave.bias)
    assert torch.equal(new(torch.randn(2, 6, 4, 4), torch.randn(2, 3)), torch.zeros(2, 2, 16, 16))


def test_every_ray_is_answered_for_itself():
    rays, features = torch.randn(1, 6, 4, 4), torch.randn(1, 3)
    seen, turned = field()(rays, features), field()(rays.flip(-1), features)
    blocks = seen.unflatten(-1, (4, PATCH)).flip(-2).flatten(-2)
    assert torch.allclose(turned, blocks, atol=1e-6)


def test_the_prompt_changes_what_is_seen():
    rays = torch.randn(1, 6, 4, 4)
    one, other = field()(rays, torch.zeros(1, 3)), field()(rays, 3 * torch.ones(1, 3))
    assert (one - other).abs().max() > 1e-3


def test_mean_pictures_without_a_camera_do_not_depend_on_the_camera():
    torch.manual_seed(0)
    network = UNet(UNetConfig(channels=(16, 16, 16), embedding=32, head=16))
    torch.nn.init.normal_(network.light_field.leave.weight)
    pooled, known = torch.randn(1, 384).expand(2, -1), torch.tensor([True, True])
    camera, rays = torch.randn(2, 16), torch.randn(2, 6, 32, 32)
    seen, blind = (network.mean_pictures(pooled, camera, rays, k) for k in (known, ~known))
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
    learner = LightField(1, 1, width=32, depth=2, embedding=8)
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    shown, asked = torch.arange(16) * math.pi / 8, torch.arange(16) * math.pi / 8 + math.pi / 16
    rays, target = views(shown)
    for _ in range(400):
        loss = F.mse_loss(learner(rays, torch.ones(16, 1)), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    rays, target = views(asked)
    error = F.mse_loss(learner(rays, torch.ones(16, 1)), target)
    assert error < 0.02 * target.var()
