"""A second network of the same weights: what is put on one of the two leaves the other as it was."""

from __future__ import annotations

import copy
from typing import Any

from dreamlab.core.errors import ConfigError
from dreamlab.priors.diffusers.base import PretrainedPrior


def shared_weights_copy(prior: PretrainedPrior, what: str, mend: str) -> Any:
    """The prior's network with modules of its own and the same tensors in them; nothing is held twice.

    Raises ConfigError, saying `what` needs it and what would `mend` it, if parts of the network wait in main
    memory: what fetches them is bound to the first network.
    """
    if prior.memory.offload is not None and prior.device.type != "cpu":
        raise ConfigError(
            f"{what} needs a network that is on the card as a whole",
            got=f"prior.vram={prior.config.vram}, where parts of it wait in main memory",
            mend=mend,
        )
    network = prior.network
    shared = [*network.parameters(), *network.buffers(), *network.attn_processors.values()]
    return copy.deepcopy(network, {id(part): part for part in shared})
