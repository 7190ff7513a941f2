"""The field's albedo on the mesh: at its corners, or in a texture."""

from __future__ import annotations

from dataclasses import replace

import torch

from dreamlab.mesh.extract import CHUNK
from dreamlab.types import Field, Mesh


def vertex_colors(mesh: Mesh, field: Field) -> Mesh:
    """The mesh with the field's albedo at every vertex."""
    return replace(mesh, colors=albedo_at(field, mesh.vertices)[1])


def albedo_at(field: Field, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Density [N] and albedo [N,3] in 0..1 at world points, in chunks, without gradients, on the CPU."""
    device = next((p.device for p in field.parameters()), torch.device("cpu"))
    sigma, rgb = [], []
    with torch.no_grad():
        for part in x.split(CHUNK):
            s, c = field(part.to(device).clamp(-1, 1))
            sigma.append(s.reshape(-1).float().cpu())
            rgb.append(c.float().cpu().clamp(0, 1))
    return torch.cat(sigma), torch.cat(rgb)
