"""A run in TensorBoard: event files in its own folder, `tensorboard` below it."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import UInt8
from torch import Tensor

from dreamlab.core.extras import extra
from dreamlab.run.changed import leaves
from dreamlab.run.config import RunConfig
from dreamlab.run.run_dir import RunDir

FOLDER = "tensorboard"


class TensorBoardLogger:
    """See dreamlab.run.loggers.RunLogger. Where a run goes on from a checkpoint, the steps behind it are
    taken back. The settings are hyperparameters, and a text in the form of config.yaml."""

    def __init__(self, config: RunConfig, run: RunDir, done: int) -> None:
        with extra("tensorboard", "Logging to TensorBoard needs its package", "set saving.log=[]"):
            from torch.utils.tensorboard import SummaryWriter
            from torch.utils.tensorboard.summary import hparams
        self._writer = SummaryWriter(str(run.path / FOLDER), purge_step=done + 1)
        for summary in hparams(_hyperparameters(config), {}):
            self._writer._get_file_writer().add_summary(summary)
        indented = "".join(f"    {line}\n" for line in config.yaml().splitlines())
        self._writer.add_text("config", indented, done)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, image: UInt8[Tensor, "H W 3"]) -> None:
        self._writer.add_image("preview", image, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


def _hyperparameters(config: RunConfig) -> dict[str, bool | int | float | str]:
    """Every setting that has a value, by its dotted name; lists in words."""
    found = leaves(config.model_dump(mode="json", by_alias=True))
    said = {name: value for name, value in found if value is not None}
    return {name: str(value) if isinstance(value, list | dict) else value for name, value in said.items()}
