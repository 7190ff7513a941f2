"""Options of the commands that work off a queue: how many at once, what may be asked for, how much of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dreamlab.core.errors import InputError

if TYPE_CHECKING:
    from dreamlab.server.limits import Limits


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """--workers, --preset, --offer and --limit."""
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
        help="the most that a request may ask for, such as steps=1000, or that may wait, waiting=50; may be "
        "given again",
    )


def job_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What the options come to, as `ServerSettings` takes it: root, workers, limits and offer.

    Raises InputError, ConfigError for options that cannot be used.
    """
    from dreamlab.cli.defaults import chosen_defaults, settings_of
    from dreamlab.run.presets import load_preset
    from dreamlab.server.requests import Offer

    if args.workers < 0:
        raise InputError("--workers cannot be used", expected="0 or more", got=str(args.workers))
    chosen = chosen_defaults()
    usual = args.preset or (chosen["preset"].value if "preset" in chosen else "default")
    offered = [name.strip() for name in args.offer.split(",")] if args.offer else Offer().presets
    for name in (*offered, usual):
        load_preset(name)  # refuses what is none
    offer = Offer(
        presets=tuple(dict.fromkeys((*offered, usual))),
        usual=usual,
        defaults=settings_of(chosen),
        formats=chosen["formats"].value if "formats" in chosen else None,
    )
    return {"root": args.out, "workers": args.workers, "limits": _limits(args.limit), "offer": offer}


def _limits(options: list[str]) -> Limits:
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
