"""What `encode` saw of each view and `denoise` needs again: found by the view's camera.

A prior is asked about noisy images that come long after the render, in other groupings (one pass for each
condition, cut to what memory allows). The cameras come along with every question, so they are the key.
"""

from __future__ import annotations

from torch import Tensor

from dreamlab.core.errors import ConfigError
from dreamlab.core.types import Cameras


class ViewCache:
    """One tensor for each camera of the latest step."""

    def __init__(self) -> None:
        self._poses: Tensor | None = None
        self._values: Tensor | None = None

    def keep(self, cameras: Cameras, values: Tensor) -> None:
        """Forget the last step and keep values [B,...] for these cameras."""
        self._poses, self._values = cameras.c2w.detach().clone(), values.detach()

    def of(self, cameras: Cameras | None) -> Tensor:
        """Values for these cameras, in their order. Raises ConfigError for questions without a known
        camera.
        """
        if cameras is None:
            raise ConfigError(
                "this prior looks at the render and cannot answer without its camera",
                mend="Leave cfg.camera out",
            )
        if self._poses is None or self._values is None:
            raise ConfigError("this prior was asked before it was shown a render")
        same = (cameras.c2w[:, None] == self._poses[None].to(cameras.c2w)).flatten(2).all(-1)
        if not bool(same.any(dim=1).all()):
            raise ConfigError("this prior was asked about a view that it was not shown")
        return self._values[same.int().argmax(dim=1).to(self._values.device)]
