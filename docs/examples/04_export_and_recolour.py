"""The first object in other formats, sizes and colours. The mesh is made anew from the run's field."""

import dreamlab

result = dreamlab.load_run(1)
result.export("mushroom.stl", {"stages.export.size": "8cm"})
result.export("small.glb", {"stages.simplify.faces": 500, "stages.texture.resolution": 256})

# Flat colours of a palette can be changed by name; another file shows which there are.
palette = {"stages": {"texture": {"palette": {"mode": "on"}, "into": "vertices"}}}
result.export("palette.glb", palette | {"stages.texture.parts": "materials"})
files = result.export("blue.glb", palette | {"stages.texture.recolor": {"red": "#2266cc"}})
print(*files)
