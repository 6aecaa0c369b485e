"""The future after the last known row of each series."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.batching import Batch
from stages.errors import InputError
from stages.files.joining import join
from stages.files.task_data import TaskData
from stages.kinds.data import Answer, Arrays, Prediction, Request
from stages.kinds.forecasting import ingest, newcomers
from stages.sections import Count, Section
from stages.series import ahead, bounds, grid, intervals, times
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.drawing import draw_forecast as draw

log = logging.getLogger("reprise")
Data = TaskData[IngestedSeries, SeriesExamples]

# What the columns of quantiles begin with.
QUANTILE = "q_"

__all__ = ["Parameters", "arguments", "draw", "predict"]


class Parameters(Section):
    """history: known steps drawn before the forecast.
    refit: whether the forecast is that of a network that is retrained on all rows, for as many
        epochs as validation chose. Its intervals and quantiles stay those of the network that was
        judged on validation and test.
    """

    history: Count = 100
    refit: bool = False


@dataclass(frozen=True)
class Last:
    """The last window of each series, as batches without targets.

    Attributes:
        inputs: as `stages.series.windows.Windows.cut` returns them.
        names: of the series. futures: their times after the window, (horizon,) each.
    """

    inputs: dict[str, np.ndarray]
    names: list[str]
    futures: list[np.ndarray]
    streams = None
    lengths = None

    def __len__(self) -> int:
        return len(self.names)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        return {
            "inputs": {name: array[indices] for name, array in self.inputs.items()},
            "mask": np.zeros(len(indices), np.float32),
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained network on the command line."""
    parser.add_argument(
        "--input", type=Path, help="newer rows, laid out as the task's raw file, to forecast from"
    )
    parser.add_argument("--output", type=Path, help="the CSV file to write the forecast to")


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Forecasts from the last known rows, or from the newer ones that `--input` names.

    Returns:
        `forecast.csv`, the table of `forecast`; and the table of a plot: `time`, `actual`, `mean`
        and the intervals.
    """
    from stages.networks import prediction

    source, target = request.arguments.input, request.arguments.output
    if (source is None) != (target is None):
        raise InputError("expected both --input and --output, or neither, received one of them")
    data: Data = request.data
    kept = {}
    if parameters.refit:
        rows = np.asarray(data.examples.stops)
        network = kept["refitted"] = request.retrain(data.examples.until(rows), "refitted")
    apply = partial(prediction.predict, network)
    if source is None:
        table = data.ingested.read()
        result = forecast(table, data, request.fitted, apply, assume=True)
        about = data.ingested.about
        clock = times.local(table["time"].to_numpy(), about.zone, about.in_utc)
        title, rows = plot(table.assign(time=clock), result, parameters.history)
        return Prediction({"forecast.csv": _csv(result)}, rows, f"{title}, forecast", kept)
    assert isinstance(request.layout, ingest.Parameters)
    try:
        newer = ingest.read(source, request.layout, newer=True)
        table = join(data.ingested.read(), newer, data, request.layout)
        data = newcomers.admit(table, newer, data, request.layout, network.input)
        return Answer(_csv(forecast(table, data, request.fitted, apply)))
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if str(source) in str(error) else f"{source}: "
        raise InputError(f"{where}{error}") from None


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, float_format="%.7g", lineterminator="\n"))


def forecast(
    table: pd.DataFrame,
    data: Data,
    fitted: Arrays,
    apply: Callable[[Last], np.ndarray],
    *,
    assume: bool = False,
) -> pd.DataFrame:
    """Forecasts the horizon after the last row of each series of a tidy table.

    Args:
        table: `series`, `time`, the input columns and which of their values were observed.
        fitted: the arrays of the evaluation, which say how far intervals and quantiles lie from the
            forecast, and what bounds there are.
        apply: the network: batches -> (series, horizon, targets), in the scaler's units.
        assume: as for `last_windows`.

    Returns:
        A row for each series, step and target: `time`, `series`, `target`, `mean`, `lower_80`,
        `upper_80`, `lower_95`, `upper_95`, and the quantiles, such as `q_0.1`; in raw units.
    """
    examples, about = data.examples, data.ingested.about
    last = last_windows(table, data, assume=assume)
    series = last.inputs["series"]
    limits = fitted["bounds"]
    scaled = bounds.clip(apply(last), limits, examples, series)
    offsets = {"mean": np.zeros(scaled.shape[1:], scaled.dtype)}
    for level, width in zip(intervals.LEVELS, fitted["half_widths"], strict=True):
        offsets |= {f"lower_{level}": -width, f"upper_{level}": width}
    for level, offset in zip(fitted["quantiles"].tolist(), fitted["offsets"], strict=True):
        offsets[f"{QUANTILE}{level}"] = offset
    columns = {
        # Once more in raw units: those of the scaler are only about as exact as the examples.
        name: np.clip(examples.restored(scaled + offset, series), *limits)
        for name, offset in offsets.items()
    }
    targets = examples.target_names
    clock = np.repeat(np.concatenate(last.futures), len(targets))
    return pd.DataFrame(
        {
            "time": times.shown(clock, about.zone, about.in_utc),
            "series": np.repeat(
                np.array(last.names, dtype=object), examples.horizon * len(targets)
            ),
            "target": np.tile(targets, len(last) * examples.horizon),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )


def last_windows(table: pd.DataFrame, data: Data, *, assume: bool = False) -> Last:
    """Returns the last window of each series of a tidy table.

    Args:
        assume: whether known inputs of the future that the table lacks are taken to stay as they
            are; if not, they are an error.
    """
    examples, about = data.examples, data.ingested.about
    lookback, horizon = examples.lookback, examples.horizon
    numbers = {name: number for number, name in enumerate(examples.series)}
    step, dropped = grid.parse(examples.frequency), set(examples.dropped_series)
    windows, marks, known, names, futures = [], [], [], [], []
    lacking: list[tuple[str, int]] = []
    observed = [f"observed_{name}" for name in examples.input_names]
    for name, rows in table.groupby("series", sort=False, observed=True):
        if name in dropped:
            continue
        rows, coming = ahead.divide(rows, examples.input_names)
        if len(rows) < lookback:
            raise InputError(
                f"series {name!r}: expected at least {lookback} rows (the lookback), received "
                f"{len(rows)}: give more of its past"
            )
        rows, coming = rows.iloc[-lookback:], coming.iloc[:horizon]
        clock = pd.concat([rows["time"], coming["time"]]).to_numpy()
        later = step.following(clock[-1], horizon - len(coming))
        clock = np.concatenate([clock, later])
        windows.append(rows[examples.input_names].to_numpy(np.float64))
        if examples.inputs_observed.shape[1]:
            marks.append(rows[observed].to_numpy(np.float32))
        if examples.known_inputs and len(coming) < horizon:
            lacking.append((str(name), len(coming)))
        planned = _planned(rows, coming, examples)
        local = times.local(clock, about.zone, about.in_utc)
        known.append(examples.known_of(local, planned, numbers[str(name)]))
        names.append(str(name))
        futures.append(clock[-horizon:])
    if lacking:
        _report_lacking(lacking, examples, assume)
    series = np.array([numbers[name] for name in names], np.int32)
    window = examples.fitted_scaler.forward(np.stack(windows), series, examples.inputs)
    inputs = {
        "window": window.astype(np.float32),
        "known": np.stack(known),
        "series": series,
        **{name: array[series] for name, array in examples.of_series.items()},
    }
    if marks:
        inputs["observed"] = np.stack(marks)
    return Last(inputs, names, futures)


def _planned(rows: pd.DataFrame, coming: pd.DataFrame, examples: SeriesExamples) -> np.ndarray:
    """Returns the known inputs of the past `rows` and of the horizon, (steps, inputs), of which
    `coming` has the first steps; they stay as they are in the others."""
    planned = pd.concat([rows, coming])[examples.known_inputs].to_numpy(np.float64)
    return np.concatenate(
        [planned, np.repeat(planned[-1:], examples.horizon - len(coming), axis=0)]
    )


def _report_lacking(lacking: list[tuple[str, int]], examples: SeriesExamples, assume: bool) -> None:
    """Reports series that lack known inputs, with the number of steps that have them. The arguments
    are those of `last_windows`."""
    name, steps = lacking[0]
    received = (
        f"series {name!r}: expected {', '.join(examples.known_inputs)} for the {examples.horizon} "
        f"steps of the forecast, received {steps}"
    )
    if len(lacking) > 1:
        received += f" ({len(lacking)} such series)"
    if not assume:
        raise InputError(
            f"{received}: give rows with their times and known inputs, without targets"
        )
    log.warning("%s: the others are taken to stay as in the row before", received)


def plot(table: pd.DataFrame, forecast: pd.DataFrame, history: int) -> tuple[str, pd.DataFrame]:
    """Returns a title and the table of a plot of the first target of the first series: `time`,
    `actual`, `mean` and the intervals."""
    name, target = forecast["series"].iloc[0], forecast["target"].iloc[0]
    known = table[(table["series"] == name) & table[target].notna()].tail(history)
    coming = forecast[(forecast["series"] == name) & (forecast["target"] == target)].drop(
        columns=["series", "target", *(name for name in forecast if name.startswith(QUANTILE))]
    )
    if isinstance(coming["time"].dtype, pd.DatetimeTZDtype):
        coming = coming.assign(time=coming["time"].dt.tz_localize(None))
    rows = pd.concat(
        [pd.DataFrame({"time": known["time"], "actual": known[target]}), coming], ignore_index=True
    )
    return target if name == "all" else f"{target} of {name}", rows
