"""The scene, renderer and stage of docs/extending.md do what they say; all its examples make a run."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from examples import PAGE, code_of, example, extended_copy, unions
from torch import Tensor, nn

from dreamlab.core.cameras import camera_rays, turntable
from dreamlab.core.errors import ConfigError, InputError, UnavailableError
from dreamlab.core.types import Field, Mesh
from dreamlab.mesh.surface.clean import solidity
from dreamlab.render.background import SolidBackground
from dreamlab.render.shading import Shading
from dreamlab.stages.base import Optimisable
from dreamlab.stages.protocol import Measured, SurfaceMesh

HERE = Path(__file__).parent
BLACK = SolidBackground((0.0, 0.0, 0.0))


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    return lambda name: example(name, tmp_path, monkeypatch)


# ---- the scene ----


def test_the_example_scene_reads_its_planes_between_their_corners(load) -> None:
    """Planes that hold the coordinates themselves, read by a network that hands them on."""
    field = load("scene").TriplaneFieldConfig(resolution=5, features=3, width=3).build(torch.Generator())
    ramp = torch.linspace(-1, 1, 5)
    with torch.no_grad():
        field.planes.zero_()
        field.planes[0, 0] = ramp[None, :]  # x of the plane xy
        field.planes[1, 1] = ramp[None, :]  # y of yz
        field.planes[2, 2] = ramp[None, :]  # z of zx
        field.weights[0].copy_(torch.eye(3))
        field.weights[1].copy_(torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    x = torch.rand(50, 3)
    torch.testing.assert_close(field.raw(x), torch.cat([x.sum(1, keepdim=True), x], 1))


def test_the_example_scene_is_one_that_the_loop_can_train(load) -> None:
    config = load("scene").TriplaneFieldConfig()
    one, two = (config.build(torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    named = [name for names in one.parameter_groups().values() for name in names]
    assert sorted(named) == sorted(name for name, _ in one.named_parameters())
    one.restart(torch.Generator().manual_seed(5), 2.0)
    assert not torch.equal(one.planes, two.planes)
    two.load_state_dict(one.state_dict())
    assert isinstance(two, Optimisable)
    x = torch.rand(9, 3) - 0.5
    assert isinstance(two, Field) and torch.equal(one.density(x), two.density(x))


# ---- the renderer ----


class Fog(nn.Module):
    """Density and colour in closed form: densest in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(5.0))

    def density(self, x: Tensor) -> Tensor:
        return self.strength * torch.exp(-4 * x.square().sum(-1)) * (x.square().sum(-1) <= 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.density(x), (x + 1) / 2


def test_the_example_renderer_shows_the_densest_point_of_every_ray(load) -> None:
    fog, cameras = Fog(), turntable(3, 0.3, 2.5, 0.7, (12, 12))
    renderer = load("renderer").MaximumRendererConfig(samples=801, thickness=0.4).build()
    seen = renderer(fog, cameras, background=BLACK, buffers=("normal", "depth_variance"))
    rays = camera_rays(cameras)
    t = -(rays.origins * rays.directions).sum(-1, keepdim=True)  # densest is what is nearest to the middle
    point = rays.origins + t * rays.directions
    opacity = 1 - torch.exp(-0.4 * fog.density(point))[:, None]
    torch.testing.assert_close(seen.opacity.view(-1, 1), opacity, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.rgb.view(-1, 3), opacity * (point + 1) / 2, atol=5e-3, rtol=0)
    torch.testing.assert_close(seen.depth.view(-1, 1), opacity * t, atol=5e-3, rtol=0)
    hit = (opacity[:, 0] > 0.1) & (point.norm(dim=-1) > 0.05)
    assert seen.normal is not None and int(hit.sum()) > 50
    outwards = torch.nn.functional.normalize(point[hit], dim=-1)
    normal = torch.nn.functional.normalize(seen.normal.detach().view(-1, 3)[hit], dim=-1)
    cosine = (normal * outwards).sum(-1)
    assert float(cosine.min()) > 0.95
    seen.opacity.sum().backward()
    assert fog.strength.grad is not None and float(fog.strength.grad) > 0


def test_the_example_renderer_lights_and_refuses_meshes(load) -> None:
    module, cameras = load("renderer"), turntable(1, 0.0, 2.5, 0.7, (9, 9))
    renderer = module.MaximumRendererConfig().build()
    lamp = Shading("textureless", cameras.c2w[:, :3, 3], ambient=0.1, diffuse=0.9)
    with torch.no_grad():
        clay = renderer(Fog(), cameras, background=BLACK, shading=lamp)
    middle = clay.rgb[0, 4, 4] / clay.opacity[0, 4, 4]
    assert 0.1 <= float(middle.min()) == float(middle.max()) <= 1
    with pytest.raises(ConfigError, match="needs a field"):
        renderer(nn.Linear(1, 1), cameras, background=BLACK)


# ---- the stage ----


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(shape.vertices).float(), torch.from_numpy(np.asarray(shape.faces, np.int64)))


def box(low: float, high: float) -> Mesh:
    """Across from low to high, 1 each way else."""
    shape = trimesh.creation.box((high - low, 1, 1))
    return mesh_of(shape.apply_translation(((low + high) / 2, 0, 0)))


def mirrored(
    module: ModuleType, scene: SurfaceMesh, **settings: object
) -> tuple[SurfaceMesh, dict[str, float]]:
    events, output = module.MirrorStageConfig(**settings).build().run(scene, None), {}
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value, output
        assert isinstance(event, Measured)
        output |= event.values


@pytest.mark.parametrize(("keep", "width"), [("right", 0.6), ("left", 0.2)])
def test_the_example_stage_doubles_the_half_that_stays(load, keep: str, width: float) -> None:
    given = box(-0.1, 0.3)
    made, output = mirrored(load("stage"), SurfaceMesh(given), keep=keep)
    assert output == {"symmetry_iou": pytest.approx(0.2 / 0.6)}
    solid = solidity(made.mesh)
    assert solid.watertight and solid.genus == 0 and solid.volume == pytest.approx(width)
    x = made.mesh.vertices[:, 0]
    assert float(x.min()) == -float(x.max()) == pytest.approx(-width / 2)
    assert made.painted is given and made.fine is made.mesh


def test_the_example_stage_refuses_what_it_cannot_mirror(load, monkeypatch: pytest.MonkeyPatch) -> None:
    module, whole = load("stage"), box(-0.1, 0.3)
    with pytest.raises(InputError, match="Put the stage after clean"):
        mirrored(module, SurfaceMesh(Mesh(whole.vertices, whole.faces[:-1])))
    with pytest.raises(InputError, match="no left half"):
        mirrored(module, SurfaceMesh(box(0.1, 0.3)), keep="left")
    assert module.MirrorStageConfig().returns("mesh") == "mesh"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="manifold3d"):
        module.MirrorStageConfig().check()


# ---- all of them, in runs ----

RUN = """
import dreamlab, flow, json, torch
from known import SMALL_END, red_ball_prior, small_values

extract, clean, *end, _ = SMALL_END
shape = {"name": "shape", "steps": 6, "views": 4, "lr": 0.05, "renderer": {"kind": "maximum", "samples": 16},
         "losses": {"symmetry": {"weight": 10, "points": 100}}, "guidance": {"kind": "antithetic"}}
refine = {"name": "refine", "steps": 2, "views": 4}
settings = small_values(
    field={"kind": "triplane", "resolution": 16, "features": 4},
    stages=[shape, extract, clean, "mirror", refine, *end],
)
prompt = settings.pop("prompt")
result = dreamlab.generate(prompt, settings=settings, out="runs", prior=red_ball_prior())
told = json.loads((result.folder / "summary.json").read_text())
again = dreamlab.load_run(result.folder)

prior = flow.FlowPrior(
    lambda z, sigma, tokens: z / sigma[:, None, None, None], lambda texts: torch.zeros(len(texts), 1, 1), 8
)
plain = small_values()
plain["stages"][0]["steps"] = plain["stages"][1]["steps"] = 1
plain.pop("prompt")
flowed = dreamlab.generate("grey", settings=plain, out="runs", prior=prior)
print(json.dumps({
    "package": dreamlab.__file__, "files": sorted(result.files), "measures": told["measures"],
    "field": type(again.field).__name__, "kinds": [s.kind for s in again.config.stages],
    "flow": sorted(flowed.files),
}))
"""

FAMILY = """
import dreamlab, json, torch
from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline
from dreamlab.cli.prior_option import prior_settings
from known import small_values
from priors import tiny

torch.manual_seed(0)
pipe = StableDiffusionInstructPix2PixPipeline(
    vae=tiny.vae(), text_encoder=tiny.clip_text(), tokenizer=tiny.clip_tokeniser(),
    unet=tiny.unet(in_channels=8), scheduler=DDIMScheduler(**tiny.DDIM), safety_checker=None,
    feature_extractor=None, requires_safety_checker=False,
)
pipe.save_pretrained("model")
settings = small_values(prior=prior_settings("model"))
settings["stages"][0]["steps"] = settings["stages"][1]["steps"] = 1
settings.pop("prompt")
result = dreamlab.generate("make it red", settings=settings, out="runs")
print(json.dumps({"kind": result.config.prior.kind, "files": sorted(result.files)}))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with all examples in it."""
    folder = tmp_path_factory.mktemp("extended")
    assert extended_copy(folder) == ["method", "loss", "scene", "renderer", "stage", "family"]
    (folder / "flow.py").write_text(code_of("prior"), "utf-8")
    return folder


def process(code: str, folder: Path) -> dict[str, Any]:
    """What the code says at its end. A process of its own: unions are built when they are imported."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(HERE)]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_example_of_the_page_is_named_in_its_table() -> None:
    assert set(unions()) == set(re.findall(r"<!-- example: (\w+) -->", PAGE.read_text("utf-8")))


@pytest.mark.slow
def test_the_examples_make_a_run_once_they_are_listed(extended: Path) -> None:
    output = process(RUN, extended)
    assert Path(output["package"]).is_relative_to(extended)
    assert output["files"] == output["flow"] == ["glb", "html", "obj"]
    assert "mirror" in output["kinds"] and output["field"] == "TriplaneField"
    assert 0 < output["measures"]["symmetry_iou"] < 1 and math.isfinite(output["measures"]["psnr"])


def test_the_example_family_is_found_by_its_model_and_makes_a_run(extended: Path) -> None:
    assert process(FAMILY, extended) == {"kind": "pix2pix", "files": ["glb", "html", "obj"]}
