"""dreamlab serve: jobs over HTTP, for programs, browsers and other machines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamlab.cli.options import Subparsers, add_output_options, add_runs_option, examples, set_up_messages
from dreamlab.core.errors import InputError

if TYPE_CHECKING:
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
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="jobs at once, a process each (default: 1)"
    )
    parser.add_argument("--preset", metavar="NAME", help="of jobs that name none (default: default)")
    parser.add_argument(
        "--offer", metavar="LIST", help="presets that may be asked for (default: fast,default,quality,drawn)"
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help="the most that a request may ask for, such as steps=1000, or may wait, as waiting=50",
    )


def execute(args: argparse.Namespace) -> int:
    set_up_messages(args)
    from dreamlab.core.extras import extra

    with extra("serve", "`dreamlab serve` needs FastAPI and uvicorn", "use `dreamlab run`"):
        settings = settings_of(args)
    return serve(args, settings)


def settings_of(args: argparse.Namespace, **more: Any) -> ServerSettings:
    """What the options come to. Raises InputError, ConfigError for options that cannot be used."""
    from dreamlab.cli.defaults import chosen_defaults
    from dreamlab.cli.defaults import settings_of as defaults_of
    from dreamlab.server.api import ServerSettings
    from dreamlab.server.requests import Offer
    from dreamlab.server.security import Guard, names_of

    chosen = chosen_defaults()
    limits = _limits(args.limit)
    usual = args.preset or (chosen["preset"].value if "preset" in chosen else "default")
    offered = tuple(args.offer.split(",")) if args.offer else Offer().presets
    offer = Offer(
        presets=tuple(dict.fromkeys((*offered, usual))),
        usual=usual,
        defaults=defaults_of(chosen),
        formats=chosen["formats"].value if "formats" in chosen else None,
    )
    guard = Guard(
        hosts=names_of(args.allow_host, args.host), token=_token(args.token_file, args.host), body=limits.body
    )
    if args.workers < 0:
        raise InputError("--workers cannot be used", expected="0 or more", got=str(args.workers))
    return ServerSettings(
        root=args.out, workers=args.workers, guard=guard, limits=limits, offer=offer, **more
    )


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
        if not args.quiet:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
        sock.listen()
        ready(address)
        config = uvicorn.Config(app, access_log=False, server_header=False, log_level="warning")
        config.timeout_graceful_shutdown = 3
        uvicorn.Server(config).run(sockets=[sock])
    return 0


def _limits(options: list[str]) -> Any:
    from pydantic import ValidationError

    from dreamlab.run.presets import did_you_mean
    from dreamlab.server.limits import Limits

    given = {name.strip(): value for name, _, value in (option.partition("=") for option in options)}
    names = list(Limits.model_fields)
    for name in given:
        if name not in names:
            raise InputError(
                f"--limit {name}: there is no such limit",
                expected=", ".join(names),
                mend=did_you_mean(name, names),
            )
    try:
        return Limits.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--limit {first['loc'][0]} cannot be used", got=first["msg"]) from error


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
