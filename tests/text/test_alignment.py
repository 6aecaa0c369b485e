"""IBM model 1 against loops over words."""

from collections import defaultdict

import numpy as np
import pytest

from stages.text.alignment import Lexicon, Words, ibm1, within

TOY = [("das Haus", "the house"), ("das Buch", "the book"), ("ein Buch", "a book")]


def numbered(texts: list[str]) -> tuple[Words, list[str]]:
    words = list(dict.fromkeys(" ".join(texts).split()))
    ids = [words.index(word) for text in texts for word in text.split()]
    lengths = [len(text.split()) for text in texts]
    return Words(np.array(ids, int), np.array(lengths), len(words)), words


def looped(
    pairs: list[tuple[list[int], list[int]]], empty: int, iterations: int
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Returns the expected counts and p(target | source) by loops over all words."""
    together = {(s, t) for source, target in pairs for s in [empty, *source] for t in target}
    found = dict.fromkeys(together, 0.25)
    counts: dict[tuple[int, int], float] = {}
    for _ in range(iterations):
        counts, totals = defaultdict(float), defaultdict(float)
        for source, target in pairs:
            for t in target:
                total = sum(found[s, t] for s in [empty, *source])
                for s in [empty, *source]:
                    counts[s, t] += found[s, t] / total
                    totals[s] += found[s, t] / total
        found = {(s, t): count / totals[s] for (s, t), count in counts.items()}
    return counts, found


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_expectation_maximisation_is_that_of_loops(iterations: int) -> None:
    rng = np.random.default_rng(iterations)
    lengths = rng.integers(0, 6, (12, 2))  # empty texts too
    pairs = [(rng.integers(0, 5, m).tolist(), rng.integers(0, 7, n).tolist()) for m, n in lengths]
    source, target = (
        Words(np.concatenate([np.array(pair[side], int) for pair in pairs]), lengths[:, side], size)
        for side, size in enumerate((5, 7))
    )
    lexicon = ibm1(source, target, iterations)
    keys = list(zip(lexicon.sources.tolist(), lexicon.targets.tolist(), strict=True))
    counts, probabilities = looped(pairs, 5, iterations)
    assert keys == sorted(probabilities)
    np.testing.assert_allclose(lexicon.counts, [counts[key] for key in keys])
    np.testing.assert_allclose(lexicon.probabilities, [probabilities[key] for key in keys])


def test_words_that_occur_together_are_found() -> None:
    source, words = numbered([one for one, _ in TOY])
    target, target_words = numbered([other for _, other in TOY])
    lexicon = ibm1(source, target, 30)
    targets, counts = lexicon.likeliest(source.size)
    found = {word: target_words[number] for word, number in zip(words, targets, strict=True)}
    assert found == {"das": "the", "Haus": "house", "Buch": "book", "ein": "a"}
    best = np.flatnonzero(lexicon.targets == targets[lexicon.sources % len(words)])
    known = best[lexicon.sources[best] < len(words)]
    np.testing.assert_array_equal(counts, lexicon.counts[known])


def test_the_likeliest_word_is_the_first_of_equals_and_may_be_missing() -> None:
    lexicon = Lexicon(
        sources=np.array([0, 0, 0, 2, 3]),
        targets=np.array([1, 4, 5, 2, 0]),
        counts=np.array([0.1, 2.0, 3.0, 1.0, 9.0]),
        probabilities=np.array([0.2, 0.4, 0.4, 1.0, 1.0]),
    )
    targets, counts = lexicon.likeliest(3)
    assert targets.tolist() == [4, -1, 2]
    assert counts.tolist() == [2, 0, 1]


@pytest.mark.parametrize(("most", "texts"), [(0, 1), (11, 1), (12, 2), (17, 2), (18, 3), (99, 3)])
def test_as_many_texts_as_can_be_held(most: int, texts: int) -> None:
    source, _ = numbered(["a b", "c", "d"])
    target, _ = numbered(["a b", "a b c", "a b c"])
    assert within(source, target, most) == texts
    first = source.first(2)
    assert (first.ids.tolist(), first.lengths.tolist(), first.size) == ([0, 1, 2], [2, 1], 4)
