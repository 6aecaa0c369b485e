"""Raw tables to tidy series.

Tidy series are sorted and typed, on a regular grid of times, with each missing value filled in and
marked.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.formats import NumberFormat, Reading
from stages.series import grid
from stages.series.numbers import to_numbers
from stages.series.splits import Split, boundaries, starts_of
from stages.splits import SPLITS


class Counts(TypedDict, total=False):
    """What `tidy` counted, for `about.json`."""

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


def stack_rows(
    tables: Sequence[pd.DataFrame],
    series: str,
    name: str,
    number_format: NumberFormat,
    reading: Reading | None = None,
) -> pd.DataFrame:
    """Stacks tables with one series per row, which continue each other in time, into a long table.

    Empty cells between values are missing values; those at the end of a row are none.

    Args:
        series, name: the columns of names in `tables` and of values in the long table.
        reading: as for `to_numbers`.

    Returns:
        Columns `series`, `time` (steps from 0) and `name` (float64, NaN for a missing value).

    Raises:
        InputError: the tables differ in their series, or a series occurs twice or has no values.
    """
    ids = names_of(tables[0][series])
    for table in tables[1:]:
        if list(names_of(table[series])) != list(ids):
            raise InputError(
                "expected the same series in the same order in every file, received others in "
                f"column {series!r}"
            )
    blocks = [to_numbers(table.drop(columns=series), number_format, reading) for table in tables]
    if ids.duplicated().any():
        raise InputError(
            f"expected one row per series, received the series {ids[ids.duplicated()].iloc[0]!r} "
            f"twice in column {series!r}"
        )
    # True up to the last value of each row, for each table by itself.
    masks = [np.logical_or.accumulate(~np.isnan(b[:, ::-1]), axis=1)[:, ::-1] for b in blocks]
    mask = np.concatenate(masks, axis=1)
    lengths = mask.sum(axis=1)
    if not lengths.all():
        raise InputError(
            "expected a value in every row, found none for the series "
            f"{ids[lengths == 0].iloc[0]!r}"
        )
    return pd.DataFrame(
        {
            "series": np.repeat(ids.to_numpy(), lengths),
            "time": np.concatenate([np.arange(length) for length in lengths]),
            name: np.concatenate(blocks, axis=1)[mask],
        }
    )


def stack_columns(
    table: pd.DataFrame,
    times: pd.Series,
    columns: Sequence[str],
    name: str,
    number_format: NumberFormat,
    reading: Reading | None = None,
) -> pd.DataFrame:
    """Stacks a table with one series per column into a long table, as `stack_rows` does."""
    return pd.DataFrame(
        {
            "series": np.repeat(np.array(columns, dtype=object), len(table)),
            "time": np.tile(times.to_numpy(), len(columns)),
            name: to_numbers(table[list(columns)], number_format, reading).T.ravel(),
        }
    )


def names_of(column: pd.Series) -> pd.Series:
    """Returns the names in a column as text, exactly as they are written.

    Raises `InputError` at the first row without one.
    """
    if column.dtype == object:
        is_nested = column.map(lambda value: isinstance(value, (list, dict)))
        if is_nested.any():
            raise InputError(
                f"column {column.name!r}: expected names, received {column[is_nested].iloc[0]!r} "
                f"in data row {int(is_nested.to_numpy().argmax()) + 1}"
            )
    text = column if isinstance(column.dtype, pd.StringDtype) else column.astype("str")
    empty = column.isna() | (text == "")
    if empty.any():
        raise InputError(
            f"column {column.name!r}: expected a name in every row, found none in data row "
            f"{int(empty.to_numpy().argmax()) + 1}"
        )
    return text


def tidy(
    table: pd.DataFrame,
    columns: Sequence[str],
    frequency: str | None,
    duplicates: str,
    gaps: str,
    split: Split | None,
) -> tuple[pd.DataFrame, Counts]:
    """Sorts, checks and completes a long table.

    Args:
        table: columns `series`, `time` and `columns`, with rows in any order.
        columns: the value columns, float64 with NaN for a missing value.
        frequency: a step of `stages.series.grid`; None: found out.
        duplicates: which of several rows at one time is kept: `error`, `first`, `last`, `mean`.
        gaps: how missing times and values are filled: `error`, `interpolate`, `forward_fill`,
            `zero`; `keep`: rows are steps whatever their times, and missing values are an error.
            Behind training, `interpolate` fills forward as well: a window there would see what came
            after it.
        split: how to split by time; None: not at all (newer rows to predict from).

    Returns:
        The table and the counts. After each of `columns` comes an `observed_NAME`, False where a
        value was filled in; the last column is `split`, null for rows in none.

    Raises:
        InputError: the table has duplicates, gaps or times that the rules do not allow.
    """
    table, counts = _sorted(table, columns, duplicates, gaps)
    counts["frequency"] = frequency or grid.find(table["time"])
    codes, ids = pd.factorize(table["series"])
    starts = starts_of(codes)
    values = table[list(columns)].to_numpy(np.float64)
    times = table["time"].reset_index(drop=True)
    counts["missing_times"] = 0
    if gaps != "keep":
        values, times, starts, counts["missing_times"] = _on_whole_grid(
            values, times, starts, counts["frequency"], inferred=frequency is None
        )
    missing = np.isnan(values)
    counts["missing_values"] = int(missing.sum())
    ends = starts[1:, None] if split is None else boundaries(split, starts, times, list(ids))[:, 1:]
    values = _filled(values, missing, starts, ends, times, columns, gaps)
    content = _content(ids, starts, times, columns, values, ~missing)
    counts["rows"], counts["series"] = len(times), len(ids)
    if split is not None:
        splits = _split_codes(starts, ends)
        content["split"] = pd.Categorical.from_codes(splits, categories=list(SPLITS))
        counts["split_rows"] = {name: int((splits == k).sum()) for k, name in enumerate(SPLITS)}
        counts["rows_in_no_split"] = int((splits < 0).sum())
    return pd.DataFrame(content), counts


def _sorted(
    table: pd.DataFrame, columns: Sequence[str], duplicates: str, gaps: str
) -> tuple[pd.DataFrame, Counts]:
    """Returns the table sorted by series and time, with one row for each; arguments as of `tidy`.

    Series keep the order of their first rows; the sort is stable, so duplicates keep theirs.
    """
    counts = Counts(raw_rows=len(table))
    table = table.dropna(how="all", subset=list(columns)) if gaps == "keep" else table
    if not len(table):
        raise InputError(
            f"expected a value in some row of {', '.join(map(repr, columns))}, found none: check "
            "ingest.missing, or name other columns"
        )
    order = np.lexsort((table["time"].to_numpy(), pd.factorize(table["series"])[0]))
    counts["was_sorted"] = bool((order[1:] > order[:-1]).all())
    if not counts["was_sorted"]:
        table = table.iloc[order]
    table, counts["duplicates"] = without_duplicates(table, columns, duplicates)
    return table, counts


def _content(
    ids: Sequence[str],
    starts: np.ndarray,
    times: pd.Series,
    columns: Sequence[str],
    values: np.ndarray,
    observed: np.ndarray,
) -> dict[str, Any]:
    """Returns the columns of a tidy table but for `split`, from which to build it in one go."""
    codes = np.repeat(np.arange(len(ids)), np.diff(starts))
    series = pd.Categorical.from_codes(codes, categories=np.asarray(ids, dtype=object))
    content: dict[str, Any] = {"series": series, "time": times}
    for index, name in enumerate(columns):
        content |= {name: values[:, index], f"observed_{name}": observed[:, index]}
    return content


def _split_codes(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Returns the number of each row's split, (rows,) int8; -1 for rows in none.

    Args:
        starts: (series + 1,) the first row of each series, and the number of rows.
        ends: (series, splits) the row after each split.
    """
    rows = int(starts[-1])
    codes = np.full(rows, -1, np.int8)
    edges = np.concatenate([starts[:-1, None], ends], axis=1)
    for code in range(len(SPLITS)):
        # +1 at each first row and -1 after each last one: the running sum is 1 inside the split.
        steps = np.zeros(rows + 1, np.int8)
        np.add.at(steps, edges[:, code], 1)
        np.add.at(steps, edges[:, code + 1], -1)
        codes[np.cumsum(steps)[:-1] == 1] = code
    return codes


def without_duplicates(
    table: pd.DataFrame, columns: Sequence[str], rule: str
) -> tuple[pd.DataFrame, int]:
    """Returns a long table with one row for each series and time, and how many others it had; the
    arguments are those of `tidy`."""
    repeated = table.duplicated(["series", "time"])
    number = int(repeated.sum())
    if not number:
        return table, 0
    if rule == "error":
        row = table[repeated].iloc[0]
        within_days = (
            isinstance(row["time"], pd.Timestamp) and row["time"] != row["time"].normalize()
        )
        zone = ", or ingest.zone where a change of clocks repeats an hour" if within_days else ""
        raise InputError(
            f"expected one row for each time, received {row['time']} of series {row['series']!r} "
            f"again ({number} such rows): set ingest.duplicates to first, last or mean{zone}"
        )
    if rule == "mean":
        groups = table.groupby(["series", "time"], sort=False, as_index=False)
        return groups[list(columns)].mean(), number
    return table.drop_duplicates(["series", "time"], keep=rule), number


def _on_whole_grid(
    values: np.ndarray, times: pd.Series, starts: np.ndarray, frequency: str, inferred: bool
) -> tuple[np.ndarray, pd.Series, np.ndarray, int]:
    """Adds the missing times of each series, with NaN for their values.

    Args:
        values: (rows, columns) float64.
        starts: (series + 1,) the first row of each series, and the number of rows.
        inferred: whether `frequency` was found out.

    Returns:
        Values, times and starts with these rows, and the number of added rows.
    """
    step = _step(frequency, times)
    steps, off = step.count(times)
    if off.any():
        raise InputError(
            f"expected times {frequency!r} apart, received {times.iloc[int(np.argmax(off))]} which "
            f"is off that grid ({int(off.sum())} such rows): set ingest.frequency, ingest.zone "
            "where clocks change, or ingest.gaps to keep if rows count as steps whatever their "
            "times"
        )
    first, last = steps[starts[:-1]], steps[starts[1:] - 1]
    lengths = last - first + 1
    new_starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = int(new_starts[-1])
    added = rows - len(times)
    if not added:
        return values, times, starts, 0
    if added > (len(times) if inferred else 100 * len(times) + 100_000):
        origin = "the step between most of them" if inferred else "as ingest.frequency says"
        raise InputError(
            f"expected times {frequency!r} apart ({origin}), received {len(times)} rows for {rows} "
            f"such steps from {times.min()} to {times.max()}, more gaps than rows: check that "
            "ingest.time_format reads these times correctly, and set ingest.frequency"
        )
    # From the number of a step, counted over all series, to its row.
    shifts = new_starts[:-1] - first
    complete = np.full((rows, values.shape[1]), np.nan)
    complete[np.repeat(shifts, np.diff(starts)) + steps] = values
    all_steps = np.arange(rows) - np.repeat(shifts, lengths)
    return complete, pd.Series(step.times(times.min(), all_steps)), new_starts, added


def _step(frequency: str, times: pd.Series) -> grid.Step:
    are_dates = pd.api.types.is_datetime64_any_dtype(times)
    if are_dates == frequency.isdecimal():
        expected = (
            "a step such as h or D, as times are dates"
            if are_dates
            else "a whole number, as times are whole numbers"
        )
        raise InputError(f"ingest.frequency: expected {expected}, received {frequency!r}")
    return grid.parse(frequency)


def _filled(
    values: np.ndarray,
    missing: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    times: pd.Series,
    columns: Sequence[str],
    rule: str,
) -> np.ndarray:
    """Returns the values with the missing ones filled in.

    What is filled in a split is computed from rows up to that split's end: nothing leaks back.

    Args:
        values, missing: (rows, columns).
        starts: (series + 1,) the first row of each series, and the number of rows.
        ends: (series, splits) the row after each split.
        rule: as `gaps` of `tidy`.
    """
    if not missing.any():
        return values
    if rule in ("error", "keep"):
        row, column = np.argwhere(missing)[0]
        advice = "set ingest.gaps to interpolate, forward_fill or zero"
        if 2 * missing.sum() > missing.size:
            advice = "more than there are values, so check ingest.frequency and ingest.time_format"
        raise InputError(
            f"column {columns[int(column)]!r}: expected a value at every step, found none at "
            f"{times.iloc[row]} ({int(missing.sum())} missing values): {advice}"
        )
    values = values.copy()
    if rule == "zero":
        values[missing] = 0.0
        return values
    incomplete = np.flatnonzero(missing.any(axis=1))
    for series in np.unique(np.searchsorted(starts, incomplete, side="right") - 1):
        start, stop = starts[series], starts[series + 1]
        for column in np.flatnonzero(missing[start:stop].any(axis=0)):
            _fill_column(
                values[start:stop, column],
                missing[start:stop, column],
                [*(ends[series] - start), stop - start],
                times.iloc[start:stop],
                columns[int(column)],
                rule,
            )
    return values


def _fill_column(
    values: np.ndarray,
    missing: np.ndarray,
    ends: Sequence[int],
    times: pd.Series,
    name: str,
    rule: str,
) -> None:
    """Fills one column of one series in place, (rows,), up to one of `ends` after the other."""
    observed = np.flatnonzero(~missing)
    for start, end in pairwise([0, *ends]):
        gap = start + np.flatnonzero(missing[start:end])
        usable = observed[observed < end]
        if not len(gap):
            continue
        if not len(usable):
            raise InputError(
                f"column {name!r}: expected a value up to {times.iloc[end - 1]}, found none to "
                "fill the gap with"
            )
        if rule == "interpolate" and not start:
            values[gap] = np.interp(gap, usable, values[usable])
            continue
        earlier = np.searchsorted(usable, gap) - 1
        if earlier[0] < 0:
            advice = (
                "give more rows, or move ingest.split"
                if start
                else "set ingest.gaps to interpolate"
            )
            raise InputError(
                f"column {name!r}: expected a value before {times.iloc[gap[0]]} to fill it forward "
                f"from, found none: {advice}"
            )
        values[gap] = values[usable[earlier]]
