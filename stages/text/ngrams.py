"""The floors of a language model, counted: unigrams, and trigrams with interpolated Kneser-Ney
smoothing; and how words are spelled.

No TensorFlow, no loop.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def unigram(train: np.ndarray, size: int, test: np.ndarray) -> np.ndarray:
    """Returns log p of each test token, with p(w) = (count(w) + 1) / (tokens + size): no word of
    the vocabulary is impossible.

    Args:
        train, test: (tokens,) token ids below `size`.
    """
    counts = np.bincount(train, minlength=size) + 1.0
    return np.log(counts / counts.sum())[test]


@dataclass(frozen=True)
class _Order:
    """What one order of the model knows: for each n-gram its discounted count, for each context the
    total and what was discounted."""

    keys: np.ndarray  # (n-grams,) sorted
    discounted: np.ndarray  # (n-grams,)
    contexts: np.ndarray  # (contexts,) sorted
    totals: np.ndarray  # (contexts,)
    left: np.ndarray  # (contexts,) mass that the discount frees for the order below

    def interpolate(
        self, contexts: np.ndarray, words: np.ndarray, size: int, below: np.ndarray
    ) -> np.ndarray:
        """Returns p(word | context) where `below` is p of the order below."""
        place = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        known = self.contexts[place] == contexts
        keys = contexts * size + words
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        own = np.where(self.keys[found] == keys, self.discounted[found], 0.0)
        return np.where(known, (own + self.left[place] * below) / self.totals[place], below)


def _order(keys: np.ndarray, counts: np.ndarray, size: int) -> _Order:
    """Discounts the counts of distinct n-grams, whose key is context * size + word."""
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    # Ney, Essen and Kneser (1994). Without n-grams seen once, nothing says how much to take: half a
    # count.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    contexts, first = np.unique(keys // size, return_index=True)
    totals = np.add.reduceat(counts, first).astype(float)
    kinds = np.diff(np.append(first, len(keys)))
    return _Order(keys, counts - discount, contexts, totals, discount * kinds)


class KneserNey:
    """A trigram model with interpolated Kneser-Ney smoothing (Chen and Goodman, 1999, section
    4.1.6, one discount an order).

    Highest order: counts. Below: the number of different words that an n-gram follows. At the end:
    the same for all words.
    """

    def __init__(self, tokens: np.ndarray, size: int, starts: np.ndarray | None = None) -> None:
        """Counts.

        Args:
            tokens: (tokens,) ids below `size`.
            starts: (tokens,) True where a text of its own starts, across which nothing is counted;
                None: one stream.
        """
        self.size = size
        padded, keep = _padded(tokens, size, starts)
        wide = size + 1  # one more "word" stands before the first
        trigrams, counts = np.unique(
            (padded[:-2] * wide + padded[1:-1]) * wide + padded[2:], return_counts=True
        )
        del keep
        real = trigrams % wide < size
        trigrams, counts = trigrams[real], counts[real]
        bigrams, before = np.unique(trigrams % (wide * wide), return_counts=True)
        words, left_of = np.unique(bigrams % wide, return_counts=True)
        self._wide = wide
        self._three, self._two, self._one = (
            _order(*of, wide) for of in ((trigrams, counts), (bigrams, before), (words, left_of))
        )

    def log_probabilities(self, tokens: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Returns log p(token | the two before it), (tokens,)."""
        padded, places = _padded(tokens, self.size, starts)
        two, one, word = padded[places - 2], padded[places - 1], padded[places]
        below = self._one.interpolate(
            np.zeros_like(word), word, self._wide, np.full(len(word), 1.0 / self.size)
        )
        below = self._two.interpolate(one, word, self._wide, below)
        return np.log(self._three.interpolate(two * self._wide + one, word, self._wide, below))


class Spelling:
    """How likely an unknown token is to be this one: a trigram model of its characters, which makes
    none impossible.

    A language model says only that a token is unknown. What it leaves open is paid for here, so
    that a smaller vocabulary is no advantage.
    """

    def __init__(self, unknown: Mapping[str, int], rarest: Sequence[str], mark: str) -> None:
        """Counts, each spelling once: the rarest tokens are the most like those that training did
        not see.

        Args:
            unknown: the training tokens that are not in the vocabulary, and how often each is
                there.
            rarest: those of the vocabulary that are the rarest.
            mark: how a text itself writes a token that its makers took out. Where training has it,
                it is text as any other.
        """
        self._mark, marks, others = (
            mark,
            unknown.get(mark, 0),
            sum(unknown.values()) - unknown.get(mark, 0),
        )
        # One more for the first unknown token, where training has none.
        self._nats_of_mark = -np.log(marks / (marks + others + 1)) if marks else None
        self._nats_of_others = -np.log((others + 1) / (marks + others + 1))
        spellings = [token for token in unknown if token != mark] + list(rarest)
        self._alphabet = np.unique(_code_points(spellings))
        ids, starts, _ = self._ids(spellings)
        self._model = KneserNey(ids, len(self._alphabet) + 2, starts) if spellings else None

    def _ids(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the ids of characters and of an end after each token, which of them start a
        token, and which characters are new."""
        points, size = _code_points(tokens), len(self._alphabet)
        places = np.minimum(np.searchsorted(self._alphabet, points), max(size - 1, 0))
        new = self._alphabet[places] != points if size else np.ones(len(points), bool)
        ends = np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)))
        ids = np.insert(np.where(new, size, places), ends, size + 1)
        return ids, np.insert(ids[:-1] == size + 1, 0, True), ids == size

    def nats(self, tokens: Sequence[str]) -> np.ndarray:
        """Returns -log p of each of these unknown tokens, given that it is unknown, (tokens,); 0 or
        next to it for `mark` as text."""
        distinct = list(dict.fromkeys(tokens))
        ids, starts, new = self._ids(distinct)
        points = sys.maxunicode + 1
        # Without any spelling to count, all characters and the end are as likely.
        likely = (
            self._model.log_probabilities(ids, starts)
            if self._model
            else np.full(len(ids), -np.log(2))
        )
        nats = (
            np.add.reduceat(new * np.log(points) - likely, np.flatnonzero(starts))
            + self._nats_of_others
        )
        found = dict(zip(distinct, nats.tolist(), strict=True))
        if self._nats_of_mark is not None:
            found[self._mark] = self._nats_of_mark
        return np.fromiter((found[token] for token in tokens), np.float64, len(tokens))

    def are_unknown(self, tokens: Sequence[str]) -> np.ndarray:
        """Returns which of these tokens are no text of training's, (tokens,): all but `mark`."""
        return np.fromiter(
            (self._nats_of_mark is None or token != self._mark for token in tokens),
            bool,
            len(tokens),
        )


def _code_points(tokens: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(tokens).encode("utf-32-le", "surrogatepass"), np.uint32)


def _padded(
    tokens: np.ndarray, size: int, starts: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tokens with two ids `size` before every start, and where the tokens are then,
    int64."""
    first = np.zeros(len(tokens), bool) if starts is None else np.array(starts)
    first[:1] = True
    places = np.arange(len(tokens)) + 2 * np.cumsum(first)
    padded = np.full(len(tokens) + 2 * int(first.sum()), size, np.int64)
    padded[places] = tokens
    return padded, places
