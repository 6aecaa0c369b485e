"""Counted language models: unigrams, trigrams with Kneser-Ney smoothing, and spellings of words.

All are computed with NumPy alone, without loops over tokens.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def unigram(train: np.ndarray, size: int, test: np.ndarray) -> np.ndarray:
    """Returns log p(token) of each test token, (tokens,).

    p(w) = (count(w) + 1) / (tokens + size), so no word of the vocabulary is impossible.

    Args:
        train, test: (tokens,) token ids below `size`.
    """
    counts = np.bincount(train, minlength=size) + 1.0
    return np.log(counts / counts.sum())[test]


@dataclass(frozen=True)
class _Order:
    """The discounted counts of the n-grams of one order.

    Attributes:
        keys: (n-grams,) sorted: context * size + word.
        discounted: (n-grams,) their counts minus the discount.
        contexts: (contexts,) sorted.
        totals: (contexts,) the counts of their n-grams.
        freed: (contexts,) what the discount leaves to the order below.
    """

    keys: np.ndarray
    discounted: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    freed: np.ndarray

    def interpolate(
        self, contexts: np.ndarray, words: np.ndarray, size: int, below: np.ndarray
    ) -> np.ndarray:
        """Returns p(word | context), where `below` is that of the order below, of arrays that
        broadcast."""
        context = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        is_known = self.contexts[context] == contexts
        keys = contexts * size + words
        ngram = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        own = np.where(self.keys[ngram] == keys, self.discounted[ngram], 0.0)
        interpolated = (own + self.freed[context] * below) / self.totals[context]
        return np.where(is_known, interpolated, below)


def _order(keys: np.ndarray, counts: np.ndarray, size: int) -> _Order:
    """Discounts the counts of distinct n-grams, whose key is context * size + word."""
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    # Ney, Essen and Kneser (1994). Their formula needs n-grams that occur once and twice.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    contexts, first = np.unique(keys // size, return_index=True)
    totals = np.add.reduceat(counts, first).astype(float)
    distinct = np.diff(np.append(first, len(keys)))
    return _Order(keys, counts - discount, contexts, totals, discount * distinct)


class KneserNey:
    """A trigram model with interpolated Kneser-Ney smoothing.

    Chen and Goodman (1999), section 4.1.6, with one discount per order. The highest order has
    counts; those below, the number of different words before an n-gram; the last is uniform.
    """

    def __init__(self, tokens: np.ndarray, size: int, starts: np.ndarray | None = None) -> None:
        """Counts the n-grams of the training text.

        Args:
            tokens: (tokens,) ids below `size`.
            starts: (tokens,) True at the first token of each text, across whose ends nothing is
                counted; None: a single text.
        """
        self.size = size
        padded, _ = _padded(tokens, size, starts)
        # One more "word" is before the first of each text.
        self._width = width = size + 1
        keys = (padded[:-2] * width + padded[1:-1]) * width + padded[2:]
        trigrams, counts = np.unique(keys, return_counts=True)
        is_text = trigrams % width < size
        trigrams, counts = trigrams[is_text], counts[is_text]
        bigrams, before_bigram = np.unique(trigrams % (width * width), return_counts=True)
        words, before_word = np.unique(bigrams % width, return_counts=True)
        self._trigrams = _order(trigrams, counts, width)
        self._bigrams = _order(bigrams, before_bigram, width)
        self._unigrams = _order(words, before_word, width)

    def log_probabilities(self, tokens: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Returns log p(token | the two tokens before it), (tokens,)."""
        padded, indices = _padded(tokens, self.size, starts)
        return self._log(padded[indices - 2], padded[indices - 1], padded[indices])

    def following(self, contexts: np.ndarray) -> np.ndarray:
        """Returns log p(token | the two tokens before it) of all tokens, (contexts, size).

        Args:
            contexts: (contexts, 2) ids, the last one behind. `size` stands for what is before the
                first token of a text.
        """
        contexts = np.asarray(contexts, np.int64)
        return self._log(contexts[:, :1], contexts[:, 1:], np.arange(self.size)[None])

    def _log(self, second_last: np.ndarray, last: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Returns log p(word | second_last last), of arrays that broadcast."""
        width, uniform = self._width, np.full(word.shape, 1.0 / self.size)
        unigram = self._unigrams.interpolate(np.zeros_like(word), word, width, uniform)
        bigram = self._bigrams.interpolate(last, word, width, unigram)
        return np.log(self._trigrams.interpolate(second_last * width + last, word, width, bigram))


class Spelling:
    """How likely an unknown token is to be a certain one, by a trigram model of its characters.

    A language model predicts only that a token is unknown. Its spelling costs extra, so that a
    smaller vocabulary is no advantage. No spelling is impossible.
    """

    def __init__(self, unknown: Mapping[str, int], rarest: Sequence[str], mark: str) -> None:
        """Counts each spelling of the unknown and the rarest training tokens once.

        Args:
            unknown: the training tokens that are not in the vocabulary, with their counts.
            rarest: the rarest tokens of the vocabulary, which resemble those that training has not
                seen.
            mark: what a text has in place of tokens that its authors removed. If training has it,
                it is a token like any other.
        """
        marks = unknown.get(mark, 0)
        others = sum(unknown.values()) - marks
        self._mark = mark
        # Others are counted once more, as training may have none.
        self._nats_of_mark = -np.log(marks / (marks + others + 1)) if marks else None
        self._nats_of_others = -np.log((others + 1) / (marks + others + 1))
        spellings = [token for token in unknown if token != mark] + list(rarest)
        self._alphabet = np.unique(_code_points(spellings))
        ids, starts, _ = self._ids(spellings)
        self._model = KneserNey(ids, len(self._alphabet) + 2, starts) if spellings else None

    def _ids(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the ids of all characters, with an end after each token.

        Also returns which of the ids start a token, and which are of characters that the alphabet
        lacks.
        """
        points, size = _code_points(tokens), len(self._alphabet)
        indices = np.minimum(np.searchsorted(self._alphabet, points), max(size - 1, 0))
        is_new = self._alphabet[indices] != points if size else np.ones(len(points), bool)
        ends = np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)))
        ids = np.insert(np.where(is_new, size, indices), ends, size + 1)
        return ids, np.insert(ids[:-1] == size + 1, 0, True), ids == size

    def nats(self, tokens: Sequence[str]) -> np.ndarray:
        """Returns -log p(token | it is unknown) of each of these unknown tokens, (tokens,).

        It is next to 0 for a `mark` that is a token of the training text.
        """
        distinct = list(dict.fromkeys(tokens))
        ids, starts, is_new = self._ids(distinct)
        if self._model is None:
            # Without spellings to learn from, a character and the end are equally likely.
            log_likely = np.full(len(ids), -np.log(2))
        else:
            log_likely = self._model.log_probabilities(ids, starts)
        # A new character may be any code point.
        nats_of_ids = is_new * np.log(sys.maxunicode + 1) - log_likely
        nats = np.add.reduceat(nats_of_ids, np.flatnonzero(starts)) + self._nats_of_others
        nats_by_token = dict(zip(distinct, nats.tolist(), strict=True))
        if self._nats_of_mark is not None:
            nats_by_token[self._mark] = self._nats_of_mark
        return np.fromiter((nats_by_token[token] for token in tokens), np.float64, len(tokens))

    def are_unknown(self, tokens: Sequence[str]) -> np.ndarray:
        """Returns which of these tokens count as unknown, (tokens,).

        All do, but for a `mark` that is a token of the training text.
        """
        marks_are_text = self._nats_of_mark is not None
        flags = (not marks_are_text or token != self._mark for token in tokens)
        return np.fromiter(flags, bool, len(tokens))


def _code_points(tokens: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(tokens).encode("utf-32-le", "surrogatepass"), np.uint32)


def _padded(
    tokens: np.ndarray, size: int, starts: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tokens with two ids `size` before every start, and the indices of the tokens."""
    is_first = np.zeros(len(tokens), bool) if starts is None else np.array(starts)
    is_first[:1] = True
    indices = np.arange(len(tokens)) + 2 * np.cumsum(is_first)
    padded = np.full(len(tokens) + 2 * int(is_first.sum()), size, np.int64)
    padded[indices] = tokens
    return padded, indices
