"""Streams and prefixes of token ids: which tokens are inputs and targets of which batch."""

from collections import defaultdict

import numpy as np
import pytest

from stages.text import streams, tokens


@pytest.mark.parametrize(
    ("count", "rows", "steps"), [(5, 2, 2), (17, 3, 4), (8, 8, 3), (9, 1, 9), (10, 4, 1)]
)
def test_every_token_of_a_stream_is_a_target_once_and_follows_its_past(
    count: int, rows: int, steps: int
) -> None:
    ids = np.arange(10, 10 + count)
    source = streams.Stream(ids, 2, rows, steps)
    seen: list[int] = []
    histories: dict[int, list[int]] = defaultdict(list)
    for first in range(0, len(source), rows):
        batch = source.cut(np.arange(first, first + rows))
        for row in range(rows):
            for token, target, real in zip(
                batch["inputs"]["tokens"][row],
                batch["targets"][row],
                batch["mask"][row],
                strict=True,
            ):
                if real:
                    assert token == (2 if target == 10 else target - 1)
                    if histories[row]:
                        assert token == histories[row][-1]
                    histories[row].append(int(target))
                    seen.append(int(target))
                else:
                    assert token == target == tokens.PAD
    assert sorted(seen) == ids.tolist()


def test_each_stream_starts_from_zero_at_another_block() -> None:
    source = streams.Stream(np.arange(24), 2, 4, 1, carry=3)
    carried = source.cut(np.arange(24))["carried"].reshape(6, 4)
    assert carried.T.tolist() == [
        [0, 1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1, 0],
        [1, 0, 1, 1, 0, 1],
        [0, 1, 1, 0, 1, 1],
    ]
    assert "carried" not in streams.Stream(np.arange(24), 2, 4, 1).cut(np.arange(24))


def test_prefixes_are_padded_on_the_left() -> None:
    source = streams.Prefixes(np.array([5, 6, 7, 8, 9]), np.array([0, 3, 3, 5]), 3)
    batch = source.cut(np.arange(len(source)))
    assert batch["inputs"]["tokens"].tolist() == [[0, 0, 5], [0, 5, 6], [0, 0, 8]]
    assert batch["targets"].tolist() == [6, 7, 9]
