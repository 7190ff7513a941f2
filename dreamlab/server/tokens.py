"""The token that requests must know: long, random, and in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dreamlab.core.errors import InputError

SHORTEST = 16


def kept_token(path: Path) -> str:
    """The token of a file; a new one where the file is not there.

    Raises InputError for one that is too short, or that others may read.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise InputError(f"cannot write the token to {path}", got=error.strerror or str(error)) from error
    token = secrets.token_urlsafe(32)
    with os.fdopen(handle, "w") as file:
        file.write(token + "\n")
    return token


def checked(token: str, where: str) -> str:
    """Raises InputError for a token that could be guessed, or that no header can hold."""
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"the token of {where} cannot be used",
            expected=f"at least {SHORTEST} letters, digits and signs in one line",
            mend="Name a file that is not there, and it is made",
        )
    return token


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
        open_to_others = path.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the token of {path}", got=str(error)) from error
    if open_to_others:
        raise InputError(f"others may read {path}", mend=f"chmod 600 {path}")
    return checked(text, str(path))
