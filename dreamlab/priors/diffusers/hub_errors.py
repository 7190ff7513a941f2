"""What can go wrong while a pretrained model is loaded, as one line with something to do about it."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from dreamlab.core.errors import DamagedError, DreamlabError, InputError, UnavailableError

FETCH_AGAIN = "Download it again"
_OFFLINE = (
    "Where there is a network: `hf download {place} --local-dir {folder}`; then here --prior {folder}, a "
    "folder with model_index.json and, for every part that it names, one with config.json and .safetensors; "
    "see `dreamlab priors`"
)
_OF_CONTENT = (ValueError, RuntimeError, LookupError, TypeError, AttributeError, OverflowError)
_LIBRARIES = ("diffusers", "transformers")


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Errors of the hub and of damaged files inside the block become DreamlabErrors that name `place`."""
    try:
        yield
    except (DreamlabError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise _explained(place, error) from error


def _explained(place: str, error: Exception) -> Exception:
    """The innermost cause that is understood decides; what is not understood stays as it is.

    tokenizers raises bare Exceptions for files that it cannot read.
    """
    from huggingface_hub import errors as hub
    from safetensors import SafetensorError

    chain = _chain(error)

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(e, kinds) for e in chain)

    local = Path(place).exists()
    if caused_by(hub.GatedRepoError):
        return UnavailableError(
            f"{place} is gated: its licence must be accepted first",
            mend=f"Accept it on https://huggingface.co/{place}, then log in with `hf auth login`",
        )
    if caused_by(hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError) and not local:
        return not_here(place)
    if caused_by(hub.RevisionNotFoundError):
        return UnavailableError(f"{place} has no such revision on the hub", mend="Leave prior.revision out")
    if caused_by(hub.RepositoryNotFoundError):
        return UnavailableError(f"the hub has no {place}, or it is private", mend="See `dreamlab priors`")
    if any(type(e).__name__ == "SingleFileComponentError" for e in chain):
        return InputError(
            f"{place} lacks a part of the model",
            got=_line(chain),
            mend="Give a VAE with prior.vae, text encoders with prior.text_encoder; a network it must have",
        )
    if caused_by(SafetensorError):
        return DamagedError(f"the weights of {place} are damaged", got=_line(chain), mend=FETCH_AGAIN)
    if caused_by(hub.EntryNotFoundError):
        return DamagedError(f"{place} lacks files", got=_line(chain), mend="Choose another model or variant")
    if not local and (caused_by(hub.HfHubHTTPError, ConnectionError, TimeoutError) or _no_connection(chain)):
        return UnavailableError(
            f"the hub could not be reached for {place}", got=_line(chain), mend="Try again"
        )
    if caused_by(OSError):
        return DamagedError(f"files of {place} are missing or damaged", got=_line(chain), mend=FETCH_AGAIN)
    if caused_by(*_OF_CONTENT) or type(error) is Exception:
        return DamagedError(
            f"{place} is not a model that can be loaded here", got=_line(chain), mend=FETCH_AGAIN
        )
    return error


def not_here(place: str) -> UnavailableError:
    """What to say of a model that is not on this machine where the hub cannot be asked: which files to put
    where."""
    mend = _OFFLINE.format(place=place, folder=place.rpartition("/")[2])
    return UnavailableError(f"{place} is not on this machine and the hub cannot be asked", mend=mend)


def require_hub(place: str) -> None:
    """Raises UnavailableError where the hub's name means nothing to this machine: huggingface_hub would try
    that again for 23 seconds, and has no setting for it. Behind a proxy the name is the proxy's to know.
    """
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname
    if host is None or getproxies().keys() & {"https", "http", "all"}:
        return
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise not_here(place) from error


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    here: BaseException | None = error
    while here is not None and here not in found:
        found.append(here)
        here = here.__cause__ or here.__context__
    return found


def _no_connection(chain: list[BaseException]) -> bool:
    return any(
        type(e).__module__.partition(".")[0] in ("httpx", "httpx2", "requests", "httpcore") for e in chain
    )


def _line(chain: list[BaseException]) -> str:
    lines = str(chain[0]).strip().splitlines() or [type(chain[0]).__name__]
    return lines[0][:200].rstrip(".")


@contextmanager
def listening() -> Iterator[list[str]]:
    """Warnings that diffusers and transformers log inside the block, as lines; nothing of theirs is shown.

    Both report weights that a file lacks only so, and go on with random ones. FutureWarnings are dropped: the
    older names of arguments are those that all supported versions know.
    """
    import diffusers.utils.logging
    import transformers.utils.logging

    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    kept = {}
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.get_logger()  # sets its handlers up
        library.disable_progress_bar()
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        kept[name] = (logger.handlers[:], logger.level, logger.propagate)
        logger.handlers[:] = [Ear()]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield heard
    finally:
        for name, (handlers, level, propagate) in kept.items():
            logger = logging.getLogger(name)
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
