"""Posed pictures of the first object for nerfstudio, and how a program reads them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from dreamlab.cli import main

folder = Path("data/mushroom")
views = ["--views", "6", "--size", "128", "--cameras", "orbit"]
code = main(["dataset", "1", "--out", str(folder), *views])
assert code == 0, "what went wrong has been said"

for line in (folder / "metadata.jsonl").read_text().splitlines():
    view = json.loads(line)
    image = np.asarray(Image.open(folder / view["file_name"]))
    print(view["file_name"], image.shape, view["text"])
