"""Layers through OpenGL: pyrender, off screen through EGL where there is no display."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from dreamlab.core.errors import UnavailableError
from dreamlab.core.types import Cameras, Material
from dreamlab.mesh.io.gltf import NEAREST, WRAPS
from dreamlab.views.layers import Geometry, Layer, RenderedLayers


def _load_triton_first() -> None:
    """Import Triton where it is installed, as with torch for CUDA: torch's optimisers load it anyway, and
    where Mesa's drivers have brought their LLVM before Triton brings its own, the process is killed."""
    with suppress(Exception):  # then nothing else can load it either
        import_module("triton")


class PyrenderRenderer:
    """pyrender's flat pass with 4x multisampling: it writes texture and vertex colour values as they are."""

    name = "pyrender"

    def __init__(self) -> None:
        """Opens a GL context once, to know that it works. UnavailableError says why it does not."""
        if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        _load_triton_first()
        try:
            import pyrender

            pyrender.OffscreenRenderer(16, 16).delete()
        except (
            Exception
        ) as error:  # PyOpenGL raises anything from ImportError to AttributeError without its libraries
            raise UnavailableError(
                "pyrender cannot open a GL context",
                got=f"{type(error).__name__}: {error}",
                mend="Install libegl1 libgl1 libgl1-mesa-dri libegl-mesa0 libgles2, or use renderer=native",
            ) from error
        self._pyrender = pyrender

    def render(
        self, geometry: Geometry, layers: Sequence[Layer], cameras: Cameras
    ) -> Iterator[RenderedLayers]:
        pyrender = self._pyrender
        height, width = cameras.size
        # all layers in one scene and shown in turn: another scene would load textures and buffers anew
        scene = pyrender.Scene(bg_color=[0.0, 0.0, 0.0, 0.0])
        meshes = [self._mesh(geometry, layer) for layer in layers]
        for mesh in meshes:
            scene.add(mesh)
        context = pyrender.OffscreenRenderer(width, height)
        try:
            for c2w, fovy, distance in zip(
                cameras.c2w.double().numpy(), cameras.fovy.tolist(), cameras.distance.tolist(), strict=True
            ):
                eye = pyrender.PerspectiveCamera(fovy, znear=distance * 0.01, zfar=distance * 10)
                images, coverage = [], np.zeros((height, width), np.float32)
                node = scene.add(eye, pose=c2w)
                flags = pyrender.RenderFlags
                for shown in meshes:
                    for mesh in meshes:
                        mesh.is_visible = mesh is shown
                    rgba = context.render(scene, flags.FLAT | flags.RGBA | flags.SKIP_CULL_FACES)[0]  # pyright: ignore[reportOptionalSubscript]
                    rgba = np.asarray(rgba, np.float32) / 255
                    coverage = rgba[..., 3]
                    images.append(rgba[..., :3] / np.maximum(coverage, 1e-6)[..., None])
                scene.remove_node(node)
                yield RenderedLayers(images, coverage)
        finally:
            context.delete()

    def _mesh(self, geometry: Geometry, layer: Layer) -> Any:
        pyrender = self._pyrender
        material = pyrender.MetallicRoughnessMaterial(baseColorFactor=[1.0, 1.0, 1.0, 1.0], doubleSided=True)
        colors, uv = None, None
        if layer.texture is not None:
            material.baseColorTexture = self._texture(layer.texture, geometry.material)
            uv = geometry.uv
        elif layer.values is not None:
            colors = np.concatenate([layer.values, np.ones((len(layer.values), 1))], 1).astype(np.float32)
        primitive = pyrender.Primitive(
            positions=geometry.vertices,
            indices=geometry.faces.astype(np.uint32),
            texcoord_0=None if uv is None else uv.astype(np.float32),
            color_0=colors,
            material=material,
        )
        return pyrender.Mesh([primitive])

    def _texture(self, image: np.ndarray, material: Material) -> Any:
        wrap_s, wrap_t = (WRAPS[wrap] for wrap in material.wrap)
        filters = {"magFilter": NEAREST, "minFilter": NEAREST} if material.nearest else {}
        sampler = self._pyrender.Sampler(wrapS=wrap_s, wrapT=wrap_t, **filters)
        channels = "RGB"
        if image.shape[1] % 4:  # OpenGL takes rows for padded to four bytes, and pyrender does not pad them
            image, channels = np.pad(image, ((0, 0), (0, 0), (0, 1)), constant_values=255), "RGBA"
        return self._pyrender.Texture(source=image, source_channels=channels, sampler=sampler)
