"""`dreamlab` with the red ball's prior in the place of the embedded one, in workers too: they import this
file as the main one.

usage: batch_known.py ARGUMENTS...

Whoever begins a run of the prompt in DIES_OVER dies.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from dying import die
from known import red_ball_prior

from dreamlab.batch import work
from dreamlab.cli import main
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig

new_run = work.new_run


def begin(config: Any, *rest: Any, **more: Any) -> Any:
    return die() if config.prompt == os.environ.get("DIES_OVER") else new_run(config, *rest, **more)


EmbeddedPriorConfig.build = lambda self, device="cpu": red_ball_prior()  # type: ignore[method-assign]
work.new_run = begin

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
