"""Ingested series to scaled series, each stored once, and windows as an index."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from stages.errors import InputError
from stages.sections import Count, Section
from stages.series import calendar as cycles
from stages.series import fitting, grid, seasons, statics, times, windows
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.scaling import Scaler, ScalerName
from stages.series.splits import starts_of
from stages.splits import SPLITS

log = logging.getLogger("reprise")


class Windowing(Section):
    """How series become examples.

    scaler, per_series: `minmax`, `standard` or `none`, per feature; one scaler for each series, or
        one for all.
    log: whether the logarithm is taken before; for positive series that grow in per cent.
    lookback, horizon: past steps seen and future steps predicted.
    season: steps after which a series repeats; 1 is none; null: found by autocorrelation on the
        training rows.
    stride: steps between training windows; validation and test have every window.
    calendar: cycles given for past and future steps: `hour`, `weekday`, ...; lengths in steps where
        times are whole numbers.
    holidays: the place whose holidays are given for past and future steps of a day or less, as the
        package `holidays` names it: DE, US-CA.
    mask: whether the network also sees which values of its inputs were filled in (`ingest.gaps`).
    short_series: what becomes of series that have no window in each split.
    """

    scaler: ScalerName = "minmax"
    per_series: bool = False
    log: bool = False
    lookback: Count
    horizon: Count
    season: Count | None = None
    stride: Count = 1
    calendar: Annotated[list[cycles.CalendarFeature | Count], Field(max_length=100)] = []
    holidays: Annotated[str, AfterValidator(cycles.check_place)] | None = None
    mask: bool = False
    short_series: Literal["error", "drop"] = "error"


def windowed(
    table: pd.DataFrame, ingested: IngestedSeries, parameters: Windowing
) -> SeriesExamples:
    """Returns the examples of a tidy table."""
    columns = list(dict.fromkeys([*ingested.targets, *ingested.inputs]))
    codes = table["series"].cat.codes.to_numpy()
    starts = starts_of(codes)
    names = table["series"].cat.categories.to_numpy()[codes[starts[:-1]]]
    boundaries = split_boundaries(table["split"].cat.codes.to_numpy(), starts)
    spans, short = _spans(boundaries, names, parameters)
    observed = table[[f"observed_{name}" for name in ingested.targets]].to_numpy()
    _check_targets(observed.any(axis=1), spans, parameters.horizon)
    raw, found = _values(table, columns)
    training = np.delete(boundaries[:, :2], short, axis=0)
    _check_columns(columns, found, training)
    if parameters.log:
        _check_logarithm(columns, raw)
    _check_each(table, [*columns, *ingested.known], np.delete(names, short), training, parameters)
    ranges = boundaries[:, :2] if parameters.per_series else training
    scaler = fitting.fit(parameters.scaler, found, ranges, parameters.per_series, parameters.log)
    # Rows ahead of what has happened have no value.
    ahead = np.add.reduceat(np.isnan(raw[:, 0]), starts[:-1])
    examples = SeriesExamples(
        columns=columns,
        inputs=[columns.index(name) for name in ingested.inputs],
        targets=[columns.index(name) for name in ingested.targets],
        frequency=ingested.frequency,
        season=_season(found[:, : len(ingested.targets)], training, ingested, parameters),
        lookback=parameters.lookback,
        horizon=parameters.horizon,
        stride=parameters.stride,
        cycles=list(parameters.calendar),
        holidays=parameters.holidays,
        known_inputs=ingested.known,
        series=names.tolist(),
        dropped_series=names[short].tolist(),
        scaler=parameters.scaler,
        log=parameters.log,
        per_series=parameters.per_series,
        **_of_series(ingested, short, len(names)),
        rows_fitted_on=int(np.diff(training).sum()),
        imputed_targets=int((~observed).sum() - ahead.sum() * len(ingested.targets)),
        windows={},
        values=_scaled(scaler, columns, raw, starts),
        observed=observed,
        inputs_observed=_inputs_observed(table, ingested.inputs if parameters.mask else []),
        **_known(table, ingested, parameters, training, ranges, starts),
        starts=starts,
        spans=spans,
        training=boundaries[:, :2],
        stops=starts[1:] - ahead,
        shift_=scaler.shift_,
        scale_=scaler.scale_,
    )
    return replace(examples, windows={split: len(examples.windows_of(split)) for split in SPLITS})


def _values(table: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns of a tidy table, (rows, columns) float64, and these with NaN where a
    value was filled in: that is seen, and counts nowhere."""
    raw = table[list(columns)].to_numpy(np.float64)
    observed = table[[f"observed_{name}" for name in columns]].to_numpy()
    return raw, np.where(observed, raw, np.nan)


def _scaled(
    scaler: Scaler, columns: Sequence[str], raw: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Returns the scaled values, (rows, columns) float32. Raises `InputError` for one that is too
    large for it: what is infinite has no error, so it would count as missing."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = scaler.transform(raw, starts)
    if (lost := ~np.isfinite(values) & np.isfinite(raw)).any():
        row, column = np.argwhere(lost)[0]
        raise InputError(
            f"column {columns[int(column)]!r}: expected values that 32 bits can hold once they are "
            f"scaled, received {raw[row, column]} ({int(lost.sum())} such values): if it stands "
            "for a missing one, name it in ingest.missing"
        )
    return values


def _known(
    table: pd.DataFrame,
    ingested: IngestedSeries,
    parameters: Windowing,
    training: np.ndarray,
    ranges: np.ndarray,
    starts: np.ndarray,
) -> dict[str, Any]:
    """Returns what is known of each step, and its scaler, which leaves the calendar as it is, by
    the names of the examples' fields.

    Args:
        training: (series, 2) the training rows of the series with windows.
        ranges: those that the scaler is fitted on.
        starts: (series + 1,) the first row of each series, and the number of rows.
    """
    clock = times.local(table["time"].to_numpy(), ingested.zone, ingested.in_utc)
    calendar = cycles.features(clock, parameters.calendar, parameters.holidays)
    if parameters.holidays:
        _check_days(clock[0], ingested.frequency)
        if not any(calendar[start:stop, -1].any() for start, stop in training):
            log.warning(
                "scale_and_window.holidays: none of %s is in the training rows, so nothing can be "
                "learned of them: give more rows, or leave them out",
                parameters.holidays,
            )
    raw, found = _values(table, ingested.known)
    _check_columns(ingested.known, found, training)
    name = parameters.scaler if ingested.known else "none"
    scaler = fitting.fit(name, found, ranges, parameters.per_series)
    if parameters.per_series and name != "none":
        scaler = fitting.widened(scaler, found, ranges, fitting.fit(name, found, training, False))
    left = np.zeros((len(scaler.shift_), calendar.shape[1]))
    whole = Scaler(
        np.concatenate([left, scaler.shift_], axis=1),
        np.concatenate([left + 1, scaler.scale_], axis=1),
    )
    return {
        "known": whole.transform(np.concatenate([calendar, raw], axis=1), starts),
        "known_shift_": whole.shift_,
        "known_scale_": whole.scale_,
    }


def _check_days(time: np.datetime64, frequency: str) -> None:
    """Raises `InputError` where all steps are longer than a day, in which a holiday is no single
    step."""
    if np.diff(grid.parse(frequency).following(time, 8)).min() > np.timedelta64(1, "D"):
        raise InputError(
            f"scale_and_window.holidays: expected steps of a day or less, received {frequency!r}: "
            "give the number of holidays in each step as a column of ingest.known"
        )


def _of_series(ingested: IngestedSeries, short: np.ndarray, series: int) -> dict[str, Any]:
    """Returns what the examples say of each of so many series as a whole, by the names of their
    fields; fitted on those that are not too `short` to train."""
    training = np.delete(np.arange(series), short)
    fitted = statics.standardisation(ingested.static, training)
    levels = statics.levels(ingested.categories, training)
    return {
        "standardisation": fitted,
        "levels": levels,
        "static": statics.standardised(ingested.static, fitted, series),
        "categories": statics.encoded(ingested.categories, levels, series),
    }


def _inputs_observed(table: pd.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    """Returns which values of the inputs were not filled in, (rows, inputs) bool."""
    observed = table[[f"observed_{name}" for name in inputs]].to_numpy(bool)
    # Rows ahead of what has happened have no values, and are in no window.
    happened = table[list(inputs)].notna().any(axis=1)
    if len(inputs) and observed[happened].all():
        log.warning(
            "scale_and_window.mask: no value of the inputs was filled in, so the network is told "
            "nothing by it"
        )
    return observed


def _season(
    targets: np.ndarray, training: np.ndarray, ingested: IngestedSeries, parameters: Windowing
) -> int:
    """Returns the season that is given, or found on the training rows, and says so."""
    season = parameters.season
    if season is None:
        columns = range(targets.shape[1])
        series = (targets[start:stop, column] for start, stop in training for column in columns)
        season = seasons.find(series, ingested.frequency)
        found = f"{season} steps, found on the training rows" if season > 1 else "none found"
        log.info("season: %s", found)
    if season > parameters.lookback:
        log.warning(
            "season of %d steps: the linear forecast that the network corrects sees no last "
            "season, as lookback has %d steps",
            season,
            parameters.lookback,
        )
    return season


def split_boundaries(splits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Returns (series, 4) where the splits of each series begin and end, from the code of each
    row's split (-1: none)."""
    first = starts[:-1]
    before = np.stack(
        [np.concatenate([[0], np.cumsum(splits == code)]) for code in range(len(SPLITS))], axis=1
    )
    sizes = before[starts[1:]] - before[first]
    return first[:, None] + np.concatenate(
        [np.zeros((len(first), 1), np.int64), np.cumsum(sizes, axis=1)], axis=1
    )


def _spans(
    boundaries: np.ndarray, names: np.ndarray, parameters: Windowing
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the spans of `stages.series.windows.spans`, empty for series that are too short, and
    the numbers of these."""
    spans = windows.spans(boundaries, parameters.lookback, parameters.horizon)
    short = np.flatnonzero((spans[:, :, 1] <= spans[:, :, 0]).any(axis=0))
    if len(short) and (parameters.short_series == "error" or len(short) == len(names)):
        sizes = dict(zip(SPLITS, np.diff(boundaries[short[0]]).tolist(), strict=True))
        raise InputError(
            f"expected at least one window of lookback {parameters.lookback} and horizon "
            f"{parameters.horizon} in each split of each series, received {sizes} rows in series "
            f"{names[short[0]]!r} ({len(short)} of {len(names)} series are too short): shorten "
            "lookback or horizon, move ingest.split, or set scale_and_window.short_series to drop"
        )
    spans[:, short, 1] = spans[:, short, 0]
    return spans, short


def _check_targets(observed: np.ndarray, spans: np.ndarray, horizon: int) -> None:
    """Raises `InputError` where the windows of a split have no target but filled-in ones: nothing
    could be learned from it, or scored."""
    before = np.concatenate([[0], np.cumsum(observed)])
    for split, (starts, stops) in zip(SPLITS, spans.transpose(0, 2, 1), strict=True):
        exists = stops > starts
        if not (before[stops[exists] + horizon - 1] > before[starts[exists]]).any():
            raise InputError(
                f"expected a known target in the windows of {split}, received missing ones alone: "
                "move ingest.split or give more rows"
            )


def _check_columns(columns: Sequence[str], found: np.ndarray, training: np.ndarray) -> None:
    """Raises `InputError` for a column that is constant in training."""
    for index, name in enumerate(columns):
        extremes = [
            (np.nanmin(values), np.nanmax(values))
            for start, stop in training
            if np.isfinite(values := found[start:stop, index]).any()
        ]
        if all(low == high for low, high in extremes):
            shown = f"{float(extremes[0][0])} in all" if extremes else "none in any of the"
            raise InputError(
                f"column {name!r}: expected values that vary, received {shown} training rows: "
                "leave it out, or move ingest.split"
            )


def _check_each(
    table: pd.DataFrame,
    columns: Sequence[str],
    names: np.ndarray,
    training: np.ndarray,
    parameters: Windowing,
) -> None:
    """Raises `InputError` for a series that has a scaler of its own, and no value of a column to
    fit it on."""
    if not parameters.per_series or parameters.scaler == "none":
        return
    found = _values(table, columns)[1]
    for name, (start, stop) in zip(names, training, strict=True):
        absent = np.isnan(found[start:stop]).all(axis=0)
        if absent.any():
            raise InputError(
                f"column {columns[int(absent.argmax())]!r}: expected a value in the training rows "
                f"of the series {name!r} to scale it by, received missing ones alone: give one, "
                "leave the series out, or set scale_and_window.per_series to false"
            )


def _check_logarithm(columns: Sequence[str], raw: np.ndarray) -> None:
    """Raises `InputError` for a column with values, filled-in ones among them, that have none."""
    for name, smallest in zip(columns, np.nanmin(raw, axis=0), strict=True):
        if smallest <= 0:
            raise InputError(
                f"column {name!r}: expected positive values for scale_and_window.log, received "
                f"{smallest}"
            )
