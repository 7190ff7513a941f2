"""Buffer views in meshoptimizer's bitstream (EXT_meshopt_compression), through meshopt, an extra."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from dreamlab.core.errors import DamagedError
from dreamlab.core.extras import extra

EXTENSIONS = ("EXT_meshopt_compression", "KHR_meshopt_compression")  # one layout, two names
MOST_BYTES = 1 << 30  # of one view: a few bytes can claim any size


def packed_view(view: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a buffer view says about its compressed bytes, if it has any."""
    extensions = view.get("extensions", {})
    return next((extensions[name] for name in EXTENSIONS if name in extensions), None)


def unpack(data: bytes, spec: Mapping[str, Any]) -> bytes:
    """The plain bytes of a view: `count` rows of `byteStride`.

    Raises UnavailableError without meshopt, DamagedError for bytes that are none of its kind.
    """
    library = _library()
    try:
        count, stride = int(spec["count"]), int(spec["byteStride"])
        if not 0 <= count * stride <= MOST_BYTES:
            raise ValueError(f"{count} rows of {stride} bytes")
        rows = library.decode_gltf_buffer(data, count, stride, spec["mode"], spec.get("filter", "NONE"))
        return rows.tobytes()
    except Exception as error:  # the decoder raises what the bytes lead it to
        raise DamagedError(
            "the meshopt geometry cannot be read",
            got=f"{type(error).__name__}: {error}",
            mend="Export it again",
        ) from error


def _library() -> ModuleType:
    with extra("meshopt", "meshopt compression needs the package meshopt", "save the file uncompressed"):
        import meshopt
    return meshopt
