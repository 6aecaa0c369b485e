"""What the network expects of the rows of a series, as these come: all at once or one by one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.series import grid, times

# The last layer of a network that reconstructs its window.
HEAD = "reconstruction"
# The network: inputs by their names, (windows, ...) each -> (windows, steps, targets).
Answer = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def reconstructs(network: Any) -> bool:
    """Returns whether a trained network reconstructs its window instead of forecasting."""
    return any(layer.name == HEAD for layer in network.layers)


class Rows(NamedTuple):
    """Consecutive rows of a series.

    Attributes:
        values: (rows, columns) float32, scaled.
        observed: (rows, targets) bool, False where a target was filled in.
        inputs_observed: (rows, inputs) bool, likewise for inputs.
        times: (rows,) as tidy tables hold them.
    """

    values: np.ndarray
    observed: np.ndarray
    inputs_observed: np.ndarray
    times: np.ndarray


class Followed(NamedTuple):
    """What was expected of some rows.

    Attributes:
        errors: (rows, steps, targets), scaled; NaN where there is none. Of a network that forecasts
            a row's errors are those of the forecasts made 1, 2, ... steps before it; of one that
            reconstructs, those of all steps of the window that ends with it.
        expected: (rows, targets), scaled: the mean of the forecasts of a row, or its
            reconstruction; NaN where there is none.
    """

    errors: np.ndarray
    expected: np.ndarray


@dataclass
class Follower:
    """Follows a series: rows that continue each other may come in any portions.

    Attributes:
        examples, about: of the task. number: of the series among them.
        answer: the network.
        reconstructs: whether it reconstructs its window instead of forecasting.
    """

    examples: LabelledSeries
    about: IngestedLabels
    number: int
    answer: Answer
    reconstructs: bool

    def __post_init__(self) -> None:
        self._past: Rows | None = None
        self._forecasts = np.zeros((0, 0, 0), np.float32)

    def follow(self, rows: Rows) -> Followed:
        """Returns what was expected of the next rows."""
        both = rows if self._past is None else _joined(self._past, rows)
        before = len(both.values) - len(rows.values)
        found = (self._reconstructed if self.reconstructs else self._forecast)(both, before)
        # Copies, as views would keep all rows.
        kept = self.examples.lookback
        self._past = Rows(*(np.array(array[-kept:]) for array in both))
        return found

    def _forecast(self, rows: Rows, before: int) -> Followed:
        """Returns what was expected of the rows but for the first `before`."""
        examples = self.examples
        lookback, horizon = examples.lookback, examples.horizon
        count, targets = len(rows.values) - before, len(examples.targets)
        forecasts = np.full((count, horizon, targets), np.nan, np.float32)
        first = max(before, lookback)  # the first row with a whole past
        if first < len(rows.values):
            own = Rows(*(array[first - lookback :] for array in rows))
            forecasts[first - before :] = self.answer(self._inputs(own, horizon))
        past = len(self._forecasts)
        every = np.concatenate([self._forecasts, forecasts]) if past else forecasts
        self._forecasts = np.array(every[len(every) - min(len(every), horizon - 1) :])
        # made[t, h]: the forecast of row t that was made from the rows up to h + 1 before it.
        made = np.full((count, horizon, targets), np.nan, np.float32)
        for ahead in range(horizon):
            start = max(ahead - past, 0)
            made[start:, ahead] = every[past + start - ahead : len(every) - ahead, ahead]
        actual = self._known_targets(rows)[before:]
        return Followed(actual[:, None] - made, _mean(made))

    def _reconstructed(self, rows: Rows, before: int) -> Followed:
        """As `_forecast`."""
        lookback, targets = self.examples.lookback, len(self.examples.targets)
        count = len(rows.values) - before
        found = np.full((count, lookback, targets), np.nan, np.float32)
        actual = found.copy()
        first = max(before, lookback - 1)  # the first row that ends a whole window
        if first < len(rows.values):
            own = Rows(*(array[first - lookback + 1 :] for array in rows))
            found[first - before :] = self.answer(self._inputs(own, 0))
            actual[first - before :] = _windows(self._known_targets(own), lookback)
        return Followed(actual - found, found[:, -1])

    def _inputs(self, rows: Rows, ahead: int) -> dict[str, np.ndarray]:
        """Returns the network's inputs for windows of the rows: each window but the one that ends
        with the last row, where the network looks `ahead`; else that one as well."""
        examples, lookback = self.examples, self.examples.lookback
        count = len(rows.values) - lookback + (0 if ahead else 1)
        inputs = {"window": _windows(rows.values[:, examples.inputs], lookback)[:count]}
        inputs["series"] = np.full(count, self.number, np.int32)
        if examples.inputs_observed.shape[1]:
            seen = rows.inputs_observed.astype(np.float32)
            inputs["observed"] = _windows(seen, lookback)[:count]
        for name, array in examples.of_series.items():
            inputs[name] = np.repeat(array[self.number][None], count, axis=0)
        if examples.known.shape[1] and ahead:
            inputs["known"] = self._known(rows.times[:-1], ahead)
        return inputs

    def _known(self, clock: np.ndarray, ahead: int) -> np.ndarray:
        """Returns the calendar of windows of rows with these times, (rows,), and of the steps
        behind each, (windows, lookback + ahead, features)."""
        examples, lookback = self.examples, self.examples.lookback
        step = grid.parse(examples.frequency)
        every = np.concatenate([clock, step.following(clock[-1], ahead)])
        if np.array_equal(every[1:], step.following(clock[0], len(every) - 1)):
            return _windows(self._calendar(every), lookback + ahead)
        # Rows whatever their times: which time a row will have is not known before it.
        coming = [step.following(end, ahead) for end in clock[lookback - 1 :]]
        later = self._calendar(np.concatenate(coming)).reshape(len(coming), ahead, -1)
        return np.concatenate([_windows(self._calendar(clock), lookback), later], axis=1)

    def _calendar(self, clock: np.ndarray) -> np.ndarray:
        local = times.local(clock, self.about.zone, self.about.in_utc)
        return self.examples.known_of(local, np.zeros((len(clock), 0)), self.number)

    def _known_targets(self, rows: Rows) -> np.ndarray:
        """Returns the targets of rows, (rows, targets), NaN where one was filled in."""
        return np.where(rows.observed, rows.values[:, self.examples.targets], np.nan)


def _windows(array: np.ndarray, steps: int) -> np.ndarray:
    """Returns all windows of so many rows, (windows, steps, columns), as a view."""
    return sliding_window_view(array, steps, axis=0).transpose(0, 2, 1)


def _joined(first: Rows, second: Rows) -> Rows:
    return Rows(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def _mean(made: np.ndarray) -> np.ndarray:
    """Returns the mean over steps (rows, steps, targets) of what is known; NaN where nothing is."""
    known = np.isfinite(made)
    count = known.sum(axis=1)
    total = np.where(known, made, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
