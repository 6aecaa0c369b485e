"""Forecasts from several origins of the test split beside what happened, for a few series."""

from functools import partial

import numpy as np
import pandas as pd

from stages.drawing import shown
from stages.files.task_data import TaskData
from stages.kinds.data import Picture
from stages.series import intervals, times
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.drawing import draw_backtest
from stages.series.outcomes import Outcomes

Data = TaskData[IngestedSeries, SeriesExamples]

ORIGINS = 12


def backtest(
    data: Data, test: Outcomes, forecast: np.ndarray, widths: np.ndarray, scale: np.ndarray
) -> tuple[str, Picture]:
    """Shows forecasts of the hardest, the median and the easiest series.

    Args:
        test: the windows of the test split.
        forecast: (windows, horizon, targets) in the scaler's units.
        widths: half widths of the intervals, (levels, horizon, targets), in the same units.
        scale: (series, targets) of `stages.series.metrics.seasonal_scale`.

    Returns:
        The table of `rows_of` as CSV, and a picture of the first target of these series.
    """
    examples = data.examples
    targets = examples.target_names
    truth = data.ingested.read(["time", *targets])
    truth[targets] = truth[targets].where(np.asarray(examples.observed))
    errors = errors_by_series(test, forecast, scale)
    names = selected(np.unique(test.series), errors)
    windows = []
    for series in names:
        own = np.flatnonzero(test.series == series)
        windows.append(own[origins(len(own), examples.horizon, ORIGINS)])
    chosen = np.concatenate(windows)
    rows = rows_of(data, test, truth, chosen, forecast[chosen], widths)
    content = str(rows.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
    return content, _picture(data, truth, rows, names, errors)


def errors_by_series(test: Outcomes, forecast: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Returns the MASE of each series over its test windows and targets, (series,); NaN where there
    is none. The arguments are those of `backtest`."""
    scaled = np.abs(test.actual - test.restored(forecast)) / scale[test.series][:, None, :]
    counts = (test.mask > 0) & np.isfinite(scaled)
    total, number = (
        np.bincount(test.series, values.sum(axis=(1, 2)), len(scale))
        for values in (np.where(counts, scaled, 0), counts)
    )
    return np.divide(total, number, out=np.full(len(scale), np.nan), where=number > 0)


def selected(series: np.ndarray, errors: np.ndarray) -> dict[int, str]:
    """Returns the hardest, the median and the easiest of some series, by what they are called.

    Those without an error are left out, if there are others. Ties are in the order of `series`.

    Args:
        series: (chosen,) numbers. errors: (series,) of all, NaN where there is none.
    """
    rated = series[np.isfinite(errors[series])]
    rated = rated if len(rated) else series
    order = rated[np.argsort(-errors[rated], kind="stable")].tolist()
    places = {0: "hardest", len(order) // 2: "median", len(order) - 1: "easiest"}
    return {order[place]: name for place, name in places.items()}


def origins(windows: int, horizon: int, most: int) -> np.ndarray:
    """Returns which of so many consecutive windows are forecast so that no horizons overlap: from
    the first one on, each a horizon after the last; or `most` of these, evenly spread.

    With 8 windows and horizon 3 these are windows 0, 3 and 6.
    """
    apart = np.arange(0, windows, horizon)
    if len(apart) <= most:
        return apart
    return apart[np.round(np.linspace(0, len(apart) - 1, most)).astype(np.int64)]


def rows_of(
    data: Data,
    test: Outcomes,
    truth: pd.DataFrame,
    windows: np.ndarray,
    forecast: np.ndarray,
    widths: np.ndarray,
) -> pd.DataFrame:
    """Returns a row for each of some windows, step and target.

    Args:
        truth: `time` and the targets of all rows, NaN where they were filled in.
        windows: (chosen,) indices of test windows.
        forecast: of these, (chosen, horizon, targets), in the scaler's units.
        widths: as for `backtest`.

    Returns:
        `series`, `target`, `origin` (the time of the last known row), `time`, `step`, `actual`,
        `forecast`, `lower_80`, `upper_80`, `lower_95`, `upper_95`, in raw units.
    """
    examples, about = data.examples, data.ingested.about
    targets, horizon = examples.target_names, examples.horizon
    series, first = test.series[windows], test.origins[windows]
    rows, each = first[:, None] + np.arange(horizon), horizon * len(targets)
    columns = {
        "actual": truth[targets].to_numpy(np.float64)[rows],
        "forecast": np.clip(examples.restored(forecast, series), *test.limits),
    }
    for level, width in zip(intervals.LEVELS, widths, strict=True):
        for side, sign in (("lower", -1), ("upper", 1)):
            bound = examples.restored(forecast + sign * width, series)
            columns[f"{side}_{level}"] = np.clip(bound, *test.limits)
    clock = truth["time"].to_numpy()
    origin, time = np.repeat(clock[first - 1], each), np.repeat(clock[rows], len(targets))
    return pd.DataFrame(
        {
            "series": np.repeat(np.array(examples.series, dtype=object)[series], each),
            "target": np.tile(targets, rows.size),
            "origin": times.shown(origin, about.zone, about.in_utc),
            "time": times.shown(time, about.zone, about.in_utc),
            "step": np.tile(np.repeat(np.arange(1, horizon + 1), len(targets)), len(windows)),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )


def history_of(data: Data, truth: pd.DataFrame, series: int) -> pd.DataFrame:
    """Returns the `time`, on the clock, and the `actual` first target of a series, to the end of
    the test split from a lookback before its first forecast on, or from twice the length of the
    split before, if that is shorter.

    Args:
        truth: as for `rows_of`.
    """
    examples, about = data.examples, data.ingested.about
    first, after = np.asarray(examples.spans)[2, series].tolist()
    end = after + examples.horizon - 1
    rows = truth.iloc[first - min(examples.lookback, 2 * (end - first)) : end]
    clock = times.local(rows["time"].to_numpy(), about.zone, about.in_utc)
    return pd.DataFrame({"time": clock, "actual": rows[examples.target_names[0]].to_numpy()})


def _picture(
    data: Data, truth: pd.DataFrame, rows: pd.DataFrame, names: dict[int, str], errors: np.ndarray
) -> Picture:
    """Returns the picture of the first target of the series in `names`."""
    examples = data.examples
    target = examples.target_names[0]
    for column in ("origin", "time"):
        if isinstance(rows[column].dtype, pd.DatetimeTZDtype):
            rows = rows.assign(**{column: rows[column].dt.tz_localize(None)})
    title, draws = f"{target}, forecasts of the test split", []
    for series, called in names.items():
        name, rated = examples.series[series], _rated(errors[series], len(examples.targets))
        if len(names) == 1:
            of = "" if name == "all" else f" of {name}"
            title, own = f"{target}{of}, forecasts of the test split{rated}", None
        else:
            own = f"{called}: {shown(name, 40)}{rated}"
        known = history_of(data, truth, series)
        drawn = rows[(rows["series"] == name) & (rows["target"] == target)]
        draws.append(partial(draw_backtest, known=known, forecasts=drawn, title=own))
    return Picture(title, draws)


def _rated(error: float, targets: int) -> str:
    if not np.isfinite(error):
        return ""
    return f" (MASE {error:.3g}{f' over {targets} targets' if targets > 1 else ''})"
