"""A progress line of one's own, and a run that is left early: a checkpoint is kept."""

import dreamlab
from dreamlab.run.events import Begun, Finished, Note, Phase, Step

MOST = 15  # steps; then this script leaves

run = dreamlab.events("a blue car", preset="fast")
for event in run:
    match event:
        case Begun(folder):
            print("in", folder)
        case Phase(name, detail, steps):
            print(f"{name}: {detail}" + (f", {steps} steps" if steps else ""))
        case Note(text):
            print("note:", text)
        case Step(step, done, total):
            print(f"{done}/{total}  residual {step.metrics['residual']:.3f}")
            if done == MOST:
                break
        case Finished(files=files):
            print(*files.values())
run.close()  # writes the checkpoint; `dreamlab resume` goes on from it

left = dreamlab.load_run("latest")
print("left:", left.prompt, "in", left.folder, "with", len(left.files), "files")
