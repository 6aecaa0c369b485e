"""Sequence tagging: a tag for each token of a sentence, such as those of named entities."""

from dataclasses import dataclass

import numpy as np

from stages.splits import SPLITS
from stages.text.tags import Scheme


@dataclass(frozen=True)
class Ingested:
    """What `ingest` says of its table: one row a token, `token`, `tag`, `sentence`, `split`.

    Attributes:
        scheme: the one of the tags in the raw file.
        sentences, documents, tokens, entities: how many each split has.
        repaired: how many tags of each split broke the rules of the scheme.
        types: of the training split's entities.
        foreign: the types that other splits alone have, and how many entities they have there.
    """

    scheme: Scheme
    sentences: dict[str, int]
    documents: dict[str, int]
    tokens: dict[str, int]
    entities: dict[str, int]
    repaired: dict[str, int]
    types: list[str]
    foreign: dict[str, int]


@dataclass(frozen=True)
class Examples:
    """Sentences of tokens in flat arrays, split after split.

    Attributes:
        sentences: how many each split has.
        scheme: that of the tags here. original: that of the raw file.
        tag_names: of the tags' ids, `O` first; `tags_known`: how many of them training has.
        known: how many ids of words training has; those from there on are of words that the vectors
            alone know.
        lower, digits: how words are written before they are looked up, as `Spelling` says.
        characters_known: the number of ids of characters. longest: the most characters of a word.
        unknown_rate: the share of tokens of each split without an id of their own.
        covered: the share of the running tokens of each split, and under `vocabulary` of the
            training vocabulary, that the vectors cover; empty without vectors.
        words, tags, shapes: (tokens,) ids. characters: (characters,) of all words.
        character_starts: (tokens + 1,) first character of each word, and the end.
        offsets: (sentences + 1,) first token of each sentence, and the end.
        vectors: (ids, numbers) float32; (0, 0) without vectors.
    """

    sentences: dict[str, int]
    scheme: Scheme
    original: Scheme
    tag_names: list[str]
    tags_known: int
    known: int
    lower: bool
    digits: bool
    characters_known: int
    longest: int
    unknown_rate: dict[str, float]
    covered: dict[str, float]
    words: np.ndarray
    tags: np.ndarray
    shapes: np.ndarray
    characters: np.ndarray
    character_starts: np.ndarray
    offsets: np.ndarray
    vectors: np.ndarray

    def numbers_of(self, split: str) -> np.ndarray:
        """Returns the numbers of a split's sentences."""
        sizes = [self.sentences[name] for name in SPLITS]
        first = sum(sizes[: SPLITS.index(split)])
        return np.arange(first, first + self.sentences[split])

    def tokens_of(self, split: str) -> tuple[slice, np.ndarray]:
        """Returns where the tokens of a split stand, and the offsets of its sentences among them,
        (sentences + 1,)."""
        numbers = self.numbers_of(split)
        offsets = np.asarray(self.offsets[numbers[0] : numbers[-1] + 2])
        return slice(int(offsets[0]), int(offsets[-1])), offsets - offsets[0]
