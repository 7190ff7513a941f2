"""A prompt becomes a mesh. Takes a minute or two on a laptop."""

import dreamlab

result = dreamlab.generate("a red mushroom", preset="fast")

for kind, path in result.files.items():
    print(f"{kind:5} {path}")
low, high = result.mesh.vertices.amin(0), result.mesh.vertices.amax(0)
print(f"{len(result.mesh.faces)} faces, {[round(side, 2) for side in (high - low).tolist()]} metres")
