"""Errors and intervals against naive loops and cases worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.series import intervals, metrics


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.integers(1, 2))
def test_scores_are_those_of_a_loop(seed: int, windows: int, horizon: int, targets: int) -> None:
    rng = np.random.default_rng(seed)
    actual, forecast = rng.integers(-3, 4, (2, windows, horizon, targets)).astype(float)
    mask = (rng.random((windows, horizon, targets)) > 0.3).astype(np.float32)
    scale = np.where(
        rng.random((windows, targets)) > 0.2, rng.uniform(0.5, 2, (windows, targets)), np.nan
    )
    for by_horizon in (False, True):
        found = metrics.scores(actual, forecast, mask, scale, by_horizon=by_horizon)
        for step in range(horizon) if by_horizon else [None]:
            cells = [
                (actual[w, h, t], forecast[w, h, t], scale[w, t])
                for w in range(windows)
                for h in (range(horizon) if step is None else [step])
                for t in range(targets)
                if mask[w, h, t]
            ]
            scaled = [abs(y - f) / s for y, f, s in cells if not math.isnan(s)]
            expected = {
                "mae": [abs(y - f) for y, f, _ in cells],
                "rmse": [(y - f) ** 2 for y, f, _ in cells],
                "mase": scaled,
                "smape": [
                    0 if y == f == 0 else 200 * abs(y - f) / (abs(y) + abs(f)) for y, f, _ in cells
                ],
            }
            for name, values in expected.items():
                mean = sum(values) / len(values) if values else math.nan
                value = found[name] if step is None else found[name][step]
                np.testing.assert_allclose(
                    value, math.sqrt(mean) if name == "rmse" else mean, rtol=1e-9
                )


def test_a_case_worked_by_hand() -> None:
    actual, forecast = np.array([[[2.0], [4.0]]]), np.array([[[3.0], [4.0]]])
    found = metrics.scores(actual, forecast, np.ones((1, 2, 1)), np.array([[0.5]]))
    assert found == pytest.approx({"mae": 0.5, "rmse": math.sqrt(0.5), "mase": 1.0, "smape": 20.0})


def test_the_scale_of_mase_is_the_seasonal_naive_error_of_known_rows() -> None:
    values = np.array([[1.0], [5], [2], [7], [100], [3], [3], [3], [3]])
    found = metrics.seasonal_scale(
        values, np.ones_like(values, bool), np.array([0, 5]), np.array([4, 9]), season=2
    )
    assert found[0, 0] == 1.5  # |2 - 1| and |7 - 5|; the row of 100 is not known
    assert math.isnan(found[1, 0])  # a constant series has no scale


@pytest.mark.parametrize(
    ("model", "baseline", "expected"), [(1.0, 2.0, 0.5), (2.0, 1.0, -1.0), (0.0, 0.0, None)]
)
def test_skill(model: float, baseline: float, expected: float | None) -> None:
    assert metrics.skill(model, baseline) == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_half_widths_are_the_ranked_residuals_that_count(seed: int, windows: int) -> None:
    rng = np.random.default_rng(seed)
    residuals, mask = (
        rng.normal(size=(windows, 2, 1)),
        (rng.random((windows, 2, 1)) > 0.2).astype(np.float32),
    )
    found = intervals.half_widths(residuals, mask)
    for index, level in enumerate(intervals.LEVELS):
        for step in range(2):
            counted = sorted(abs(residuals[w, step, 0]) for w in range(windows) if mask[w, step, 0])
            rank = math.ceil((len(counted) + 1) * level / 100)
            assert found[index, step, 0] == (
                counted[rank - 1] if rank <= len(counted) else math.inf
            )


def test_new_values_are_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(200):
        widths = intervals.half_widths(rng.normal(size=(99, 1, 1)), np.ones((99, 1, 1)))
        covered.append(
            list(
                intervals.coverage(
                    rng.normal(size=(100, 1, 1)), np.ones((100, 1, 1)), widths
                ).values()
            )
        )
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.80, 0.95], atol=0.01)


def test_scores_by_horizon_of_a_case_worked_by_hand() -> None:
    actual = np.array([[[1.0], [0.0]], [[4.0], [-2.0]]])
    forecast = np.array([[[3.0], [0.0]], [[4.0], [2.0]]])
    mask = np.array([[[1.0], [1]], [[1], [0]]])
    found = metrics.scores(actual, forecast, mask, np.array([[4.0], [np.nan]]), by_horizon=True)
    assert found["mae"].tolist() == [1, 0]
    np.testing.assert_allclose(found["rmse"], [math.sqrt(2), 0])
    assert found["mase"].tolist() == [0.5, 0]  # the second window's series has no scale
    assert found["smape"].tolist() == [50, 0]  # 200 * 2 / 4 and 0; 0 where both are 0


def test_opposite_signs_reach_the_largest_smape() -> None:
    found = metrics.scores(
        np.array([[[-2.0]]]), np.array([[[2.0]]]), np.ones((1, 1, 1)), np.ones((1, 1))
    )
    assert found["smape"] == 200


def test_where_nothing_counts_there_is_no_score() -> None:
    found = metrics.scores(
        np.ones((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.ones((2, 1))
    )
    assert all(math.isnan(value) for value in found.values())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 5), st.lists(st.integers(1, 12), min_size=1, max_size=4)
)
def test_the_scale_of_mase_is_that_of_a_loop(seed: int, season: int, lengths: list[int]) -> None:
    values = np.random.default_rng(seed).integers(0, 3, (sum(lengths), 2)).astype(float)
    ends = np.cumsum(lengths)
    found = metrics.seasonal_scale(values, np.ones_like(values, bool), ends - lengths, ends, season)
    for series, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        for target in range(2):
            own = values[end - length : end, target].tolist()
            errors = [abs(own[t] - own[t - season]) for t in range(season, length)]
            mean = sum(errors) / len(errors) if any(errors) else math.nan
            np.testing.assert_allclose(found[series, target], mean, rtol=1e-12)


def test_scaled_errors_count_what_the_mask_keeps() -> None:
    actual, forecast = np.array([[[1.0], [2.0], [9.0]]]), np.array([[[0.0], [5.0], [0.0]]])
    found = metrics.scaled_errors(actual, forecast, np.array([[[1.0], [1], [0]]]))
    assert found == {"scaled_mse": 5, "scaled_mae": 2}
