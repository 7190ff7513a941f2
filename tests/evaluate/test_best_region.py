from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
import trimesh

from dreamlab.evaluate.best_region import ROUNDS, all_around, best_region, icosphere


def test_cameras_stand_at_the_corners() -> None:
    cameras, corners = all_around(), icosphere().corners
    assert len(cameras) == len(corners) == 162
    places = cameras.c2w[:, :3, 3].double()
    upright = np.abs(corners[:, 1]) < 0.99
    found = (places / places.norm(dim=1, keepdim=True)).numpy()
    assert np.abs(found - corners)[upright].max() < 1e-5


def test_equal_scores_stay_and_a_lone_good_view_does_not_count_for_much() -> None:
    assert best_region(torch.full((162,), 0.3)) == pytest.approx(0.3, abs=1e-6)
    lone = torch.zeros(162)
    lone[7] = 1
    assert best_region(lone) < 0.2
    side = torch.from_numpy((icosphere().corners[:, 2] > 0.2).astype(np.float32))
    assert best_region(side) == pytest.approx(1, abs=1e-5)


def test_averaging_is_over_the_neighbours_that_another_library_finds() -> None:
    ball = trimesh.creation.icosphere(subdivisions=2)
    graph = networkx.Graph(ball.edges_unique.tolist())
    scores = np.random.default_rng(1).uniform(0, 1, 162)
    expected = scores
    for _ in range(ROUNDS):
        expected = np.array([np.mean([expected[i], *(expected[n] for n in graph[i])]) for i in range(162)])
    assert best_region(torch.from_numpy(scores)) == pytest.approx(expected.max(), abs=1e-5)
