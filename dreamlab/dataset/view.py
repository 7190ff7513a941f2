"""The files of one view of a scene, and its record."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from dreamlab.core.errors import InputError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Cameras
from dreamlab.dataset import images
from dreamlab.dataset.cameras import Frame
from dreamlab.dataset.config import DatasetConfig
from dreamlab.dataset.formats.base import Slot, objects_of
from dreamlab.dataset.record import Intrinsics, ViewRecord
from dreamlab.dataset.render import SceneRenderer, View
from dreamlab.dataset.scene import Scene
from dreamlab.dataset.world import Z_UP, pose_to_z_up, to_z_up


class SceneWriter:
    """A scene with its cameras. `write` may be called by several threads at once."""

    def __init__(self, config: DatasetConfig, scene: Scene, number: int, folder: str, out: Path) -> None:
        self.config, self.scene, self.number, self.folder, self.out = config, scene, number, folder, out
        self.renderer = SceneRenderer(scene)
        self.wanted = set(config.buffers) | config.format.needs
        self.depth_files = config.depth if "depth" in self.wanted else ()
        if "depth" in config.format.needs and "png" not in config.depth:
            self.depth_files = ("png", *config.depth)
        if self.renderer.radius <= 0:
            raise InputError(f"{scene.name} is a single point")
        frame = Frame(self.renderer.centre, self.renderer.radius, math.radians(config.fovy), config.size)
        self.cameras: Cameras = config.cameras.cameras(config.views, frame, config.rng(number, 3))
        self.splits = config.splits(number)
        self.poses = [
            (instance.subject.name, _pose(instance.place.double().numpy())) for instance in scene.instances
        ]
        away = (self.cameras.c2w[:, :3, 3] - self.renderer.centre).norm(dim=1)
        furthest = float(away.max()) + self.renderer.radius
        if "png" in self.depth_files and furthest > images.FURTHEST * config.depth_unit:
            raise images.too_far(furthest, config.depth_unit)

    def depth_steps(self) -> float:
        """How many steps of 16-bit depth the scene is deep."""
        return 2 * self.renderer.radius / self.config.depth_unit

    def write(self, view: int) -> tuple[ViewRecord, UInt8[np.ndarray, "H W 3"]]:
        """Write the files of a view. Returns its record, and its colour as it is seen."""
        slot = Slot(self.folder, self.number, view, self.splits[view])
        camera = self.cameras[view : view + 1]
        rig = self.config.lights.rig(camera.c2w[0], self.config.rng(self.number, 4, view))
        seen = self.renderer.render(camera, rig, self.config.samples)
        whole = self.renderer.silhouettes(camera) if len(self.poses) > 1 else (seen.instance > 0)[None]
        objects, visible = objects_of(self.poses, seen.instance, whole, self.config.format)
        rgb = self._colored(seen, view)
        c2w = camera.c2w[0].numpy()
        files = {"rgb": self._put(slot, "rgb", images.png(rgb))}
        for buffer, data in self._buffers(seen, c2w):
            files[buffer] = self._put(slot, buffer, data)
        if "exr" in self.depth_files:
            files["depth_exr"] = self.config.format.name("depth", slot) + ".exr"
            images.write_exr(self._target(files["depth_exr"]), seen.depth)
        for name, mask in self.config.format.masks(slot, visible, whole).items():
            write_atomic(self._target(f"{name}.png"), images.png(mask.astype(np.uint8) * 255), durable=False)
            files[name.removeprefix(f"{slot.split}/")] = f"{name}.png"
        record = ViewRecord(
            file_name=files["rgb"], text=self.scene.caption, scene=self.scene.name, scene_number=self.number,
            view=view, split=slot.split, files=files, camera=intrinsics(camera),
            c2w=pose_to_z_up(c2w).tolist(), objects=objects, part_names=self.renderer.part_names,
        )  # fmt: skip
        return record, rgb[..., :3]

    def _colored(self, seen: View, view: int) -> UInt8[np.ndarray, "H W C"]:
        """The colour as it is written: with alpha, or before its background."""
        behind = self.config.background.picture(self.config.size, self.config.rng(self.number, 5, view))
        if behind is not None:
            return images.over(seen.rgb, seen.alpha, behind)
        if self.config.format.keeps_alpha:
            return np.concatenate([seen.rgb, seen.alpha[..., None]], -1)
        return images.over(seen.rgb, seen.alpha, np.zeros_like(seen.rgb))

    def _buffers(self, seen: View, c2w: Float[np.ndarray, "4 4"]) -> Iterator[tuple[str, bytes]]:
        """The files beside the colour, but for EXR, by buffer."""
        hit = seen.instance > 0
        if "png" in self.depth_files:
            yield "depth", images.png(images.depth_steps(seen.depth, self.config.depth_unit))
        if "normal" in self.wanted:
            yield "normal", images.png(images.normal_bytes(to_z_up(seen.normal), hit))
        if "normal_camera" in self.wanted:
            yield "normal_camera", images.png(images.normal_bytes(seen.normal @ c2w[:3, :3], hit))
        if "mask" in self.wanted:
            yield "mask", images.png(hit.astype(np.uint8) * 255)
        if "alpha" in self.wanted:
            yield "alpha", images.png(seen.alpha)
        if "parts" in self.wanted and self.renderer.part_names:
            yield "parts", images.labels_png(seen.part)
        if "instances" in self.wanted and len(self.poses) > 1:
            yield "instances", images.labels_png(seen.instance)

    def _put(self, slot: Slot, buffer: str, data: bytes) -> str:
        name = self.config.format.name(buffer, slot) + ".png"
        write_atomic(self._target(name), data, durable=False)
        return name

    def _target(self, name: str) -> Path:
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def intrinsics(camera: Cameras) -> Intrinsics:
    """Of one camera."""
    height, width = camera.size
    focal = height / (2 * math.tan(float(camera.fovy[0].double()) / 2))
    return Intrinsics(fl_x=focal, fl_y=focal, cx=width / 2, cy=height / 2, w=width, h=height)


def _pose(place: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The same movement in the data set's world, of coordinates that are turned likewise."""
    turn = np.eye(4)
    turn[:3, :3] = Z_UP
    return turn @ place @ turn.T
