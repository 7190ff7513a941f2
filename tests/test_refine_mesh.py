"""The loop on a mesh: it comes nearer to what the prior shows, goes on exactly, and heals itself."""

import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from dreamlab.core.cameras import OrbitCamerasConfig
from dreamlab.core.errors import ConfigError
from dreamlab.core.types import GuidanceOut, Mesh
from dreamlab.evaluate.mesh_fidelity import mesh_fidelity, survey
from dreamlab.evaluate.true_pictures import TruePicturesConfig, TruePicturesPrior
from dreamlab.guidance import CFGConfig, DDSConfig, SDSConfig
from dreamlab.guidance.prompts import ViewPrompts
from dreamlab.render import RasterRendererConfig
from dreamlab.render.background import LearnedBackgroundConfig
from dreamlab.render.shading import LitShadingConfig
from dreamlab.scenes import HashGridFieldConfig, MeshScene, MeshSceneConfig
from dreamlab.stages.adam_uniform import AdamUniform
from dreamlab.stages.base import OptimiseConfig
from dreamlab.stages.optimise import StepEvent, optimise
from dreamlab.stages.source import FrozenScene
from dreamlab.stages.watchdog import WatchdogConfig

FULL = {
    "background": LearnedBackgroundConfig(),
    "shading": LitShadingConfig(albedo_until=0.2),
    "losses": {"creases": 0.5, "orientation": 1.0, "z_variance": 1.0},
    "watchdog": WatchdogConfig(keep_every=4),
    "clip_norm": 5.0,
}
ONCE = CFGConfig(text=1, camera=None, mean_color=None)


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(shape.vertices).float(), torch.tensor(np.array(shape.faces)))


def truth() -> Mesh:
    """A red box."""
    mesh = mesh_of(trimesh.creation.box((0.9, 0.7, 0.8)))
    return Mesh(mesh.vertices, mesh.faces, colors=torch.tensor([0.8, 0.2, 0.1]).expand(8, 3).clone())


def ball() -> Mesh:
    return mesh_of(trimesh.creation.icosphere(3, 0.55))


def scene(mesh: Mesh | None = None) -> MeshScene:
    field = HashGridFieldConfig(levels=2, log2_table_size=8, finest_resolution=16, width=16)
    return MeshSceneConfig().build(mesh or ball(), field.build(torch.Generator().manual_seed(1)))


def prior(size: int = 16) -> TruePicturesPrior:
    return TruePicturesConfig(resolution=size).build(truth())


def parts(size: int = 16, **stage: Any) -> dict[str, Any]:
    settings = {"steps": 10, "lr": 0.02, "lr_scale": {"geometry": 0.5}, **stage}
    teacher = prior(size)
    return {
        "stage": OptimiseConfig.model_validate(settings),
        "scene": scene(),
        "renderer": RasterRendererConfig().build(),
        "prior": teacher,
        "guidance": SDSConfig().build(teacher, ONCE),
        "prompts": ViewPrompts(teacher, "a box"),
        "seed": 3,
    }


def run(state: Any = None, **stage: Any) -> Generator[StepEvent, None, Any]:
    return optimise(**parts(**stage), state=state)


def field_of(event: StepEvent) -> MeshScene:
    assert isinstance(event.state.scene, MeshScene)
    return event.state.scene


def last(events: Iterator[StepEvent]) -> StepEvent:
    return list(events)[-1]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_ball_becomes_the_box_that_the_prior_shows() -> None:
    views, made = survey(6, 96), parts(32, steps=80, views=4, lr=0.04, losses={"creases": 0.5})
    before = mesh_fidelity(ball(), truth(), views)
    last(optimise(**made))
    after = mesh_fidelity(made["scene"].mesh(), truth(), views)
    assert before.silhouette_iou < 0.88 and before.normal_angle > 20
    assert after.silhouette_iou > 0.96 and after.normal_angle < 0.6 * before.normal_angle
    colors = made["scene"].albedo(made["scene"].vertices()).mean(0)
    torch.testing.assert_close(colors, torch.tensor([0.8, 0.2, 0.1]), atol=0.06, rtol=0)


# ---- same bytes ----


def test_same_seed_same_bytes() -> None:
    assert same(last(run(**FULL)).state.state_dict(), last(run(**FULL)).state.state_dict())


@pytest.mark.parametrize("stop", [1, 6])
def test_resumed_run_is_the_uninterrupted_one(stop: int) -> None:
    """Also in a scene that was built from another mesh."""
    whole = list(run(**FULL))
    half = run(**FULL)
    saved = [next(half).state.state_dict() for _ in range(stop)][-1]
    half.close()
    other: dict[str, Any] = {**parts(**FULL), "scene": scene(truth())}
    rest = list(optimise(**other, state=saved))
    assert [e.metrics for e in rest] == [e.metrics for e in whole[stop:]]
    assert same(rest[-1].state.state_dict(), whole[-1].state.state_dict())
    assert "adam.scene.u.exp_avg_sq" in saved


def test_preview_disturbs_nothing() -> None:
    quiet, event = last(run()).state.state_dict(), None
    for event in run():
        assert event.preview(24).float().std() > 5
    assert event is not None and same(event.state.state_dict(), quiet)


# ---- steps ----


def test_the_geometry_steps_by_one_rate_and_the_colours_each_by_their_own() -> None:
    state = next(run(steps=1)).state
    uniform = [o for o in state.optimizers if isinstance(o, AdamUniform)]
    plain = [o for o in state.optimizers if not isinstance(o, AdamUniform)]
    assert [len(g["params"]) for o in uniform for g in o.param_groups] == [1]
    assert uniform[0].param_groups[0]["lr"] == pytest.approx(0.01)
    assert {g["lr"] for o in plain for g in o.param_groups} == {0.02}


def test_no_corner_moves_further_in_a_step_than_the_rate() -> None:
    moved = [field_of(e).u.detach().abs().max() for e in run(steps=1)]
    assert float(moved[0]) == pytest.approx(0.01, rel=1e-4)


def test_what_is_not_to_move_does_not() -> None:
    still = field_of(last(run(steps=3, lr_scale={"geometry": 0.0})))
    assert torch.equal(still.mesh().vertices, ball().vertices)


def test_a_group_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="geometry"):
        next(run(lr_scale={"shape": 1.0}))


# ---- healing ----


class Breaking:
    """SDS that gives a value that is no number in some calls."""

    def __init__(self, inner: Any, calls: set[int]) -> None:
        self.inner, self.calls, self.count = inner, calls, 0

    def __call__(self, *args: Any) -> GuidanceOut:
        out = self.inner(*args)
        self.count += 1
        return GuidanceOut(out.loss * math.nan, out.metrics) if self.count in self.calls else out

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None: ...


def test_a_value_that_is_no_number_goes_back_to_the_last_good_mesh() -> None:
    made = parts(steps=8, watchdog={"keep_every": 2, "patience": 3})
    made["guidance"] = Breaking(made["guidance"], {5})
    kept, recoveries = ball().vertices, []
    for event in optimise(**made):
        now = field_of(event).mesh().vertices
        if event.recovery:
            recoveries.append(event.recovery.kind)
            assert event.state.step == 4 and torch.equal(now, kept)
        elif event.state.step == 4:
            kept = now
    assert recoveries == ["rollback"]
    assert made["scene"].mesh().vertices.isfinite().all()


def test_a_second_failure_begins_anew_from_the_mesh_that_was_given() -> None:
    made = parts(steps=8, watchdog={"keep_every": 2, "patience": 3})
    made["guidance"] = Breaking(made["guidance"], {3, 4})
    kinds = []
    for event in optimise(**made):
        if event.recovery:
            kinds.append(event.recovery.kind)
            if event.recovery.kind == "restart":
                assert torch.equal(field_of(event).mesh().vertices, ball().vertices)
    assert kinds == ["rollback", "restart"]


# ---- editing ----


def test_a_frozen_mesh_stays_as_it_was() -> None:
    made = parts(steps=4)
    frozen = FrozenScene(made["scene"], made["renderer"], made["stage"])
    cameras = OrbitCamerasConfig().build((16, 16)).sample(4, 0.0, torch.Generator().manual_seed(0))
    behind = torch.ones(4, 16, 16, 3)
    before, saved = frozen(cameras, behind), frozen.state_dict()
    last(optimise(**made))
    assert torch.equal(frozen(cameras, behind).rgb, before.rgb)
    with torch.no_grad():
        now = made["renderer"](made["scene"], cameras, background=lambda d, g: behind)
    assert not torch.equal(now.rgb, before.rgb)
    late = FrozenScene(made["scene"], made["renderer"], made["stage"])
    late.load_state_dict(saved)
    assert torch.equal(late(cameras, behind).rgb, before.rgb)


def test_a_mesh_can_be_edited() -> None:
    made = parts(steps=2)
    made["guidance"] = DDSConfig(source_prompt="a ball").build(made["prior"], ONCE)
    assert last(optimise(**made)).step == 2
