"""The socket that a server listens on, bound before anything is promised."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dreamlab.core.errors import InputError


@contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """A bound socket and the address that a browser takes; port 0: any that is free.

    Raises InputError where the address cannot be had.
    """
    if not 0 <= port <= 65535:  # else another would be taken, modulo 65536
        raise InputError(f"the port {port} cannot be used", expected="0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}", got=str(error)) from error
    with sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError as error:
            raise InputError(
                f"cannot listen on {host}:{port}",
                got=error.strerror or str(error),
                mend="Is another server running? Take another --port",
            ) from error
        bound = sock.getsockname()[1]
        yield sock, f"http://{_shown(host)}:{bound}"


def _shown(host: str) -> str:
    """What to call an address in a browser on this machine."""
    if host in ("0.0.0.0", "::", ""):
        return "localhost"
    return f"[{host}]" if ":" in host else host
