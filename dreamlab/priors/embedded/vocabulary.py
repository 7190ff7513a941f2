"""What a prior was trained on: its nouns and words, each with the number of training images that showed it.

The table travels in the header of the weights, so that a run can say before it starts which words of its
prompt were never learned.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

LEARNED = 500.0
"""Training images below which a noun or word counts as not learned."""

BEYOND = (
    "For what it does not know, take a larger model with --prior (`dreamlab priors` lists what can be used), "
    "or teach it with `dreamlab studio`"
)

_STOP = frozenset(
    "a an the some this that and or of with without on in at to from for by next near under over beside "
    "behind front top its his her their my your it is are has have having one very".split()
)
_IRREGULAR = {
    "geese": "goose", "mice": "mouse", "men": "man", "women": "woman", "people": "person",
    "children": "child", "feet": "foot", "teeth": "tooth", "leaves": "leaf", "loaves": "loaf",
    "wolves": "wolf", "knives": "knife", "shelves": "shelf", "scarves": "scarf", "gray": "grey",
    "aeroplane": "airplane",
}  # fmt: skip
_SPELLED_ALIKE = 0.84
"""Similarity of spelling above which a word passes for a slip of the pen."""
_MEANT_ALIKE = 0.5
"""Cosine of sentence vectors below which two words have nothing to do with each other."""


class Gap(NamedTuple):
    """A word of a prompt that was not learned, and how many training images were captioned with it."""

    word: str
    images: float


class Reading(NamedTuple):
    """What a vocabulary makes of a prompt: the nouns it knows, and the words it cannot."""

    nouns: tuple[str, ...]
    gaps: tuple[Gap, ...]


class Vocabulary(BaseModel):
    """Training images by noun (of procedural objects, of models from a folder) and by word of the captions.

    nouns: as captions name them. words: single words in their `stem` form. colors, materials: which words
    mean those. steps, images: the training's totals. Counts are expectations: shares of the corpus times
    images sampled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = 0
    images: int = 0
    nouns: dict[str, tuple[float, float]] = {}
    words: dict[str, float] = {}
    colors: tuple[str, ...] = Field(default=(), validation_alias=AliasChoices("colors", "colours"))
    materials: tuple[str, ...] = ()

    def learned(self, least: float = LEARNED) -> tuple[str, ...]:
        """Nouns shown in at least that many training images, most often seen first."""
        seen = {noun: sum(counts) for noun, counts in self.nouns.items()}
        return tuple(sorted((n for n in seen if seen[n] >= least), key=lambda n: (-seen[n], n)))

    def plus(self, other: Vocabulary, times: int = 1) -> Vocabulary:
        """This training and then `times` the other."""
        nouns = {
            noun: tuple(
                round(a + times * b, 2)
                for a, b in zip(self.nouns.get(noun, (0, 0)), other.nouns.get(noun, (0, 0)), strict=True)
            )
            for noun in self.nouns | other.nouns
        }
        words = {
            w: round(self.words.get(w, 0) + times * other.words.get(w, 0), 2)
            for w in self.words | other.words
        }
        return Vocabulary(
            steps=self.steps + times * other.steps,
            images=self.images + times * other.images,
            nouns=nouns,  # pyright: ignore[reportArgumentType]
            words=words,
            colors=tuple(dict.fromkeys(self.colors + other.colors)),
            materials=tuple(dict.fromkeys(self.materials + other.materials)),
        )

    def read(self, prompt: str, least: float = LEARNED) -> Reading:
        """Known nouns and unknown words of a prompt, the longest noun first: "ice cream cone", then "ice"."""
        words = words_of(prompt)
        stems = tuple(stem(w) for w in words)
        known = {tuple(stem(w) for w in words_of(noun)): noun for noun in self.learned(least)}
        longest = max(map(len, known), default=0)
        adjectives = {stem(w) for phrase in (*self.colors, *self.materials) for w in words_of(phrase)}
        nouns, gaps, at = [], [], 0
        while at < len(words):
            spans = (n for n in range(min(longest, len(words) - at), 0, -1) if stems[at : at + n] in known)
            span = next(spans, 0)
            if span:
                nouns.append(known[stems[at : at + span]])
            elif words[at] not in _STOP and stems[at] not in adjectives:
                seen = self.words.get(stems[at], 0.0)
                gaps += [Gap(words[at], seen)] if seen < least else []
            at += span or 1
        return Reading(tuple(dict.fromkeys(nouns)), tuple(dict.fromkeys(gaps)))

    def knows(self, word: str, least: float = LEARNED) -> bool:
        """Whether enough captions had this word."""
        return self.words.get(stem(word), 0.0) >= least

    def nearest(self, words: Sequence[str], count: int = 3) -> list[tuple[str, ...]]:
        """For each word, the nearest learned nouns, colours and materials: by spelling where it looks like a
        slip of the pen, else by meaning. None where nothing is near.
        """
        among = tuple(dict.fromkeys((*self.learned(), *self.colors, *self.materials)))
        slips = {word: difflib.get_close_matches(word, among, 1, _SPELLED_ALIKE) for word in words}
        odd = [word for word in words if not slips[word]]
        meant = _nearest_in_meaning(odd, among, count) if odd and among else {}
        return [tuple(slips[word]) or meant.get(word, ()) for word in words]


def limits(vocabulary: Vocabulary | None, prompt: str) -> list[str]:
    """What to say of a prompt before a run starts; nothing if the prior knows every word of it.

    vocabulary: None for weights that should know their words, and do not.
    """
    if vocabulary is None:
        return ["the prior's weights do not say which words they know; the result may be anything"]
    reading = vocabulary.read(prompt)
    if reading.gaps:
        near = vocabulary.nearest([gap.word for gap in reading.gaps])
        gaps = "; ".join(_described(gap, names) for gap, names in zip(reading.gaps, near, strict=True))
        return [f"of its {vocabulary.images} training images, the prior saw {gaps}. {BEYOND}."]
    if not reading.nouns:
        examples = ", ".join(vocabulary.learned()[:5])
        return [f"the prompt names no object that the prior knows, such as {examples}. {BEYOND}."]
    return []


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case, without punctuation: "a T-shirt!" is a, t, shirt."""
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)?", unicodedata.normalize("NFKC", text).casefold()))


def stem(word: str) -> str:
    """A form that singular and plural share: "shoes" and "shoe" are sho, "benches" and "bench" are bench."""
    word = word.removesuffix("'s")
    word = _IRREGULAR.get(word, word)
    if len(word) < 3 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith(("ie", "ies")) and len(word) > 4:
        return word.removesuffix("s")[:-2] + "y"
    word = word.removesuffix("s")
    return word[:-1] if word.endswith(("che", "she", "xe", "se", "ze", "oe")) else word


def _described(gap: Gap, near: Sequence[str]) -> str:
    times = f"only {gap.images:.0f}" if gap.images >= 1 else "none"
    return f"{times} with {gap.word!r}" + (f" (nearest: {', '.join(near)})" if near else "")


def _nearest_in_meaning(words: Sequence[str], among: Sequence[str], count: int) -> dict[str, tuple[str, ...]]:
    """By cosine of MiniLM's sentence vectors (Reimers & Gurevych 2019), the encoder of the prior itself."""
    from dreamlab.priors.embedded.text import encode_text

    pooled = encode_text([*words, *among]).pooled
    assert pooled is not None
    near = (pooled[: len(words)] @ pooled[len(words) :].T).topk(min(count, len(among)))
    return {
        word: tuple(
            among[int(i)] for i, cosine in zip(indices, cosines, strict=True) if cosine >= _MEANT_ALIKE
        )
        for word, cosines, indices in zip(words, near.values, near.indices, strict=True)
    }
