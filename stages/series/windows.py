"""Windows as an index: a window is the row of its first target; its values are cut from the series
when a batch needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stages.batching import Batch


def spans(boundaries: np.ndarray, lookback: int, horizon: int) -> np.ndarray:
    """Returns which rows can be the first target row of a window of each split.

    All targets of a window lie in its split; its past may reach back into the split before, which
    was known by then. The first `lookback` rows of a series have no whole past, and the last
    `horizon - 1` rows of a split no whole future.

    With lookback 2 and horizon 1, and a series of 5 training rows, 1 validation row and 1 test row,
    windows are (past rows -> target row):

    | split | windows |
    |---|---|
    | train | 0, 1 -> 2; 1, 2 -> 3; 2, 3 -> 4 |
    | validation | 3, 4 -> 5 |
    | test | 4, 5 -> 6 |

    Args:
        boundaries: (series, 4) as `stages.series.splits.boundaries` returns it.

    Returns:
        (3, series, 2) for each split and series the first such row and the row after the last one;
        equal if there is none.
    """
    first = np.maximum(boundaries[:, :-1], boundaries[:, :1] + lookback)
    after = np.maximum(boundaries[:, 1:] - horizon + 1, first)
    return np.stack([first, after], axis=-1).transpose(1, 0, 2)


@dataclass(frozen=True)
class Windows:
    """The windows of one split. Only arrays of the series' own size and of (series,) are held;
    nothing is copied.

    Attributes:
        values: (rows, columns) float32, scaled; may be memory-mapped.
        observed: (rows, targets) bool, False where a target was filled in: such values are seen but
            never scored.
        known: (rows, features) float32, what is known of each step, also of those to come.
        spans: (series, 2) rows that can be a window's first target.
        stride: steps between windows of a series.
        inputs, targets: the columns of `values` that are seen and predicted.
        planned: how many of the last features of `known` are no cycles of the calendar.
        inputs_observed: (rows, inputs) bool, False where an input was filled in; None where the
            network is not told.
        of_series: inputs that are the same in all windows of a series, (series, columns), by name.
    """

    values: np.ndarray
    observed: np.ndarray
    known: np.ndarray
    spans: np.ndarray
    lookback: int
    horizon: int
    stride: int
    inputs: list[int]
    targets: list[int]
    planned: int = 0
    inputs_observed: np.ndarray | None = None
    of_series: Mapping[str, np.ndarray] = field(default_factory=dict)
    streams = None  # a window needs no other
    lengths = None  # all windows have the same

    @cached_property
    def _ends(self) -> np.ndarray:
        """The number of windows up to and with each series, (series,)."""
        return np.cumsum(-(-(self.spans[:, 1] - self.spans[:, 0]) // self.stride))

    @cached_property
    def _offsets(self) -> np.ndarray:
        """What turns the stride times a window's index into its first target row, (series,)."""
        return self.spans[:, 0] - self.stride * np.concatenate([[0], self._ends[:-1]])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the first target row and the series of the windows `indices`, (windows,) each."""
        series = np.searchsorted(self._ends, indices, side="right")
        return self._offsets[series] + self.stride * indices, series

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns the windows `indices` as a batch.

        Returns:
            `inputs`: `window` (windows, lookback, inputs), `known` (windows, lookback + horizon,
            features) and `series` (windows,) int32; where there are any, `observed` (windows,
            lookback, inputs) float32, 0 for what was filled in, and those of the series (windows,
            columns); and what `future` returns.
        """
        origins, series = self.locate(indices)
        steps = origins[:, None] + np.arange(-self.lookback, self.horizon)
        inputs = {
            "window": _columns(self.values[steps[:, : self.lookback]], self.inputs),
            "known": self.known[steps],
            "series": series.astype(np.int32),
            **{name: array[series] for name, array in self.of_series.items()},
        }
        if self.inputs_observed is not None:
            marks = self.inputs_observed[steps[:, : self.lookback]]
            inputs["observed"] = marks.astype(np.float32)
        future = self.future(indices)
        return {"inputs": inputs, "targets": future["targets"], "mask": future["mask"]}

    def future(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `targets` and `mask` of the windows `indices`, (windows, horizon, targets)
        float32; mask 0 is never scored."""
        steps = self.locate(indices)[0][:, None] + np.arange(self.horizon)
        return {
            "targets": _columns(self.values[steps], self.targets),
            "mask": self.observed[steps].astype(np.float32),
        }


def _columns(values: np.ndarray, columns: list[int]) -> np.ndarray:
    """Returns the columns of `values`; all of them in their order are no copy."""
    return values if columns == list(range(values.shape[-1])) else values[..., columns]
