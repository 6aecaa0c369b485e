"""Windows of a text for language models of both directions."""

import numpy as np
import pytest

from stages.text.windows import Frequencies, Windows


def test_the_windows_of_the_docstring() -> None:
    windows = Windows(np.array([5, 6, 7, 8, 9]), 3, np.array([4, 5, 6]), 2)
    batch = windows.cut(np.array([0, 1]))
    assert batch["inputs"]["tokens"].tolist() == [[5, 6, 7, 8], [8, 9, 0, 0]]
    assert batch["mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["inputs"]["samples"].tolist() == [[4, 5], [6, 4]]
    assert len(windows) == 2


@pytest.mark.parametrize("count", [1, 2, 4, 5, 12, 13])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_every_pair_of_tokens_counts_once(count: int, steps: int) -> None:
    ids = np.arange(10, 10 + count, dtype=np.uint16)
    windows = Windows(ids, steps, np.zeros(0, int), 0)
    batch = windows.cut(np.arange(len(windows))[::-1])
    tokens, real = batch["inputs"]["tokens"], batch["mask"] > 0
    pairs = sorted(zip(tokens[:, :-1][real].tolist(), tokens[:, 1:][real].tolist(), strict=True))
    assert pairs == list(zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True))
    assert batch["inputs"]["samples"].shape == (len(windows), 0)


def test_frequent_tokens_are_told_from_rare_ones() -> None:
    ids = np.array([3, 3, 3, 5, 4, 4, 6, 5, 1, 9])  # 9 is of another vocabulary
    frequencies = Frequencies(np.bincount(ids[:-1], minlength=8), 2)
    assert frequencies.frequent.tolist() == [3, 4]
    assert frequencies.rare.tolist() == [0, 1, 0, 0, 0, 2, 1, 0]
    assert sorted(frequencies.drawn(ids[:-1]).tolist()) == [1, 5, 5, 6]
    assert Frequencies(frequencies.counts, 20).frequent.tolist() == [3, 4, 5, 1, 6]
    assert len(Frequencies(frequencies.counts, 20).drawn(ids[:-1])) == 0
