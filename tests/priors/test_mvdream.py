"""MVDream on diffusers' parts: cameras, attention across views, and the names of published weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from priors import tiny

from dreamlab.core.cameras import orbit_cameras
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Views
from dreamlab.priors import MVDreamPriorConfig
from dreamlab.priors.diffusers.mvdream import MVDreamPrior, camera_numbers
from dreamlab.priors.diffusers.mvdream_names import network_settings, renamed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.mvdream(tmp_path_factory.mktemp("mvdream"))


@pytest.fixture()
def prior(folder: Path) -> MVDreamPrior:
    return MVDreamPriorConfig(model=str(folder), resolution=32).build()


def test_one_step_moves_the_image_and_nothing_in_the_model(prior: MVDreamPrior) -> None:
    assert prior.views_per_group == 4
    tiny.check_step(prior)


def test_cameras_are_blender_poses_on_the_unit_sphere() -> None:
    """Against a look-at matrix made in Blender's own world: z up, the front seen from -Y."""
    azimuth, elevation = math.radians(70), math.radians(20)
    cameras = orbit_cameras(*(torch.tensor([v]) for v in (azimuth, elevation, 3.0, 0.7)), size=(8, 8))
    position = np.array(
        [
            math.cos(elevation) * math.sin(azimuth),
            -math.cos(elevation) * math.cos(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.cross(-position, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(right, -position), position, position], axis=1)
    np.testing.assert_allclose(camera_numbers(cameras)[0].numpy(), pose.flatten(), atol=1e-6)


def test_views_of_a_group_see_each_other_and_groups_do_not(prior: MVDreamPrior) -> None:
    z = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    _, cameras = tiny.views(8)
    other = z.clone()
    other[1] += 1.0
    t, condition = torch.full((8,), 0.5), prior.embed(["a cube"] * 8)
    views = Views(z, cameras)
    moved = (prior.denoise(z, t, condition, views) - prior.denoise(other, t, condition, views)).abs()
    assert (moved.flatten(1).amax(1) > 1e-6).tolist() == [True] * 4 + [False] * 4
    alone = (prior.denoise(z, t, condition) - prior.denoise(other, t, condition)).abs()
    assert (alone.flatten(1).amax(1) > 1e-6).tolist() == [i == 1 for i in range(8)]


def test_the_camera_matters_and_no_camera_adds_nothing(prior: MVDreamPrior) -> None:
    z, t, condition = torch.zeros(4, 4, 16, 16), torch.full((4,), 0.5), prior.embed(["a cube"] * 4)
    _, cameras = tiny.views(4)
    turned = cameras[torch.tensor([1, 2, 3, 0])]
    assert (
        prior.denoise(z, t, condition, Views(z, cameras)) - prior.denoise(z, t, condition, Views(z, turned))
    ).abs().max() > 1e-6
    assert prior.network.class_embedding(torch.zeros(1, 16)).abs().max() == 0


def test_three_views_are_an_error(prior: MVDreamPrior) -> None:
    _, cameras = tiny.views(3)
    with pytest.raises(ConfigError, match="expected a multiple of 4 views, got 3"):
        z = torch.zeros(3, 4, 16, 16)
        prior.denoise(z, torch.full((3,), 0.5), prior.embed([""] * 3), Views(z, cameras))


def test_weights_under_the_original_names_are_the_same_network(prior: MVDreamPrior) -> None:
    """The names are undone by hand here and redone by the loader."""
    network = tiny.unet(
        class_embed_type="projection", projection_class_embeddings_input_dim=16, use_linear_projection=True,
        attention_head_dim=[2, 4],
    )  # fmt: skip
    original = {
        "image_size": 16, "in_channels": 4, "out_channels": 4, "model_channels": 16, "num_res_blocks": 1,
        "attention_resolutions": [2], "channel_mult": [1, 2], "num_head_channels": 8,
        "context_dim": tiny.WIDTH, "camera_dim": 16, "transformer_depth": 1,
    }  # fmt: skip
    settings = network_settings(original)
    for name, value in settings.items():
        have = network.config[name]
        assert (list(have) if isinstance(have, tuple) else have) == value, name
    state = network.state_dict()
    back = renamed({tiny.original_unet_name(name): value for name, value in state.items()}, settings)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
