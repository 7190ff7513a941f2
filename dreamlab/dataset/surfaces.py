"""What a mesh looks like at its points: normals and colour from corners and textures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamlab.core.types import Material, Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear, texture_of
from dreamlab.mesh.geometry.shape import normals_of, tangents_of
from dreamlab.ops.raster.rasterise import sample_texture
from dreamlab.views.native import texel_centres

CLAY = 0.72  # sRGB grey of a mesh without colours
NORMAL, COLOR, UV, TANGENT, BITANGENT = slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 11), slice(11, 14)


@dataclass(frozen=True)
class Surface:
    """attributes [V,A] of the corners: the normal; the linear colour that multiplies the albedo's; with
    textures, uv; with a normal map, tangent and bitangent. albedo [H,W,3] linear."""

    attributes: Float[Tensor, "V A"]
    albedo: Float[Tensor, "H W 3"] | None
    normal_map: Float[Tensor, "N M 3"] | None
    material: Material

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        normal = normals_of(mesh)
        albedo, relief = texture_of(mesh, "albedo"), texture_of(mesh, "normal")
        if mesh.colors is not None:
            color = srgb_to_linear(mesh.colors.double().numpy().clip(0, 1))
        else:
            color = np.full_like(normal, srgb_to_linear(np.array(CLAY)) if albedo is None else 1.0)
        columns = [normal, color]
        if mesh.uv is not None and (albedo is not None or relief is not None):
            columns.append(mesh.uv.double().numpy())
        if relief is not None:
            frame = tangents_of(mesh)
            columns += [frame[:, :3], np.cross(normal, frame[:, :3]) * frame[:, 3:]]
        return cls(
            torch.from_numpy(np.concatenate(columns, 1)).float(),
            None if albedo is None else torch.from_numpy(_LINEAR[albedo]),
            None if relief is None else torch.from_numpy(relief.astype(np.float32) / 127.5 - 1),
            mesh.material,
        )

    def look_up(self, values: Float[Tensor, "P A"]) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P 3"]]:
        """Unit normals and linear albedo where the corners' attributes are interpolated to these."""
        normal = F.normalize(values[:, NORMAL], dim=1)
        albedo = values[:, COLOR]
        if self.normal_map is not None:
            local = self._sampled(self.normal_map, values[:, UV])
            bent = local[:, :1] * values[:, TANGENT] + local[:, 1:2] * values[:, BITANGENT]
            normal = F.normalize(bent + local[:, 2:] * normal, dim=1)
        if self.albedo is not None:
            albedo = albedo * self._sampled(self.albedo, values[:, UV])
        return normal, albedo

    def _sampled(self, texture: Float[Tensor, "H W 3"], uv: Float[Tensor, "P 2"]) -> Float[Tensor, "P 3"]:
        uv = uv[None, None].contiguous()
        if self.material.nearest:
            uv = texel_centres(uv, texture.shape[1], texture.shape[0])
        return sample_texture(texture, uv, self.material.wrap)[0, 0]


_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
"""Linear light of every 8-bit sRGB value."""
