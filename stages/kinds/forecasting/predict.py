"""The future after the last known row of each series."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.arrays import calendar, intervals, scaling, series
from stages.errors import InputError
from stages.kinds import Known, Prediction
from stages.kinds.forecasting import ingest
from stages.sections import Count, Section

DRAWN = "forecast"


class Parameters(Section):
    """history: known steps drawn before the forecast."""

    history: Count = 100


@dataclass(frozen=True)
class Last:
    """The last window of each series, as batches without targets."""

    inputs: dict[str, np.ndarray]
    streams = None

    def __len__(self) -> int:
        return len(self.inputs["window"])

    def cut(self, indices: np.ndarray) -> dict[str, Any]:
        return {"inputs": {name: array[indices] for name, array in self.inputs.items()}, "mask": np.zeros(len(indices), np.float32)}


def join(known: pd.DataFrame, parts: list[pd.DataFrame], parameters: ingest.Parameters, about: dict[str, Any]) -> pd.DataFrame:
    """Returns newer raw rows as a tidy table of the input columns, behind those rows known from training that come before them."""
    newer = ingest.newer(parts, parameters, about["frequency"])
    if parameters.time is None:
        return newer
    names = ["series", "time", *parameters.input_columns]
    known = known[known["series"].isin(newer["series"].unique())]
    both = pd.concat([known[names].astype({"series": str}), newer[names].astype({"series": str})])
    # Where both have a row, the newer one holds.
    both = both.drop_duplicates(["series", "time"], keep="last")
    return series.tidy(both, parameters.input_columns, about["frequency"], "error", parameters.gaps, None)[0]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained model on the command line."""
    parser.add_argument("--input", type=Path, help="newer rows, laid out as the task's raw file, to forecast from")
    parser.add_argument("--output", type=Path, help="the CSV file to write the forecast to")


def predict(known: Known, network: Any, parameters: Parameters, given: argparse.Namespace) -> Prediction:
    """Forecasts from the last known rows, or from those behind them that are given.

    Returns:
        `forecast.csv`, the table of `forecast`; and the rows of a plot: `time`, `actual`, `mean` and the intervals.
    """
    from stages.networks import training

    if (given.input is None) != (given.output is None):
        raise InputError("expected both --input and --output, or neither, received one of them")
    table = known.table()
    try:
        if given.input is not None:
            table = join(table, known.raw(given.input), known.layout, known.about)
        run = partial(training.predict, network)
        found = forecast(table, known.about, known.examples.arrays, known.fitted["half_widths"], run)
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if given.input is None or str(given.input) in str(error) else f"{given.input}: "
        raise InputError(f"{where}{error}") from None
    content = found.to_csv(index=False, float_format="%.7g", lineterminator="\n")
    if given.input is not None:
        return Prediction(asked=content)
    title, rows = plot(table, found, parameters.history)
    return Prediction({"forecast.csv": content}, rows, f"{title}, forecast")


def forecast(
    table: pd.DataFrame, about: dict[str, Any], arrays: dict[str, np.ndarray], widths: np.ndarray, run: Callable[[Last], np.ndarray]
) -> pd.DataFrame:
    """Forecasts the horizon after the last row of each series of a tidy table.

    Args:
        table: `series`, `time` and the input columns.
        about, arrays: the examples' (scaler, columns, lookback, horizon).
        widths: (levels, horizon, targets) half widths of the intervals, in the scaler's units.
        run: the network: batches -> (series, horizon, targets), in the scaler's units.

    Returns:
        A row for each series, step and target: `time`, `series`, `target`, `mean`, `lower_80`, `upper_80`, `lower_95`, `upper_95`, in raw
        units.
    """
    lookback, horizon = about["lookback"], about["horizon"]
    places = {name: index for index, name in enumerate(about["series"])}
    scaler = scaling.of(arrays, about)
    inputs = [about["columns"][index] for index in about["inputs"]]
    windows, cycles, ids, names, futures = [], [], [], [], []
    for name, rows in table.groupby("series", sort=False, observed=True):
        if name in about["dropped_series"]:
            continue
        if name not in places:
            raise InputError(
                f"column series: expected one of the {len(places)} series of training, such as {about['series'][0]!r}, received {name!r}"
            )
        if len(rows) < lookback:
            raise InputError(
                f"series {name!r}: expected at least {lookback} rows (the lookback), received {len(rows)}: give more of its past"
            )
        rows = rows.iloc[-lookback:]
        future = series.following(rows["time"].iloc[-1], about["frequency"], horizon)
        windows.append(rows[inputs].to_numpy(np.float64))
        cycles.append(calendar.features(np.concatenate([rows["time"].to_numpy(), future]), about["calendar"]))
        ids.append(places[str(name)])
        names.append(name)
        futures.append(future)
    index = np.array(ids, np.int32)
    window = scaler.forward(np.stack(windows), index, about["inputs"]).astype(np.float32)
    scaled = run(Last({"window": window, "calendar": np.stack(cycles), "series": index}))
    out = {"mean": scaler.inverse(scaled, index, about["targets"])}
    for level, width in zip(intervals.LEVELS, widths, strict=True):
        out[f"lower_{level}"] = scaler.inverse(scaled - width, index, about["targets"])
        out[f"upper_{level}"] = scaler.inverse(scaled + width, index, about["targets"])
    targets = [about["columns"][target] for target in about["targets"]]
    each = horizon * len(targets)
    return pd.DataFrame(
        {
            "time": np.repeat(np.concatenate(futures), len(targets)),
            "series": np.repeat(np.array(names, dtype=object), each),
            "target": np.tile(targets, len(names) * horizon),
            **{name: values.ravel() for name, values in out.items()},
        }
    )


def plot(table: pd.DataFrame, forecast: pd.DataFrame, history: int) -> tuple[str, pd.DataFrame]:
    """Returns a title and the rows of a plot of the first target of the first series: `time`, `actual`, `mean` and the intervals."""
    name, target = forecast["series"].iloc[0], forecast["target"].iloc[0]
    known = table[table["series"] == name].tail(history)
    coming = forecast[(forecast["series"] == name) & (forecast["target"] == target)].drop(columns=["series", "target"])
    rows = pd.concat([pd.DataFrame({"time": known["time"], "actual": known[target]}), coming], ignore_index=True)
    return target if name == "all" else f"{target} of {name}", rows
