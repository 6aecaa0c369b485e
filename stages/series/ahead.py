"""Rows ahead of what has happened: of their times, the known inputs alone are there."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.series import grid
from stages.series.tidying import without_duplicates

log = logging.getLogger("reprise")


def divide(table: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows of a long table up to the last one of each series that has a value in one of
    `columns`, and the rows after it."""
    happened = table[list(columns)].notna().any(axis=1)
    last = table["time"].where(happened).groupby(table["series"], sort=False).transform("max")
    # A series without any value is left to those who check values.
    ahead = (table["time"] > last).to_numpy()
    return table[~ahead], table[ahead]


def expect_past(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raises `InputError` for a series of a long table without any value in `columns`, whose rows
    are all ahead."""
    happened = table[list(columns)].notna().any(axis=1).groupby(table["series"], sort=False).any()
    if not happened.all():
        name = happened.index[int((~happened).to_numpy().argmax())]
        raise InputError(
            f"series {name!r}: expected rows with values of {', '.join(columns)} before those of "
            f"which the known columns alone are there, received none ({int((~happened).sum())} "
            "such series): give its past, or leave it out"
        )


def of_task(
    table: pd.DataFrame, targets: Sequence[str], seen: Sequence[str], known: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divides the long table of a task, as `divide` does; without `known` columns no row is ahead.

    Warns of rows behind the last targets that have values of inputs whose future is not known: they
    have happened, and their targets are missing.

    Args:
        targets: columns. seen: these and the inputs whose future is not known.

    Raises `InputError` as `expect_past` does.
    """
    others = [name for name in seen if name not in targets]
    if others:
        found = divide(table, targets)[1][others].notna()
        names = ", ".join(found.columns[found.any()])
        if names:
            log.warning(
                "%d rows behind the last values of %s have values of %s, so they count as past "
                "ones with missing targets: if the future of %s is known, name it in ingest.known",
                int(found.any(axis=1).sum()),
                ", ".join(targets),
                names,
                names,
            )
    if not known:
        return table, table.iloc[:0]
    expect_past(table, seen)
    return divide(table, seen)


def append(
    table: pd.DataFrame,
    ahead: pd.DataFrame,
    known: Sequence[str],
    frequency: str | None,
    duplicates: str,
) -> pd.DataFrame:
    """Returns a tidy table with the rows ahead behind those of each series. They have no value in
    other columns, and are in no split.

    Args:
        table: as `stages.series.tidying.tidy` returns it.
        ahead: `series`, `time` and the columns `known`, in any order.
        frequency: the step between times; None: rows are steps whatever their times.
        duplicates: as for `stages.series.tidying.tidy`.

    Raises:
        InputError: rows ahead do not follow on the table's, have no value, or are there twice.
    """
    last = table.groupby("series", sort=False, observed=True)["time"].last()
    ahead, _ = without_duplicates(ahead[["series", "time", *known]], known, duplicates)
    ahead = ahead.sort_values(["time"], kind="stable")
    for name, rows in ahead.groupby("series", sort=False, observed=True):
        if frequency is not None:
            _check_times(str(name), rows["time"], last[name], frequency)
        for column in known:
            if (empty := rows[column].isna()).any():
                raise InputError(
                    f"column {column!r}: expected a value in the rows ahead of the last known "
                    "targets, as its future is known, found none at "
                    f"{rows['time'][empty].iloc[0]}: give it, or leave out the rows from there on"
                )
    added = {
        column: ahead[column] if column in ahead else column.removeprefix("observed_") in known
        for column in table
        if column in ahead or column.startswith("observed_")
    }
    rows = pd.DataFrame(added, index=ahead.index).reindex(columns=table.columns)
    both = pd.concat([table, rows.astype(table.dtypes)], ignore_index=True)
    # Stable: the rows ahead are behind the others, in the order of their times.
    order = np.argsort(both["series"].cat.codes.to_numpy(), kind="stable")
    return both.iloc[order].reset_index(drop=True)


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
