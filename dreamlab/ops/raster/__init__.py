"""The rasteriser: triangles to pixels, and gradients back."""
