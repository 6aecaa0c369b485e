"""Errors of forecasts against naive loops and cases worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.series import metrics

Cell = tuple[float, float, float]  # the value, its forecast, and the scale of its series


def scores_of(cells: list[Cell]) -> dict[str, float]:
    """Returns the scores of the values that count, by the definitions."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else math.nan

    return {
        "mae": mean([abs(y - f) for y, f, _ in cells]),
        "rmse": math.sqrt(mean([(y - f) ** 2 for y, f, _ in cells])),
        "mase": mean([abs(y - f) / s for y, f, s in cells if not math.isnan(s)]),
        "smape": mean(
            [0 if y == f == 0 else 200 * abs(y - f) / (abs(y) + abs(f)) for y, f, _ in cells]
        ),
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.integers(1, 2))
def test_scores_are_those_of_a_loop(seed: int, windows: int, horizon: int, targets: int) -> None:
    rng = np.random.default_rng(seed)
    actual, forecast = rng.integers(-3, 4, (2, windows, horizon, targets)).astype(float)
    mask = (rng.random((windows, horizon, targets)) > 0.3).astype(np.float32)
    scale = rng.uniform(0.5, 2, (windows, targets))
    scale[rng.random((windows, targets)) < 0.2] = np.nan

    def cells(step: int) -> list[Cell]:
        return [
            (actual[w, step, t], forecast[w, step, t], scale[w, t])
            for w in range(windows)
            for t in range(targets)
            if mask[w, step, t]
        ]

    scores = metrics.scores(actual, forecast, mask, scale)
    expected = scores_of([cell for step in range(horizon) for cell in cells(step)])
    assert scores == pytest.approx(expected, rel=1e-9, nan_ok=True)
    by_horizon = metrics.scores_by_horizon(actual, forecast, mask, scale)
    for step in range(horizon):
        of_step = {name: values[step] for name, values in by_horizon.items()}
        assert of_step == pytest.approx(scores_of(cells(step)), rel=1e-9, nan_ok=True)
    groups = rng.integers(0, 3, windows)
    by_group = metrics.scores_by_group(actual, forecast, mask, scale, groups, 3)
    for group in range(3):
        own = [
            (actual[w, step, t], forecast[w, step, t], scale[w, t])
            for w in np.flatnonzero(groups == group)
            for step in range(horizon)
            for t in range(targets)
            if mask[w, step, t]
        ]
        of_group = {name: values[group] for name, values in by_group.items()}
        assert of_group == pytest.approx(scores_of(own), rel=1e-9, nan_ok=True)


def test_a_case_worked_by_hand() -> None:
    actual, forecast = np.array([[[2.0], [4.0]]]), np.array([[[3.0], [4.0]]])
    scores = metrics.scores(actual, forecast, np.ones((1, 2, 1)), np.array([[0.5]]))
    assert scores == pytest.approx({"mae": 0.5, "rmse": math.sqrt(0.5), "mase": 1.0, "smape": 20.0})


def test_scores_by_horizon_of_a_case_worked_by_hand() -> None:
    actual = np.array([[[1.0], [0.0]], [[4.0], [-2.0]]])
    forecast = np.array([[[3.0], [0.0]], [[4.0], [2.0]]])
    mask = np.array([[[1.0], [1]], [[1], [0]]])
    scores = metrics.scores_by_horizon(actual, forecast, mask, np.array([[4.0], [np.nan]]))
    assert scores["mae"].tolist() == [1, 0]
    np.testing.assert_allclose(scores["rmse"], [math.sqrt(2), 0])
    assert scores["mase"].tolist() == [0.5, 0]  # the second window's series has no scale
    assert scores["smape"].tolist() == [50, 0]  # 200 * 2 / 4 and 0; 0 where both are 0


def test_opposite_signs_reach_the_largest_smape() -> None:
    actual, forecast = np.array([[[-2.0]]]), np.array([[[2.0]]])
    scores = metrics.scores(actual, forecast, np.ones((1, 1, 1)), np.ones((1, 1)))
    assert scores["smape"] == 200


def test_where_nothing_counts_there_is_no_score() -> None:
    actual, forecast, mask = np.ones((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1))
    scores = metrics.scores(actual, forecast, mask, np.ones((2, 1)))
    assert all(math.isnan(value) for value in scores.values())


def test_the_scale_of_mase_is_the_seasonal_naive_error_of_known_rows() -> None:
    values = np.array([[1.0], [5], [2], [7], [100], [3], [3], [3], [3]])
    starts, ends = np.array([0, 5]), np.array([4, 9])
    observed = np.ones_like(values, bool)
    scale = metrics.seasonal_scale(values, observed, starts, ends, season=2)
    assert scale[0, 0] == 1.5  # |2 - 1| and |7 - 5|; the row of 100 is not known
    assert math.isnan(scale[1, 0])  # a constant series has no scale


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 5), st.lists(st.integers(1, 12), min_size=1, max_size=4)
)
def test_the_scale_of_mase_is_that_of_a_loop(seed: int, season: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (sum(lengths), 2)).astype(float)
    observed = rng.random(values.shape) > 0.2
    ends = np.cumsum(lengths)
    scale = metrics.seasonal_scale(values, observed, ends - lengths, ends, season)
    for series, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        for target in range(2):
            own = values[end - length : end, target].tolist()
            known = observed[end - length : end, target].tolist()
            errors = [
                abs(own[t] - own[t - season])
                for t in range(season, length)
                if known[t] and known[t - season]
            ]
            mean = sum(errors) / len(errors) if any(errors) else math.nan
            np.testing.assert_allclose(scale[series, target], mean, rtol=1e-12)


def test_scaled_errors_count_what_the_mask_keeps() -> None:
    actual, forecast = np.array([[[1.0], [2.0], [9.0]]]), np.array([[[0.0], [5.0], [0.0]]])
    errors = metrics.scaled_errors(actual, forecast, np.array([[[1.0], [1], [0]]]))
    assert errors == {"scaled_mse": 5, "scaled_mae": 2}


def test_owa_is_the_mean_of_both_relative_errors() -> None:
    naive2 = {"smape": 20.0, "mase": 2.0}
    assert metrics.owa({"smape": 10.0, "mase": 3.0}, naive2) == (0.5 + 1.5) / 2
    assert metrics.owa(naive2, naive2) == 1


@pytest.mark.parametrize("reference", [{"smape": 0.0}, {"mase": 0.0}, {"mase": math.nan}])
def test_there_is_no_owa_where_naive2_has_no_error_to_divide_by(
    reference: dict[str, float],
) -> None:
    scores = {"smape": 10.0, "mase": 3.0}
    assert math.isnan(metrics.owa(scores, {"smape": 20.0, "mase": 2.0, **reference}))
