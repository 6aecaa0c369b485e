"""Which words of two sides of parallel texts belong together: IBM model 1.

Brown et al., "The mathematics of statistical machine translation", 1993, section 4.1: each target
word comes from one word of the source or from the empty word, all equally likely beforehand. All
pairs of words are worked on at once, without a loop over texts.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Words:
    """The words of texts as numbers.

    Attributes:
        ids: (words,) int, of all texts, one after the other.
        lengths: (texts,) int, how many words each text has.
        size: the ids are below it.
    """

    ids: np.ndarray
    lengths: np.ndarray
    size: int

    def first(self, texts: int) -> "Words":
        """Returns those of the first texts."""
        return Words(self.ids[: self.lengths[:texts].sum()], self.lengths[:texts], self.size)


@dataclass(frozen=True)
class Lexicon:
    """All pairs of a source word and a target word that occur in one text.

    Attributes:
        sources, targets: (pairs,) ids, sorted by source, then target. The empty source word has the
            id behind all others.
        counts: (pairs,) float64, how often the target word is expected to come from the source
            word in the texts.
        probabilities: (pairs,) float64, p(target word | source word).
    """

    sources: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    probabilities: np.ndarray

    def likeliest(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the likeliest target word of each source word below `size`, (words,), the first
        of equals, -1 without any; and the expected count of the two, (words,)."""
        order = np.lexsort((-self.probabilities, self.sources))
        words, first = np.unique(self.sources[order], return_index=True)
        targets, counts = np.full(size + 1, -1), np.zeros(size + 1)
        targets[words], counts[words] = self.targets[order[first]], self.counts[order[first]]
        return targets[:size], counts[:size]


def within(source: Words, target: Words, most: int) -> int:
    """Returns how many of the first texts, but at least one, have at most so many pairs of words
    that `ibm1` has to hold."""
    held = np.cumsum((source.lengths.astype(np.int64) + 1) * target.lengths)
    return max(1, int(np.searchsorted(held, most, side="right")))


def ibm1(source: Words, target: Words, iterations: int) -> Lexicon:
    """Estimates a lexicon by expectation maximisation, from equal probabilities.

    Args:
        source, target: of as many texts, of which the nth ones belong together.
    """
    pairs, firsts = _pairs(source, target)
    keys, kinds = np.unique(pairs, return_inverse=True)
    del pairs
    widths = np.diff(np.append(firsts, len(kinds)))
    given = keys // target.size
    counts: np.ndarray = np.ones(len(keys))
    probabilities = counts
    for _ in range(iterations):
        shares = probabilities[kinds]
        shares /= np.repeat(np.add.reduceat(shares, firsts), widths)
        counts = np.bincount(kinds, shares, len(keys))
        probabilities = counts / np.bincount(given, counts)[given]
    return Lexicon(given, keys % target.size, counts, probabilities)


def _pairs(source: Words, target: Words) -> tuple[np.ndarray, np.ndarray]:
    """Returns each target word with each source word of its text, the empty one first, as the
    number source id * target.size + target id, (pairs,) int64, those of one target word side by
    side; and the place of the first one of each target word, (target words,)."""
    lengths = source.lengths.astype(np.int64) + 1
    starts = np.cumsum(lengths) - lengths
    extended = np.full(lengths.sum(), source.size, np.int64)
    is_word = np.ones(len(extended), bool)
    is_word[starts] = False
    extended[is_word] = source.ids
    text = np.repeat(np.arange(len(lengths)), target.lengths)
    widths = lengths[text]
    firsts = np.cumsum(widths) - widths
    pairs = np.arange(widths.sum())
    pairs -= np.repeat(firsts - starts[text], widths)
    pairs = extended[pairs]
    pairs *= target.size
    pairs += np.repeat(target.ids, widths)
    return pairs, firsts
