"""Detectors of anomalies without a network: how far each row of a series is from what its past
says.

A detector takes one series: its `values` (rows, columns) float64, scaled and without NaN; how many
of its first rows are for `training`; the rows of a `window` and the steps of the `horizon`; and
what draws random numbers. It returns errors (rows, steps, columns) float64, NaN where a row has not
enough past; a score of a whole row is (rows, 1, 1). It is fitted on the training rows alone, and
the errors of a row depend on rows up to it alone. `InputError` says that training rows are too few.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.errors import InputError
from stages.series import baselines, regressions
from stages.series.regressions import chunks
from stages.series.windows import Windows

# (values, training, window, horizon, rng) -> errors
Detector = Callable[[np.ndarray, int, int, int, np.random.Generator], np.ndarray]

# Penalties that ridge chooses from.
ALPHAS = tuple(10.0**power for power in range(-3, 5))
# Keeps the score of a row after a constant window finite, in the scaler's units.
SMALL = 1e-3
# The share of the training windows' variance that principal components hold.
HELD = 0.95
TREES = 100


def random(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """Uniform numbers, (rows, 1, 1): what any detector has to surpass."""
    return rng.random((len(values), 1, 1))


def level(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """The value minus the mean of the training rows: (rows, 1, columns)."""
    return (values - values[:training].mean(axis=0))[:, None]


def moving_z(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """The value minus the mean of the `window` rows before it, divided by their standard deviation
    plus `SMALL`: (rows, 1, columns)."""
    _check_training(training, window)
    mean, variance = _moments(values[:-1], window)
    errors = _unknown(values, 1)
    errors[window:, 0] = (values[window:] - mean) / (np.sqrt(variance) + SMALL)
    return errors


def differences(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """The value minus the one before: (rows, 1, columns)."""
    errors = _unknown(values, 1)
    errors[1:, 0] = np.diff(values, axis=0)
    return errors


def ridge(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """The value minus its forecasts by ridge regression from the `window` rows before, all columns
    seen: (rows, horizon, columns). Step h holds the forecast that was made h + 1 rows before.

    See `stages.series.baselines.Ridge`. The penalty is that of the fit on the first four fifths of
    the training rows which forecasts the last fifth best; with it, all training rows are fitted.
    Where one of the two parts has not enough rows for windows with a whole horizon, fewer steps
    choose the penalty.
    """
    _check_training(training, window, horizon)
    rows = len(values)
    # Windows also have targets where the series ends before their horizon does: these are dropped.
    padded = np.pad(values, ((0, horizon - 1), (0, 0)))
    fitted = _fitted_ridge(padded, training, window, horizon)
    errors = _unknown(padded, horizon)
    windows = _windows(padded, window, rows, window, horizon)
    for indices in chunks(len(windows)):
        targets = (window + indices)[:, None] + np.arange(horizon)
        errors[targets, np.arange(horizon)] = padded[targets] - fitted.forecast(windows, indices)
    return errors[:rows]


def ridge_next(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """What `ridge` returns for a horizon of one step: (rows, 1, columns)."""
    return ridge(values, training, window, 1, rng)


def _fitted_ridge(values: np.ndarray, training: int, window: int, horizon: int) -> baselines.Ridge:
    """Returns a ridge regression that is fitted on the training rows of one series."""
    # A long window leaves few rows with a whole window before them: half of these are fitted.
    first = max(training - training // 5, (window + training + 1) // 2)
    fewest = min(first - window, training - first)
    steps = max(min(horizon, (fewest + 1) // 2), 1)
    chosen = baselines.fit_ridge(
        _windows(values, window, first - steps + 1, window, steps),
        _windows(values, first, training - steps + 1, window, steps),
        ALPHAS,
    )
    whole = _windows(values, window, training - horizon + 1, window, horizon)
    (fit,) = regressions.on_all_columns(whole, chunks(len(whole)), (chosen.alpha,))
    return baselines.Ridge(*fit, chosen.alpha)


def _windows(values: np.ndarray, first: int, after: int, lookback: int, horizon: int) -> Windows:
    """Returns windows of all columns, whose first targets are the rows `first` ... `after` - 1."""
    columns = list(range(values.shape[1]))
    return Windows(
        values=values,
        observed=np.broadcast_to(True, values.shape),
        known=np.zeros((len(values), 0)),
        spans=np.array([[first, after]]),
        lookback=lookback,
        horizon=horizon,
        stride=1,
        inputs=columns,
        targets=columns,
    )


def sub_pca(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """The distance of the `window` rows that end with a row from the principal components of the
    training windows: (rows, 1, 1), in standard deviations.

    It is the norm of what is left of a window, standardised by the training windows, without the
    fewest components that hold 95 % of their variance (Jackson and Mudholkar, "Control procedures
    for residuals associated with principal component analysis", 1979). What is constant in training
    is not divided by its standard deviation.
    """
    _check_training(training, window)
    count = training - window + 1
    # Step s of the training windows takes the values of the rows s ... s + count - 1.
    mean, variance = (moment.T.ravel() for moment in _moments(values[:training], count))
    deviation = np.sqrt(np.where(variance > 0, variance, 1))
    products = np.zeros((len(mean), len(mean)))
    for _, flat in _flattened(values[:training], window):
        scaled = (flat - mean) / deviation
        products += scaled.T @ scaled
    eigenvalues, vectors = np.linalg.eigh(products)
    shares = np.cumsum(np.maximum(eigenvalues[::-1], 0))
    kept = int(np.searchsorted(shares, HELD * shares[-1])) + 1 if shares[-1] > 0 else 0
    components = vectors[:, len(mean) - kept :]
    errors = np.full((len(values), 1, 1), np.nan)
    for rows, flat in _flattened(values, window):
        scaled = (flat - mean) / deviation
        residuals = scaled - (scaled @ components) @ components.T
        errors[rows, 0, 0] = np.sqrt((residuals**2).sum(axis=1))
    return errors


def isolation_forest(
    values: np.ndarray, training: int, window: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """How easily random splits isolate the `window` rows that end with a row, by trees grown on
    training windows: (rows, 1, 1), between 0 and 1.

    Liu, Ting and Zhou, "Isolation forest", 2008, as scikit-learn implements it.
    """
    from sklearn.ensemble import IsolationForest

    _check_training(training, window)
    # The trees compare in single precision.
    train = [flat.astype(np.float32) for _, flat in _flattened(values[:training], window)]
    forest = IsolationForest(
        n_estimators=TREES, random_state=int(rng.integers(2**32)), n_jobs=1
    ).fit(np.concatenate(train))
    errors = np.full((len(values), 1, 1), np.nan)
    for rows, flat in _flattened(values, window):
        errors[rows, 0, 0] = -forest.score_samples(flat)
    return errors


def _check_training(training: int, window: int, horizon: int = 1) -> None:
    """Raises `InputError` where training rows hold no window with its horizon."""
    if training >= window + horizon:
        return
    fits = training - horizon
    ahead = f" and a horizon of {horizon}" if horizon > 1 else ""
    advice = f"shorten scale_and_window.lookback to {fits} or less" if fits > 0 else "add rows"
    raise InputError(
        f"expected more than {window + horizon - 1} rows before validation for a lookback of "
        f"{window}{ahead}, received {training}: {advice}"
    )


def _unknown(values: np.ndarray, steps: int) -> np.ndarray:
    return np.full((len(values), steps, values.shape[1]), np.nan)


def _moments(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance of each `window` consecutive rows, (rows - window + 1, columns)
    each.

    Windows of twice the length are merged from two (Chan, Golub and LeVeque, "Updating formulae and
    a pairwise algorithm for computing sample variances", 1979), so nothing cancels out: the level
    costs no precision, and no window knows the rows outside of it.
    """
    merged: tuple[int, np.ndarray, np.ndarray] | None = None
    part = (1, values, np.zeros_like(values))
    while True:
        size = part[0]
        if window & size:
            merged = part if merged is None else _merge(merged, part)
        if merged is not None and merged[0] == window:
            return merged[1], merged[2] / window
        part = _merge(part, part)


def _merge(
    first: tuple[int, np.ndarray, np.ndarray], second: tuple[int, np.ndarray, np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Merges the length, means and sums of squared deviations of windows at each row with those of
    the windows that follow them."""
    size, means, squares = first
    further, next_means, next_squares = (second[0], second[1][size:], second[2][size:])
    count = min(len(means), len(next_means))
    difference = next_means[:count] - means[:count]
    whole = size + further
    return (
        whole,
        means[:count] + difference * (further / whole),
        squares[:count] + next_squares[:count] + difference**2 * (size * further / whole),
    )


def _flattened(values: np.ndarray, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the last rows of windows, some thousands at a time, and the windows themselves,
    (windows, columns * window)."""
    views = sliding_window_view(values, window, axis=0)
    for indices in chunks(len(views)):
        yield indices + window - 1, views[indices].reshape(len(indices), -1)


DETECTORS: Mapping[str, Detector] = {
    "random": random,
    "level": level,
    "moving_z": moving_z,
    "differences": differences,
    "ridge_next": ridge_next,
    "ridge": ridge,
    "sub_pca": sub_pca,
    "isolation_forest": isolation_forest,
}
