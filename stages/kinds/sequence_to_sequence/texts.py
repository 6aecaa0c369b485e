"""Texts to ids of both sides and back, and which tokens of a source can be copied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.sequence_to_sequence import SIDES, Examples, Ingested
from stages.text import tokens

SHARED = "tokenizer.json"
# One tokenizer a side.
OWN = tuple(f"{side}.json" for side in SIDES)


@dataclass(frozen=True)
class Source:
    """A source as a network reads it.

    Attributes:
        ids: (tokens,). copies: (tokens,) as in `Examples`; without elements if nothing is copied.
        unknown: its different unknown tokens in the order of their ids, which follow those of the
            target's tokenizer.
    """

    ids: np.ndarray
    copies: np.ndarray
    unknown: list[str]


def tokenizers(
    data: TaskData[Ingested, Examples],
) -> tuple[tokens.Tokenizer, tokens.Tokenizer]:
    """Returns the tokenizers of sources and of targets, which are one if it is shared."""
    if data.examples.shared:
        shared = tokens.from_json(data.text(SHARED))
        return shared, shared
    source, target = (tokens.from_json(data.text(name)) for name in OWN)
    return source, target


def shortened(found: tokens.Encoded, limits: np.ndarray | int | None) -> tokens.Encoded:
    """Returns the first tokens of texts, at most `limits`: of all, or (texts,) of each; None:
    all."""
    if limits is None or not (found.lengths > limits).any():
        return found
    places = np.arange(len(found.ids)) - np.repeat(
        np.cumsum(found.lengths) - found.lengths, found.lengths
    )
    limits = np.broadcast_to(limits, found.lengths.shape)
    is_read = places < np.repeat(limits, found.lengths)
    unknown = list(compress(found.unknown, is_read[found.ids == tokens.UNKNOWN].tolist()))
    return tokens.Encoded(found.ids[is_read], np.minimum(found.lengths, limits), unknown)


class Copying:
    """Which ids of the target's tokenizer stand for the tokens of sources."""

    def __init__(self, source: tokens.Tokenizer, target: tokens.Tokenizer) -> None:
        self._source, self._target = source, target
        self._ids: np.ndarray | None = None
        if isinstance(source, tokens.Words) and isinstance(target, tokens.Words):
            numbers = range(len(tokens.SPECIAL), target.size)
            self._known = dict(zip(target.tokens[len(tokens.SPECIAL) :], numbers, strict=True))
            self._ids = self._known_ids(source.tokens)
            self._ids[: len(tokens.SPECIAL)] = tokens.UNKNOWN
        elif isinstance(source, tokens.Bytes) and source is target:
            self._ids = np.arange(source.size)

    @property
    def is_possible(self) -> bool:
        """Words can be copied, and what a shared tokenizer makes of bytes."""
        return self._ids is not None

    def _known_ids(self, words: Iterable[str]) -> np.ndarray:
        return np.array(
            [self._known.get(self._written(word), tokens.UNKNOWN) for word in words], np.int64
        )

    def _written(self, word: str) -> str:
        """Returns a word as the targets write it."""
        assert isinstance(self._target, tokens.Words)
        return word.lower() if self._target.lower else word

    def copies(self, found: tokens.Encoded) -> tuple[np.ndarray, "Unknown"]:
        """Returns the target's id of each token of some sources, (tokens,), and what they have of
        unknown tokens."""
        if self._ids is None:
            return np.zeros(0, np.int64), Unknown([], np.zeros(0, np.int64), len(found.lengths))
        ids = self._ids[found.ids]
        if isinstance(self._source, tokens.Words):
            ids[found.ids == tokens.UNKNOWN] = self._known_ids(found.unknown)
        places = np.flatnonzero(ids == tokens.UNKNOWN)
        spelled = np.empty(len(found.ids), object)
        spelled[found.ids == tokens.UNKNOWN] = found.unknown
        words = [
            self._written(spelled[place] or self._source.token(found.ids[place]))
            for place in places
        ]
        unknown = Unknown(words, _texts_of(found.lengths)[places], len(found.lengths))
        ids[places] = self._target.size + unknown.numbers
        return ids, unknown

    def named(self, found: tokens.Encoded, unknown: "Unknown") -> np.ndarray:
        """Returns the ids of some targets, (tokens,), where unknown tokens that their source has
        are named by the ids that it gives them."""
        places = np.flatnonzero(found.ids == tokens.UNKNOWN)
        numbers = unknown.numbers_of(found.unknown, _texts_of(found.lengths)[places])
        ids = found.ids.copy()
        ids[places] = np.where(numbers < 0, tokens.UNKNOWN, self._target.size + numbers)
        return ids


class Unknown:
    """The unknown tokens of some sources.

    Attributes:
        numbers: (tokens,) of each among the different ones of its source, in their order.
        words: the different ones of each source.
    """

    def __init__(self, words: Sequence[str], texts: np.ndarray, count: int) -> None:
        """Args:
        words: the unknown tokens. texts: (tokens,) the number of each one's source, ascending.
        count: how many sources there are.
        """
        codes, names = pd.factorize(np.array(words, object))
        self._codes = pd.Index(names)
        self._keys, first, places = np.unique(
            texts * max(len(names), 1) + codes, return_index=True, return_inverse=True
        )
        order = np.argsort(first, kind="stable")
        ranks = np.empty(len(first), np.int64)
        ranks[order] = np.arange(len(first))
        different = np.bincount(texts[first], minlength=count)
        starts = np.cumsum(different) - different
        self._numbers = ranks - starts[texts[first]]
        self.numbers = self._numbers[places]
        in_order = [words[place] for place in first[order]]
        self.words = [
            in_order[start : start + own] for start, own in zip(starts, different, strict=True)
        ]

    def numbers_of(self, words: Sequence[str], texts: np.ndarray) -> np.ndarray:
        """Returns the numbers of other tokens in the sources of the numbers `texts`, both
        (tokens,); -1 where the source does not have it."""
        if not len(words) or not len(self._keys):
            return np.full(len(words), -1)
        codes = self._codes.get_indexer(pd.Index(np.array(words, object)))
        keys = np.where(codes < 0, -1, texts * len(self._codes) + codes)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._numbers[places], -1)


def _texts_of(lengths: np.ndarray) -> np.ndarray:
    """Returns the number of each token's text, (tokens,)."""
    return np.repeat(np.arange(len(lengths)), lengths)


def encode(
    texts: Sequence[str],
    source_tokenizer: tokens.Tokenizer,
    target_tokenizer: tokens.Tokenizer,
    longest: int | None = None,
) -> list[Source]:
    """Returns texts as sources; of a longer one its first tokens.

    Raises `InputError` for a text without a token.
    """
    found = source_tokenizer.encode([text.strip() for text in texts])
    empty = np.flatnonzero(found.lengths == 0)
    if len(empty):
        raise InputError(
            f"expected a text with at least one token, received {texts[empty[0]]!r} as text "
            f"{empty[0] + 1}"
        )
    found = shortened(found, longest)
    copies, unknown = Copying(source_tokenizer, target_tokenizer).copies(found)
    ends = np.cumsum(found.lengths)[:-1]
    split_copies = np.split(copies, ends) if len(copies) else [copies] * len(found.lengths)
    parts = zip(np.split(found.ids, ends), split_copies, unknown.words, strict=True)
    return [Source(*part) for part in parts]


def sources_of(
    data: TaskData[Ingested, Examples],
    numbers: np.ndarray,
    both: tuple[tokens.Tokenizer, tokens.Tokenizer] | None = None,
) -> list[Source]:
    """Returns the sources of stored pairs by their numbers, (pairs,).

    both: the tokenizers of the two sides; None: they are read.
    """
    examples = data.examples
    unknown: list[list[str]] = [[] for _ in numbers]
    if examples.extended:
        both = both or tokenizers(data)
        written = data.ingested.read(["source"])["source"].to_numpy(object)
        found = both[0].encode(written[examples.rows[numbers]].tolist())
        found = shortened(found, np.asarray(examples.source_lengths[numbers]))
        unknown = Copying(*both).copies(found)[1].words
    sources = []
    for number, words in zip(numbers, unknown, strict=True):
        first = examples.source_starts[number]
        own = slice(first, first + examples.source_lengths[number])
        sources.append(
            Source(
                np.asarray(examples.source_ids[own], np.int64),
                np.asarray(examples.copies[own], np.int64),
                words,
            )
        )
    return sources


def decode(ids: Iterable[int], unknown: Sequence[str], tokenizer: tokens.Tokenizer) -> str:
    """Returns the text of a target's ids.

    Args:
        unknown: the tokens of the ids from `tokenizer.size`.
        tokenizer: of the targets. If it sets punctuation apart, `detokenized` puts it back.
    """
    if not isinstance(tokenizer, tokens.Words):
        return tokenizer.decode(ids).strip()
    words = [
        unknown[number - tokenizer.size] if number >= tokenizer.size else tokenizer.token(number)
        for number in ids
    ]
    return detokenized(words) if tokenizer.apart or tokenizer.contractions else " ".join(words)


# Where no space is: before some words, behind others, and on both sides of some.
_CLOSING = frozenset([*".,!?;:)]}%…»", "n't", "'s", "'m", "'d", "'re", "'ve", "'ll"])
_OPENING = frozenset("([{$£€#@¿¡«")
_JOINING = frozenset("-/'’_")


def detokenized(words: Sequence[str]) -> str:
    """Returns words and punctuation marks as people write them in a text: a mark stands at the word
    that it belongs to.

    The rules are plain ones. Of two quotation marks the first one opens; a hyphen joins
    two words; a point or comma between digits is part of a number.
    """
    pieces: list[str] = []
    is_open, joined = False, True
    for place, word in enumerate(words):
        is_quote = word in ('"', "”", "“", "„")
        closes = word.lower() in _CLOSING or word in _JOINING or (is_quote and is_open)
        pieces.append(word if joined or closes else " " + word)
        joined = word in _OPENING or word in _JOINING or (is_quote and not is_open)
        joined = joined or (word in (".", ",", ":") and _in_number(words, place))
        is_open ^= is_quote
    return "".join(pieces)


def _in_number(words: Sequence[str], place: int) -> bool:
    around = [words[place - 1] if place else "", *words[place + 1 : place + 2]]
    in_digits = len(around) == 2 and all(word.isdecimal() for word in around)
    # A comma between groups of three digits, not one behind a year.
    return in_digits and (words[place] != "," or len(around[0]) <= 3 == len(around[1]))
