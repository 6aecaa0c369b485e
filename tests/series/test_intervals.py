"""Conformal intervals against hand-worked ranks and the definition of a rank."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.series.intervals import LEVELS, coverage, half_widths, needed, shortage


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        (3, (None, None)),  # ceil(4 * 0.8) = 4 of 3
        (4, (4, None)),
        (9, (8, None)),
        (18, (16, None)),  # ceil(19 * 0.8) = ceil(15.2); ceil(19 * 0.95) = 19 of 18
        (19, (16, 19)),
        (99, (80, 95)),
        (100, (81, 96)),
    ],
)
def test_the_half_width_is_the_ranked_residual_and_unbounded_where_there_are_too_few(
    count: int, ranks: tuple[int | None, ...]
) -> None:
    residuals = np.random.default_rng(count).permutation(np.arange(1, count + 1)) * np.where(
        np.arange(count) % 2, 1.0, -1.0
    )
    widths = half_widths(residuals[:, None, None], np.ones((count, 1, 1)))
    assert widths[:, 0, 0].tolist() == [math.inf if rank is None else rank for rank in ranks]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 3), st.integers(1, 2))
def test_each_width_has_its_rank_among_the_residuals_that_count(
    seed: int, windows: int, horizon: int, targets: int
) -> None:
    rng = np.random.default_rng(seed)
    residuals = rng.integers(-6, 7, (windows, horizon, targets)).astype(float)
    mask = (rng.random(residuals.shape) > 0.3).astype(np.float32)
    widths = half_widths(np.where(mask > 0, residuals, np.nan), mask)
    assert widths.shape == (2, horizon, targets)
    for index, level in enumerate(LEVELS):
        for cell in np.ndindex(horizon, targets):
            counted = [abs(residuals[(w, *cell)]) for w in range(windows) if mask[(w, *cell)]]
            least = next(
                k for k in range(len(counted) + 2) if 100 * k >= (len(counted) + 1) * level
            )
            width = widths[(index, *cell)]
            if least > len(counted):
                assert width == math.inf
            else:
                assert width in counted
                assert (
                    sum(value <= width for value in counted)
                    >= least
                    > sum(value < width for value in counted)
                )


def test_new_values_are_covered_as_often_as_promised() -> None:
    rng, mask = np.random.default_rng(1), np.ones((100, 1, 1))
    covered = []
    for _ in range(200):
        widths = half_widths(rng.normal(size=(99, 1, 1)), mask[:99])
        covered.append(list(coverage(rng.normal(size=(100, 1, 1)), mask, widths).values()))
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.80, 0.95], atol=0.01)


def test_coverage_counts_the_values_on_the_edge_and_no_masked_ones() -> None:
    residuals = np.array([[[1.0], [-2.0]], [[-1.5], [9.0]], [[0.0], [2.5]]])
    mask = np.array([[[1.0], [1]], [[1], [0]], [[1], [1]]])
    widths = np.array([[[1.0], [2.0]], [[1.5], [2.5]]])
    assert coverage(residuals, mask, widths) == {"coverage_80": 3 / 5, "coverage_95": 1.0}


def test_an_unbounded_interval_covers_everything() -> None:
    assert coverage(np.full((2, 1, 1), 1e9), np.ones((2, 1, 1)), np.full((2, 1, 1), np.inf)) == {
        "coverage_80": 1.0,
        "coverage_95": 1.0,
    }


@pytest.mark.parametrize("level", [1, 50, 80, 90, 95, 99])
def test_the_least_number_of_residuals_is_the_first_whose_rank_exists(level: int) -> None:
    count = needed(level)
    assert 100 * count >= (count + 1) * level
    assert 100 * (count - 1) < count * level


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, "intervals of 80 and 95 %: expected at least 4 and 19 validation windows"),
        (4, "intervals of 95 %: expected at least 19 validation windows for each step, received 4"),
        (18, "received 18: unbounded; give validation more rows in ingest.split"),
        (19, ""),
    ],
)
def test_too_few_windows_are_told_for_the_step_that_has_fewest(count: int, expected: str) -> None:
    mask = np.ones((30, 2, 1))
    mask[count:, 1] = 0
    told, widths = shortage(mask), half_widths(np.ones_like(mask), mask)
    assert expected in told
    assert bool(told) == bool(np.isinf(widths).any())


def test_a_value_that_cannot_be_is_in_no_interval() -> None:
    residuals = np.array([[[np.nan]], [[0.0]]])
    unbounded = np.full((2, 1, 1), np.inf)
    assert set(coverage(residuals, np.ones((2, 1, 1)), unbounded).values()) == {0.5}
