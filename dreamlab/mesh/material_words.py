"""What a prompt says an object is made of, as glTF's metal and roughness."""

from __future__ import annotations

import re
from typing import NamedTuple


class Finish(NamedTuple):
    """metallic and roughness, each in 0..1."""

    metallic: float = 0.0
    roughness: float = 0.8


PLAIN = Finish()
_METALS = {
    0.15: "chrome",
    0.3: "gold golden silver",
    0.4: "brass bronze copper metal metallic steel aluminium aluminum titanium tin",
    0.55: "iron pewter lead",
}
_OTHERS = {
    0.1: "glass crystal ice icy diamond",
    0.25: "ceramic porcelain marble glossy shiny polished lacquered varnished",
    0.45: "plastic wax candy jelly",
    0.6: "rubber leather",
    0.75: "wood wooden bamboo oak pine",
    0.9: "stone rock clay terracotta brick concrete straw wicker cardboard paper",
    1.0: "wool woollen woolen felt cotton cloth fabric knitted plush fluffy furry fur mossy matt matte dull",
}
WORDS = {
    word: Finish(metallic, roughness)
    for metallic, table in ((1.0, _METALS), (0.0, _OTHERS))
    for roughness, words in table.items()
    for word in words.split()
}
# Where the thing itself ends and its details begin.
_DETAILS = re.compile(r",|;|\b(?:with|on|in|and|wearing|holding|beside|under|next|near|of)\b")
_MADE_OF = re.compile(r"\bmade (?:out )?of (?:pure |solid )?(\w+)")
# Names of living things, which are made of none of it.
_NAMES = re.compile(
    r"\b(?:golden (?:retriever|eagle|hamster|pheasant)|pine (?:tree|cone|forest)|oak tree|ice cream)\b"
)


def finish_of(prompt: str) -> Finish:
    """That of the last material that is said of the thing itself, "a golden crown with wooden spikes" being
    of gold; "made of ..." counts wherever it stands. PLAIN where no material is said of the first thing."""
    text = _NAMES.sub(" ", prompt.lower())
    said = [word for word in _MADE_OF.findall(text) if word in WORDS]
    if not said:
        thing = _DETAILS.split(text)[0]
        said = [word for word in re.findall(r"[a-z]+", thing)[:-1] if word in WORDS]
    return WORDS[said[-1]] if said else PLAIN
