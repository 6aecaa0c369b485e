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

from stages.errors import InputError
from stages.kinds import Known, Prediction
from stages.kinds.forecasting import ingest
from stages.sections import Count, Section
from stages.series import calendar, grid, intervals, scaling, tidying, times

log = logging.getLogger("reprise")

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
        return {
            "inputs": {name: array[indices] for name, array in self.inputs.items()},
            "mask": np.zeros(len(indices), np.float32),
        }


def join(table: pd.DataFrame, parts: list[pd.DataFrame], known: Known) -> pd.DataFrame:
    """Returns newer raw rows as a tidy table of the input columns, behind those rows of the task's
    table that come before them.

    Rows of the table that are later than a series' newer rows are left out, as if they were not
    known yet. Without a column of times the newer rows are the steps after the table's last one.
    """
    about, layout = known.about, known.layout
    layout = layout.naming(
        about["series"]
        if layout.layout == "columns"
        else [about["columns"][target] for target in about["targets"]]
    )
    columns = layout.input_columns
    newer = ingest.newer(parts, layout, known.ingested)
    names = newer["series"].unique()
    trained = set(about["series"])
    unknown = [name for name in names if name not in trained]
    if unknown:
        raise InputError(
            f"column series: expected one of the {len(about['series'])} series of training, such "
            f"as {about['series'][0]!r}, "
            f"received {unknown[0]!r}"
        )
    table = table.loc[
        table["series"].isin(names),
        ["series", "time", *columns, *(f"observed_{name}" for name in columns)],
    ]
    table = table.astype({"series": "str"}).reset_index(drop=True)
    if layout.time is None:
        newer["time"] += newer["series"].map(table.groupby("series")["time"].max() + 1)
    # What was filled in is no row that is known: gaps that newer rows close are filled with their
    # help.
    table[columns] = table[columns].where(
        table[[f"observed_{name}" for name in columns]].to_numpy()
    )
    table = table[table["time"] <= table["series"].map(newer.groupby("series")["time"].max())]
    both = pd.concat(
        [table[["series", "time", *columns]], newer[["series", "time", *columns]]],
        ignore_index=True,
    )
    # Where both have a row, the newer one holds; rows of the newer file that are there twice are
    # for `tidy`.
    old = pd.Series(np.arange(len(both)) < len(table))
    both = both[~(old & both.duplicated(["series", "time"], keep=False))]
    both = tidying.tidy(both, columns, about["frequency"], layout.duplicates, layout.gaps, None)[0]
    if layout.gaps != "zero":  # which says that there is nothing where there is no row
        _tell_what_is_filled(both, columns, about["lookback"])
    return both


def _tell_what_is_filled(table: pd.DataFrame, columns: list[str], lookback: int) -> None:
    """Warns of values that were filled in among those that the network sees; raises `InputError`
    where these are most of them."""
    for name, rows in table.groupby("series", sort=False, observed=True):
        seen = rows.iloc[-lookback:]
        filled = int((~seen[[f"observed_{column}" for column in columns]]).any(axis=1).sum())
        if 2 * filled > lookback:
            raise InputError(
                f"series {name!r}: expected rows for most of the {lookback} steps before the "
                "forecast (the lookback), received "
                f"{len(seen) - filled}, the others missing from {seen['time'].iloc[0]} on: give "
                "the rows between the task's table and these"
            )
        if filled:
            log.warning(
                "series %r: %d of the %d rows that the network sees were filled in, as "
                "ingest.gaps says",
                name,
                filled,
                len(seen),
            )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained model on the command line."""
    parser.add_argument(
        "--input", type=Path, help="newer rows, laid out as the task's raw file, to forecast from"
    )
    parser.add_argument("--output", type=Path, help="the CSV file to write the forecast to")


def predict(
    known: Known, network: Any, parameters: Parameters, given: argparse.Namespace
) -> Prediction:
    """Forecasts from the last known rows, or from those behind them that are given.

    Returns:
        `forecast.csv`, the table of `forecast`; and the rows of a plot: `time`, `actual`, `mean`
        and the intervals.
    """
    from stages.networks import training

    if (given.input is None) != (given.output is None):
        raise InputError("expected both --input and --output, or neither, received one of them")
    table = known.table()
    try:
        if given.input is not None:
            table = join(table, known.raw(given.input), known)
        run = partial(training.predict, network)
        found = forecast(table, known, run)
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if given.input is None or str(given.input) in str(error) else f"{given.input}: "
        raise InputError(f"{where}{error}") from None
    content = found.to_csv(index=False, float_format="%.7g", lineterminator="\n")
    if given.input is not None:
        return Prediction(asked=content)
    table = table.assign(
        time=times.local(table["time"].to_numpy(), known.ingested["zone"], known.ingested["in_utc"])
    )
    title, rows = plot(table, found, parameters.history)
    return Prediction({"forecast.csv": content}, rows, f"{title}, forecast")


def forecast(table: pd.DataFrame, known: Known, run: Callable[[Last], np.ndarray]) -> pd.DataFrame:
    """Forecasts the horizon after the last row of each series of a tidy table.

    Args:
        table: `series`, `time` and the input columns.
        known: the examples (scaler, columns, lookback, horizon) and the half widths of the
            intervals, (levels, horizon, targets).
        run: the network: batches -> (series, horizon, targets), in the scaler's units.

    Returns:
        A row for each series, step and target: `time`, `series`, `target`, `mean`, `lower_80`,
        `upper_80`, `lower_95`, `upper_95`, in raw units.
    """
    about, zone = known.about, (known.ingested["zone"], known.ingested["in_utc"])
    lookback, horizon = about["lookback"], about["horizon"]
    places = {name: index for index, name in enumerate(about["series"])}
    scaler = scaling.of(known.examples.arrays, about)
    inputs = [about["columns"][index] for index in about["inputs"]]
    step, dropped = grid.parse(about["frequency"]), set(about["dropped_series"])
    windows, cycles, ids, names, futures = [], [], [], [], []
    for name, rows in table.groupby("series", sort=False, observed=True):
        if name in dropped:
            continue
        if len(rows) < lookback:
            raise InputError(
                f"series {name!r}: expected at least {lookback} rows (the lookback), received "
                f"{len(rows)}: give more of its past"
            )
        rows = rows.iloc[-lookback:]
        future = step.following(rows["time"].iloc[-1], horizon)
        windows.append(rows[inputs].to_numpy(np.float64))
        cycles.append(
            calendar.features(
                times.local(np.concatenate([rows["time"].to_numpy(), future]), *zone),
                about["calendar"],
            )
        )
        ids.append(places[str(name)])
        names.append(name)
        futures.append(future)
    index = np.array(ids, np.int32)
    window = scaler.forward(np.stack(windows), index, about["inputs"]).astype(np.float32)
    scaled = run(Last({"window": window, "calendar": np.stack(cycles), "series": index}))
    out = {"mean": scaler.inverse(scaled, index, about["targets"])}
    for level, width in zip(intervals.LEVELS, known.fitted["half_widths"], strict=True):
        out[f"lower_{level}"] = scaler.inverse(scaled - width, index, about["targets"])
        out[f"upper_{level}"] = scaler.inverse(scaled + width, index, about["targets"])
    targets = [about["columns"][target] for target in about["targets"]]
    each = horizon * len(targets)
    return pd.DataFrame(
        {
            "time": times.shown(np.repeat(np.concatenate(futures), len(targets)), *zone),
            "series": np.repeat(np.array(names, dtype=object), each),
            "target": np.tile(targets, len(names) * horizon),
            **{name: values.ravel() for name, values in out.items()},
        }
    )


def plot(table: pd.DataFrame, forecast: pd.DataFrame, history: int) -> tuple[str, pd.DataFrame]:
    """Returns a title and the rows of a plot of the first target of the first series: `time`,
    `actual`, `mean` and the intervals."""
    name, target = forecast["series"].iloc[0], forecast["target"].iloc[0]
    known = table[table["series"] == name].tail(history)
    coming = forecast[(forecast["series"] == name) & (forecast["target"] == target)].drop(
        columns=["series", "target"]
    )
    if isinstance(coming["time"].dtype, pd.DatetimeTZDtype):
        coming = coming.assign(time=coming["time"].dt.tz_localize(None))
    rows = pd.concat(
        [pd.DataFrame({"time": known["time"], "actual": known[target]}), coming], ignore_index=True
    )
    return target if name == "all" else f"{target} of {name}", rows
