"""scripts/gpu_check on the CPU: its checks run, a planted fault is found, and what dies is written down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import gpu_check as script
import gpu_check_record as record_of
from gpu_check_facts import facts_checks
from gpu_check_ops import ops_checks
from gpu_check_record import Check, Record, Setting, Skip, run_part
from kernel_sets import TRITON

from dreamlab.ops.field import native, reference, triton_ops

SCRIPTS = Path(__file__).parent.parent / "scripts"
QUICK = Setting(torch.device("cpu"), quick=True)
FACTS = {"device": "cpu", "quick": True}


def results(tmp_path: Path, checks: list[Check], part: str = "ops") -> dict[str, Any]:
    record = Record(tmp_path / "found.json", FACTS)
    run_part(part, checks, record, QUICK)
    return json.loads((tmp_path / "found.json").read_text())["parts"][part]["checks"]


def test_the_facts_are_found_and_what_a_cpu_lacks_is_said(tmp_path: Path) -> None:
    found = results(tmp_path, facts_checks(QUICK), "facts")
    assert not [name for name, result in found.items() if result["state"] == "failed"]
    assert found["back ends"]["figures"]["encode_mlp"] in ("native", "reference")
    assert "out of memory" in found and found["nerfacc"]["reason"] == "for CUDA alone"
    assert found["machine"]["figures"]["packages"]["torch"]


def test_operations_that_are_right_pass(tmp_path: Path) -> None:
    checks = [check for check in ops_checks(QUICK) if "triton" not in check.name]
    found = results(tmp_path, [check for check in checks if "side by side" not in check.name])
    assert {result["state"] for result in found.values()} == {"ok"}
    assert found["encode_mlp N=4096"]["figures"]["gradient 1"] < 1e-5
    assert found["reference composite N=257"]["figures"]["value 0"] < 1e-5


def test_every_back_end_that_is_there_is_timed_and_the_others_say_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_ops, "why_not", lambda name=None: f"no {name} today")
    asked = ("composite side by side", "march side by side", "triton march N=257")
    found = results(tmp_path, [check for check in ops_checks(QUICK) if check.name in asked])
    for name in ("composite", "march"):
        figures = found[f"{name} side by side"]["figures"]
        assert f"no {name} today" in figures["triton"] and figures["points"] == 4096
        assert all(figures[where]["forward and backward ms"] > 0 for where in ("native", "reference"))
    assert found["triton march N=257"]["state"] == "skipped"


def test_a_kernel_that_leaves_its_work_to_the_reference_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", "it gave up", "it gave up"])
    monkeypatch.setattr(triton_ops, "why_not", lambda name=None: next(answers))
    monkeypatch.setattr(triton_ops, "march", reference.march)
    asked = [check for check in ops_checks(QUICK) if check.name == "triton march N=257"]
    assert "it gave up" in results(tmp_path, asked)["triton march N=257"]["reason"]


@pytest.mark.slow
@TRITON.marks[0]
def test_the_interpreter_rehearses_tritons_kernels(tmp_path: Path) -> None:
    asked = [check for check in ops_checks(QUICK) if check.name.startswith("triton ")]
    found = results(tmp_path, asked)
    assert len(found) == 16 and {result["state"] for result in found.values()} == {"ok"}


def test_a_gradient_that_is_wrong_by_one_per_cent_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = reference if native.why_not() else native
    right = where.encode_mlp

    def wrong(x: Any, table: Any, spec: Any, weights: Any) -> Any:
        if table.dtype == torch.float32 and table.requires_grad:
            table.register_hook(lambda gradient: gradient * 1.01)
        return right(x, table, spec, weights)

    monkeypatch.setattr(where, "encode_mlp", wrong)
    checks = [check for check in ops_checks(QUICK) if "side by side" not in check.name]
    asked = [check for check in checks if check.name.startswith(("encode", "mlp"))]
    found = results(tmp_path, asked)
    failed = {name: result for name, result in found.items() if result["state"] != "ok"}
    assert set(failed) == {"encode_mlp N=1", "encode_mlp N=257", "encode_mlp N=4096"}
    assert "gradient 1 is off by 1.00e-02" in failed["encode_mlp N=257"]["reason"]
    assert "AssertionError" in failed["encode_mlp N=257"]["traceback"]


def test_samples_that_lie_half_a_step_off_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = reference if native.why_not() else native
    right = where.march

    def late(rays: Any, occupancy: Any, step: float, jitter: Any) -> Any:
        moved = jitter + 0.5 if jitter.dtype == torch.float32 else jitter
        return right(rays, occupancy, step, moved)

    monkeypatch.setattr(where, "march", late)
    marched = [check for check in ops_checks(QUICK) if check.name == "march N=4096"]
    (result,) = results(tmp_path, marched).values()
    assert result["state"] == "failed" and "of the rays have other samples" in result["reason"]


# ---- what goes wrong ----


def test_a_failure_is_kept_and_the_next_check_goes_on(tmp_path: Path) -> None:
    def broken() -> dict[str, Any]:
        raise ValueError("first line\nsecond")

    def absent() -> dict[str, Any]:
        raise Skip("no such card")

    checks = [Check("a", broken), Check("b", absent), Check("c", lambda: {"n": 1})]
    found = results(tmp_path, checks)
    assert found["a"]["reason"] == "ValueError: first line" and "in broken" in found["a"]["traceback"]
    assert found["b"]["state"] == "skipped" and found["b"]["reason"] == "no such card"
    assert found["c"]["state"] == "ok" and found["c"]["figures"] == {"n": 1}


def test_a_lost_device_ends_the_process_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cuda, done = Setting(torch.device("cuda"), quick=True), []
    checks = [Check(name, lambda name=name: done.append(name) or {}) for name in "ab"]
    record = Record(tmp_path / "found.json", FACTS)
    monkeypatch.setattr(record_of, "_usable", lambda: False)
    assert run_part("ops", checks, record, on_cuda) == record_of.DEVICE_LOST
    assert done == ["a"] and record.open("ops") == ["b"]
    monkeypatch.setattr(record_of, "_usable", lambda: True)
    assert run_part("ops", checks, record, on_cuda) == 0
    assert done == ["a", "b"] and record.complete("ops")


def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> tuple[int, Any, str]:
    """What comes of a part whose process is this code instead."""
    run = subprocess.run
    out = tmp_path / "found.json"
    head = (
        f"import os, sys, time; sys.path[:0] = [{str(SCRIPTS)!r}, {str(SCRIPTS.parent)!r}]; import torch;"
        "from gpu_check_record import *; from pathlib import Path;"
        f"r = Record(Path({str(out)!r}), {FACTS!r}); s = Setting(torch.device('cpu'), True);"
    )
    monkeypatch.setattr(
        script.subprocess, "run", lambda command, **kw: run([sys.executable, "-c", head + code], **kw)
    )
    said: list[str] = []
    monkeypatch.setattr(script, "_say", said.append)
    rc = script.main(["--part", "ops", "--device", "cpu", "--quick", "--out", str(out)])
    return rc, json.loads(out.read_text())["parts"]["ops"]["checks"], "\n".join(said)


def test_a_check_that_kills_its_process_is_a_failure_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "die = lambda: (sys.stderr.write('fault in kernel'), sys.stderr.flush(), os.abort());"
        "sys.exit(run_part('ops', [Check('a', lambda: {}), Check('b', die), Check('c', lambda: {})], r, s))"
    )
    rc, found, said = followed(tmp_path, monkeypatch, code)
    assert rc == 1 and found["a"]["state"] == found["c"]["state"] == "ok"
    assert found["b"]["reason"] == "its process was killed by SIGABRT"
    assert "fault in kernel" in found["b"]["traceback"]
    assert "failed  ops: b: its process was killed by SIGABRT" in said


def test_what_no_time_is_left_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(command: list[str], timeout: float, **_: Any) -> Any:
        record = Record(tmp_path / "found.json", FACTS)
        record.part("ops")["planned"] = ["slow", "next"]
        record.set("ops", "slow", "running")
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(script.subprocess, "run", endless)
    said: list[str] = []
    monkeypatch.setattr(script, "_say", said.append)
    out = str(tmp_path / "found.json")
    assert script.main(["--part", "ops", "--device", "cpu", "--quick", "--out", out, "--minutes", "3"]) == 1
    found = json.loads((tmp_path / "found.json").read_text())["parts"]["ops"]["checks"]
    assert found["slow"]["state"] == "failed" and found["next"]["state"] == "skipped"
    assert "skipped ops: next: no time was left: 3 minutes a part" in "\n".join(said)


def test_a_process_that_never_gets_to_a_check_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.run
    broken = [sys.executable, "-c", "raise ImportError('no such kernel')"]
    monkeypatch.setattr(script.subprocess, "run", lambda command, **more: run(broken, **more))
    monkeypatch.setattr(script, "_say", lambda text: None)
    out = tmp_path / "found.json"
    assert script.main(["--part", "ops", "--device", "cpu", "--quick", "--out", str(out)]) == 1
    found = json.loads(out.read_text())["parts"]["ops"]["checks"]
    assert found["start"]["state"] == "failed" and "no such kernel" in found["start"]["traceback"]


def test_a_file_of_another_machine_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    Record(tmp_path / "found.json", FACTS | {"device": "cuda"}).write()
    with pytest.raises(SystemExit, match="is of another device; name another with --out"):
        Record(tmp_path / "found.json", FACTS)


def test_every_part_has_its_checks_and_their_names_are_their_own() -> None:
    for part in script.PARTS:
        names = [check.name for check in script.checks_of(part, QUICK)]
        assert names and len(names) == len(set(names)), part
