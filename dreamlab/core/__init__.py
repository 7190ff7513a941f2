"""The words and tools that every package shares; nothing here knows of a scene, a prior or a disk layout."""
