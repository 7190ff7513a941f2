"""Files of prompts become jobs, and every line that cannot be used is told before anything begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamlab.batch.jobs import BadLinesError, Job, Recipe, read_jobs, read_prompts
from dreamlab.core.errors import InputError

FAST = Recipe("fast")


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def told(jobs: list[Job]) -> list[tuple[int, str, int, str]]:
    return [(job.line, job.prompt, job.seed, job.recipe.preset) for job in jobs]


def test_every_prompt_meets_every_seed_and_preset_once(tmp_path: Path) -> None:
    path = file(tmp_path, "p.txt", "a fox\n\n# a wolf\n a cup \na fox\n")
    jobs = read_jobs(path, FAST, ["fast", "default"], [3, 4])
    assert told(jobs) == [
        (line, prompt, seed, preset)
        for line, prompt in ((1, "a fox"), (4, "a cup"))
        for preset in ("fast", "default")
        for seed in (3, 4)
    ]
    assert len({job.key for job in jobs}) == len(jobs)
    config = jobs[1].config()
    assert (config.prompt, config.seed) == ("a fox", 4)
    assert config == Recipe("fast").config("a fox", 4)
    assert read_prompts(path) == ["a fox", "a cup"]


def test_several_words_that_name_no_file_are_a_prompt(tmp_path: Path) -> None:
    assert told(read_jobs(Path("a red mushroom"), FAST, (), [2, 3])) == [
        (1, "a red mushroom", 2, "fast"),
        (1, "a red mushroom", 3, "fast"),
    ]
    (tmp_path / "a list").write_text("a fox\n")
    for path in (tmp_path / "a list", Path("mushrooms")):
        with pytest.raises(InputError, match=r"\.txt"):
            read_jobs(path, FAST)


def test_rows_say_their_own_seed_preset_and_settings(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": "a fox",
            "seed": 9,
            "settings": {"stages": {"shape": {"steps": 7}}, "stages.shape.views": 3},
        },
        {"prompt": "a cup", "preset": "default", "negative": "a mug", "field.kind": "sdf", "expand": "off"},
    ]
    fox, cup, other = read_jobs(
        file(tmp_path, "p.jsonl", "".join(json.dumps(row) + "\n\n" for row in rows)), FAST, seeds=[1, 2]
    )
    assert told([fox, cup, other]) == [
        (1, "a fox", 9, "fast"), (3, "a cup", 1, "default"), (3, "a cup", 2, "default"),
    ]  # fmt: skip
    shape = fox.config().stages[0]
    assert (shape.total_steps, shape.model_dump()["views"]) == (7, 3)
    config = cup.config()
    assert (config.negative_prompt, config.field.kind, config.expand) == ("a mug", "sdf", "off")


def test_a_table_is_read_like_the_rows(tmp_path: Path) -> None:
    rows = ["prompt,seed,preset,negative,stages.shape.steps", '"a fox, red",9,,a mug,7', "a cup,,default,,"]
    text = "\ufeff" + "".join(f"{row}\r\n" for row in rows)
    fox, cup = read_jobs(file(tmp_path, "p.csv", text), FAST)
    assert told([fox, cup]) == [(2, "a fox, red", 9, "fast"), (3, "a cup", 0, "default")]
    assert fox.config().stages[0].total_steps == 7 and fox.config().negative_prompt == "a mug"
    assert cup.config() == Recipe("default").config("a cup", 0)


def test_the_seed_of_the_settings_is_taken_where_none_is_asked_for(tmp_path: Path) -> None:
    (job,) = read_jobs(file(tmp_path, "p.txt", "a fox\n"), Recipe("fast", overrides=("seed=5",)))
    assert job.seed == 5 and job.config().seed == 5


def test_a_key_depends_on_what_is_made_and_on_nothing_else(tmp_path: Path) -> None:
    def key(text: str, recipe: Recipe = FAST, name: str = "p.txt") -> str:
        return read_jobs(file(tmp_path, name, text), recipe)[-1].key

    assert key("a fox\n") == key("# first\na cup\na fox\n") == key('{"prompt": "a fox"}\n', name="p.jsonl")
    others = [key("a fox"), key("a red fox"), key("a fox", Recipe("default"))]
    others += [key("a fox", Recipe("fast", overrides=("seed=1",)))]
    others += [key("a fox", Recipe("fast", file=file(tmp_path, "c.yaml", f"seed: {n}"))) for n in (2, 3)]
    assert len(set(others)) == len(others)


def test_seeds_of_retries_are_other_seeds_and_can_be_used(tmp_path: Path) -> None:
    jobs = read_jobs(file(tmp_path, "p.txt", "a fox\n"), FAST, seeds=[*range(5), 2**32 - 1])
    seeds = [job.seed_of(attempt) for job in jobs for attempt in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert all(job.config(attempt).seed == job.seed_of(attempt) for job in jobs[-2:] for attempt in range(2))


def test_all_bad_lines_are_told_at_once_with_their_numbers(tmp_path: Path) -> None:
    bad = {
        '{"prompt": ': "JSON",
        '["a fox"]': "no row",
        '{"promt": "a fox"}': "called prompt",
        '{"prompt": "  "}': "empty",
        '{"prompt": "a fox", "seed": -1}': "whole number",
        '{"prompt": "a fox", "seed": true}': "whole number",
        '{"prompt": "a fox", "seed": 4294967296}': "whole number",
        '{"prompt": "a fox", "preset": "fst"}': "preset 'fst'",
        '{"prompt": "a fox", "stages.shape.stepz": 3}': "stepz",
        '{"prompt": "a fox", "settings": 3}': "mapping",
        '{"prompt": "a\\u0007fox"}': "U+0007",
        "[" * 5000: "JSON",
    }
    path = file(tmp_path, "p.jsonl", "\n".join(['{"prompt": "a fox"}', *bad]))
    with pytest.raises(
        BadLinesError, match=r"12 lines of .* cannot be used, and nothing was begun"
    ) as caught:
        read_jobs(path, FAST)
    for number, (told, word) in enumerate(zip(caught.value.complaints, bad.values(), strict=True), 2):
        assert told.startswith(f"{path}:{number}: ") and word in told


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("none.txt", None, "cannot be read; expected a prompt a line, got No such file"),
        ("none.csv", None, "cannot be read; expected rows of prompts"),
        ("blank.txt", "\n# nothing\n", "holds no prompts"),
        ("blank.jsonl", "\n", "holds no prompts"),
        ("blank.csv", "prompt\n", "holds no prompts"),
        ("p.xlsx", "", "expected .txt, .jsonl, .csv, got .xlsx"),
    ],
)
def test_files_that_hold_nothing_are_refused(tmp_path: Path, name: str, text: str | None, word: str) -> None:
    if text is not None:
        file(tmp_path, name, text)
    with pytest.raises(InputError) as caught:
        read_jobs(tmp_path / name, FAST)
    assert word in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"a f\xffx\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_jobs(tmp_path / "p.txt", FAST)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("prompt,seed\na fox,1,2\n", "more cells"),
        ('prompt\n"a fox\n', "CSV"),
        ("name\na fox\n", "called prompt"),
    ],
)
def test_a_table_with_wrong_cells_is_told(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(BadLinesError) as caught:
        read_jobs(file(tmp_path, "p.csv", text), FAST)
    assert word in caught.value.complaints[0] and f"{tmp_path}/p.csv:2: " in caught.value.complaints[0]
