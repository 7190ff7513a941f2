"""Ten captioned GLBs to train a prior on, from dreamlab's own procedural shapes.

usage: python docs/examples/07_own_models.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import trimesh

from dreamlab.studio import shapes

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
lines = []
for number in range(10):
    noun = ("mushroom", "mug", "chair")[number % 3]
    shape = shapes.make(np.random.default_rng((7, number)), noun)
    colors = np.rint(255 * np.c_[shape.face_colors, np.ones(len(shape.faces))]).astype(np.uint8)
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, face_colors=colors, process=False)
    mesh.export(folder / f"{noun}-{number}.glb")
    captions = list(reversed(shape.captions))  # the most detailed first
    lines.append(json.dumps({"file": f"{noun}-{number}.glb", "captions": captions, "noun": noun}))
    print(captions[0])
(folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
