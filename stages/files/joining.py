"""Newer rows joined to the table of a task."""

import logging
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import raw_series
from stages.files.task_data import TaskData
from stages.series import ahead, tidying
from stages.series.data import IngestedSeries, SeriesExamples

About = TypeVar("About", bound=IngestedSeries)
Examples = TypeVar("Examples", bound=SeriesExamples)
Table = TypeVar("Table", bound=raw_series.Layout)

log = logging.getLogger("reprise")


def join(
    table: pd.DataFrame,
    newer_tables: Sequence[pd.DataFrame],
    data: TaskData[About, Examples],
    layout: raw_series.Layout,
    *,
    forecast: bool = True,
) -> pd.DataFrame:
    """Returns newer raw rows as a tidy table of the inputs and the known columns, behind those rows
    of the task's table that come before them.

    Rows of the table that are later than a series' newer rows are left out, as if they were not
    known yet, but for their known columns. Without a column of times the newer rows are the steps
    after the table's last one.

    Args:
        forecast: whether a forecast begins behind the last rows, most of which must be known then.
    """
    examples = data.examples
    layout = naming(layout, newer_tables, examples)
    columns, known = layout.input_columns, layout.known
    newer = raw_series.newer(newer_tables, layout, data.ingested.about)
    observed = [f"observed_{name}" for name in columns]
    table = table.loc[
        table["series"].isin(newer["series"]), ["series", "time", *columns, *known, *observed]
    ]
    table = table.astype({"series": "str"}).reset_index(drop=True)
    if layout.time is None:
        happened, _ = ahead.divide(table, columns)
        after = happened.groupby("series")["time"].max() + 1
        newer["time"] += newer["series"].map(after).fillna(0).astype("int64")
    # A value that was filled in is not known: newer rows may help to fill it in better.
    table[columns] = table[columns].where(table[observed].to_numpy())
    happened, _ = ahead.divide(newer, columns) if known else (newer, newer)
    last = happened.groupby("series")["time"].max().reindex(table["series"])
    later = table["time"] > last.to_numpy()
    table.loc[later, columns] = np.nan
    table = table if known else table[~later]
    kept = ["series", "time", *columns, *known]
    both = pd.concat([table[kept], newer[kept]], ignore_index=True)
    # Where both have a row, the newer one holds; `tidy` deals with rows that the newer file has
    # twice.
    old = pd.Series(np.arange(len(both)) < len(table))
    both = both[~(old & both.duplicated(["series", "time"], keep=False))]
    future = both.iloc[:0]
    if known:
        ahead.expect_past(both, columns)
        both, future = ahead.divide(both, columns)
    both, _ = tidying.tidy(both, kept[2:], examples.frequency, layout.duplicates, layout.gaps, None)
    expect_positive(both, columns, examples)
    if forecast and layout.gaps != "zero":  # where a missing row means that there was nothing
        _report_filled_rows(both, columns, examples.lookback)
    step = None if layout.gaps == "keep" else examples.frequency
    if not len(future):
        return both
    return ahead.append(both, future, known, step, layout.duplicates)


def naming(layout: Table, newer_tables: Sequence[pd.DataFrame], examples: SeriesExamples) -> Table:
    """Returns the layout of newer raw rows with the names of the targets, where a pattern stood for
    them."""
    names = examples.target_names
    if layout.layout == "columns":
        names = list(dict.fromkeys([*examples.series, *newer_tables[0].columns]))
    return layout.naming(names)


def expect_positive(table: pd.DataFrame, columns: list[str], examples: SeriesExamples) -> None:
    """Raises `InputError` for values that have no logarithm, where the scaler takes it."""
    if examples.log and (least := table[columns].min().min()) <= 0:
        raise InputError(
            f"expected positive values for scale_and_window.log, as in training, received {least}"
        )


def _report_filled_rows(table: pd.DataFrame, columns: list[str], lookback: int) -> None:
    """Warns of filled-in values among those that the network sees. Raises `InputError` where most
    of them are filled in."""
    for name, rows in table.groupby("series", sort=False, observed=True):
        seen = rows.iloc[-lookback:]
        filled = int((~seen[[f"observed_{column}" for column in columns]]).any(axis=1).sum())
        if 2 * filled > lookback:
            raise InputError(
                f"series {name!r}: expected rows for most of the {lookback} steps before the "
                f"forecast (the lookback), received {len(seen) - filled}, the others missing from "
                f"{seen['time'].iloc[0]} on: give these rows too"
            )
        if filled:
            log.warning(
                "series %r: %d of the %d rows that the network sees were filled in, as "
                "ingest.gaps says",
                name,
                filled,
                len(seen),
            )
