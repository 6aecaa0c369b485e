"""The floors of a language model, counted: unigrams, and trigrams with interpolated Kneser-Ney smoothing. No TensorFlow, no loop."""

from dataclasses import dataclass

import numpy as np


def unigram(train: np.ndarray, size: int, test: np.ndarray) -> np.ndarray:
    """Returns log p of each test token, with p(w) = (count(w) + 1) / (tokens + size): no word of the vocabulary is impossible.

    Args:
        train, test: (tokens,) token ids below `size`.
    """
    counts = np.bincount(train, minlength=size) + 1.0
    return np.log(counts / counts.sum())[test]


@dataclass(frozen=True)
class _Order:
    """What one order of the model knows: for each n-gram its discounted count, for each context the total and what was discounted."""

    keys: np.ndarray  # (n-grams,) sorted
    discounted: np.ndarray  # (n-grams,)
    contexts: np.ndarray  # (contexts,) sorted
    totals: np.ndarray  # (contexts,)
    left: np.ndarray  # (contexts,) mass that the discount frees for the order below

    def interpolate(self, contexts: np.ndarray, words: np.ndarray, size: int, below: np.ndarray) -> np.ndarray:
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
    # Ney, Essen and Kneser (1994). Without n-grams seen once, nothing says how much to take: half a count.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    contexts, first = np.unique(keys // size, return_index=True)
    totals = np.add.reduceat(counts, first).astype(float)
    kinds = np.diff(np.append(first, len(keys)))
    return _Order(keys, counts - discount, contexts, totals, discount * kinds)


class KneserNey:
    """A trigram model with interpolated Kneser-Ney smoothing (Chen and Goodman, 1999, section 4.1.6, one discount an order).

    Highest order: counts. Below: the number of different words that an n-gram follows. At the end: the same for all words.
    """

    def __init__(self, tokens: np.ndarray, size: int, starts: np.ndarray | None = None) -> None:
        """Counts.

        Args:
            tokens: (tokens,) ids below `size`.
            starts: (tokens,) True where a text of its own starts, across which nothing is counted; None: one stream.
        """
        self.size = size
        padded, keep = _padded(tokens, size, starts)
        wide = size + 1  # one more "word" stands before the first
        trigrams, counts = np.unique((padded[:-2] * wide + padded[1:-1]) * wide + padded[2:], return_counts=True)
        del keep
        real = trigrams % wide < size
        trigrams, counts = trigrams[real], counts[real]
        bigrams, before = np.unique(trigrams % (wide * wide), return_counts=True)
        words, left_of = np.unique(bigrams % wide, return_counts=True)
        self._wide = wide
        self._three, self._two, self._one = (_order(*of, wide) for of in ((trigrams, counts), (bigrams, before), (words, left_of)))

    def log_probabilities(self, tokens: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Returns log p(token | the two before it), (tokens,)."""
        padded, places = _padded(tokens, self.size, starts)
        two, one, word = padded[places - 2], padded[places - 1], padded[places]
        below = self._one.interpolate(np.zeros_like(word), word, self._wide, np.full(len(word), 1.0 / self.size))
        below = self._two.interpolate(one, word, self._wide, below)
        return np.log(self._three.interpolate(two * self._wide + one, word, self._wide, below))


def _padded(tokens: np.ndarray, size: int, starts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tokens with two ids `size` before every start, and where the tokens are then, int64."""
    first = np.zeros(len(tokens), bool) if starts is None else np.array(starts)
    first[:1] = True
    places = np.arange(len(tokens)) + 2 * np.cumsum(first)
    padded = np.full(len(tokens) + 2 * int(first.sum()), size, np.int64)
    padded[places] = tokens
    return padded, places
