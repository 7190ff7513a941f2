"""Score distillation in a loop by hand, with a method of one's own. Writes a picture of what it has made.

The method looks at each render under two opposite noises and takes the mean of the answers.
"""

import torch
from PIL import Image

from dreamlab.core.cameras import OrbitCamerasConfig, turntable
from dreamlab.guidance import CFGConfig, NoiseConfig
from dreamlab.guidance.base import Distillation, MethodConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.render.background import SolidBackground
from dreamlab.render.volume import VolumeRendererConfig
from dreamlab.scenes.density import DensityConfig
from dreamlab.scenes.hashgrid import HashGridFieldConfig

STEPS = 100
VIEWS = 4
SIZE = 64  # pixels of a side


class Antithetic(Distillation):
    def __call__(self, render, cameras, prompts, progress, generator):
        step = self.diffuse(render, cameras, progress, generator)
        mirror = self.noised(step.views, step.t, -step.noise)
        answers = [
            self.cfg.apply(self.cfg.predict(z, step.t, prompts, step.views)) for z in (step.z, mirror.z)
        ]
        x0_hat = (answers[0] + answers[1]) / 2
        return self.to_loss(step, step.clean - x0_hat, x0_hat)


prior = EmbeddedPriorConfig().build("cpu")
noise = NoiseConfig(shared=True, t_min={"start": 0.97, "end": 0.4}, t_max={"start": 0.99, "end": 0.55})
method = Antithetic(MethodConfig(), prior, CFGConfig(text=3, camera=3, mean_color=1.2), noise)
prompts = ViewPrompts(prior, "a red mushroom", view_dependent=False)

generator = torch.Generator().manual_seed(0)
field = HashGridFieldConfig(density=DensityConfig(scale=10, strength=2)).build(generator)
renderer, white = VolumeRendererConfig().build(), SolidBackground((1.0, 1.0, 1.0))
cameras = OrbitCamerasConfig(views=VIEWS).build((SIZE, SIZE))
optimiser = torch.optim.Adam(field.parameters(), lr=0.02, betas=(0.9, 0.99), eps=1e-15)

for number in range(STEPS):
    progress = number / STEPS
    seen = cameras.sample(VIEWS, progress, generator)
    renderer.update(field, number, generator)
    render = renderer(field, seen, background=white, generator=generator)
    out = method(render, seen, prompts, progress, generator)
    optimiser.zero_grad()
    out.loss.backward()
    optimiser.step()
    if number % 10 == 0:
        print(number, f"residual {float(out.metrics['residual']):.3f}")

with torch.no_grad():
    around = turntable(4, elevation=0.3, distance=3.0, fovy=0.7, size=(256, 256))
    picture = torch.cat(list(renderer(field, around, background=white).rgb.clamp(0, 1)), dim=1)
Image.fromarray((picture * 255).byte().numpy()).save("own_method.png")
