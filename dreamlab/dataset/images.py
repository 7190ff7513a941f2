"""Pictures as the bytes of their files: the same picture, the same bytes."""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt16

from dreamlab.core.errors import InputError
from dreamlab.core.extras import extra
from dreamlab.core.files import atomic_path

FURTHEST = 2**16 - 1  # steps of 16-bit depth
FAST = 1  # zlib's level: 0.6 of the time of 3, for files a sixth larger
GREY, RGB, RGBA = 0, 2, 6  # PNG's colour types
UP = 2  # PNG's filter: what differs from the pixel above


def png(image: UInt8[np.ndarray, "*HWC"] | UInt16[np.ndarray, "H W"]) -> bytes:
    """Grey [H,W] of 8 or 16 bits, sRGB [H,W,3] or with alpha [H,W,4], as PNG (W3C, 2003).

    Written here because it is what takes longest beside the rendering: every row by the one filter that suits
    smooth pictures takes half the time of trying five.
    """
    height, width = image.shape[:2]
    kind = GREY if image.ndim == 2 else {3: RGB, 4: RGBA}[image.shape[2]]
    bits = 8 * image.dtype.itemsize
    big = np.ascontiguousarray(image, image.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    rows = np.empty((height, big.shape[1] + 1), np.uint8)
    rows[:, 0] = UP
    rows[0, 1:] = big[0]
    np.subtract(big[1:], big[:-1], out=rows[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows.data, FAST)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def depth_steps(depth: Float[np.ndarray, "H W"], unit: float) -> UInt16[np.ndarray, "H W"]:
    """Metres in steps of `unit`, rounded; 0 is nothing, and nothing else is 0. Raises InputError beyond
    65,535 steps."""
    steps = np.rint(depth.astype(np.float64) / unit)
    if steps.max(initial=0) > FURTHEST:
        raise too_far(float(depth.max()), unit)
    return np.maximum(steps, depth > 0).astype(np.uint16)


def too_far(metres: float, unit: float) -> InputError:
    """The error for a depth that 16 bits do not hold."""
    fitting = next(u for k in range(-6, 30) if metres <= (u := 10.0**k) * FURTHEST)
    return InputError(
        f"16-bit depth in steps of {unit:g} m ends at {unit * FURTHEST:.3g} m",
        expected=f"room for {metres:.3g} m",
        mend=f"Add --depth-unit {fitting:g}m, --scale 1m or --depth exr",
    )


def normal_bytes(
    normal: Float[np.ndarray, "H W 3"], hit: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """(n + 1) / 2 in 8 bits; 0 where nothing is hit."""
    scaled = normal * np.float32(127.5)
    scaled += np.float32(128)
    out = scaled.astype(np.uint8)
    out *= hit[..., None]
    return out


def labels_png(labels: Int[np.ndarray, "H W"]) -> bytes:
    """Whole numbers from 0 as grey values, of 16 bits where 8 are too few in this picture."""
    wide = labels.max(initial=0) > 255
    return png(labels.astype(np.uint16 if wide else np.uint8))


def over(
    rgb: UInt8[np.ndarray, "H W 3"], alpha: UInt8[np.ndarray, "H W"], behind: UInt8[np.ndarray, "H W 3"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture before another, mixed in sRGB as viewers do."""
    a = alpha[..., None].astype(np.uint32)
    return ((rgb * a + behind * (255 - a) + 127) // 255).astype(np.uint8)


def check_exr() -> None:
    """Raise UnavailableError where OpenEXR is not installed."""
    with extra("exr", "EXR depth needs OpenEXR", "write --depth png"):
        import_module("OpenEXR")


def write_exr(path: Path, depth: Float[np.ndarray, "H W"]) -> None:
    """Metres as 32-bit floats in the channel Z, losslessly compressed; 0 is nothing."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with (
        atomic_path(path, durable=False) as temporary,
        OpenEXR.File(header, {"Z": np.ascontiguousarray(depth)}) as file,
    ):
        file.write(str(temporary))
