"""Beam search against all continuations of a small model."""

from itertools import product

import numpy as np
import pytest

from stages.text.language import probabilities
from stages.text.search import Step, beam_search, beam_searches, repeated


@pytest.mark.parametrize("end", [None, 0])
def test_a_wide_beam_search_finds_the_likeliest_continuation(end: int | None) -> None:
    """The next token depends on the last one only; every continuation is tried."""
    size, length = 4, 4
    table = np.random.default_rng(6).normal(size=(size, size))
    likely = np.log(probabilities(table))

    def step(ids: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        return table[ids], [state[0] + 1]

    best: dict[float, list[int]] = {}

    def walk(path: list[int], last: int, total: float) -> None:
        if len(path) == length or (path and path[-1] == end):
            best[total] = path
            return
        for word in range(size):
            walk([*path, word], word, total + likely[last, word])

    walk([], 1, 0.0)
    ids, log_p = beam_search(
        lambda logits: logits, table[[1]], [np.zeros((1, 1))], step, 4**4, length, end
    )
    assert ids.tolist() == best[max(best)]
    assert log_p.sum() == pytest.approx(max(best))
    greedy, _ = beam_search(
        lambda logits: logits, table[[1]], [np.zeros((1, 1))], step, 1, length, end
    )
    assert greedy[0] == table[1].argmax()


def likeliest(table: np.ndarray) -> Step:
    """Returns the step of a model whose next token depends on the last one alone."""
    likely = np.log(probabilities(table))

    def step(
        tokens: np.ndarray, origins: np.ndarray, rows: np.ndarray, forbidden: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        logs = likely[tokens]
        logs[tuple(forbidden.T)] = -np.inf
        ids = np.argsort(-logs, -1, kind="stable")[:, :, : tokens.shape[1] + 1]
        return np.take_along_axis(logs, ids, -1), ids

    return step


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("trigrams", [False, True])
def test_wide_beam_searches_find_the_best_of_all_sequences(penalty: float, trigrams: bool) -> None:
    """All sequences of up to `limit` tokens are tried, those that end and those that are cut."""
    size, end, limits = 4, 0, [4, 2, 3]
    table = np.random.default_rng(3).normal(size=(size, size))
    likely = np.log(probabilities(table))
    found = beam_searches(
        likeliest(table),
        np.array(limits),
        size**5,
        end,
        penalty,
        lambda paths: repeated(paths, tokens=False, trigrams=trigrams),
    )
    for limit, best in zip(limits, found, strict=True):
        scores = {}
        for count in range(limit + 1):
            for path in product(range(1, size), repeat=count):
                threes = [path[place : place + 3] for place in range(count - 2)]
                if trigrams and len(set(threes)) < len(threes):
                    continue
                whole = path if count == limit else (*path, end)
                total = sum(likely[pair] for pair in zip((end, *whole), whole, strict=False))
                scores[path] = total / max(len(whole), 1) ** penalty
        expected = max(scores, key=lambda path: scores[path])
        assert tuple(best[0].ids) == expected
        assert best[0].score == pytest.approx(scores[expected])
        assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)


def test_searches_side_by_side_find_what_each_finds_alone() -> None:
    tables = np.random.default_rng(4).normal(size=(3, 6, 6))
    asked: list[np.ndarray] = []

    def step(
        tokens: np.ndarray, origins: np.ndarray, rows: np.ndarray, forbidden: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        asked.append(rows if not asked else asked[-1][rows])
        parts = [
            likeliest(tables[row])(tokens[[place]], origins[[place]], rows, forbidden)
            for place, row in enumerate(asked[-1])
        ]
        logs, ids = zip(*parts, strict=True)
        return np.concatenate(logs), np.concatenate(ids)

    together = beam_searches(step, np.array([3, 9, 6]), 2, 0, 1.0)
    for row, limit in enumerate([3, 9, 6]):
        (alone,) = beam_searches(likeliest(tables[row]), np.array([limit]), 2, 0, 1.0)
        for one, other in zip(together[row], alone, strict=True):
            np.testing.assert_array_equal(one.ids, other.ids)
            assert one.log_probability == other.log_probability


def test_one_beam_is_greedy() -> None:
    table = np.random.default_rng(5).normal(size=(7, 7))
    table[:, 0] -= 1
    ((found,),) = beam_searches(likeliest(table), np.array([6]), 1, 0)
    token, path = 0, []
    while len(path) < 6 and (token := int(table[token].argmax())):
        path.append(token)
    assert found.ids.tolist() == path


def test_repeated_tokens_and_trigrams() -> None:
    paths = np.array([[[1, 2, 3, 1, 2], [4, 4, 4, 4, 4]]])
    assert repeated(paths, tokens=True, trigrams=False).tolist() == [[0, 0, 2], [0, 1, 4]]
    assert np.unique(repeated(paths, tokens=False, trigrams=True), axis=0).tolist() == [
        [0, 0, 3],
        [0, 1, 4],
    ]
    assert repeated(paths[:, :, :0], tokens=True, trigrams=True).shape == (0, 3)
