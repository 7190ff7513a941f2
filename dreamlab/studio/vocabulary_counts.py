"""What one step of training teaches, counted from the corpus: the source of a prior's vocabulary."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from dreamlab.priors.embedded.vocabulary import Vocabulary, stem, words_of
from dreamlab.studio import shapes
from dreamlab.studio.batches import BatchConfig, Batches
from dreamlab.studio.corpus import Corpus
from dreamlab.studio.paraphrase import synonym_in
from dreamlab.studio.shapes.grammar import MATERIALS

_SCENES, _FOLDER = 1, 2  # sources of a corpus


def vocabulary_counts(corpus: Corpus, config: BatchConfig) -> Vocabulary:
    """`corpus_counts` of a corpus that was trained on with these settings."""
    counts = [len(captions) for captions in corpus.captions]
    return corpus_counts(Batches(corpus, np.cumsum([0, *counts])[:-1], config, seed=0))


def corpus_counts(batches: Batches) -> Vocabulary:
    """Expected images by noun and by word of one training step.

    An object is sampled with its source's share, one of its captions with equal chance. A caption that calls
    its noun by another name counts for this name as well. Two-object scenes teach words, but count for no
    noun.
    """
    corpus = batches.corpus
    nouns: dict[str, list[float]] = {}
    words: defaultdict[str, float] = defaultdict(float)
    for source, (usable, share) in enumerate(zip(batches.sources, batches.share, strict=True)):
        images = batches.config.images * float(share) / max(1, len(usable))
        for index in usable if images else ():
            noun, captions = corpus.nouns[index], corpus.captions[index]
            if source != _SCENES:
                nouns.setdefault(noun, [0.0, 0.0])[source == _FOLDER] += images
            for caption in captions:
                name = None if source == _SCENES else synonym_in(caption, noun)
                if name is not None:
                    nouns.setdefault(name, [0.0, 0.0])[source == _FOLDER] += images / len(captions)
                for word in {stem(w) for w in words_of(caption)}:
                    words[word] += images / len(captions)
    return Vocabulary(
        steps=1,
        images=batches.config.images,
        nouns={noun: (a, b) for noun, (a, b) in nouns.items()},
        words=dict(words),
        colors=tuple(c.word for c in shapes.COLORS),
        materials=tuple(m.word for m in MATERIALS),
    )
