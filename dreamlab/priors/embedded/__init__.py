"""The diffusion model that ships with the package."""
