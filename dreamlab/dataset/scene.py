"""What is rendered: one subject, or several that stand beside one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.named_parts import NamedParts

GAP = 0.08  # between objects of a scene, as a share of the sum of their radii
TRIES = 64  # random places before the scene's ground grows


@dataclass(frozen=True)
class Subject:
    """A mesh of the data set: its name (for files and categories), what it shows in words, and the parts of
    its faces, if it has any."""

    name: str
    mesh: Mesh
    caption: str
    parts: NamedParts | None = None

    def __post_init__(self) -> None:
        if len(self.mesh.faces) == 0:
            raise InputError(f"{self.name} has no faces to render", expected="triangles", got="points")


@dataclass(frozen=True)
class Instance:
    """A subject in a scene. place [4,4] moves its own coordinates into the scene's: turned about +Y and
    shifted; never scaled."""

    subject: Subject
    place: Float[Tensor, "4 4"]

    @property
    def mesh(self) -> Mesh:
        """In the scene's coordinates."""
        mesh, turn = self.subject.mesh, self.place[:3, :3]
        normals = None if mesh.normals is None else mesh.normals @ turn.T
        return replace(mesh, vertices=mesh.vertices @ turn.T + self.place[:3, 3], normals=normals)


@dataclass(frozen=True)
class Scene:
    """Instances, numbered from 1 in masks, and the scene's name and caption."""

    name: str
    caption: str
    instances: tuple[Instance, ...]

    def ball(self) -> tuple[Float[Tensor, " 3"], float]:
        """The middle [3] of the scene's bounding box and the furthest corner's distance from it."""
        corners = torch.cat([instance.mesh.vertices for instance in self.instances])
        centre = (corners.amin(0) + corners.amax(0)) / 2
        return centre, float((corners - centre).norm(dim=1).max())


def alone(subject: Subject) -> Scene:
    """The subject by itself, where its own coordinates have it."""
    return Scene(subject.name, subject.caption, (Instance(subject, torch.eye(4)),))


def arranged(name: str, subjects: Sequence[Subject], rng: np.random.Generator) -> Scene:
    """The subjects on one ground (y = 0), each turned at random about the vertical, at random places close
    together where no two touch (by the circles around their footprints)."""
    feet = [_footprint(subject.mesh) for subject in subjects]
    placed: list[tuple[np.ndarray, float]] = []
    reach = max(radius for _, radius in feet)
    out = []
    for subject, (middle, radius) in zip(subjects, feet, strict=True):
        spot = np.zeros(2)
        tries = 0
        while not all(_apart(spot, radius, *other) for other in placed):
            tries += 1
            if tries % TRIES == 0:
                reach *= 1.25
            angle, away = rng.uniform(0, 2 * math.pi), reach * math.sqrt(rng.uniform())
            spot = away * np.array([math.cos(angle), math.sin(angle)])
        placed.append((spot, radius))
        out.append(Instance(subject, _standing(middle, spot, rng.uniform(0, 2 * math.pi))))
    captions = list(dict.fromkeys(subject.caption for subject in subjects))
    return Scene(name, " and ".join(captions), tuple(out))


def _footprint(mesh: Mesh) -> tuple[np.ndarray, float]:
    """The middle of the underside [3], and the radius of the upright cylinder around it that holds all."""
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    middle = (low + high) / 2
    middle[1] = low[1]
    radius = (mesh.vertices - middle)[:, [0, 2]].norm(dim=1).max()
    return middle.double().numpy(), float(radius)


def _apart(spot: np.ndarray, radius: float, other: np.ndarray, others: float) -> bool:
    return float(np.linalg.norm(spot - other)) >= (radius + others) * (1 + GAP)


def _standing(middle: np.ndarray, spot: np.ndarray, yaw: float) -> Float[Tensor, "4 4"]:
    """Turned by yaw about the upright axis through `middle`, which comes to stand on the spot (x, z)."""
    place = np.eye(4)
    cos, sin = math.cos(yaw), math.sin(yaw)
    place[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    place[:3, 3] = np.array([spot[0], 0.0, spot[1]]) - place[:3, :3] @ middle
    return torch.from_numpy(place).float()
