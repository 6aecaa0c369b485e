"""Windows against a loop that copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.series.windows import Windows, spans


def test_the_table_of_the_documentation() -> None:
    all_spans = spans(np.array([[0, 5, 6, 7]]), lookback=2, horizon=1)
    assert all_spans.tolist() == [[[2, 5]], [[5, 6]], [[6, 7]]]


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, int, int, int]:
    lengths = draw(
        st.lists(
            st.tuples(st.integers(1, 20), st.integers(1, 8), st.integers(1, 8)),
            min_size=1,
            max_size=4,
        )
    )
    rows, boundaries = 0, []
    for sizes in lengths:
        boundaries.append(rows + np.concatenate([[0], np.cumsum(sizes)]))
        rows += sum(sizes)
    return (
        np.array(boundaries),
        draw(st.integers(1, 6)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
    )


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_window_is_the_one_that_a_loop_finds(case: tuple[np.ndarray, int, int, int]) -> None:
    boundaries, lookback, horizon, stride = case
    rows = boundaries[-1, -1]
    values = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    observed = np.arange(rows)[:, None] % 3 > 0
    calendar = np.arange(rows, dtype=np.float32)[:, None]
    all_spans = spans(boundaries, lookback, horizon)
    for split in range(3):
        expected = [
            (series, origin)
            for series, (start, *ends) in enumerate(boundaries.tolist())
            for origin in range(
                max([start, *ends][split], start + lookback), ends[split] - horizon + 1, stride
            )
        ]
        windows = Windows(
            values, observed, calendar, all_spans[split], lookback, horizon, stride, [0, 1], [1]
        )
        assert len(windows) == len(expected)
        if not expected:
            continue
        batch = windows.cut(np.arange(len(windows))[::-1])
        for index, (series, origin) in enumerate(reversed(expected)):
            assert batch["inputs"]["series"][index] == series
            np.testing.assert_array_equal(
                batch["inputs"]["window"][index], values[origin - lookback : origin]
            )
            np.testing.assert_array_equal(
                batch["inputs"]["known"][index], calendar[origin - lookback : origin + horizon]
            )
            np.testing.assert_array_equal(
                batch["targets"][index], values[origin : origin + horizon, 1:]
            )
            np.testing.assert_array_equal(batch["mask"][index], observed[origin : origin + horizon])


def test_targets_never_lie_in_a_later_split_and_their_past_may_lie_in_an_earlier_one() -> None:
    train, validation, test = spans(np.array([[0, 10, 15, 20]]), lookback=4, horizon=3)[:, 0]
    assert (train.tolist(), validation.tolist(), test.tolist()) == ([4, 8], [10, 13], [15, 18])


def test_a_memory_mapped_series_is_never_copied(tmp_path: object) -> None:
    path = f"{tmp_path}/values.npy"
    np.save(path, np.zeros((1000, 1), np.float32))
    mapped = np.load(path, mmap_mode="r")
    windows = Windows(
        mapped,
        np.ones((1000, 1), bool),
        np.zeros((1000, 0), np.float32),
        np.array([[10, 990]]),
        10,
        5,
        1,
        [0],
        [0],
    )
    windows.cut(np.array([0, 5]))
    assert windows.values is mapped
    held = sum(
        value.nbytes
        for value in vars(windows).values()
        if isinstance(value, np.ndarray) and value is not mapped
    )
    assert held < 2000


@pytest.mark.parametrize("inputs", [[0], [1], [1, 0]])
def test_columns_are_chosen_in_the_order_given(inputs: list[int]) -> None:
    values = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    windows = Windows(
        values,
        np.ones((3, 2), bool),
        np.zeros((3, 0), np.float32),
        np.array([[2, 3]]),
        2,
        1,
        1,
        inputs,
        [1],
    )
    np.testing.assert_array_equal(
        windows.cut(np.array([0]))["inputs"]["window"][0], values[:2][:, inputs]
    )


def test_strided_windows_are_located_and_skip_a_series_that_has_none() -> None:
    values, calendar = np.zeros((60, 1), np.float32), np.zeros((60, 0), np.float32)
    own_spans = np.array([[4, 11], [20, 20], [34, 36], [47, 50]])
    windows = Windows(values, values == 0, calendar, own_spans, 4, 1, 3, [0], [0])
    assert len(windows) == 5
    origins, series = windows.locate(np.arange(5))
    assert origins.tolist() == [4, 7, 10, 34, 47]
    assert series.tolist() == [0, 0, 0, 2, 3]
    origins, series = windows.locate(np.array([3, 0, 3]))
    assert (origins.tolist(), series.tolist()) == ([34, 4, 34], [2, 0, 2])


def test_windows_of_validation_reach_back_into_training() -> None:
    boundaries = np.array([[0, 6, 9, 12]])
    values = np.arange(12, dtype=np.float32)[:, None]
    observed = np.ones((12, 1), bool)
    observed[7] = False
    validation = Windows(values, observed, values, spans(boundaries, 3, 2)[1], 3, 2, 1, [0], [0])
    batch = validation.cut(np.arange(len(validation)))
    assert batch["inputs"]["window"][..., 0].tolist() == [[3, 4, 5], [4, 5, 6]]
    assert batch["inputs"]["known"][..., 0].tolist() == [[3, 4, 5, 6, 7], [4, 5, 6, 7, 8]]
    assert batch["targets"][..., 0].tolist() == [[6, 7], [7, 8]]
    assert batch["mask"][..., 0].tolist() == [[1, 0], [0, 1]]
