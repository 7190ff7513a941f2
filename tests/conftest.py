"""Every shape and type annotation of the numerical rooms is checked at run time while tests run."""

import huggingface_hub.utils.logging  # noqa: F401  (its handler keeps the stderr of its first import)
from jaxtyping import install_import_hook

CHECKED = (
    "types cameras prompts losses schedules diffusion watchdog optimise checkpoints run_dir pipeline "
    "ops fields render priors guidance mesh views studio"
)

install_import_hook([f"dreamlab.{room}" for room in CHECKED.split()], "typechecker.checked")
