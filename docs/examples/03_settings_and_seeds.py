"""One prompt with three seeds, one prior for all, and a picture of the three side by side."""

import torch
from PIL import Image

import dreamlab
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

prior = EmbeddedPriorConfig().build("cpu")  # loaded once
settings = {
    "stages": {"simplify": {"faces": 1500}, "export": {"formats": ["glb"], "size": "12cm"}},  # as in YAML
    "stages.turntable.frames": 0,  # as --set has it
}
rows = []
for seed in (1, 2, 3):
    result = dreamlab.generate(
        "a red mushroom", preset="fast", settings={"seed": seed, **settings}, prior=prior
    )
    rows.append(torch.cat(list(result.render()), dim=1))  # four sides in a row
    print(seed, result.folder)
Image.fromarray(torch.cat(rows).numpy()).save("seeds.png")
