"""Errors of forecasts. All take (windows, horizon, targets) arrays and count only values whose mask
is 1."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

# (values, weights), (windows, horizon, targets) each -> means of the values whose weight is not 0
Mean = Callable[[np.ndarray, np.ndarray], np.ndarray]


def seasonal_scale(
    values: np.ndarray, observed: np.ndarray, starts: np.ndarray, ends: np.ndarray, season: int
) -> np.ndarray:
    """Returns the denominator of MASE: the mean absolute error of the seasonal naive forecast
    within known rows.

    Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006. As in the M4
    competition the known rows are all rows before the test split.

    Args:
        values: (rows, targets) raw units.
        observed: (rows, targets), False where a value was filled in; such values and the
            differences from them do not count.
        starts, ends: (series,) first known row of each series, and the row after the last one.
        season: steps; 1 gives the plain naive forecast.

    Returns:
        (series, targets) raw units; NaN where the error is 0 or no known row has a known one a
        season before it: the series is left out of MASE.
    """
    out = np.full((len(starts), values.shape[1]), np.nan)
    for series, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end - start > season:
            both = observed[start + season : end] & observed[start : end - season]
            error = np.abs(values[start + season : end] - values[start : end - season])
            out[series] = _mean(error, both, (0,))
    return np.where(out > 0, out, np.nan)


def scores(
    actual: np.ndarray, forecast: np.ndarray, mask: np.ndarray, scale: np.ndarray
) -> dict[str, float]:
    """Returns MAE and RMSE in the units given, MASE (1 is the seasonal naive forecast in training)
    and sMAPE in percent (0 to 200).

    sMAPE = mean 200 |y - f| / (|y| + |f|), 0 where both are 0: Makridakis et al., "The M4
    competition", 2020.

    Args:
        actual, forecast, mask: (windows, horizon, targets).
        scale: (windows, targets) of `seasonal_scale`, for the series of each window.
    """
    errors = _scores(actual, forecast, mask, scale, partial(_mean, axes=None))
    return {name: float(value) for name, value in errors.items()}


def scores_by_horizon(
    actual: np.ndarray, forecast: np.ndarray, mask: np.ndarray, scale: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns what `scores` does for each step ahead, (horizon,) each."""
    return _scores(actual, forecast, mask, scale, partial(_mean, axes=(0, 2)))


def scores_by_group(
    actual: np.ndarray,
    forecast: np.ndarray,
    mask: np.ndarray,
    scale: np.ndarray,
    groups: np.ndarray,
    count: int,
) -> dict[str, np.ndarray]:
    """Returns what `scores` does for each of `count` groups of windows, (count,) each.

    Args:
        groups: (windows,) the number of the group of each window.
    """

    def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        counted = weights > 0
        sums, numbers = (
            np.bincount(groups, array.sum(axis=(1, 2)), count)
            for array in (np.where(counted, values, 0), counted)
        )
        return _quotient(sums, numbers)

    return _scores(actual, forecast, mask, scale, mean)


def _scores(
    actual: np.ndarray, forecast: np.ndarray, mask: np.ndarray, scale: np.ndarray, mean: Mean
) -> dict[str, np.ndarray]:
    error = np.abs(actual - forecast)
    size = np.abs(actual) + np.abs(forecast)
    relative = np.divide(200 * error, size, out=np.zeros_like(error), where=size > 0)
    scaled = error / scale[:, None, :]
    return {
        "mae": mean(error, mask),
        "rmse": np.sqrt(mean(error**2, mask)),
        "mase": mean(scaled, mask * np.isfinite(scaled)),
        "smape": mean(relative, mask),
    }


def scaled_errors(actual: np.ndarray, forecast: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Returns the mean squared and absolute error in the scaler's units, as papers report them."""
    error = np.abs(actual - forecast)
    return {
        "scaled_mse": float(_mean(error**2, mask, None)),
        "scaled_mae": float(_mean(error, mask, None)),
    }


def _mean(values: np.ndarray, weights: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    sums = np.sum(np.where(weights > 0, values, 0), axis=axes, dtype=np.float64)
    return _quotient(sums, np.asarray(np.sum(weights > 0, axis=axes, dtype=np.float64)))


def _quotient(sums: Any, numbers: np.ndarray) -> np.ndarray:
    """Returns means, NaN where there is nothing."""
    return np.divide(sums, numbers, out=np.full_like(numbers, np.nan), where=numbers > 0)


def owa(scores: Mapping[str, float], naive2: Mapping[str, float]) -> float:
    """Returns the mean of sMAPE and MASE relative to those of Naive2 (Makridakis et al., 2020); NaN
    where one of these is 0 or does not exist."""
    if not all(np.isfinite(naive2[name]) and naive2[name] > 0 for name in ("smape", "mase")):
        return float("nan")
    return (scores["smape"] / naive2["smape"] + scores["mase"] / naive2["mase"]) / 2
