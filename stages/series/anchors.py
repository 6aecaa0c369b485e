"""The linear forecast that a network corrects, in closed form: a blend of naive forecasts and ridge
regressions.

Which of its parts suits a series depends on the series: a season that repeats, a level that stays,
a swing that grows with the level. Each part is one linear map of the window, so their blend is one
too, and a dense layer can start from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import nnls

from stages.series import regressions
from stages.series.regressions import Differences, Frame, Groups, chunks, has_level
from stages.series.windows import Windows

ALPHAS = tuple(10.0**power for power in range(-3, 5))
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

    forecast = x @ kernel + spread * by_spread + intercept, where x (batch, features) is the window
    and what is planned, as in `stages.series.regressions.Differences`, and spread (batch, horizon *
    targets) the standard deviation of the target's own past.

    Attributes:
        kernel: (features, horizon * targets). by_spread, intercept: (horizon * targets,).
    """

    kernel: np.ndarray
    by_spread: np.ndarray
    intercept: np.ndarray

    def __call__(self, x: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return x @ self.kernel + spread * self.by_spread + self.intercept


@dataclass(frozen=True)
class Anchor(Map):
    """The blend.

    Attributes:
        parts: the share of each of its parts.
        penalties: that of each part; None where it is a forecast without any fit.
    """

    parts: dict[str, float]
    penalties: dict[str, float | None]


# Kernels and intercepts, for each penalty.
Fits = list[tuple[np.ndarray, np.ndarray]]
# The maps of each part by their penalty, or the one map of a forecast without any fit by None.
Parts = dict[str, dict[float | None, Map]]


def fit(train: Windows, validation: Windows, season: int) -> Anchor:
    """Fits each part on the training windows, its penalty and its share in the blend on validation.

    The share of each part is proportional to a power of its squared error on validation, and is
    moved from there towards the shares with the smallest squared error of the blend (Bates and
    Granger, "The combination of forecasts", 1969), the further the more horizons validation has.
    Targets that were filled in count nowhere.
    """
    parts = _parts(train, season)
    collected = [differences(validation, indices) for indices in _spaced(validation, MOST_WINDOWS)]
    x, y, mask, spread = (
        np.concatenate([getattr(found, name) for found in collected])
        for name in ("x", "y", "mask", "spread")
    )
    spread = np.tile(spread, validation.horizon)
    penalties, residuals = {}, []
    for name, maps in parts.items():
        found = [(y - fitted(x, spread))[mask] for fitted in maps.values()]
        best = int(np.argmin([residual @ residual for residual in found]))
        penalties[name] = list(maps)[best]
        residuals.append(found[best])
    shares = _shares(np.stack(residuals, axis=1), _horizons(validation)).tolist()
    return _blend(parts, dict(zip(parts, shares, strict=True)), penalties)


def refit(anchor: Anchor, windows: Windows, season: int) -> Anchor:
    """Fits the regressions of an anchor on other windows, and keeps its penalties and shares."""
    return _blend(_parts(windows, season), anchor.parts, anchor.penalties)


def _parts(windows: Windows, season: int) -> Parts:
    parts: Parts = {}
    if has_level(windows):
        parts |= _of_own_past(windows, season)
    if not parts or (len(windows.inputs) > 1 and _features(windows) <= MOST_FEATURES):
        spaced = _spaced(windows, 16 * MOST_WINDOWS)
        fits = regressions.on_all_columns(windows, spaced, ALPHAS, level=has_level(windows))
        maps = (Map(kernel, np.zeros_like(intercept), intercept) for kernel, intercept in fits)
        parts["ridge on all columns"] = dict(zip(ALPHAS, maps, strict=True))
    return parts


def _of_own_past(windows: Windows, season: int) -> Parts:
    """Returns the parts in which each target sees its own past, and what is planned."""
    lookback, horizon = windows.lookback, windows.horizon
    parts: Parts = {
        name: {None: _embedded(windows, level, np.zeros(horizon), False)}
        for name, level in _naive(lookback, horizon, season)
    }

    def add(name: str, fits: Fits, scaled: bool = False) -> None:
        maps = (_embedded(windows, *fitted, scaled) for fitted in fits)
        parts[name] = dict(zip(ALPHAS, maps, strict=True))

    frames = _frames(lookback, horizon, season)
    plain, scaled = (_sums(windows, by_spread) for by_spread in (False, True))
    for name, frame in frames.items():
        add(f"ridge from {name}", regressions.fit(plain, ALPHAS, frame))
    for name, frame in frames.items():
        if name != "last season":
            add(f"scaled ridge from {name}", regressions.fit(scaled, ALPHAS, frame), True)
    if lookback + horizon * windows.planned <= MOST_FEATURES:
        for name, frame in frames.items() if windows.planned else ():
            for part, fits in _planned(windows, name, frame):
                add(part, fits)
    return parts


def _planned(windows: Windows, name: str, frame: Frame) -> Iterator[tuple[str, Fits]]:
    """Yields the regression with what is planned, and, but for the last season, whose level is that
    of the season, one on what is planned alone, with coefficients that all steps share."""
    lookback, horizon, planned = windows.lookback, windows.horizon, windows.planned
    moved = regressions.moves(frame.level, planned)
    sums = _sums(windows, False, moved)
    level = np.pad(frame.level, ((0, horizon * planned), (0, 0)))

    def on_all_steps(fits: Fits) -> Fits:
        return [
            (np.concatenate([kernel[:lookback], moved @ kernel[lookback:]]), intercept)
            for kernel, intercept in fits
        ]

    both = Frame(block_diag(frame.view, np.eye(horizon * planned)), level)
    fits = regressions.fit(sums, ALPHAS, both)
    yield f"ridge from {name} and what is planned", on_all_steps(fits)
    if name != "last season":
        views = np.eye(lookback + horizon * planned)[:, lookback:]
        views = views.reshape(-1, horizon, planned).transpose(1, 0, 2)
        fits = regressions.fit_shared(sums, ALPHAS, level, views)
        yield f"{name} and what is planned", on_all_steps(fits)


def _blend(parts: Parts, shares: dict[str, float], penalties: dict[str, float | None]) -> Anchor:
    """Returns the blend of the parts, each with its share and its penalty."""
    maps = [parts[name][penalties[name]] for name in shares]

    def mean(arrays: Iterable[np.ndarray]) -> np.ndarray:
        weighted = (share * array for share, array in zip(shares.values(), arrays, strict=True))
        return np.asarray(sum(weighted))

    return Anchor(
        mean(part.kernel for part in maps),
        mean(part.by_spread for part in maps),
        mean(part.intercept for part in maps),
        shares,
        penalties,
    )


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


def _frames(lookback: int, horizon: int, season: int) -> dict[str, Frame]:
    """Returns the frames of the regressions."""
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
    return frames


def _features(windows: Windows) -> int:
    """Returns how many features the map of a window has."""
    past = windows.lookback * len(windows.inputs)
    return past + (windows.lookback + windows.horizon) * windows.planned


def _sums(windows: Windows, by_spread: bool, moved: np.ndarray | None = None) -> Groups:
    """Returns the sums over the windows of all targets, each of which sees its own past; divided by
    the spread where asked.

    Args:
        moved: how each also sees what is planned, as `stages.series.regressions.moves` returns it.
    """
    lookback = windows.lookback
    behind = 0 if moved is None else moved.shape[1]

    def rows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for indices in _spaced(windows, 16 * MOST_WINDOWS):
            found = own_past(windows, indices)
            size = found.spread if by_spread else 1.0
            x = found.x[:, :lookback] / size
            if moved is not None:
                x = np.concatenate([x, found.x[:, lookback:] @ moved], axis=1)
            yield x, found.y / size, found.mask

    return regressions.grouped(rows, lookback + behind, windows.horizon)


def _embedded(windows: Windows, kernel: np.ndarray, intercept: np.ndarray, scaled: bool) -> Map:
    """Returns the map of all columns in which each target sees its own past, and what is planned,
    alone.

    Args:
        kernel: (lookback, horizon), or with what is planned behind it. intercept: (horizon,), in
            units of the spread if `scaled`.
    """
    lookback, horizon, targets = windows.lookback, windows.horizon, len(windows.targets)
    inputs = len(windows.inputs)
    whole = np.zeros((_features(windows), horizon, targets))
    for target, column in enumerate(windows.targets):
        first = windows.inputs.index(column)
        whole[first : lookback * inputs : inputs, :, target] = kernel[:lookback]
    behind = kernel[lookback:, :, None]
    whole[lookback * inputs :][: len(behind)] = behind
    repeated, none = np.repeat(intercept, targets), np.zeros(horizon * targets)
    return Map(
        whole.reshape(len(whole), -1),
        repeated if scaled else none,
        none if scaled else repeated,
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


def differences(windows: Windows, indices: np.ndarray) -> Differences:
    """Returns windows and targets as differences from the last known value, where it is known."""
    return regressions.differences(windows, indices, level=has_level(windows))


def own_past(windows: Windows, indices: np.ndarray) -> Differences:
    """Returns what `differences` does with a row for each window and target: x (rows, lookback +
    what is planned), y and mask (rows, horizon), spread (rows, 1)."""
    found = differences(windows, indices)
    count, targets, inputs = len(indices), len(windows.targets), len(windows.inputs)
    seen = [windows.inputs.index(target) for target in windows.targets]
    past, planned = np.split(found.x, [windows.lookback * inputs], axis=1)
    past = past.reshape(count, windows.lookback, inputs)[:, :, seen].transpose(0, 2, 1)

    def by_target(array: np.ndarray) -> np.ndarray:
        return array.reshape(count, -1, targets).transpose(0, 2, 1).reshape(count * targets, -1)

    return Differences(
        x=np.concatenate(
            [past.reshape(count * targets, -1), np.repeat(planned, targets, axis=0)], axis=1
        ),
        y=by_target(found.y),
        mask=by_target(found.mask),
        last=by_target(found.last),
        spread=by_target(found.spread),
    )
