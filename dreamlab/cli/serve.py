"""dreamlab serve: jobs over HTTP, for programs, browsers and other machines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.job_options import add_job_options, job_settings
from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import APIRouter

    from dreamlab.server.api import ServerSettings

PORT = 8420
TOKEN = "DREAMLAB_TOKEN"


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="take jobs over HTTP and work them off",
        description="Take jobs over HTTP and work them off, one after another. Answers this machine alone "
        "unless --host says otherwise.",
        **examples(
            "dreamlab serve",
            "dreamlab serve --workers 2 --preset fast",
            "dreamlab serve --host 0.0.0.0 --token-file ~/.dreamlab-token --allow-host dreams.example.org",
        ),
    )
    parser.set_defaults(execute=execute)
    add_serve_options(parser)
    add_runs_option(parser)
    add_output_options(parser)


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Where to listen, whom to let in, how much to give."""
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"(default: {PORT}; 0: any)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"what requests must know; made where it is not there. The variable {TOKEN} says it, too. "
        "Needed beyond this machine",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name that browsers and programs call this server by; may be given again",
    )
    add_job_options(parser)


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.core.extras import extra

    with extra("serve", "`dreamlab serve` needs FastAPI and uvicorn", "use `dreamlab run`"):
        settings = settings_of(args)
    return serve(args, settings)


def settings_of(args: argparse.Namespace, **more: Any) -> ServerSettings:
    """What the options come to. Raises InputError, ConfigError for options that cannot be used."""
    from dreamlab.server.api import ServerSettings
    from dreamlab.server.security import Guard, names_of

    asked = job_settings(args)
    guard = Guard(
        hosts=names_of(args.allow_host, args.host),
        token=_token(args.token_file, args.host),
        body=asked["limits"].body,
    )
    return ServerSettings(**asked, guard=guard, **more)


def serve(
    args: argparse.Namespace,
    settings: ServerSettings,
    routers: Iterable[APIRouter] = (),
    ready: Callable[[str], object] = lambda address: None,
) -> int:
    """Listen until told to stop. ready: what to do once the address can be asked."""
    import uvicorn

    from dreamlab.server.api import create_app
    from dreamlab.server.listening import listening

    app = create_app(settings, routers)
    with listening(args.host, args.port) as (sock, address):
        sock.listen()  # who is told the address can ask there
        if not args.quiet:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
        ready(address)
        config = uvicorn.Config(app, access_log=False, server_header=False, log_level="warning")
        config.timeout_graceful_shutdown = 3
        server = uvicorn.Server(config)
        stop = server.handle_exit

        def let_go(sig: int, frame: FrameType | None) -> None:
            app.state.feed.end()  # else it would wait for pages that listen to it
            stop(sig, frame)

        server.handle_exit = let_go
        server.run(sockets=[sock])
    return 0


def _token(path: Path | None, host: str) -> str | None:
    """The token, from its file or the environment. InputError where there must be one and is none."""
    from dreamlab.server.security import is_loopback
    from dreamlab.server.tokens import checked, kept_token

    said = os.environ.get(TOKEN, "").strip()
    token = kept_token(path.expanduser()) if path is not None else checked(said, TOKEN) if said else None
    if token is None and not is_loopback(host):
        raise InputError(
            f"--host {host} lets other machines in, and there is no token",
            mend=f"Add --token-file FILE, or set {TOKEN}",
        )
    return token
