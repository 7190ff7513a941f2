"""A bare prompt said in full, as the corpus' own grammar would: "a mushroom" is "a red mushroom with white
spots", and with the next seed another one.

Captions that name one object leave a prior less to average than captions that fit many. What is added is
what a generator of that noun really drew beside the words that were said; what the grammar does not
understand is left as it was.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from dreamlab.priors.embedded.vocabulary import Vocabulary, stem, words_of
from dreamlab.studio.paraphrase import LOOKS, NOUNS
from dreamlab.studio.shapes import GENERATORS
from dreamlab.studio.shapes.core import Builder, Rng
from dreamlab.studio.shapes.grammar import (
    COLORS,
    MATERIALS,
    ColorWord,
    Generator,
    Material,
    listed,
    paint,
    with_article,
)

_WANTED, _DRAWN = 48, 240
"""Objects to choose from, and how many are drawn at most to find them, where few have the parts that were
asked for."""
_SIZED = 0.3  # share of objects that have a proportion, as in the corpus
_ARTICLES = frozenset(("a", "an", "the", "one"))
_JOINTS = frozenset(("with", "and", "has", "having"))
_NEUTRAL = frozenset("small little tiny big large huge cute nice pretty beautiful simple".split())
"""Said of any object, whatever its colours and parts."""
_SIZES = tuple(dict.fromkeys(size.word for generator in GENERATORS for size in generator.sizes))
Words = tuple[str, ...]


class Wish(NamedTuple):
    """A prompt as the grammar reads it. Of colour, material and size: the grammar's word, and what was said
    for it; two empty texts for none. parts: the words of each part that was asked for. said: the grammar's
    words for looks of parts, each with the other word that was said.
    """

    generator: Generator
    noun: str
    neutral: Words
    color: tuple[str, str]
    material: tuple[str, str]
    size: tuple[str, str]
    parts: tuple[frozenset[str], ...]
    said: tuple[tuple[str, str], ...]


class Variant(NamedTuple):
    """What the full caption of an object says of it."""

    color: str
    material: str
    size: str
    details: Words


def expand(
    prompt: str, seed: int, vocabulary: Vocabulary, unwanted: str = "", details: bool = True
) -> str | None:
    """The prompt with what it leaves open; None where nothing can be added.

    Every word that was said is in it, but for articles. Seeds that follow each other get different
    variants, the commonest first, until all that were found had their turn.

    Args:
        vocabulary: of the prior that will hear it; no word is added that it has not learned.
        unwanted: a negative prompt; none of its words is added.
        details: False adds no parts, but only colour, material and size, and only where neither colour nor
            material was said.
    """
    wish = read(prompt)
    if wish is None or (not details and (wish.color[0] or wish.material[0])):
        return None
    found = variants(wish)
    if not details:
        found = tuple(dict.fromkeys(variant._replace(details=()) for variant in found))
    texts = {variant: worded(wish, variant) for variant in found}
    added = {text: set(words_of(text)) - set(words_of(prompt)) for text in texts.values()}
    unlearned = {gap.word for gap in vocabulary.read(" ".join(sorted(set().union(*added.values())))).gaps}
    shunned = {stem(word) for word in words_of(unwanted)}
    fit = {t for t, words in added.items() if not words & unlearned and not set(map(stem, words)) & shunned}
    texts = {variant: text for variant, text in texts.items() if text in fit}
    # "a red mushroom" is also what a spotted one is called: an average again, where details could be told.
    fuller = [text for variant, text in texts.items() if variant.details] or list(texts.values())
    chosen = fuller[seed % len(fuller)] if fuller else prompt
    return None if words_of(chosen) == words_of(prompt) else chosen


def read(prompt: str) -> Wish | None:
    """A prompt as "[a] [ADJECTIVES] NOUN [with PARTS]"; None if any of its words has no place in that, or no
    generator draws the noun.
    """
    words = words_of(prompt)
    words = words[1:] if words[:1] and words[0] in _ARTICLES else words
    names, longest = _names()
    for start in reversed(range(len(words))):
        adjectives = _adjectives(words[:start])
        if adjectives is None:
            continue
        for end in range(min(len(words), start + longest), start, -1):
            if (generator := names.get(words[start:end])) is not None:
                parts, said = _parts(words[end:])
                return Wish(generator, " ".join(words[start:end]), *adjectives, parts, said)
    return None


@lru_cache(maxsize=256)
def variants(wish: Wish) -> tuple[Variant, ...]:
    """Different objects of which everything that was said is true, those that were drawn most often first.

    They are drawn in the noun's natural colours, unless one is asked for; the same at every call.
    """
    generator, colors = wish.generator, _colors(wish)
    if not colors:
        return ()
    rng = np.random.default_rng(zlib.crc32(generator.noun.encode()))
    found: Counter[Variant] = Counter()
    for _ in range(_DRAWN):
        variant = _drawn(rng, generator, colors, not wish.size[0])
        found[variant] += _has(variant, wish.parts)
        if found.total() == _WANTED:
            break
    return tuple(variant for variant, times in found.most_common() if times)


def worded(wish: Wish, variant: Variant) -> str:
    """The full caption of an object, in the words that were said where some were."""
    pairs = ((wish.size, variant.size), (wish.color, variant.color), (wish.material, variant.material))
    looks = [said or drawn for (_, said), drawn in pairs]
    details = [_resaid(detail, wish.said) for detail in variant.details]
    text = " ".join(word for word in (*wish.neutral, *looks, wish.noun) if word)
    return f"{with_article(text)} {listed(details)}".strip()


def _drawn(rng: Rng, generator: Generator, colors: Sequence[ColorWord | Material], sized: bool) -> Variant:
    main, builder = paint(rng, colors), Builder()
    size = ""
    if sized and generator.sizes and rng.random() < _SIZED:
        size = generator.sizes[int(rng.integers(len(generator.sizes)))].word
    generator.build(builder, rng, main)
    return Variant(main.color, main.material, size, tuple(builder.details))


def _colors(wish: Wish) -> list[ColorWord | Material]:
    """What the main body may be painted with: any colour, but only materials that the noun is drawn of."""
    color, material = wish.color[0], wish.material[0]
    if material:
        drawn = [m for m in wish.generator.natural if isinstance(m, Material) and m.word == material]
        return [m for m in drawn if color in ("", m.color.word)]
    return [c for c in COLORS if c.word == color] if color else list(wish.generator.natural)


def _has(variant: Variant, parts: Sequence[frozenset[str]]) -> bool:
    """Whether each of the parts is one of the object's, of which less may have been said."""
    units = [unit for detail in variant.details for unit in _parts(words_of(detail))[0]]
    return all(any(part <= unit for unit in units) for part in parts)


def _adjectives(words: Words) -> tuple[Words, tuple[str, str], tuple[str, str], tuple[str, str]] | None:
    """Neutral words, colour, material and size; None where there are others, or two of a sort."""
    neutral: list[str] = []
    found: dict[str, tuple[str, str]] = {}
    at = 0
    while at < len(words):
        word, length = _look_at(words, at)
        if length:
            sort = _sort(word)
            if sort in found:
                return None
            found[sort] = (word, " ".join(words[at : at + length]))
        elif words[at] in _NEUTRAL:
            neutral.append(words[at])
        else:
            return None
        at += length or 1
    none = ("", "")
    return tuple(neutral), *(found.get(sort, none) for sort in ("color", "material", "size"))  # pyright: ignore


def _sort(word: str) -> str:
    if word in _SIZES:
        return "size"
    return "material" if any(word == material.word for material in MATERIALS) else "color"


def _parts(words: Words) -> tuple[tuple[frozenset[str], ...], tuple[tuple[str, str], ...]]:
    """The words of every part, as stems in the grammar's own words; and other words that were said for
    these.
    """
    parts: list[set[str]] = [set()]
    said: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        word, length = _look_at(words, at)
        if length:
            parts[-1].add(word)  # whole: dark red is not red
            said.append((word, " ".join(words[at : at + length])))
        elif words[at] in _JOINTS:
            parts.append(set())
        elif words[at] not in _ARTICLES:
            parts[-1].add(stem(words[at]))
        at += length or 1
    return tuple(frozenset(part) for part in parts if part), tuple((k, v) for k, v in said if k != v)


def _resaid(detail: str, said: Sequence[tuple[str, str]]) -> str:
    for word, other in said:
        detail = f" {detail} ".replace(f" {word} ", f" {other} ").strip()
    return detail


def _look_at(words: Words, at: int) -> tuple[str, int]:
    """The grammar's word for a colour, material or size that stands there, and how many words it has."""
    looks, longest = _looks()
    for length in range(min(longest, len(words) - at), 0, -1):
        if (word := looks.get(words[at : at + length])) is not None:
            return word, length
    return "", 0


@cache
def _looks() -> tuple[dict[Words, str], int]:
    """What colours, materials and sizes are called, each to the grammar's word; the most words of one."""
    own = [*(c.word for c in COLORS), *(m.word for m in MATERIALS), *_SIZES]
    table = {words_of(other): word for word in own for other in LOOKS.get(word, ())}
    table |= {words_of(word): word for word in own}
    return table, max(map(len, table))


@cache
def _names() -> tuple[dict[Words, Generator], int]:
    """What the nouns are called, each to its generator; the most words of one."""
    own = {words_of(g.noun): g for g in GENERATORS}
    others = {words_of(other): g for g in GENERATORS for other in NOUNS.get(g.noun, ())}
    table = others | own
    return table, max(map(len, table))
