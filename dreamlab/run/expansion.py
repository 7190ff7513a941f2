"""What the prior hears: the prompt, or the prompt said in full (dreamlab.studio.expand)."""

from __future__ import annotations

from dreamlab.mesh.shape_words import read_shape
from dreamlab.priors.embedded.prior import SHIPPED, EmbeddedPrior, EmbeddedPriorConfig, read_vocabulary
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.priors.protocols import Prior
from dreamlab.run.config import RunConfig
from dreamlab.stages import ExportStageConfig


def with_expansion(config: RunConfig, prior: Prior | None = None) -> RunConfig:
    """Decide what the prior of a new run hears, and write it into the run's config, so that a run resumed or
    repeated says the same.

    Only for the embedded prior, whose captions are of that grammar. Words for proportions that it does not
    know ("taller") become those of the finished object. Where the run begins with an object, nothing is
    added: its parts and colours need not be those of a variant of the prompt. Where it is shown a picture,
    the colour is the picture's, and no details are made up.

    prior: instead of `config.prior`.
    """
    if config.expand == "off" or config.expanded is not None:
        return config
    vocabulary = vocabulary_of(config, prior)
    if vocabulary is None:
        return config
    shape, said = read_shape(config.prompt, vocabulary.knows)
    if shape and vocabulary.read(said).nouns:
        config = with_shape(config, shape)
    else:
        said = config.prompt
    text = None
    if config.begin is None:
        from dreamlab.studio.expand import expand

        full = config.expand == "full" and not config.images
        text = expand(said, config.seed, vocabulary, config.negative_prompt, details=full)
        if text is not None and config.images:
            text = _in_color_of_picture(config, said)
    heard = said if text is None else text
    return config if heard == config.prompt else config.model_copy(update={"expanded": heard})


def _in_color_of_picture(config: RunConfig, prompt: str) -> str | None:
    """A bare prompt with the colour that the picture shows, in the place of one that the seed picks."""
    from dreamlab.evaluate.asked import asked_of
    from dreamlab.run.pictures import color_of
    from dreamlab.studio.shapes.grammar import with_article

    (thing, *others) = asked_of(prompt).things or (None,)
    if thing is None or others or thing.color or not thing.noun:
        return None
    return with_article(f"{color_of(config.images[0])} {thing.noun}")


def with_shape(config: RunConfig, shape: str) -> RunConfig:
    """These proportions for all files of the object, where its settings name none."""
    stages = tuple(
        stage.model_copy(update={"bbox": shape})
        if isinstance(stage, ExportStageConfig) and stage.bbox is None
        else stage
        for stage in config.stages
    )
    return config.model_copy(update={"stages": stages})


def vocabulary_of(config: RunConfig, prior: Prior | None = None) -> Vocabulary | None:
    """What a run's embedded prior has learned; None for another prior, or weights that do not say. `prior` as
    above; the config's own is not loaded."""
    if prior is not None:
        return prior.vocabulary if isinstance(prior, EmbeddedPrior) else None
    if not isinstance(config.prior, EmbeddedPriorConfig):
        return None
    return read_vocabulary(config.prior.weights or SHIPPED)
