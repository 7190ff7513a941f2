"""Posed pictures of meshes for training and benchmarks, in the formats of other tools."""
