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
    object, whose parts and colours the prompt's variant need not have. Where it is shown a picture,
    the colour is the picture's, and no details are made up.

    prior: instead of `config.prior`.
    """
    if config.expand == "off" or config.expanded is not None or config.begin is not None:
        return config
    vocabulary = _vocabulary(config, prior)
    if vocabulary is None:
        return config
    from dreamlab.studio.expand import expand

    full = config.expand == "full" and not config.images
    text = expand(config.prompt, config.seed, vocabulary, config.negative_prompt, details=full)
    if text is not None and config.images:
        text = _in_color_of_picture(config)
    return config if text is None else config.model_copy(update={"expanded": text})


def _in_color_of_picture(config: RunConfig) -> str | None:
    """A bare prompt with the colour that the picture shows, in the place of one that the seed picks."""
    from dreamlab.evaluate.asked import asked_of
    from dreamlab.run.pictures import color_of
    from dreamlab.studio.shapes.grammar import with_article

    (thing, *others) = asked_of(config.prompt).things or (None,)
    if thing is None or others or thing.color or not thing.noun:
        return None
    return with_article(f"{color_of(config.images[0])} {thing.noun}")


def _vocabulary(config: RunConfig, prior: Prior | None) -> Vocabulary | None:
    """What the embedded prior has learned; None for another prior, or weights that do not say."""
    if prior is not None:
        return prior.vocabulary if isinstance(prior, EmbeddedPrior) else None
    if not isinstance(config.prior, EmbeddedPriorConfig):
        return None
    return read_vocabulary(config.prior.weights or SHIPPED)
