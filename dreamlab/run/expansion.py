"""What the prior hears: the prompt, or the prompt said in full (dreamlab.studio.expand)."""

from __future__ import annotations

from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPrior, EmbeddedPriorConfig, read_vocabulary
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig


def with_expansion(config: RunConfig, prior: Prior | None = None) -> RunConfig:
    """Decide what the prior of a new run hears, and write it into the run's config, so that a run resumed or
    repeated says the same.

    Only for the embedded prior, whose captions are of that grammar; and not where the run begins with an
    object, whose parts and colours the prompt's variant need not have.

    prior: instead of `config.prior`.
    """
    if config.expand == "off" or config.expanded is not None or config.begin is not None:
        return config
    vocabulary = vocabulary_of(config, prior)
    if vocabulary is None:
        return config
    from dreamlab.studio.expand import expand

    full = config.expand == "full"
    text = expand(config.prompt, config.seed, vocabulary, config.negative_prompt, details=full)
    return config if text is None else config.model_copy(update={"expanded": text})


def vocabulary_of(config: RunConfig, prior: Prior | None = None) -> Vocabulary | None:
    """What a run's embedded prior has learned; None for another prior, or weights that do not say. `prior` as
    above; the config's own is not loaded."""
    if prior is not None:
        return prior.vocabulary if isinstance(prior, EmbeddedPrior) else None
    if not isinstance(config.prior, EmbeddedPriorConfig):
        return None
    return read_vocabulary(config.prior.weights or SHIPPED)
