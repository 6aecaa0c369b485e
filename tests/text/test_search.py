"""Beam search against all continuations of a small model."""

import numpy as np
import pytest

from stages.text.language import probabilities
from stages.text.search import beam_search


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
