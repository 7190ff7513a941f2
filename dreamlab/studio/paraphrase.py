"""Other words for the same thing: captions of the corpus said again as people would say them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from dreamlab.studio.shapes.grammar import with_article

NOUNS: dict[str, tuple[str, ...]] = {
    "mushroom": ("toadstool", "fungus"),
    "pine tree": ("fir tree", "conifer", "christmas tree", "spruce"),
    "palm tree": ("palm", "coconut tree"),
    "flower": ("blossom", "daisy"),
    "bush": ("shrub", "hedge"),
    "potted plant": ("houseplant", "plant in a pot"),
    "corn cob": ("ear of corn", "maize"),
    "donut": ("doughnut",),
    "cupcake": ("muffin",),
    "ice cream cone": ("ice cream", "ice-cream"),
    "cake": ("birthday cake", "torte"),
    "candy": ("sweet", "bonbon"),
    "bookshelf": ("bookcase", "shelf"),
    "cabinet": ("cupboard", "wardrobe", "dresser"),
    "chair": ("seat", "dining chair"),
    "table": ("desk", "dining table"),
    "sofa": ("couch", "settee"),
    "lamp": ("table lamp", "desk lamp", "floor lamp"),
    "teapot": ("tea kettle", "kettle"),
    "mug": ("cup", "coffee cup", "coffee mug", "tea cup"),
    "bottle": ("flask",),
    "vase": ("urn", "amphora"),
    "barrel": ("cask", "keg"),
    "bowl": ("dish", "basin"),
    "jug": ("pitcher", "carafe"),
    "bucket": ("pail",),
    "pot": ("saucepan", "cooking pot", "cauldron"),
    "pan": ("frying pan", "skillet"),
    "rock": ("boulder",),
    "mountain": ("peak",),
    "burger": ("hamburger", "cheeseburger"),
    "hot dog": ("hotdog", "frankfurter"),
    "pizza slice": ("slice of pizza", "pizza"),
    "watermelon slice": ("slice of watermelon", "watermelon"),
    "bread loaf": ("loaf of bread", "bread"),
    "cheese": ("cheese wedge",),
    "clock": ("alarm clock",),
    "umbrella": ("parasol",),
    "television": ("tv", "tv set"),
    "pillow": ("cushion",),
    "light bulb": ("lightbulb", "bulb"),
    "top hat": ("magician's hat",),
    "wizard hat": ("witch hat", "pointed hat"),
    "crown": ("tiara",),
    "trophy": ("prize cup", "goblet"),
    "diamond": ("gem", "gemstone", "jewel"),
    "traffic cone": ("road cone", "pylon"),
    "crate": ("box", "packing case"),
    "treasure chest": ("chest", "pirate chest"),
    "gift box": ("present", "gift", "parcel"),
    "dice": ("die",),
    "cube": ("block",),
    "sphere": ("ball", "globe", "orb"),
    "rabbit": ("bunny", "hare"),
    "cat": ("kitten", "kitty"),
    "dog": ("puppy", "hound"),
    "pig": ("piglet", "hog"),
    "bear": ("grizzly",),
    "duck": ("duckling", "rubber duck"),
    "chicken": ("hen",),
    "bird": ("songbird", "sparrow"),
    "teddy bear": ("teddy", "plush bear", "stuffed bear"),
    "robot": ("android", "droid"),
    "ghost": ("phantom", "spook"),
    "alien": ("extraterrestrial", "martian"),
    "monster": ("beast", "ogre"),
    "car": ("automobile", "sedan"),
    "truck": ("lorry",),
    "bus": ("coach", "school bus"),
    "train": ("locomotive", "steam engine"),
    "fire truck": ("fire engine",),
    "police car": ("patrol car", "cop car"),
    "rocket": ("rocket ship", "spaceship", "spacecraft"),
    "airplane": ("aeroplane", "plane", "jet", "aircraft"),
    "helicopter": ("chopper",),
    "hot air balloon": ("hot-air balloon",),
    "ufo": ("flying saucer",),
    "house": ("home", "cottage", "hut"),
    "castle": ("fortress", "palace"),
    "church": ("chapel",),
    "skyscraper": ("high-rise", "office tower", "office building"),
    "pagoda": ("asian temple",),
    "axe": ("hatchet", "ax"),
    "hammer": ("mallet",),
    "shovel": ("spade",),
    "wrench": ("spanner",),
    "horse": ("pony", "stallion"),
    "dinosaur": ("dino", "t-rex"),
    "octopus": ("squid",),
    "turtle": ("tortoise",),
    "frog": ("toad",),
    "bee": ("bumblebee", "honey bee"),
    "ladybug": ("ladybird", "lady beetle"),
    "man": ("person", "guy"),
    "wizard": ("sorcerer", "magician"),
    "knight": ("armored knight",),
    "astronaut": ("spaceman", "cosmonaut"),
    "princess": ("queen",),
    "sword": ("blade", "longsword"),
    "bow and arrow": ("archery bow",),
    "lighthouse": ("beacon",),
    "windmill": ("mill",),
    "well": ("water well", "wishing well"),
    "guitar": ("ukulele",),
    "soccer ball": ("football",),
    "spinning top": ("whirligig",),
    "chess pawn": ("pawn", "chess piece"),
    "traffic light": ("stoplight",),
    "fire hydrant": ("hydrant",),
    "mailbox": ("letterbox", "postbox"),
    "street lamp": ("lamppost", "streetlight"),
    "trash can": ("garbage can", "dustbin", "trash bin"),
    "bicycle": ("bike",),
    "motorcycle": ("motorbike",),
    "tank": ("battle tank", "armored tank"),
    "boat": ("motorboat", "dinghy"),
    "sailing ship": ("galleon", "pirate ship"),
    "sailboat": ("yacht", "sailing boat"),
    "rowing boat": ("rowboat", "canoe"),
    "submarine": ("sub",),
}
"""What else things are called."""

LOOKS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet", "ruby", "bright red"),
    "yellow": ("bright yellow", "lemon-yellow", "canary yellow"),
    "lime": ("lime green", "chartreuse", "yellow-green"),
    "green": ("emerald", "grass green", "forest green"),
    "dark green": ("bottle green", "deep green"),
    "turquoise": ("teal", "cyan", "aqua", "aquamarine"),
    "light blue": ("sky blue", "pale blue", "baby blue"),
    "blue": ("royal blue", "azure", "cobalt blue", "bright blue"),
    "dark blue": ("navy", "navy blue", "midnight blue", "deep blue"),
    "purple": ("violet", "plum", "indigo"),
    "pink": ("light pink", "rosy"),
    "brown": ("chocolate brown", "chestnut"),
    "beige": ("cream", "tan", "sand-coloured"),
    "black": ("jet black", "ebony", "pitch black"),
    "white": ("snow white", "snowy white"),
    "grey": ("gray", "ash grey", "slate grey"),
    "silver": ("silvery", "light grey", "chrome"),
    "golden": ("gold", "gilded", "mustard"),
    "dark red": ("maroon", "burgundy", "wine-red", "deep red"),
    "wooden": ("wood", "timber", "oak"),
    "stone": ("granite", "rocky"),
    "metal": ("steel", "iron", "metallic"),
    "glass": ("crystal", "transparent"),
    "clay": ("terracotta", "ceramic", "pottery"),
    "tall": ("high", "towering"),
    "short": ("low", "squat", "stubby"),
    "fat": ("chubby", "plump", "thick", "stout"),
    "thin": ("slim", "slender", "skinny"),
    "wide": ("broad",),
    "long": ("elongated", "stretched"),
}
"""What else colours (by the CSS names that lie in their boxes, and by what people say), materials and
proportions are called."""

_SHARE = 0.6  # of the words that have synonyms; so that most paraphrases change something and few everything


def paraphrase(caption: str, noun: str, rng: np.random.Generator) -> str:
    """The caption of a noun (or of a scene, named by its nouns) with some words replaced by what else they
    are called; the same where nothing has another name.

    Things are renamed only where they are what the caption is about: a cactus stands in a pot, not in a
    saucepan.
    """
    names = LOOKS | {thing: NOUNS[thing] for thing in _pattern(tuple(NOUNS)).findall(noun)}

    def other(match: re.Match[str]) -> str:
        choices = names[match[0]]
        return choices[int(rng.integers(len(choices)))] if rng.random() < _SHARE else match[0]

    return re.sub(r"\ban? (\S+)", lambda m: with_article(m[1]), _pattern(tuple(names)).sub(other, caption))


def with_paraphrases(captions: Sequence[str], noun: str, rng: np.random.Generator) -> tuple[str, ...]:
    """The captions and half as many paraphrases of some of them, none twice; the first and the last stay."""
    chosen = rng.choice(len(captions), -(-len(captions) // 2), replace=False)
    others = dict.fromkeys(paraphrase(captions[int(i)], noun, rng) for i in chosen)
    return (*captions[:-1], *(other for other in others if other not in captions), captions[-1])


def synonym_in(caption: str, noun: str) -> str | None:
    """The other name by which a caption calls the noun, if it does."""
    names = NOUNS.get(noun, ())
    found = _pattern(names).search(caption) if names else None
    return found[0] if found else None


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words, the longest first: "dark red" before "red"."""
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b")
