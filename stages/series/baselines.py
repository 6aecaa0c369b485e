"""Baselines: forecasts without a network. They see only the rows before the first target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages.series import regressions
from stages.series.regressions import chunks, differences
from stages.series.windows import Windows


def last_value(
    windows: Windows, origins: np.ndarray, starts: np.ndarray, season: int
) -> np.ndarray:
    """The last known value at every step."""
    last = windows.values[origins - 1][:, windows.targets]
    return np.repeat(last[:, None], windows.horizon, axis=1)


def drift(windows: Windows, origins: np.ndarray, starts: np.ndarray, season: int) -> np.ndarray:
    """The line through the first and the last known value (a random walk with drift)."""
    last = windows.values[origins - 1][:, windows.targets]
    first = windows.values[starts][:, windows.targets]
    slope = (last - first) / (origins - 1 - starts)[:, None]
    return last[:, None] + slope[:, None] * np.arange(1, windows.horizon + 1)[:, None]


def seasonal_naive(
    windows: Windows, origins: np.ndarray, starts: np.ndarray, season: int
) -> np.ndarray:
    """The value of the same step in the last known season."""
    rows = origins[:, None] - season + np.arange(windows.horizon) % season
    return windows.values[rows][..., windows.targets]


def seasonal_drift(
    windows: Windows, origins: np.ndarray, starts: np.ndarray, season: int
) -> np.ndarray:
    """The seasonal naive forecast plus, per season ahead, the change over the last known season."""
    change = windows.values[origins - 1] - windows.values[origins - 1 - season]
    seasons = 1 + np.arange(windows.horizon)[:, None] // season
    naive = seasonal_naive(windows, origins, starts, season)
    return naive + seasons * change[:, None, windows.targets]


# Methods for all windows at once: (windows, origins, starts, season) -> forecasts (origins,
# horizon, targets), where `origins` are the rows of the first targets and `starts` the first rows
# of their series.
VECTORISED: dict[str, Callable[[Windows, np.ndarray, np.ndarray, int], np.ndarray]] = {
    "last_value": last_value,
    "drift": drift,
    "seasonal_naive": seasonal_naive,
    "seasonal_drift": seasonal_drift,
}


def naive2(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last value, seasonally adjusted: the reference "Naive2" of the M4 competition.

    Makridakis et al., "The M4 competition", 2020. The series counts as seasonal if its
    autocorrelation at the season exceeds 1.645 standard errors (a 90 % test). The season is then
    removed and restored by classical decomposition: multiplicative, or additive where values are
    not positive.

    Args:
        history: (time,) all known values, raw units.

    Returns:
        (horizon,) the forecast, raw units.
    """
    from statsmodels.tsa.seasonal import seasonal_decompose

    if season < 2 or not _is_seasonal(history, season):
        return np.repeat(history[-1], horizon)
    model = "multiplicative" if (history > 0).all() else "additive"
    seasonal = seasonal_decompose(history, model=model, period=season).seasonal
    ahead = seasonal[-season:][np.arange(horizon) % season]
    if model == "multiplicative":
        return history[-1] / seasonal[-1] * ahead
    return history[-1] - seasonal[-1] + ahead


def _is_seasonal(history: np.ndarray, season: int) -> bool:
    if len(history) < 3 * season:
        return False
    centred = history - history.mean()
    variance = centred @ centred
    if variance == 0:
        return False
    products = [centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]
    correlations = np.array(products) / variance
    limit = 1.645 * np.sqrt((1 + 2 * (correlations[:-1] ** 2).sum()) / len(history))
    return bool(abs(correlations[-1]) > limit)


def theta(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The Theta method (Assimakopoulos and Nikolopoulos, 2000) of statsmodels.

    Args:
        history: (time,) all known values, raw units.

    Returns:
        (horizon,) the forecast, raw units.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel

    if np.ptp(history) == 0:
        return np.repeat(history[-1], horizon)
    deseasonalize = season > 1 and len(history) >= 2 * season
    model = ThetaModel(history, period=max(season, 1), deseasonalize=deseasonalize)
    return np.asarray(model.fit().forecast(horizon))


# Methods that are fitted to each window's history: (history, horizon, season) -> forecast.
LOCAL: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {"naive2": naive2, "theta": theta}


@dataclass(frozen=True)
class Ridge:
    """Ridge regression from a window, and what is planned for its horizon, to the horizon, all
    minus the last value, over all series.

    Subtracting the last value is what makes linear forecasts competitive: Zeng et al., "Are
    Transformers effective for time series forecasting?", 2023 (NLinear).

    Attributes:
        coefficients: (features, horizon * targets), of the x of
            `stages.series.regressions.Differences`.
        intercept: (horizon * targets,).
        alpha: the penalty, chosen on the validation windows.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    alpha: float

    def forecast(self, windows: Windows, indices: np.ndarray) -> np.ndarray:
        """Returns the forecasts (indices, horizon, targets), in the units of the windows."""
        found = differences(windows, indices)
        changes = found.x @ self.coefficients + self.intercept
        return changes.reshape(len(indices), windows.horizon, -1) + found.last


def fit_ridge(train: Windows, validation: Windows, alphas: tuple[float, ...]) -> Ridge:
    """Fits a ridge regression with the penalty that has the smallest squared error on validation.

    Targets that were filled in count neither in the fit nor in the error: an output with such
    targets is fitted on the other windows.
    """
    fits = regressions.on_all_columns(train, chunks(len(train)), alphas)
    candidates = [Ridge(*fitted, alpha) for fitted, alpha in zip(fits, alphas, strict=True)]
    errors = np.zeros(len(alphas))
    for indices in chunks(len(validation)):
        found = differences(validation, indices)
        for index, ridge in enumerate(candidates):
            residuals = (found.x @ ridge.coefficients + ridge.intercept - found.y) * found.mask
            errors[index] += (residuals**2).sum()
    return candidates[int(np.argmin(errors))]
