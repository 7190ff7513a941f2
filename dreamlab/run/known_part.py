"""A thing that is to be added, in words that the embedded prior has learned: "a red cup" is "a red mug"."""

from __future__ import annotations

import re

from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.vocabulary import Vocabulary
from dreamlab.run.instructions import thing_of
from dreamlab.studio.paraphrase import NOUNS


def known_part(prompt: str, vocabulary: Vocabulary) -> tuple[str, list[str]]:
    """The prompt with a noun that was learned: its own, one that means the same, or the commonest of those
    that end in it ("hat": top hat, wizard hat); and what is to be said of that.

    Raises InputError where there is none, with the nearest ones.
    """
    if vocabulary.read(prompt).nouns:
        return prompt, []
    said, learned = thing_of(prompt), vocabulary.learned()
    word = said.split()[-1] if said else ""
    same = [noun for noun in learned if {said, word} & set(NOUNS.get(noun, ()))]
    kinds = [noun for noun in learned if noun.split()[-1] == word]
    if found := same or kinds:
        others = f" (others: {', '.join(found[1:3])})" if len(found) > 1 else ""
        named = said if said in NOUNS.get(found[0], ()) else word
        made = re.sub(rf"\b{re.escape(named)}\b", found[0], prompt, count=1)
        return made, [f"the prior has not learned {named!r}, and makes {made}{others}"]
    near = ", ".join(vocabulary.nearest([word])[0]) if word else ""
    raise InputError(
        f"the prior has not learned what {prompt!r} is, so that it cannot be added",
        expected=f"a thing that it knows, such as {near or ', '.join(learned[:3])}",
        mend="Take another word, or a larger model with --prior (see `dreamlab priors`)",
    )
