"""The linear forecast that a network corrects, in closed form: a blend of naive forecasts and ridge
regressions.

Which of its parts suits a series depends on the series: a season that repeats, a level that stays,
a swing that grows with the level. Each part is one linear map of the window, so their blend is one
too, and a dense layer can start from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from stages.series.baselines import Sums, chunks
from stages.series.windows import Windows

ALPHAS = tuple(10.0**power for power in range(-3, 5))
# Keeps a constant window finite, in the scaler's units.
SPREAD = 1e-4
# A regression on all columns at once has a matrix of the square of their steps.
MOST_FEATURES = 2048
MOST_WINDOWS = 4096
DAMPING = 0.85
# How fast a part's share in the blend falls with its squared error, and how much the errors of a
# horizon of validation count against that: chosen on the series of `recipe/`.
FALL = 8
SHRINKAGE = 100.0


@dataclass(frozen=True)
class Map:
    """A linear map from a window to its horizon, both as differences from the last value.

    forecast = x @ kernel + spread * by_spread + intercept, where x (batch, lookback * inputs) is
    the window and spread (batch, horizon * targets) the standard deviation of the target's own
    past.

    Attributes:
        kernel: (lookback * inputs, horizon * targets). by_spread, intercept: (horizon * targets,).
    """

    kernel: np.ndarray
    by_spread: np.ndarray
    intercept: np.ndarray

    def __call__(self, x: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return x @ self.kernel + spread * self.by_spread + self.intercept


@dataclass(frozen=True)
class Anchor(Map):
    """The blend. parts: the share of each of its parts."""

    parts: dict[str, float]


@dataclass(frozen=True)
class Frame:
    """How a regression sees a window: `view` (lookback, features) of it, to forecast the difference
    from `level` (lookback, horizon); where it is `scaled`, both divided by the spread."""

    view: np.ndarray
    level: np.ndarray
    scaled: bool = False


def has_level(windows: Windows) -> bool:
    """Returns whether all targets are inputs, so that a window has the last value of each."""
    return set(windows.targets) <= set(windows.inputs)


def fit(train: Windows, validation: Windows, season: int) -> Anchor:
    """Fits each part on the training windows, its penalty and its share in the blend on validation.

    The share of each part is proportional to a power of its squared error on validation, and is
    moved from there towards the shares with the smallest squared error of the blend (Bates and
    Granger, "The combination of forecasts", 1969), the further the more horizons validation has.
    Targets that were filled in count nowhere.
    """
    lookback, horizon = train.lookback, train.horizon
    parts: dict[str, list[Map]] = {}
    if has_level(train):
        parts |= {name: [_own(train, level)] for name, level in _naive(lookback, horizon, season)}
        plain, scaled = (_sums(train, by_spread) for by_spread in (False, True))
        for name, frame in _frames(lookback, horizon, season):
            maps = _regressions(scaled if frame.scaled else plain, frame)
            parts[name] = [_embedded(train, *fitted, frame.scaled) for fitted in maps]
    features = lookback * len(train.inputs)
    if not parts or (len(train.inputs) > 1 and features <= MOST_FEATURES):
        parts["ridge on all columns"] = [
            Map(kernel, np.zeros_like(intercept), intercept)
            for kernel, intercept in _regressions(_all_columns(train), None)
        ]
    return _blend(parts, validation)


def _naive(lookback: int, horizon: int, season: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the forecasts without any fit as maps (lookback, horizon)."""
    last = np.zeros((lookback, horizon))
    yield "last value", last
    if lookback > 1:
        trend = last.copy()
        trend[0] = -np.arange(1, horizon + 1) / (lookback - 1)
        yield "trend", trend
    if 1 < season <= lookback:
        yield from _seasonal(lookback, horizon, season)
        return
    for weight in (0.2, 0.5):
        smoothed = _smoothing(lookback, weight)
        yield f"exponential smoothing, {weight}", np.repeat(smoothed[:, None], horizon, axis=1)
    if lookback > 1:
        recent = min(lookback - 1, horizon)
        damped = last.copy()
        damped[-1 - recent] = -np.cumsum(DAMPING ** np.arange(1, horizon + 1)) / recent
        yield "damped trend", damped


def _smoothing(steps: int, weight: float) -> np.ndarray:
    """Returns the weights of exponential smoothing that starts with the oldest value, (steps,)."""
    weights = weight * (1 - weight) ** np.arange(steps)[::-1]
    weights[0] += (1 - weight) ** steps
    return weights


def _seasonal(lookback: int, horizon: int, season: int) -> Iterator[tuple[str, np.ndarray]]:
    repeated = _repeated(lookback, horizon, season)
    yield "season", repeated
    if season < lookback:
        change = repeated.copy()
        change[lookback - 1 - season] -= 1
        yield "season and change", change
    if 2 * season > lookback:
        return
    moved = repeated.copy()
    moved[lookback - season :] += 1 / season
    moved[lookback - 2 * season : lookback - season] -= 1 / season
    yield "season and mean change", moved
    count = lookback // season
    steps = np.arange(horizon)
    for weight in (0.3, 0.6):
        profile = np.zeros((lookback, horizon))
        for back, share in enumerate(_smoothing(count, weight)[::-1], 1):
            first = lookback - back * season
            profile[first : first + season] -= share / season
            profile[first + steps % season, steps] += share
        profile[lookback - season :] += 1 / season
        yield f"smoothed season, {weight}", profile


def _repeated(lookback: int, horizon: int, season: int) -> np.ndarray:
    """Returns the map that takes the value of the same step in the last season."""
    repeated = np.zeros((lookback, horizon))
    steps = np.arange(horizon)
    repeated[lookback - season + steps % season, steps] = 1
    return repeated


def _frames(lookback: int, horizon: int, season: int) -> Iterator[tuple[str, Frame]]:
    """Yields the frames of the regressions."""
    whole, last = np.eye(lookback), np.zeros((lookback, horizon))
    mean = np.full((lookback, 1), 1 / lookback)
    frames = {
        "last value": Frame(whole, last),
        "mean": Frame(whole - mean, np.repeat(mean, horizon, axis=1)),
    }
    if 1 < season < lookback:
        repeated = _repeated(lookback, horizon, season)
        frames["last season"] = Frame(whole, repeated)
        frames["season"] = Frame(whole[:, season:] - whole[:, :-season], repeated)
    for name, frame in frames.items():
        yield f"ridge from {name}", frame
    for name, frame in frames.items():
        if name != "last season":
            yield f"scaled ridge from {name}", Frame(frame.view, frame.level, scaled=True)


Groups = list[tuple[np.ndarray, Sums]]


def _sums(windows: Windows, by_spread: bool) -> Groups:
    """Returns the sums over the windows of all targets, each of which sees its own past; divided by
    the spread where asked."""

    def rows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for indices in _spaced(windows, 16 * MOST_WINDOWS):
            x, y, mask, spread = own_past(windows, indices)
            size = spread if by_spread else 1.0
            yield x / size, y / size, mask

    return _grouped(rows, windows.lookback, windows.horizon)


def _all_columns(windows: Windows) -> Groups:
    """Returns the sums over the windows, for targets that each see all columns."""

    def rows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for indices in _spaced(windows, 16 * MOST_WINDOWS):
            x, y, mask, _ = differences(windows, indices)
            yield x, y, mask

    return _grouped(
        rows, windows.lookback * len(windows.inputs), windows.horizon * len(windows.targets)
    )


def _grouped(
    rows: Callable[[], Iterator[tuple[np.ndarray, ...]]], features: int, outputs: int
) -> Groups:
    """Returns groups of outputs with the sums over the rows in which they were not filled in."""
    whole = Sums.zeros(features, outputs)
    filled = np.zeros(outputs, bool)
    for x, y, mask in rows():
        whole.add(x, y)
        filled |= ~mask.all(axis=0)
    complete = np.flatnonzero(~filled)
    own = {int(output): whole.of([int(output)]) for output in np.flatnonzero(filled)}
    if own:
        for x, y, mask in rows():
            for output, sums in own.items():
                out = ~mask[:, output]
                if out.any():
                    sums.add(x[out], y[out][:, [output]], -1)
    groups = [(np.array([output]), sums) for output, sums in own.items()]
    return ([(complete, whole.of(complete))] if len(complete) else []) + groups


def _regressions(groups: Groups, frame: Frame | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns kernel (features, outputs) and intercept for each penalty."""
    features = len(groups[0][1].x)
    outputs = sum(len(columns) for columns, _ in groups)
    fits = [(np.zeros((features, outputs)), np.zeros(outputs)) for _ in ALPHAS]
    for columns, sums in groups:
        seen = sums if frame is None else sums.seen(frame.view, frame.level[:, columns])
        for (kernel, intercept), (own, own_intercept) in zip(fits, seen.solve(ALPHAS), strict=True):
            kernel[:, columns] = (
                own if frame is None else frame.level[:, columns] + frame.view @ own
            )
            intercept[columns] = own_intercept
    return fits


def _own(windows: Windows, kernel: np.ndarray) -> Map:
    return _embedded(windows, kernel, np.zeros(windows.horizon), False)


def _embedded(windows: Windows, kernel: np.ndarray, intercept: np.ndarray, scaled: bool) -> Map:
    """Returns the map of all columns in which each target sees its own past alone.

    Args:
        kernel: (lookback, horizon). intercept: (horizon,), in units of the spread if `scaled`.
    """
    lookback, horizon, targets = windows.lookback, windows.horizon, len(windows.targets)
    whole = np.zeros((lookback, len(windows.inputs), horizon, targets))
    for target, column in enumerate(windows.targets):
        whole[:, windows.inputs.index(column), :, target] = kernel
    repeated, none = np.repeat(intercept, targets), np.zeros(horizon * targets)
    return Map(
        whole.reshape(lookback * len(windows.inputs), -1),
        repeated if scaled else none,
        none if scaled else repeated,
    )


def _blend(parts: dict[str, list[Map]], validation: Windows) -> Anchor:
    """Returns the blend of the parts, each with the penalty that is best on validation."""
    collected = [differences(validation, indices) for indices in _spaced(validation, MOST_WINDOWS)]
    x, y, mask, spread = (np.concatenate(arrays) for arrays in zip(*collected, strict=True))
    spread = np.tile(spread, validation.horizon)
    chosen: dict[str, Map] = {}
    residuals = []
    for name, maps in parts.items():
        found = [(y - fitted(x, spread))[mask] for fitted in maps]
        best = int(np.argmin([residual @ residual for residual in found]))
        chosen[name] = maps[best]
        residuals.append(found[best])
    shares = _shares(np.stack(residuals, axis=1), _horizons(validation))
    fitted = list(zip(shares, chosen.values(), strict=True))
    return Anchor(
        sum(share * part.kernel for share, part in fitted),
        sum(share * part.by_spread for share, part in fitted),
        sum(share * part.intercept for share, part in fitted),
        {name: float(share) for name, share in zip(chosen, shares, strict=True)},
    )


def _horizons(windows: Windows) -> float:
    """Returns how many horizons that do not overlap the windows' targets have room for."""
    counts = np.diff(windows.spans, axis=1)[:, 0]
    rows = counts[counts > 0] + windows.horizon - 1
    return float(rows.sum()) / windows.horizon


def _shares(residuals: np.ndarray, horizons: float) -> np.ndarray:
    """Returns the share of each part, none below 0, with the sum 1.

    Args:
        residuals: (values, parts).
    """
    errors = np.maximum((residuals**2).mean(axis=0), 1e-12)
    expected = (errors.min() / errors) ** FALL
    expected /= expected.sum()
    # Least squares with a ridge around `expected`; the sum is held by a heavy row.
    products = residuals.T @ residuals / len(residuals) / errors.min()
    penalty = SHRINKAGE / horizons**2
    matrix = products + penalty * np.eye(len(errors)) + 1e6
    factor = np.linalg.cholesky(matrix + 1e-9 * np.eye(len(errors)))
    target = np.linalg.solve(factor, penalty * expected + 1e6)
    shares, _ = nnls(factor.T, target)
    return shares / shares.sum()


def _spaced(windows: Windows, most: int) -> list[np.ndarray]:
    """Returns chunks of the indices of at most `most` windows, evenly spaced."""
    count = len(windows)
    kept = np.arange(count) if count <= most else np.arange(most) * count // most
    return [kept[chunk] for chunk in chunks(len(kept))]


def differences(
    windows: Windows, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns windows and targets as differences from the last known value, where it is known.

    Returns:
        x: (indices, lookback * inputs).
        y: (indices, horizon * targets).
        mask: (indices, horizon * targets) which targets were not filled in.
        spread: (indices, targets) the standard deviation of each target's past.
    """
    batch = windows.cut(indices)
    window = batch["inputs"]["window"].astype(np.float64)
    targets, rows = batch["targets"].astype(np.float64), len(indices)
    spread = np.ones((rows, len(windows.targets)))
    if has_level(windows):
        seen = [windows.inputs.index(target) for target in windows.targets]
        spread = np.sqrt(window[:, :, seen].var(axis=1) + SPREAD)
        targets = targets - window[:, -1:, seen]
        window = window - window[:, -1:]
    return (
        window.reshape(rows, -1),
        targets.reshape(rows, -1),
        batch["mask"].reshape(rows, -1) > 0,
        spread,
    )


def own_past(
    windows: Windows, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns what `differences` does with a row for each window and target: x (rows, lookback), y
    and mask (rows, horizon), spread (rows, 1)."""
    x, y, mask, spread = differences(windows, indices)
    count, targets = len(indices), len(windows.targets)
    seen = [windows.inputs.index(target) for target in windows.targets]
    past = x.reshape(count, windows.lookback, -1)[:, :, seen].transpose(0, 2, 1)
    y, mask = (
        array.reshape(count, windows.horizon, targets).transpose(0, 2, 1) for array in (y, mask)
    )
    rows = count * targets
    return (
        past.reshape(rows, -1),
        y.reshape(rows, -1),
        mask.reshape(rows, -1),
        spread.reshape(rows, 1),
    )
