"""Rows ahead of what has happened: of their times, the known inputs alone are there."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.series import grid


def divide(table: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows of a long table up to the last one of each series that has a value in one of
    `columns`, and the rows after it."""
    happened = table[list(columns)].notna().any(axis=1)
    last = table["time"].where(happened).groupby(table["series"], sort=False).transform("max")
    # A series without any value is left to those who check values.
    ahead = (table["time"] > last).to_numpy()
    return table[~ahead], table[ahead]


def append(
    table: pd.DataFrame,
    ahead: pd.DataFrame,
    known: Sequence[str],
    frequency: str | None,
) -> pd.DataFrame:
    """Returns a tidy table with the rows ahead behind those of each series. They have no value in
    other columns, and are in no split.

    Args:
        table: as `stages.series.tidying.tidy` returns it.
        ahead: `series`, `time` and the columns `known`, in any order.
        frequency: the step between times; None: rows are steps whatever their times.

    Raises:
        InputError: rows ahead do not follow on the table's, or have no value.
    """
    categories = table["series"].cat.categories
    last = table.groupby("series", sort=False, observed=True)["time"].last()
    ahead = ahead[["series", "time", *known]].sort_values(["time"], kind="stable")
    for name, rows in ahead.groupby("series", sort=False, observed=True):
        if frequency is not None:
            _check_times(str(name), rows["time"], last[name], frequency)
        for column in known:
            if (empty := rows[column].isna()).any():
                raise InputError(
                    f"column {column!r}: expected a value in the rows ahead of the last known "
                    f"targets, as its future is known, found none at {rows['time'][empty].iloc[0]}"
                )
    added = ahead.assign(series=pd.Categorical(ahead["series"], categories=categories))
    for column in known:
        added[f"observed_{column}"] = True
    both = pd.concat([table, added.reindex(columns=table.columns)], ignore_index=True)
    for column in both.columns.difference([f"observed_{name}" for name in known]):
        if column.startswith("observed_"):
            both[column] = both[column].eq(True)
    codes = both["series"].cat.codes.to_numpy()
    # Stable, and the rows ahead were put behind the others in the order of their times.
    return both.iloc[np.argsort(codes, kind="stable")].reset_index(drop=True)


def _check_times(series: str, times: pd.Series, last: object, frequency: str) -> None:
    """Raises `InputError` where times do not follow on the last one step by step."""
    expected = grid.parse(frequency).following(last, len(times))
    wrong = np.flatnonzero(times.to_numpy() != expected)
    if len(wrong):
        raise InputError(
            f"series {series!r}: expected a row at {pd.Series(expected).iloc[wrong[0]]}, as rows "
            f"ahead of the last known targets follow on them {frequency!r} apart, received "
            f"{times.iloc[wrong[0]]}"
        )
