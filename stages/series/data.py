"""What stages write for each other about series."""

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from stages.formats import Reading
from stages.series import anchors
from stages.series.calendar import CalendarFeature
from stages.series.scaling import Scaler, ScalerName
from stages.series.windows import Windows
from stages.splits import SPLITS


@dataclass(frozen=True)
class IngestedSeries:
    """What `ingest` says of a table of series.

    Attributes:
        reading: what was detected while reading the raw file, such as its separator.
        frequency: the step between times, as `stages.series.grid` says.
        missing_times, missing_values: how many were filled in.
        series: how many there are.
        inputs, targets: names of columns.
        zone, in_utc: the time zone of the times, and whether the table holds them in UTC.
    """

    reading: Reading
    raw_rows: int
    was_sorted: bool
    duplicates: int
    frequency: str
    missing_times: int
    missing_values: int
    rows: int
    series: int
    split_rows: dict[str, int]
    rows_in_no_split: int
    inputs: list[str]
    targets: list[str]
    first_time: str
    last_time: str
    zone: str | None
    in_utc: bool


@dataclass(frozen=True)
class SeriesExamples:
    """Scaled series, each stored once, and their windows as an index.

    Attributes:
        columns: names of the columns of `values`; inputs, targets: their numbers.
        frequency: the step between times. season: steps after which series repeat; 1 is none.
        cycles: the calendar features.
        series, dropped_series: names.
        windows: how many windows each split has.
        values: (rows, columns) float32, scaled.
        observed: (rows, targets) bool, False where a target was filled in.
        calendar: (rows, features) float32.
        starts: (series + 1,) first row of each series, and the number of rows.
        spans: (3, series, 2), of `stages.series.windows.spans`.
        training: (series, 2) first training row, and the row after the last one.
        shift_, scale_: of the scaler.
    """

    columns: list[str]
    inputs: list[int]
    targets: list[int]
    frequency: str
    season: int
    lookback: int
    horizon: int
    stride: int
    cycles: list[CalendarFeature | int] = field(metadata={"key": "calendar"})
    series: list[str]
    dropped_series: list[str]
    scaler: ScalerName
    log: bool
    rows_fitted_on: int
    imputed_targets: int
    windows: dict[str, int]
    values: np.ndarray
    observed: np.ndarray
    calendar: np.ndarray
    starts: np.ndarray
    spans: np.ndarray
    training: np.ndarray
    shift_: np.ndarray
    scale_: np.ndarray

    @cached_property
    def fitted_scaler(self) -> Scaler:
        return Scaler(np.asarray(self.shift_), np.asarray(self.scale_), self.log)

    @cached_property
    def anchor(self) -> anchors.Anchor:
        """The closed-form forecast, fitted on the training windows and blended on validation."""
        train, validation = (self.windows_of(split) for split in ("train", "validation"))
        return anchors.fit(train, validation, self.season)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """The first row of each series, (series,)."""
        return np.asarray(self.starts)[:-1]

    @property
    def target_names(self) -> list[str]:
        return [self.columns[target] for target in self.targets]

    @property
    def input_names(self) -> list[str]:
        return [self.columns[column] for column in self.inputs]

    def windows_of(self, split: str) -> Windows:
        """Returns the windows of a split. Only training windows are strided."""
        return Windows(
            self.values,
            self.observed,
            self.calendar,
            self.spans[SPLITS.index(split)],
            self.lookback,
            self.horizon,
            self.stride if split == "train" else 1,
            self.inputs,
            self.targets,
        )

    def known(self, rows: np.ndarray) -> "SeriesExamples":
        """Returns examples whose training windows are all those that end before some rows, to train
        on what is known by then. Their anchor keeps the penalties and shares that validation chose.

        Args:
            rows: (series,) the row after the last one that is known of each series.
        """
        taken = np.diff(self.spans, axis=-1)[..., 0].all(axis=0)
        first = np.asarray(self.training)[:, 0] + self.lookback
        after = np.where(taken, np.maximum(rows - self.horizon + 1, first), first)
        spans = np.array(self.spans)
        spans[SPLITS.index("train")] = np.stack([first, after], axis=-1)
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return KnownSeries(**(own | {"spans": spans, "chosen_by": self}))

    def restored(self, scaled: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Returns scaled targets (windows, horizon, targets) of `series` (windows,) in raw
        units."""
        return self.fitted_scaler.inverse(scaled, series, self.targets)

    @cached_property
    def raw_targets(self) -> np.ndarray:
        """The targets of all rows in raw units, (rows, targets) float64."""
        starts = np.asarray(self.starts)
        series = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return self.restored(np.asarray(self.values)[:, None, self.targets], series)[:, 0]


@dataclass(frozen=True)
class KnownSeries(SeriesExamples):
    """Examples with other training windows than `chosen_by`, on whose validation split what is not
    fitted was chosen."""

    chosen_by: SeriesExamples

    @cached_property
    def anchor(self) -> anchors.Anchor:
        return anchors.refit(self.chosen_by.anchor, self.windows_of("train"), self.season)
