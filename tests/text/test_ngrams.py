"""Counted language models against the textbook formula in loops."""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from stages.text import ngrams


def text(seed: int, count: int, size: int) -> np.ndarray:
    """Ids that follow a rule with noise, so that trigrams predict something."""
    rng = np.random.default_rng(seed)
    ids = [0, 1]
    while len(ids) < count:
        is_noise = rng.random() < 0.4
        ids.append(int(rng.integers(size)) if is_noise else (ids[-1] + 2 * ids[-2] + 1) % size)
    return np.array(ids)


def kneser_ney(
    train: list[int], size: int, starts: list[bool], history: tuple[Any, Any], word: int
) -> float:
    """Returns p(word | history) by the textbook formula, with loops."""
    padded: list[Any] = []
    trigrams: Counter[tuple[Any, ...]] = Counter()
    for token, first in zip(train, starts, strict=True):
        if first:
            padded = ["<", "<"]
        padded.append(token)
        trigrams[tuple(padded[-3:])] += 1
    bigrams = Counter(trigram[1:] for trigram in trigrams)
    unigrams = Counter(bigram[1:] for bigram in bigrams)

    def discount(counts: Counter[Any]) -> float:
        once, twice = sum(c == 1 for c in counts.values()), sum(c == 2 for c in counts.values())
        return once / (once + 2 * twice) if once and twice else 0.5

    def p(counts: Counter[Any], context: tuple[Any, ...], below: float) -> float:
        own = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        if not own:
            return below
        d = discount(counts)
        total = sum(own.values())
        return max(own.get((*context, word), 0) - d, 0) / total + d * len(own) / total * below

    by_unigrams = p(unigrams, (), 1 / size)
    by_bigrams = p(bigrams, history[1:], by_unigrams)
    return p(trigrams, history, by_bigrams)


@pytest.mark.parametrize("with_starts", [False, True])
def test_kneser_ney_is_the_formula(with_starts: bool) -> None:
    size = 6
    train, test = text(1, 120, size), text(2, 30, size)
    starts = np.arange(120) % 8 == 0 if with_starts else np.arange(120) == 0
    test_starts = np.arange(30) % 5 == 0 if with_starts else np.arange(30) == 0
    model = ngrams.KneserNey(train, size, starts if with_starts else None)
    probabilities = np.exp(model.log_probabilities(test, test_starts if with_starts else None))
    history: tuple[Any, Any] = ("<", "<")
    for index, word in enumerate(test.tolist()):
        if test_starts[index]:
            history = ("<", "<")
        expected = kneser_ney(train.tolist(), size, starts.tolist(), history, word)
        assert probabilities[index] == pytest.approx(expected, rel=1e-10)
        history = (history[1], word)


def test_probabilities_of_all_words_sum_to_one() -> None:
    size = 7
    model = ngrams.KneserNey(text(3, 200, size), size)
    for history in ([0, 1], [5, 5], [6, 0]):
        texts = [np.array([*history, word]) for word in range(size)]
        total = sum(math.exp(model.log_probabilities(each)[-1]) for each in texts)
        assert total == pytest.approx(1, abs=1e-12)
    unigrams = ngrams.unigram(text(3, 200, size), size, np.arange(size))
    assert np.exp(unigrams).sum() == pytest.approx(1)


def test_all_that_may_follow_is_what_texts_of_it_say() -> None:
    size = 5
    model = ngrams.KneserNey(text(3, 200, size), size)
    before = [size, *range(size)]
    # What is before the first token is never behind one.
    contexts = [pair for pair in itertools.product(before, repeat=2) if pair[1] < size]
    logs = model.following(np.array([(size, size), *contexts]))
    assert logs.shape == (1 + len(contexts), size)
    np.testing.assert_allclose(np.exp(logs).sum(1), 1, rtol=1e-12)
    for context, row in zip([(), *contexts], logs, strict=True):
        known = [token for token in context if token < size]
        for word in range(size):
            assert model.log_probabilities(np.array([*known, word]))[-1] == row[word]


def test_a_spelling_costs_what_the_formula_of_its_characters_says() -> None:
    """Kneser-Ney over the characters of each distinct word and its end.

    A new character costs a choice among all code points.
    """
    words = ["aba", "abba", "cab"]
    spelling = ngrams.Spelling({"aba": 3, "abba": 1}, ["cab"], "<unk>")
    ids = {"a": 0, "b": 1, "c": 2, "new": 3, "end": 4}
    train = [ids[character] for word in words for character in (*word, "end")]
    starts = [index == 0 for word in words for index in range(len(word) + 1)]
    expected = []
    for word in ("ab", "cabé", "é"):
        history: tuple[Any, Any] = ("<", "<")
        nats = 0.0
        for character in (*word, "end"):
            number = ids.get(character, ids["new"])
            nats -= math.log(kneser_ney(train, 5, starts, history, number))
            if number == ids["new"]:
                nats += math.log(0x110000)
            history = (history[1], number)
        expected.append(nats)
    nats_of_words = spelling.nats(["ab", "cabé", "é", "ab"])
    np.testing.assert_allclose(nats_of_words, [*expected, expected[0]], rtol=1e-10)
    assert spelling.are_unknown(["ab", "<unk>"]).all()


@pytest.mark.parametrize("rarest", [[], ["cab"]])
def test_no_spelling_is_impossible_and_their_probabilities_sum_to_at_most_one(
    rarest: list[str],
) -> None:
    spelling = ngrams.Spelling({"aba": 3, "ca": 1} if rarest else {}, rarest, "<unk>")
    words = [
        "".join(letters)
        for length in range(1, 8)
        for letters in itertools.product("abc", repeat=length)
    ]
    assert np.exp(-spelling.nats(words)).sum() <= 1 + 1e-12
    assert np.isfinite(spelling.nats(["日本語", "\ud800", "a" * 1000])).all()
    assert spelling.nats(["z" * 9])[0] > 9 * math.log(0x110000)


def test_a_mark_for_unknown_words_in_the_training_text_is_a_token() -> None:
    """As in the Penn Treebank, whose authors wrote <unk> for rare words: it needs no spelling."""
    spelling = ngrams.Spelling({"<unk>": 999}, ["aba"], "<unk>")
    nats = spelling.nats(["<unk>", "aba"])
    assert nats[0] == pytest.approx(-math.log(999 / 1000))
    assert nats[1] > -math.log(1 / 1000)
    assert spelling.are_unknown(["<unk>", "aba"]).tolist() == [False, True]
