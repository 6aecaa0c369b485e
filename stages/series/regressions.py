"""Ridge regressions from windows to their horizons, in closed form.

The normal equations are summed up over chunks of windows, so memory does not grow with their
number.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from stages.series.windows import Windows

CHUNK = 4096
# Keeps a constant window finite, in the scaler's units.
SPREAD = 1e-4

# Yields x (rows, features), y and mask (rows, outputs), the same ones at every call.
Rows = Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


@dataclass
class Sums:
    """The sums over windows in the normal equations of features x and outputs y."""

    count: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    @classmethod
    def zeros(cls, features: int, outputs: int) -> "Sums":
        return cls(
            0,
            np.zeros(features),
            np.zeros(outputs),
            np.zeros((features, features)),
            np.zeros((features, outputs)),
        )

    def of(self, outputs: Any) -> "Sums":
        """Returns the sums of some of the outputs, as a copy."""
        return Sums(self.count, self.x.copy(), self.y[outputs], self.xx.copy(), self.xy[:, outputs])

    def seen(self, view: np.ndarray, level: np.ndarray) -> "Sums":
        """Returns the sums of the features `x @ view` and the outputs `y - x @ level`."""
        return Sums(
            self.count,
            self.x @ view,
            self.y - self.x @ level,
            view.T @ self.xx @ view,
            view.T @ (self.xy - self.xx @ level),
        )

    def add(self, x: np.ndarray, y: np.ndarray, sign: int = 1) -> None:
        self.count += sign * len(x)
        self.x += sign * x.sum(axis=0)
        self.y += sign * y.sum(axis=0)
        self.xx += sign * (x.T @ x)
        self.xy += sign * (x.T @ y)

    def solve(self, alphas: tuple[float, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns coefficients and intercept for each penalty, by a single eigendecomposition."""
        if not self.count:
            return [(np.zeros_like(self.xy), np.zeros_like(self.y))] * len(alphas)
        eigenvalues, vectors = np.linalg.eigh(self.xx - np.outer(self.x, self.x) / self.count)
        projected = vectors.T @ (self.xy - np.outer(self.x, self.y) / self.count)
        fits = []
        for alpha in alphas:
            shrunk = projected / (np.maximum(eigenvalues, 0) + alpha)[:, None]
            coefficients = vectors @ shrunk
            fits.append((coefficients, (self.y - self.x @ coefficients) / self.count))
        return fits


# Numbers of outputs, and the sums over the rows in which these were not filled in.
Groups = list[tuple[np.ndarray, Sums]]


@dataclass(frozen=True)
class Frame:
    """How a regression sees x (features): `view` (features, seen) of it, to forecast the difference
    from `level` (features, outputs)."""

    view: np.ndarray
    level: np.ndarray


@dataclass(frozen=True)
class Differences:
    """Windows and targets as differences from the last known value, or as they are.

    Attributes:
        x: (windows, lookback * inputs + (lookback + horizon) * planned) the windows minus their
            last step, and behind them what is planned for each step, as it is.
        y: (windows, horizon * targets) the targets minus the last known value.
        mask: (windows, horizon * targets) which targets were not filled in.
        last: (windows, 1, targets) the last known value.
        spread: (windows, targets) the standard deviation of each target's past, 1 where a window
            does not have it.
    """

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    last: np.ndarray
    spread: np.ndarray


def chunks(count: int, size: int | None = None) -> list[np.ndarray]:
    """Splits the indices 0 ... count - 1 into consecutive chunks of at most `size`; None: of
    `CHUNK`."""
    size = size or CHUNK
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def has_level(windows: Windows) -> bool:
    """Returns whether all targets are inputs, so that a window has the last value of each."""
    return set(windows.targets) <= set(windows.inputs)


def differences(windows: Windows, indices: np.ndarray, *, level: bool = True) -> Differences:
    """Returns windows and targets as differences from the last known value; as they are where there
    is to be no `level`."""
    batch, rows = windows.cut(indices), len(indices)
    window = batch["inputs"]["window"].astype(np.float64)
    targets = batch["targets"].astype(np.float64)
    origins, _ = windows.locate(indices)
    last = windows.values[origins - 1][:, None, windows.targets].astype(np.float64)
    spread = np.ones((rows, len(windows.targets)))
    if has_level(windows):
        seen = [windows.inputs.index(target) for target in windows.targets]
        spread = np.sqrt(window[:, :, seen].var(axis=1) + SPREAD)
    if level:
        window, targets = window - window[:, -1:], targets - last
    known = batch["inputs"]["known"]
    planned = known[:, :, known.shape[2] - windows.planned :]
    return Differences(
        x=np.concatenate([window.reshape(rows, -1), planned.reshape(rows, -1)], axis=1),
        y=targets.reshape(rows, -1),
        mask=batch["mask"].reshape(rows, -1) > 0,
        last=last,
        spread=spread,
    )


def moves(level: np.ndarray, planned: int) -> np.ndarray:
    """Returns the view of what is planned for each step of a window, and of the horizon, that is
    its difference from a level, as targets are seen: ((lookback + horizon) * planned, horizon *
    planned).

    Args:
        level: (lookback, horizon) the level of each step, of differences from the last value.
    """
    lookback, horizon = level.shape
    matrix = np.concatenate([-level, np.eye(horizon)])
    matrix[lookback - 1] -= 1 - level.sum(axis=0)
    return np.kron(matrix, np.eye(planned))


def on_all_columns(
    train: Windows, parts: Iterable[np.ndarray], alphas: tuple[float, ...], *, level: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fits targets that each see all columns, and what is planned, over the windows. Returns kernel
    (features, outputs) and intercept (outputs,) for each penalty.

    Args:
        parts: the indices of the windows, some at a time.
        level: as for `differences`.
    """

    def rows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for indices in parts:
            found = differences(train, indices, level=level)
            yield found.x, found.y, found.mask

    lookback, horizon, planned = train.lookback, train.horizon, train.planned
    seen, outputs = lookback * len(train.inputs), horizon * len(train.targets)
    features = seen + (lookback + horizon) * planned
    groups = grouped(rows, features, outputs)
    if not planned:
        return fit(groups, alphas)
    moved = moves(np.zeros((lookback, horizon)), planned)
    if not level:
        moved[: lookback * planned] = 0
    return fit(
        groups, alphas, Frame(block_diag(np.eye(seen), moved), np.zeros((features, outputs)))
    )


def grouped(rows: Rows, features: int, outputs: int) -> Groups:
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


def fit(
    groups: Groups, alphas: tuple[float, ...], frame: Frame | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns kernel (features, outputs) and intercept (outputs,) for each penalty."""
    features = len(groups[0][1].x)
    outputs = sum(len(columns) for columns, _ in groups)
    fits = [(np.zeros((features, outputs)), np.zeros(outputs)) for _ in alphas]
    for columns, sums in groups:
        seen = sums if frame is None else sums.seen(frame.view, frame.level[:, columns])
        for (kernel, intercept), (own, own_intercept) in zip(fits, seen.solve(alphas), strict=True):
            kernel[:, columns] = (
                own if frame is None else frame.level[:, columns] + frame.view @ own
            )
            intercept[columns] = own_intercept
    return fits


def fit_shared(
    groups: Groups, alphas: tuple[float, ...], level: np.ndarray, views: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fits coefficients that all outputs share, and returns what `fit` does.

    Args:
        level: (features, outputs) what each output is forecast as the difference from.
        views: (outputs, features, seen) how each output sees the features.
    """
    size = views.shape[2]
    products, projected = np.zeros((size, size)), np.zeros(size)
    for columns, sums in groups:
        if not sums.count:
            continue
        xx = sums.xx - np.outer(sums.x, sums.x) / sums.count
        xy = sums.xy - np.outer(sums.x, sums.y) / sums.count - xx @ level[:, columns]
        for place, output in enumerate(columns):
            products += views[output].T @ xx @ views[output]
            projected += views[output].T @ xy[:, place]
    fits = []
    for alpha in alphas:
        shared = np.linalg.solve(products + alpha * np.eye(size), projected)
        kernel, intercept = level + np.einsum("ofs,s->fo", views, shared), np.zeros(level.shape[1])
        for columns, sums in groups:
            intercept[columns] = (sums.y - sums.x @ kernel[:, columns]) / max(sums.count, 1)
        fits.append((kernel, intercept))
    return fits
