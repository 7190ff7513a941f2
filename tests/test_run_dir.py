from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known import small_config
from safetensors.torch import load_file, save_file

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.run import checkpoints
from dreamlab.run.checkpoints import Checkpoint
from dreamlab.run.run_dir import RunDir, slug

CONFIG = small_config()


# ---- names ----


@given(st.text(max_size=200))
def test_a_slug_is_always_a_safe_folder_name(prompt: str) -> None:
    name = slug(prompt)
    assert 1 <= len(name) <= 48
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-") and not name.endswith("-")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A red mushroom", "a-red-mushroom"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\system32", "c-windows-system32"),
        ("🍄", "mushroom"),
        ("ein süßer Käse", "ein-suer-kase"),
        ("赤いきのこ", "object"),
        ("--rf *", "rf"),
        ("word " * 50, "word-word-word-word-word-word-word-word-word"),
        ("x" * 100, "x" * 48),
    ],
)
def test_slugs(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


# ---- folders ----


def test_runs_are_numbered_from_one_and_never_reuse_a_number(tmp_path: Path) -> None:
    first, second = (RunDir.create(tmp_path, CONFIG, {}) for _ in range(2))
    assert [first.path.name, second.path.name] == ["0001-a-red-ball", "0002-a-red-ball"]
    shutil.rmtree(first.path)
    assert RunDir.create(tmp_path, CONFIG, {}).path.name == "0003-a-red-ball"


def test_numbers_go_on_past_four_digits(tmp_path: Path) -> None:
    (tmp_path / "9999-old").mkdir()
    assert RunDir.create(tmp_path, CONFIG, {}).path.name == "10000-a-red-ball"


def test_many_at_once_get_a_number_each(tmp_path: Path) -> None:
    configs = [CONFIG.model_copy(update={"prompt": f"thing {i}"}) for i in range(24)]
    with ThreadPoolExecutor(12) as pool:
        runs = list(pool.map(lambda config: RunDir.create(tmp_path, config, {}), configs))
    numbers = [run.path.name[:4] for run in runs]
    assert len(set(numbers)) == 24
    assert not list(tmp_path.glob(".claim-*"))


def test_a_claim_left_by_a_dead_process_is_stepped_over(tmp_path: Path) -> None:
    (tmp_path / ".claim-0001").mkdir()
    assert RunDir.create(tmp_path, CONFIG, {}).path.name.startswith("0002-")


@pytest.mark.parametrize("root", ["/proc/dreamlab", "/dev/null/outputs"])
def test_a_place_that_cannot_be_written_to_is_told_plainly(root: str) -> None:
    with pytest.raises(InputError, match="cannot make a run folder"):
        RunDir.create(Path(root), CONFIG, {})


def test_a_run_is_found_by_number_name_path_and_as_the_latest(tmp_path: Path) -> None:
    first, second = (RunDir.create(tmp_path, CONFIG, {}) for _ in range(2))
    for name in ("1", "0001", "0001-a-red-ball", str(first.path)):
        assert RunDir.find(tmp_path, name).path == first.path
    assert RunDir.find(tmp_path, "latest").path == second.path
    with pytest.raises(InputError, match="The nearest is 0001-a-red-ball"):
        RunDir.find(tmp_path, "0001-a-red-bal")
    with pytest.raises(InputError, match="no runs"):
        RunDir.find(tmp_path / "nowhere", "latest")


def test_config_and_environment_come_back(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG, {"threads": 2})
    assert run.config() == CONFIG and run.environment() == {"threads": 2}
    (run.path / "config.yaml").unlink()
    with pytest.raises(DamagedError, match=r"config\.yaml"):
        run.config()


def test_a_run_of_before_there_were_stages_is_still_read(tmp_path: Path) -> None:
    """Its mesh had a section of its own, and its surface another kind of smoothing."""
    run = RunDir.create(tmp_path, CONFIG, {})
    values = CONFIG.model_dump(mode="json", by_alias=True)
    extract, clean, simplify, texture, export, film = values["stages"][2:]
    values["stages"] = values["stages"][:2]
    del simplify["cubes"]  # which nobody had
    old = {"extract": extract, "clean": clean | simplify | {"smooth": 50}, "bake": texture}
    old |= {name: export[name] for name in ("formats", "size", "origin", "compression")}
    values |= {"mesh": {**old, "texture": False}, "turntable": film}
    for stage in values["stages"]:
        for new in ("kind", "renderer", "mesh"):
            del stage[new]
    for section in (extract, old["clean"], texture, film):
        section.pop("into", None)
        del section["kind"], section["name"]
    (run.path / "config.yaml").write_text(json.dumps(values), encoding="utf-8")
    with pytest.warns(UserWarning, match="read in today's settings"):
        assert run.config() == CONFIG


def test_only_one_process_works_on_a_run(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG, {})
    with run.at_work(), pytest.raises(InputError, match="another process"), RunDir(run.path).at_work():
        pass
    with run.at_work():  # and it is free again afterwards
        pass


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG, {})
    (run.path / "checkpoints" / ".writing-000005").mkdir(parents=True)
    (run.path / ".writing-abc.glb").write_bytes(b"half")
    with run.at_work():
        assert not list(run.path.rglob(".writing-*"))


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG, {})
    with run.at_work():
        run.log_metrics({"step": 1})
        run.save_checkpoint(0, 1, 1, state(), CONFIG)
        run.log_metrics({"step": 2})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 3, "lo')  # a line that a kill cut off
    with run.at_work():
        found, complaints = run.restore()
        run.log_metrics({"step": 2, "again": True})
    assert found is not None and found.step == 1 and not complaints
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert rows == [{"step": 1}, {"step": 2, "again": True}]


def test_missing_metrics_are_told(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, CONFIG, {})
    with run.at_work():
        run.log_metrics({"step": 1})
        run.save_checkpoint(0, 1, 1, state(), CONFIG)
    (run.path / "metrics.jsonl").write_bytes(b"")
    assert "metrics.jsonl is shorter" in run.restore()[1][0]


# ---- checkpoints ----


def state() -> dict[str, torch.Tensor]:
    return {
        "step": torch.tensor(7),
        "generator": torch.Generator().manual_seed(1).get_state(),
        "scene.table": torch.randn(4, 3, generator=torch.Generator().manual_seed(2)),
        "adam.scene.table.step": torch.tensor(6.0),
        "good.scene.table": torch.zeros(4, 3),
        "renderer.grid": torch.tensor([True, False]),
        "watchdog.factors": torch.tensor([0.5], dtype=torch.float64),
    }


def moment(total: int) -> Checkpoint:
    return Checkpoint(0, total, total, 100, state())


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path / "c", moment(7), {"seed": 1}, keep=2)
    assert {p.name for p in path.iterdir()} == {"scene.safetensors", "state.safetensors", "meta.json"}
    back = checkpoints.load(path)
    assert (back.stage, back.step, back.total_step, back.metrics_bytes) == (0, 7, 7, 100)
    assert back.state.keys() == state().keys()
    assert all(torch.equal(back.state[k], v) and back.state[k].dtype == v.dtype for k, v in state().items())
    assert json.loads((path / "meta.json").read_text())["config"] == {"seed": 1}


def test_a_run_that_was_moved_off_a_full_disk_is_found_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the error advises: --out is where all runs are, not where this one goes on."""
    run = RunDir.create(tmp_path / "full", CONFIG, {})
    run.save_checkpoint(0, 1, 1, state(), CONFIG)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_write_synced", full)
        with pytest.raises(
            InputError, match=r"No space left.*move the run's folder, then `dreamlab resume FOLDER`"
        ):
            run.save_checkpoint(0, 2, 2, state(), CONFIG)
    moved = shutil.move(run.path, tmp_path / "room")
    found = RunDir.find(tmp_path / "full", str(moved))
    assert found.path == tmp_path / "room" and found.config() == CONFIG


def test_a_checkpoint_of_the_format_before_is_still_read(tmp_path: Path) -> None:
    """Format 1 knew only fields and called every scene so."""
    folder = checkpoints.save(tmp_path, moment(7), {}, keep=2)
    now = checkpoints.load(folder)
    meta = json.loads((folder / "meta.json").read_text())
    state = load_file(folder / "state.safetensors")
    old = {re.sub(r"\bscene\.", "field.", name): value for name, value in state.items()}
    assert old.keys() != state.keys()
    (folder / "scene.safetensors").rename(folder / "field.safetensors")
    save_file(old, folder / "state.safetensors")
    files = {}
    for name in ("field.safetensors", "state.safetensors"):
        files[name] = {"sha256": sha256((folder / name).read_bytes()).hexdigest()}
    (folder / "meta.json").write_text(json.dumps(meta | {"format": 1, "files": files}))
    before = checkpoints.load(folder)
    assert before.state.keys() == now.state.keys()
    assert all(torch.equal(before.state[name], value) for name, value in now.state.items())


def test_old_checkpoints_go_and_those_ahead_of_a_rollback_too(tmp_path: Path) -> None:
    for total in (1, 2, 3):
        checkpoints.save(tmp_path, moment(total), {}, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000002", "000003"]
    checkpoints.save(tmp_path, moment(2), {}, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000002"]


@pytest.mark.parametrize("name", ["scene.safetensors", "state.safetensors", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_checkpoint_is_passed_over_aloud(tmp_path: Path, name: str, damage: str) -> None:
    checkpoints.save(tmp_path, moment(1), {}, keep=2)
    victim = checkpoints.save(tmp_path, moment(2), {}, keep=2) / name
    data = victim.read_bytes()
    middle = len(data) // 2
    if damage == "gone":
        victim.unlink()
    else:
        flipped = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
        victim.write_bytes({"flip": flipped, "cut": data[:-3], "empty": b""}[damage])
    found, complaints = checkpoints.load_latest(tmp_path)
    assert found is not None and found.total_step == 1
    assert len(complaints) == 1 and "000002" in complaints[0]


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, moment(1), {}, keep=2)
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(meta | {"format": 99}))
    with pytest.raises(DamagedError, match="another format"):
        checkpoints.load(path)


def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(tmp_path, moment(1), {}, keep=2)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        checkpoints.save(tmp_path, moment(2), {}, keep=2)
    assert [p.name for p in tmp_path.iterdir()] == ["000001"]
    assert checkpoints.load_latest(tmp_path)[0] is not None


def test_a_real_limit_on_file_size_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(InputError, match="could not write the checkpoint"):
            checkpoints.save(tmp_path / "c", moment(1), {}, keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "c").iterdir()) == []


def test_nothing_is_pickled(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, moment(1), {}, keep=2)
    assert {p.suffix for p in path.iterdir()} == {".safetensors", ".json"}
