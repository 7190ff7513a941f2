from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamlab.core.errors import InputError
from dreamlab.evaluate.asked import asked_of
from dreamlab.evaluate.prompt_list import prompt_list, shipped_lists
from dreamlab.evaluate.scene_binding import can_be_bound
from dreamlab.studio import shapes


def test_the_lists_that_are_shipped_have_their_number_of_prompts() -> None:
    assert shipped_lists() == ("dreamfusion", "toys")
    assert len(prompt_list("dreamfusion").prompts) == 153
    assert all(
        prompt.endswith(".") and prompt == prompt.lower() for prompt in prompt_list("dreamfusion").prompts
    )


def test_the_judge_can_look_for_everything_on_our_own_list() -> None:
    toys = prompt_list("toys")
    for prompt in (*toys.kinds["a colour and a thing"], *toys.kinds["a thing"]):
        (thing,) = asked_of(prompt).things
        assert thing.noun in shapes.NOUNS and bool(thing.color) == (
            prompt in toys.kinds["a colour and a thing"]
        )
    assert all(can_be_bound(asked_of(prompt)) for prompt in toys.kinds["two things"])


def test_a_prompt_is_found_whatever_its_case_spaces_and_full_stop() -> None:
    toys = prompt_list("toys")
    assert toys.kind_of("A red  mushroom.") == "a colour and a thing"
    assert toys.kind_of("a robot") == "a thing" and toys.kind_of("a corgi") is None


@pytest.mark.parametrize(
    ("name", "text", "kinds"),
    [
        ("a.txt", "# mine\na cat\n\n a dog \na cat\n", {"a": ("a cat", "a dog")}),
        ("b.json", json.dumps(["a cat", "a dog"]), {"b": ("a cat", "a dog")}),
        ("c.json", json.dumps({"x": ["a cat"], "y": ["a dog"]}), {"x": ("a cat",), "y": ("a dog",)}),
        ("d.yaml", "name: D\nkinds:\n  x: [a cat]\n  y: {easy: [a dog], hard: [a cow]}\n",
         {"x": ("a cat",), "y": ("a dog", "a cow")}),
    ],
)  # fmt: skip
def test_files_are_read_in_every_form(tmp_path: Path, name: str, text: str, kinds: dict) -> None:
    (tmp_path / name).write_text(text)
    assert dict(prompt_list(str(tmp_path / name)).kinds) == kinds


def test_several_files_are_kinds_of_one_list(tmp_path: Path) -> None:
    for name, text in (("prompt_single.txt", "a cat"), ("prompt_multi.txt", "a cat\na dog")):
        (tmp_path / name).write_text(text)
    both = prompt_list(f"{tmp_path / 'prompt_single.txt'},{tmp_path / 'prompt_multi.txt'}")
    assert dict(both.kinds) == {"prompt_single": ("a cat",), "prompt_multi": ("a cat", "a dog")}
    assert both.prompts == ("a cat", "a dog")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.txt", None, "there is no list of prompts"),
        ("empty.txt", "# nothing\n", "holds no prompts"),
        ("cut.json", '["a cat', "cannot be read as prompts"),
        ("cut.yaml", "kinds: [", "cannot be read as prompts"),
        ("numbers.json", "[1, 2]", "holds no prompts"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        prompt_list(str(tmp_path / name))


@pytest.mark.parametrize("name", ["t3bench", "GPTEval3D", "mate-3d"])
def test_lists_that_cannot_be_shipped_say_where_they_lie(name: str) -> None:
    with pytest.raises(InputError, match=r"is not shipped.*name the files"):
        prompt_list(name)
