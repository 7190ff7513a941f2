"""The object of a picture before whatever background, as a network sees it that was trained to find objects.

No such network is shipped, and none is fetched: the files are those of rembg, in the folders where rembg
keeps them, so that whoever uses it has them already.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from dreamlab.core.errors import InputError, UnavailableError
from dreamlab.core.extras import extra, importable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ADDRESS = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"


class SaliencyNetwork(NamedTuple):
    """A published network: the name of its file, and what is taken from a picture of 0..1 and what that is
    divided by before the network is shown it."""

    name: str
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


NETWORKS = (
    SaliencyNetwork("isnet-general-use", (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    SaliencyNetwork("u2net"),
    SaliencyNetwork("silueta"),
    SaliencyNetwork("u2netp"),
)
"""IS-Net (Qin et al. 2022), U^2-Net (Qin et al. 2020) and two smaller ones of its kind: the first that is
there is used."""


def network_folders() -> list[Path]:
    """Where rembg keeps its networks: its present folder, and that of its older versions."""
    data = os.environ.get("XDG_DATA_HOME")
    named = os.environ.get("U2NET_HOME") or os.environ.get("REMBG_HOME")
    home = Path(data or Path.home())
    if named:
        return [Path(named).expanduser()]
    return [home / ("rembg" if data else ".rembg"), home / ".u2net"]


def network_file() -> tuple[SaliencyNetwork, Path] | None:
    """The network that is used, and its file; None where no file is there."""
    for network in NETWORKS:
        name = f"{network.name}.onnx"
        for folder in network_folders():
            for path in (folder / "models" / network.name / name, folder / name):
                if path.is_file():
                    return network, path
    return None


def why_not() -> str:
    """What is missing for it, as what to do about it; empty where nothing is."""
    wanted = []
    if not importable("onnxruntime"):
        wanted.append("pip install 'dreamlab[cutout]'")
    if network_file() is None:
        name = f"{NETWORKS[0].name}.onnx"
        wanted.append(f"put {ADDRESS}/{name} into {network_folders()[-1]}")
    return " and ".join(wanted)


def salient_opacity(color: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W"]:
    """How much each pixel of a picture (sRGB, 0..1) belongs to its object, 0..1.

    Raises UnavailableError where the package or a network's file is missing, InputError for a file that is no
    network of this kind.
    """
    found = network_file()
    if found is None:
        raise UnavailableError("no network that finds objects is there", mend=why_not())
    network, path = found
    state = path.stat()
    session = _session(path, (state.st_mtime_ns, state.st_size))
    asked = session.get_inputs()[0]
    side = asked.shape[-1] if len(asked.shape) == 4 else None
    if not isinstance(side, int) or asked.shape[1:] != [3, side, side]:
        raise InputError(
            f"{path} is not a network that finds objects in pictures",
            expected="an input of N x 3 x S x S",
            got=" x ".join(map(str, asked.shape)),
            mend=f"Put {ADDRESS}/{network.name}.onnx there",
        )
    shown = _resized(color, side, side)
    mean, std = np.array(network.mean, np.float32), np.array(network.std, np.float32)
    shown = (shown / max(float(shown.max()), 1e-6) - mean) / std
    answer = np.asarray(session.run(None, {asked.name: shown.transpose(2, 0, 1)[None]})[0], np.float32)
    opacity = answer.reshape(-1, *answer.shape[-2:])[0]
    low, high = float(opacity.min()), float(opacity.max())
    opacity = (opacity - low) / max(high - low, 1e-6)
    return _resized(opacity[..., None], *color.shape[:2])[..., 0].clip(0, 1)


@lru_cache(maxsize=1)
def _session(path: Path, state: tuple[int, int]) -> InferenceSession:
    """The network, read once while its file stays the same."""
    with extra("cutout", "Cutting objects out of any background needs onnxruntime", "give an alpha channel"):
        import onnxruntime
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no other base
        raise InputError(
            f"{path} cannot be read as a network",
            got=str(error).splitlines()[0],
            mend="Fetch it again: a download may have broken off",
        ) from error


def _resized(image: Float[np.ndarray, "H W C"], height: int, width: int) -> Float[np.ndarray, "h w C"]:
    """By Lanczos, as these networks were trained to see pictures and as rembg brings masks back."""
    from PIL import Image

    layers = [
        np.asarray(Image.fromarray(layer, "F").resize((width, height), Image.Resampling.LANCZOS))
        for layer in np.moveaxis(image.astype(np.float32), -1, 0)
    ]
    return np.stack(layers, -1)
