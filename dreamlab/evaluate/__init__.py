"""Measures: of meshes, of views, of priors."""
