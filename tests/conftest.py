"""Every shape and type annotation of the numerical packages is checked at run time while tests run."""

import os
import signal

import huggingface_hub.utils.logging  # noqa: F401  (its handler keeps the stderr of its first import)
import pytest
from jaxtyping import install_import_hook

CHECKED = (
    "core ops scenes render losses priors guidance mesh views dataset stages studio evaluate "
    "run.checkpoints run.run_dir run.pipeline"
)

install_import_hook([f"dreamlab.{package}" for package in CHECKED.split()], "typechecker.checked")

os.environ["TRITON_INTERPRET"] = "1"  # our Triton kernels run on the CPU; read when triton is imported
os.environ["DREAMLAB_CONFIG"] = ""  # whoever runs the tests may have defaults of their own

# A shell ignores SIGINT in what it runs in the background, and nohup SIGHUP; what tests start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> None:
    """A command that was hung up on leaves SIGHUP ignored to the process that it ends with."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
