"""What readers share: bytes up to a limit, text in any encoding, numbers that any program wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dreamlab.core.errors import DamagedError, InputError
from dreamlab.mesh.io.companions import plain_name

MOST_BYTES = 2 << 30  # of a binary file, which takes up to twelve times as much memory
MOST_TEXT = 1 << 30  # of a text, which takes up to sixteen times as much memory


def file_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """All of a file. InputError if it is larger than `most` bytes."""
    size = path.stat().st_size
    if size > most:
        raise too_large(path.name, f"at most {most / 2**30:.3g} GiB", f"{size / 2**30:.3g} GiB")
    return path.read_bytes()


def too_large(name: str, expected: str, got: str = "") -> InputError:
    return InputError(f"{name} is too large", expected=expected, got=got, mend="Export it with fewer faces")


def decoded(data: bytes) -> str:
    """Text in UTF-8 or, failing that, Latin-1, in which names that are equal stay equal; lines end in \\n."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbers(words: Sequence[str] | Sequence[bytes], name: str) -> Float[np.ndarray, " N"]:
    """Numbers with a point or a comma. DamagedError for a word that is none."""
    try:
        return np.array(words, np.float64)
    except ValueError:
        pass
    texts = [word.decode("latin-1") if isinstance(word, bytes) else word for word in words]
    try:
        return np.array([text.replace(",", ".") for text in texts], np.float64)
    except ValueError as error:
        raise _no_number(name, next(text for text in texts if not is_number(text))) from error


def whole_numbers(words: Sequence[str], name: str) -> Int[np.ndarray, " N"]:
    """Whole numbers of 64 bits. DamagedError for a word that is none."""
    try:
        return np.array(list(map(int, words)), np.int64)
    except (ValueError, OverflowError) as error:
        raise _no_number(name, next((word for word in words if not _is_index(word)), "")) from error


def _no_number(name: str, word: str) -> DamagedError:
    return DamagedError(f"{name} is damaged: a number cannot be read", got=plain_name(word))


def is_number(word: str) -> bool:
    """Whether `numbers` reads it."""
    try:
        float(word.replace(",", "."))
        return True
    except ValueError:
        return False


def _is_index(word: str) -> bool:
    try:
        return -(2**63) <= int(word) < 2**63
    except ValueError:
        return False
