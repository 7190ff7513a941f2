from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from dreamlab.cli.console import JsonView, QuietView, RichView, half_blocks, open_view
from dreamlab.cli.progress_line import ProgressLine, clock
from dreamlab.run.events import Begun, Event, Finished, Note, Phase, Step
from dreamlab.stages.optimise import StepEvent
from dreamlab.stages.state import OptimiserState


def step(done: int, total: int = 20) -> Step:
    picture = torch.zeros(4, 4, 3, dtype=torch.uint8)
    metrics = {"residual": 0.5, "opacity": 0.25, "coverage": 0.125, "loss": 99.0}
    state = OptimiserState.__new__(OptimiserState)  # a view never looks into it
    event = StepEvent("shape", done, total, metrics, {"render": 0.1}, state, lambda size: picture)
    return Step(event, done, total)


FINISHED = Finished(
    Path("outputs/0001-x"), {"glb": Path("outputs/0001-x/mesh.glb")}, {"load": 1.0}, {"faces": 12.0}
)
EVENTS: list[Event] = [
    Begun(Path("outputs/0001-x")), Phase("load", "embedded"), Phase("optimise"), step(1), step(20),
    Note("look [bold]out[/bold]"), FINISHED,
]  # fmt: skip


def shown(view: Any) -> None:
    with view:
        for event in EVENTS:
            view.show(event)


def test_json_is_one_object_a_line_with_everything_in_it() -> None:
    out = io.StringIO()
    shown(JsonView(out))
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["event"] for row in rows] == ["begun", "phase", "phase", "step", "step", "note", "finished"]
    assert rows[3]["metrics"]["residual"] == 0.5 and rows[3]["step"] == 1 and rows[3]["steps"] == 20
    assert rows[0]["run"] == "outputs/0001-x"
    assert rows[-1]["files"] == {"glb": "outputs/0001-x/mesh.glb"}


def test_quiet_tells_the_mesh_and_nothing_else() -> None:
    out = io.StringIO()
    shown(QuietView(out))
    assert out.getvalue() == "outputs/0001-x/mesh.glb\n"


def test_output_to_a_file_is_plain_lines_with_figures_that_mean_something() -> None:
    out = io.StringIO()
    shown(RichView(Console(file=out, width=100), "a [red]ball"))
    text = out.getvalue()
    assert "\x1b" not in text
    assert "shape 20/20" in text and "residual 0.500" in text and "coverage 0.125" in text
    assert "99.0" not in text  # the loss does not fall under score distillation: it is not shown
    assert "mesh.glb" in text and "12 faces" in text


def test_a_step_is_one_line_in_a_narrow_pipe() -> None:
    shown(RichView(Console(file=(out := io.StringIO()), width=30), "a ball"))
    assert any("shape 20/20" in line and "coverage 0.125" in line for line in out.getvalue().splitlines())


def test_prompts_and_notes_are_never_taken_as_markup() -> None:
    out = io.StringIO()
    shown(RichView(Console(file=out, width=100), "a [red]ball"))
    assert "a [red]ball" in out.getvalue() and "look [bold]out[/bold]" in out.getvalue()


def test_a_terminal_gets_a_picture_and_a_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system="truecolor")
    shown(RichView(console, "a ball"))
    assert "▀" in out.getvalue() and "it/s" in out.getvalue()


def line_at(width: int, done: int = 34, total: int = 180) -> str:
    line = ProgressLine()
    line.begin("shape")
    line.step("shape", done, total, ["residual 0.363", "opacity 0.605", "coverage 0.640"])
    out = io.StringIO()
    Console(file=out, width=width).print(line)
    return out.getvalue().rstrip("\n")


@pytest.mark.parametrize("width", range(40, 141, 5))
def test_the_line_keeps_bar_count_and_time_left_at_any_width(width: int) -> None:
    text = line_at(width)
    assert "\n" not in text and "…" not in text and len(text) <= width
    assert text.startswith("shape  ━") and "34/180" in text and " left" in text


def test_the_line_shows_more_of_the_figures_the_wider_it_is() -> None:
    words = ["it/s", "residual", "opacity", "coverage"]
    shown = [sum(word in line_at(width) for word in words) for width in range(40, 141, 5)]
    assert shown == sorted(shown) and shown[0] == 0 and shown[-1] == 4
    assert "residual 0.363" in line_at(80)


def test_what_has_no_steps_shows_that_it_is_alive() -> None:
    line, out = ProgressLine(), io.StringIO()
    line.begin("texture")
    Console(file=out, width=40).print(line)
    assert out.getvalue().strip("\n").endswith("texture  0:00")
    line.begin("")
    Console(file=(nothing := io.StringIO()), width=40).print(line)
    assert nothing.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (725, "12:05"), (3725, "1:02:05")]
)
def test_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_picture_as_text_has_the_pixels_colours() -> None:
    image = torch.tensor([[[255, 0, 0], [1, 2, 3]], [[0, 0, 255], [4, 5, 6]]], dtype=torch.uint8)
    text = half_blocks(image)
    assert text.plain == "▀▀\n"
    assert [str(span.style) for span in text.spans] == [
        "rgb(255,0,0) on rgb(0,0,255)",
        "rgb(1,2,3) on rgb(4,5,6)",
    ]


@pytest.mark.parametrize(("mode", "kind"), [("json", JsonView), ("quiet", QuietView), ("rich", RichView)])
def test_each_mode_has_its_view(mode: Any, kind: type) -> None:
    assert isinstance(open_view(mode), kind)
