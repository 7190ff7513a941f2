"""The table of a batch: lines are whole or not there, and damaged ones harm no other."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from dreamlab.batch.ledger import Ledger, Row
from dreamlab.core.errors import InputError


def row(number: int, **changes: object) -> Row:
    values = {
        "job": f"k{number}",
        "line": number,
        "prompt": "ein Pilz\u2028ü",
        "preset": "fast",
        "seed": number,
    }
    return Row(**{**values, "state": "done", "run": f"000{number}-a", **changes})  # type: ignore[arg-type]


def test_rows_come_back_and_the_last_of_a_job_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    rows = [row(1), row(2, state="failed", error="why"), row(2, measures={"faces": 3.0}, files={"glb": "m"})]
    for each in rows:
        ledger.append(each)
    again = Ledger(tmp_path)
    assert again.rows == ledger.rows == {"k1": rows[0], "k2": rows[2]} and again.damaged == 0
    assert len((tmp_path / "table.jsonl").read_bytes().split(b"\n")) == 4


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_torn_line_harms_no_other(tmp_path: Path, cut: int) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(row(1))
    ledger.append(row(2))
    os.truncate(ledger.path, ledger.path.stat().st_size - cut)
    torn = Ledger(tmp_path)
    assert torn.damaged == (cut > 1) and list(torn.rows) == (["k1", "k2"] if cut == 1 else ["k1"])
    torn.append(row(3))
    assert list(Ledger(tmp_path).rows) == [*torn.rows] and "k3" in Ledger(tmp_path).rows


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe", b"[]", b"{}", b"3", b"[" * 5000, b'{"state": "done"}', b"\x00" * 40,
        json.dumps({**asdict(row(2)), "seed": "x"}).encode(),
        json.dumps({**asdict(row(2)), "measures": []}).encode(),
        json.dumps({**asdict(row(2)), "run": "../../etc"}).encode(),
        json.dumps({**asdict(row(2)), "state": "maybe"}).encode(),
    ],
)  # fmt: skip
def test_damaged_lines_are_counted_and_stay(tmp_path: Path, line: bytes) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(row(1))
    with ledger.path.open("ab") as file:
        file.write(line + b"\n")
    again = Ledger(tmp_path)
    again.append(row(3))
    assert again.damaged == 1 and list(Ledger(tmp_path).rows) == ["k1", "k3"]
    assert line in ledger.path.read_bytes()


def test_what_a_later_version_adds_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "table.jsonl").write_text(json.dumps({**asdict(row(1)), "colour": "red"}) + "\n")
    assert Ledger(tmp_path).rows == {"k1": row(1)}


def test_a_table_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "table.jsonl").mkdir()
    ledger = Ledger.__new__(Ledger)
    ledger.path, ledger.rows, ledger._torn = tmp_path / "table.jsonl", {}, False
    with pytest.raises(InputError, match="could not write"):
        ledger.append(row(1))
    assert not ledger.rows
