"""Posed pictures of meshes for training and benchmarks: colour, depth, normals and masks, in known formats."""
