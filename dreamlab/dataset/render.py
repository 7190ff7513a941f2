"""One view of a scene by the project's rasteriser: colour averaged over samples; depth, normals and masks
exactly what the ray through each pixel's centre meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.cameras import world_to_clip
from dreamlab.core.types import Cameras
from dreamlab.dataset.lights import Rig
from dreamlab.dataset.scene import Scene
from dreamlab.dataset.surfaces import Surface
from dreamlab.mesh.geometry.color import linear_to_srgb, to_bytes
from dreamlab.mesh.geometry.shape import face_normals_of
from dreamlab.ops.raster.rasterise import Fragments, interpolate, rasterise

NEAREST = 1e-3  # of the scene's radius: what is nearer to the camera is not drawn


@dataclass(frozen=True)
class View:
    """Pictures of one view [H,W]. What they show where nothing is hit is 0 throughout.

    rgb sRGB, straight (not multiplied by alpha); alpha the share of the pixel that the scene covers; depth in
    metres along the camera's axis; normal in dreamlab's world, unit, towards the camera; instance, from 1;
    part, from 1 over all parts of the scene, 0 also where a subject has no parts.
    """

    rgb: UInt8[np.ndarray, "H W 3"]
    alpha: UInt8[np.ndarray, "H W"]
    depth: Float[np.ndarray, "H W"]
    normal: Float[np.ndarray, "H W 3"]
    instance: Int[np.ndarray, "H W"]
    part: Int[np.ndarray, "H W"]


class SceneRenderer:
    """A scene made ready once, and rendered from any camera. Holds no state that rendering changes: views may
    be rendered by several threads at once."""

    def __init__(self, scene: Scene) -> None:
        meshes = [instance.mesh for instance in scene.instances]
        self.surfaces = [Surface.of(mesh) for mesh in meshes]
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        self.vertices = torch.cat([mesh.vertices.float() for mesh in meshes])
        self.faces = torch.cat([mesh.faces + int(s) for mesh, s in zip(meshes, starts, strict=False)])
        self.face_normals = torch.cat([torch.from_numpy(face_normals_of(mesh)).float() for mesh in meshes])
        self.instance = torch.cat(
            [torch.full((len(mesh.faces),), k, dtype=torch.int64) for k, mesh in enumerate(meshes, 1)]
        )
        self.part, self.part_names = _parts(scene)
        self.attributes = _stacked([surface.attributes for surface in self.surfaces])
        self.centre, self.radius = scene.ball()

    @torch.no_grad()
    def render(self, camera: Cameras, rig: Rig, samples: int = 2) -> View:
        """One view: `camera` is one camera, `samples` those of a pixel each way for colour and alpha."""
        height, width = camera.size
        clip = self._clip(camera)
        exact = rasterise(clip[None], self.faces, (height, width))
        front = self._front(camera)
        seen = _Seen.of(exact)
        depth, normal = torch.zeros(height * width), torch.zeros(height * width, 3)
        depth[seen.pixel] = seen.interpolated(clip[:, 3:], self.faces)[:, 0]
        normal[seen.pixel], albedo = self._looked_up(seen, front)
        instance, part = (torch.zeros(height * width, dtype=torch.int64) for _ in range(2))
        instance[seen.pixel], part[seen.pixel] = self.instance[seen.face], self.part[seen.face]
        rgb, alpha = torch.zeros(height * width, 3, dtype=torch.uint8), torch.zeros(height * width)
        if samples > 1:
            fine = _Seen.of(rasterise(clip[None], self.faces, (height * samples, width * samples)))
            shaded = rig.shade(*reversed(self._looked_up(fine, front)))
            total, count = _summed(fine, shaded, (height, width), samples)
            touched = count.nonzero()[:, 0]
            rgb[touched] = _srgb_bytes(total[touched] / count[touched, None])
            alpha = count / samples**2
        else:
            rgb[seen.pixel] = _srgb_bytes(rig.shade(albedo, normal[seen.pixel]))
            alpha[seen.pixel] = 1.0
        shape = (height, width)
        return View(
            rgb.reshape(*shape, 3).numpy(),
            _bytes(alpha).reshape(shape).numpy(),
            depth.reshape(shape).numpy(),
            normal.reshape(*shape, 3).numpy(),
            instance.reshape(shape).numpy(),
            part.reshape(shape).numpy(),
        )

    @torch.no_grad()
    def silhouettes(self, camera: Cameras) -> Bool[np.ndarray, "N H W"]:
        """Where each instance would be seen if it stood there alone, at the pixels' centres."""
        clip = self._clip(camera)[None]
        return np.stack(
            [
                (rasterise(clip, self.faces[self.instance == k], camera.size).face_index[0] >= 0).numpy()
                for k in range(1, len(self.surfaces) + 1)
            ]
        )

    def _clip(self, camera: Cameras) -> Float[Tensor, "V 4"]:
        """Clip positions with the nearest and furthest planes close around the scene: what z-buffers like.
        Their w is the depth along the camera's axis."""
        away = float((camera.c2w[0, :3, 3] - self.centre).norm())
        near = max(away - 1.01 * self.radius, NEAREST * self.radius)
        matrix = world_to_clip(camera, near, max(away + 1.01 * self.radius, 2 * near))[0]
        return F.pad(self.vertices, (0, 1), value=1.0) @ matrix.T

    def _front(self, camera: Cameras) -> Float[Tensor, " F"]:
        """1 for faces whose front the camera sees, -1 for others: both sides are drawn."""
        sight = camera.c2w[0, :3, 3] - self.vertices[self.faces[:, 0]]
        return torch.where((self.face_normals * sight).sum(1) < 0, -1.0, 1.0)

    def _looked_up(
        self, seen: _Seen, front: Float[Tensor, " F"]
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P 3"]]:
        """Unit normals towards the camera and linear albedo of what is seen."""
        values = seen.interpolated(self.attributes, self.faces)
        if len(self.surfaces) == 1:
            normal, albedo = self.surfaces[0].look_up(values)
        else:
            normal, albedo = (torch.empty(len(values), 3) for _ in range(2))
            instance = self.instance[seen.face]
            for k, surface in enumerate(self.surfaces, 1):
                own = instance == k
                normal[own], albedo[own] = surface.look_up(values[own])
        return normal * front[seen.face, None], albedo


@dataclass(frozen=True)
class _Seen:
    """The P samples that see something: where [P] in row-major order, which face [P], its weights [P,3]."""

    pixel: Int[Tensor, " P"]
    face: Int[Tensor, " P"]
    weights: Float[Tensor, "P 3"]

    @classmethod
    def of(cls, fragments: Fragments) -> _Seen:
        face = fragments.face_index.reshape(-1)
        pixel = (face >= 0).nonzero()[:, 0]
        weights = fragments.barycentric.reshape(-1, 3).index_select(0, pixel)
        return cls(pixel, face.index_select(0, pixel), weights)

    def interpolated(
        self, attributes: Float[Tensor, "V A"], faces: Int[Tensor, "F 3"]
    ) -> Float[Tensor, "P A"]:
        count = len(self.pixel)
        fragments = Fragments(self.face[None, None], self.weights[None, None], torch.zeros(1, 1, count))
        return interpolate(attributes, faces, fragments).reshape(count, -1)


def _summed(
    fine: _Seen, color: Float[Tensor, "P 3"], size: tuple[int, int], samples: int
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """Linear colour over the samples that see something, and how many they are, of every pixel."""
    height, width = size
    row, column = fine.pixel // (width * samples), fine.pixel % (width * samples)
    pixel = (row // samples) * width + column // samples
    total = torch.zeros(height * width, 3).index_add_(0, pixel, color.clamp(0, 1))
    return total, torch.bincount(pixel, minlength=height * width).float()


def _parts(scene: Scene) -> tuple[Int[Tensor, " F"], list[str]]:
    """The part of every face, from 1 over the whole scene, 0 where there is none; and the parts' names."""
    names: list[str] = []
    labels = []
    for instance in scene.instances:
        parts = instance.subject.parts
        if parts is None:
            labels.append(torch.zeros(len(instance.subject.mesh.faces), dtype=torch.int64))
            continue
        labels.append(torch.from_numpy(np.asarray(parts.labels, np.int64)) + 1 + len(names))
        alone = len(scene.instances) == 1
        names += [name if alone else f"{instance.subject.name}/{name}" for name in parts.names]
    return torch.cat(labels), names


def _stacked(rows: Sequence[Float[Tensor, "_V _A"]]) -> Float[Tensor, "V A"]:
    """One below the other, the narrower ones filled up with zeros."""
    width = max(part.shape[1] for part in rows)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in rows])


def _srgb_bytes(linear: Float[Tensor, "N 3"]) -> UInt8[Tensor, "N 3"]:
    return torch.from_numpy(to_bytes(linear_to_srgb(linear.numpy())))


def _bytes(values: Float[Tensor, "*N"]) -> UInt8[Tensor, "*N"]:
    return (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8)
