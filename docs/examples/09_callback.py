"""A callback of one's own: curves as CSV, previews as pictures, and a mail or a message at the end."""

import csv
from pathlib import Path

from PIL import Image

import dreamlab
from dreamlab.run.events import Event, Finished, Step

EVERY = 10  # steps from one preview to the next
NAMES = ("loss", "residual", "opacity")


class Curves:
    """Called with every event of a run; what it raises ends the run, with a checkpoint kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, ""
        folder.mkdir(exist_ok=True)
        self.file = (folder / "curves.csv").open("w", newline="")
        self.rows = csv.writer(self.file)
        self.rows.writerow(("step", *NAMES))

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            metrics = event.event.metrics
            self.rows.writerow((event.done, *(metrics[name] for name in NAMES)))
            if event.done % EVERY == 0:
                picture = event.event.preview(96)
                Image.fromarray(picture.numpy()).save(self.folder / f"{event.done:04d}.png")
        elif isinstance(event, Finished):
            self.file.close()
            self.told = f"{event.folder.name}: {event.measures['faces']:.0f} faces"


curves = Curves(Path("curves"))
dreamlab.generate("a red mushroom", preset="fast", on_event=curves)
print(curves.told)
