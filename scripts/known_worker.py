"""A worker of `dreamlab serve` whose prior knows one red ball: tiny runs, with all that is around the steps.

usage: known_worker.py FOLDER
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]
    from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
    from dreamlab.server import worker

    prior = import_module("known").red_ball_prior
    EmbeddedPriorConfig.build = lambda self, device="cpu": prior()
    return worker.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
