"""In the place of `dreamlab` for the Blender add-on: it says what that says, and writes a mesh at once.

Without --from the mesh is a tall box; with it the mesh of the file, as dreamlab has meshes: in the unit
sphere around the origin. The prompt "fail" fails, "hang" works until it is interrupted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

words = sys.argv[1:]
options = {name: words[words.index(name) + 1] for name in ("--out", "--from", "--preset") if name in words}
prompt, out = words[1], Path(options["--out"])


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


sys.stdout.write("this line is no JSON\n")
say("begun", run=str(out / "0001"))
say("phase", name="shape", detail="distil", steps=4)
if prompt == "fail":
    say("error", message="the prompt is unknown", exit_code=2)
    sys.exit(2)
if prompt == "crash":
    sys.stderr.write("Traceback\nno such thing\n")
    sys.exit(1)
for step in range(1, 5):
    say("step", stage="shape", step=step, steps=4, metrics={}, seconds={})
    while prompt == "hang" and step == 2:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            sys.exit(130)
say("note", text="a note")

import numpy as np  # noqa: E402  # what fails above need not wait for these
import trimesh  # noqa: E402

if "--from" in options:
    mesh = trimesh.load(options["--from"], force="mesh")
    mesh.vertices -= mesh.bounds.mean(0)
    mesh.vertices /= np.linalg.norm(mesh.vertices, axis=1).max()
else:
    mesh = trimesh.creation.box((0.5, 1.5, 0.25))  # +Y is up
out.mkdir(parents=True, exist_ok=True)
mesh.export(out / "mesh.glb")
say("finished", run=str(out / "0001"), files={"glb": str(out / "mesh.glb")}, seconds={}, measures={})
