"""The server of the page: viser's, silent, shared with nobody, and open to no other site's pages."""

from __future__ import annotations

import ipaddress
import logging
import socket
import warnings
from typing import Any
from urllib.parse import urlsplit

from dreamlab.core.errors import UnavailableError
from dreamlab.core.extras import extra

PORT = 8080
_TRIES = 50


def open_server(host: str, port: int | None, label: str) -> Any:
    """A viser.ViserServer on this host and port; None: the first free one from PORT on.

    Raises UnavailableError where viser is not installed, or the address cannot be had.
    """
    port = free_port(host, port)
    with extra("view", "The viewer needs viser", "open the run's report: dreamlab open"):
        import rich
        import viser
    # viser tells its news on the standard output, where a script reads ours.
    rich.reconfigure(quiet=True)
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    # Whoever closes a page while a picture is on its way to it does nothing wrong.
    warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> str | None:
            """Nothing is shown through other people's servers, whatever a page asks for."""
            return None

    server = Server(host=host, port=port, label=label, verbose=False)
    connections = server._websock_server

    @connections.on_client_connect
    async def _(client: Any) -> None:
        request = connections._live_connections[client.client_id].request
        headers = {} if request is None else request.headers
        if not same_site(headers.get("Origin"), headers.get("Host", ""), host):
            raise PermissionError("a page of another site asked for the viewer")

    server.gui.configure_theme(show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()
    server.scene.set_up_direction("+y")
    return server


def free_port(host: str, port: int | None) -> int:
    """The port itself if it can be had, or for None the first that can. UnavailableError if none can.

    Looked for here: viser takes others without a word, and waits without end where there is none.
    """
    wanted = range(PORT, PORT + _TRIES) if port is None else [port]
    reason = ""
    for number in wanted:
        try:
            family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, number))
                return probe.getsockname()[1]
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    what = f"port {port}" if port is not None else f"ports {PORT} to {PORT + _TRIES - 1}"
    raise UnavailableError(
        f"the viewer cannot listen at {host}, {what}", got=reason, mend="Choose another with --port"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_site(origin: str | None, asked: str, host: str) -> bool:
    """Whether a connection is our own page's, or no browser's: browsers let pages of every site connect to
    this machine, and say in `origin` whose page it was. `asked` is the Host header; where only this machine
    is listened to, it must name it, so that no site can lend its name to this address."""
    if origin is None:
        return True
    if urlsplit(origin).netloc != asked:
        return False
    return not is_loopback(host) or is_loopback(urlsplit(f"//{asked}").hostname or "")
