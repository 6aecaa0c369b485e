"""What stages write for each other about series."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from stages.formats import Reading
from stages.series import anchors
from stages.series.calendar import CalendarFeature, features
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
        rows_ahead: how many rows are behind the last targets, with values of known columns alone.
        series: how many there are.
        inputs, targets, known: names of columns.
        static, categories: the values of each column that is the same in all rows of a series, in
            the order of the series.
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
    rows_ahead: int
    inputs: list[str]
    targets: list[str]
    known: list[str]
    static: dict[str, list[float]]
    categories: dict[str, list[str]]
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
        cycles, holidays: of the calendar: the cycles, and the place with holidays, if any.
        known_inputs: names of the inputs whose future is known.
        series, dropped_series: names.
        per_series: whether each series has a scaler of its own, unless there is none.
        standardisation: the mean and the standard deviation of each static column.
        levels: the values that each category has among the series that train.
        windows: how many windows each split has.
        values: (rows, columns) float32, scaled.
        observed: (rows, targets) bool, False where a target was filled in.
        inputs_observed: (rows, inputs) bool, likewise for inputs; without columns unless the
            network is told.
        known: (rows, features) float32, what is known of each step, also of those to come: the
            calendar, and the known inputs, scaled.
        static: (series, columns) float32, standardised.
        categories: (series, columns) int32, numbers of levels; -1 for one that no series that
            trains has.
        starts: (series + 1,) first row of each series, and the number of rows.
        spans: (3, series, 2), of `stages.series.windows.spans`.
        training: (series, 2) first training row, and the row after the last one.
        stops: (series,) the row after the last one that has targets.
        shift_, scale_: of the scaler. known_shift_, known_scale_: of that of `known`, which leaves
            the calendar as it is.
    """

    columns: list[str]
    inputs: list[int]
    targets: list[int]
    frequency: str
    season: int
    lookback: int
    horizon: int
    stride: int
    cycles: list[CalendarFeature | int]
    holidays: str | None
    known_inputs: list[str]
    series: list[str]
    dropped_series: list[str]
    scaler: ScalerName
    log: bool
    per_series: bool
    standardisation: dict[str, list[float]]
    levels: dict[str, list[str]]
    rows_fitted_on: int
    imputed_targets: int
    windows: dict[str, int]
    values: np.ndarray
    observed: np.ndarray
    inputs_observed: np.ndarray
    known: np.ndarray
    static: np.ndarray
    categories: np.ndarray
    starts: np.ndarray
    spans: np.ndarray
    training: np.ndarray
    stops: np.ndarray
    shift_: np.ndarray
    scale_: np.ndarray
    known_shift_: np.ndarray
    known_scale_: np.ndarray

    @cached_property
    def fitted_scaler(self) -> Scaler:
        return Scaler(np.asarray(self.shift_), np.asarray(self.scale_), self.log)

    @cached_property
    def known_scaler(self) -> Scaler:
        return Scaler(np.asarray(self.known_shift_), np.asarray(self.known_scale_))

    def known_of(self, clock: np.ndarray, planned: np.ndarray, series: int) -> np.ndarray:
        """Returns rows of `known` for the times `clock` (rows,) of a series, and its known inputs
        `planned` (rows, inputs), in raw units."""
        calendar = features(clock, self.cycles, self.holidays)
        raw = np.concatenate([calendar, planned], axis=1)[None]
        every = list(range(raw.shape[2]))
        scaled = self.known_scaler.forward(raw, np.array([series]), every)[0]
        return scaled.astype(np.float32)

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
    def of_series(self) -> dict[str, np.ndarray]:
        """The network's inputs that are the same in all windows of a series, (series, columns)."""
        arrays = {"static": self.static, "categories": self.categories}
        return {name: np.asarray(array) for name, array in arrays.items() if array.shape[1]}

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
            self.known,
            self.spans[SPLITS.index(split)],
            self.lookback,
            self.horizon,
            self.stride if split == "train" else 1,
            self.inputs,
            self.targets,
            self.known.shape[1] - 2 * len(self.cycles),
            self.inputs_observed if self.inputs_observed.shape[1] else None,
            self.of_series,
        )

    def until(self, rows: np.ndarray) -> "SeriesExamples":
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
