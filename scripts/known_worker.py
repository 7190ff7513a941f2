"""A worker of the server's whose prior knows one red ball: tiny runs with all that is around the steps.

usage: known_worker.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "tests")]

from known import red_ball_prior

from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.server.worker import main

EmbeddedPriorConfig.build = lambda self, device="cpu": red_ball_prior()  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
