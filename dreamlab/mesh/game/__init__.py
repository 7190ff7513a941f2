"""Meshes for game engines: levels of detail, collision hulls, what an engine expects of names and files."""
