"""Raw tables to tidy series: sorted, typed, on a regular grid of times, each missing value filled
and marked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.formats import NumberFormat
from stages.series import grid
from stages.series.numbers import to_numbers
from stages.series.splits import Split, boundaries
from stages.splits import SPLITS


def stack_rows(
    parts: Sequence[pd.DataFrame],
    series: str,
    name: str,
    form: NumberFormat,
    reading: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Tables with one row a series become a long one. Parts follow each other in time and hold the
    same series.

    The empty cells at the end of a row are no values (ragged tables); empty cells between values
    are missing ones.
    """
    ids = names_of(parts[0][series])
    blocks, kept = [], []
    for part in parts:
        if list(names_of(part[series])) != list(ids):
            raise InputError(
                "expected the same series in the same order in every part, received others in "
                f"column {series!r}"
            )
        values = to_numbers(part.drop(columns=series), form, reading)
        filled = ~np.isnan(values)
        blocks.append(values)
        # True up to the last value of the row.
        kept.append(np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1])
    if ids.duplicated().any():
        raise InputError(
            f"expected one row a series, received the series {ids[ids.duplicated()].iloc[0]!r} "
            f"twice in column {series!r}"
        )
    mask = np.concatenate(kept, axis=1)
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
    form: NumberFormat,
    reading: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """A table with one column a series becomes a long one."""
    return pd.DataFrame(
        {
            "series": np.repeat(np.array(columns, dtype=object), len(table)),
            "time": np.tile(times.to_numpy(), len(columns)),
            name: to_numbers(table[list(columns)], form, reading).T.ravel(),
        }
    )


def names_of(column: pd.Series) -> pd.Series:
    """Returns the names in a column as text, exactly as they are written. Raises `InputError` at
    the first row that has none."""
    if column.dtype == object:
        odd = column.map(lambda value: isinstance(value, (list, dict)))
        if odd.any():
            raise InputError(
                f"column {column.name!r}: expected names, received {column[odd].iloc[0]!r} in "
                f"data row {int(odd.to_numpy().argmax()) + 1}"
            )
    text = column.astype("str") if not isinstance(column.dtype, pd.StringDtype) else column
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
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Sorts, checks and completes a long table.

    Args:
        table: columns `series`, `time` and `columns`, in any order of rows.
        columns: the value columns, float64 with NaN for a missing value.
        frequency: a step of `stages.series.grid`; None finds it.
        duplicates: what becomes of rows of one series with one time: `error`, `first`, `last`,
            `mean`.
        gaps: what becomes of missing times and values: `error`, `interpolate`, `forward_fill`,
            `zero`; `keep` lets rows be the steps whatever their times are, and still refuses
            missing values.
        split: how to split by time; None splits nothing (newer rows to predict from).

    Returns:
        The table with `series`, `time`, `columns`, one `observed_NAME` a column that is False where
        a value was filled in, and `split` (null: in no split); and what was counted.
    """
    counts: dict[str, Any] = {"raw_rows": len(table)}
    table = table.dropna(how="all", subset=list(columns)) if gaps == "keep" else table
    # Series keep the order in which the file names them; a stable sort keeps duplicates in theirs.
    order = np.lexsort((table["time"].to_numpy(), pd.factorize(table["series"])[0]))
    counts["was_sorted"] = bool((order[1:] > order[:-1]).all())
    if not counts["was_sorted"]:
        table = table.iloc[order]
    table, counts["duplicates"] = _without_duplicates(table, columns, duplicates)
    found = frequency or grid.find(table["time"])
    counts["frequency"] = found

    codes, ids = pd.factorize(table["series"])
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(
        np.int64
    )
    values = table[list(columns)].to_numpy(np.float64)
    times = table["time"].reset_index(drop=True)
    counts["missing_times"] = 0
    if gaps != "keep":
        values, times, starts, counts["missing_times"] = _on_whole_grid(
            values, times, starts, found, frequency is None
        )
    missing = np.isnan(values)
    counts["missing_values"] = int(missing.sum())
    ends = starts[1:, None] if split is None else boundaries(split, starts, times)[:, 1:]
    if missing.any():
        values = values.copy()
        _fill(values, missing, starts, ends, times, columns, gaps)
    series = pd.Categorical.from_codes(
        np.repeat(np.arange(len(ids)), np.diff(starts)), categories=np.asarray(ids, dtype=object)
    )
    # In one go: pandas warns of tables that grow column by column.
    content: dict[str, Any] = {"series": series, "time": times}
    for index, name in enumerate(columns):
        content |= {name: values[:, index], f"observed_{name}": ~missing[:, index]}
    out = pd.DataFrame(content)
    counts["rows"], counts["series"] = len(out), len(ids)
    if split is not None:
        code = np.full(len(out), -1, np.int8)
        edges = np.concatenate([starts[:-1, None], ends], axis=1)
        for k in range(len(SPLITS)):
            # +1 at each first row, -1 after each last one: the running sum is 1 inside the split.
            inside = np.zeros(len(out) + 1, np.int8)
            np.add.at(inside, edges[:, k], 1)
            np.add.at(inside, edges[:, k + 1], -1)
            code[np.cumsum(inside)[:-1] == 1] = k
        out["split"] = pd.Categorical.from_codes(code, categories=list(SPLITS))
        counts["split_rows"] = {name: int((code == k).sum()) for k, name in enumerate(SPLITS)}
        counts["rows_in_no_split"] = int((code < 0).sum())
    return out, counts


def _without_duplicates(
    table: pd.DataFrame, columns: Sequence[str], rule: str
) -> tuple[pd.DataFrame, int]:
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
            f"again ({number} such rows): "
            f"set ingest.duplicates to first, last or mean{zone}"
        )
    if rule == "mean":
        return table.groupby(["series", "time"], sort=False, as_index=False)[
            list(columns)
        ].mean(), number
    return table.drop_duplicates(["series", "time"], keep=rule), number


def _on_whole_grid(
    values: np.ndarray, times: pd.Series, starts: np.ndarray, frequency: str, found: bool
) -> tuple[np.ndarray, pd.Series, np.ndarray, int]:
    step = _step(frequency, times)
    steps, off = step.count(times)
    if off.any():
        at = int(np.argmax(off))
        raise InputError(
            f"expected times {frequency!r} apart, received {times.iloc[at]} which is off that "
            f"grid ({int(off.sum())} such rows): "
            "set ingest.frequency, ingest.zone where clocks change, or ingest.gaps to keep if "
            "rows count as steps whatever their times"
        )
    first, last = steps[starts[:-1]], steps[starts[1:] - 1]
    lengths = last - first + 1
    whole = np.concatenate([[0], np.cumsum(lengths)])
    added = int(whole[-1] - len(times))
    if not added:
        return values, times, starts, 0
    if added > (len(times) if found else 100 * len(times) + 1000):
        was = (
            "the step that was found between most of them" if found else "as ingest.frequency says"
        )
        raise InputError(
            f"expected times {frequency!r} apart ({was}), received {len(times)} rows for "
            f"{int(whole[-1])} such steps from {times.min()} to "
            f"{times.max()}, more gaps than rows: check that ingest.time_format reads these times "
            "rightly, and set ingest.frequency"
        )
    place = np.repeat(whole[:-1] - first, np.diff(starts)) + steps
    complete = np.full((whole[-1], values.shape[1]), np.nan)
    complete[place] = values
    at = np.arange(whole[-1]) - np.repeat(whole[:-1] - first, lengths)
    return complete, pd.Series(step.times(times.min(), at)), whole, added


def _step(frequency: str, times: pd.Series) -> grid.Step:
    dates = pd.api.types.is_datetime64_any_dtype(times)
    if dates == frequency.isdecimal():
        expected = (
            "a step such as h or D, as times are dates"
            if dates
            else "a whole number, as times are whole numbers"
        )
        raise InputError(f"ingest.frequency: expected {expected}, received {frequency!r}")
    return grid.parse(frequency)


def _fill(
    values: np.ndarray,
    missing: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    times: pd.Series,
    columns: Sequence[str],
    rule: str,
) -> None:
    """Fills missing values in place. What is filled in a split is computed from rows up to that
    split's end: nothing leaks back."""
    if rule in ("error", "keep"):
        row, column = np.argwhere(missing)[0]
        advice = "set ingest.gaps to interpolate, forward_fill or zero"
        if 2 * missing.sum() > missing.size:
            advice = "more than there are values, so check ingest.frequency and ingest.time_format"
        raise InputError(
            f"column {columns[int(column)]!r}: expected a value at every step, found none at "
            f"{times.iloc[row]} "
            f"({int(missing.sum())} missing values): {advice}"
        )
    if rule == "zero":
        values[missing] = 0.0
        return
    for series in np.unique(
        np.searchsorted(starts, np.flatnonzero(missing.any(axis=1)), side="right") - 1
    ):
        start, stop = starts[series], starts[series + 1]
        for column in np.flatnonzero(missing[start:stop].any(axis=0)):
            known = np.flatnonzero(~missing[start:stop, column])
            before = start
            for end in [*ends[series], stop]:
                gap = before - start + np.flatnonzero(missing[before:end, column])
                usable = known[known < end - start]
                if len(gap) and not len(usable):
                    raise InputError(
                        f"column {columns[int(column)]!r}: expected a value up to "
                        f"{times.iloc[end - 1]}, found none to fill the gap with"
                    )
                if len(gap) and rule == "interpolate":
                    values[start + gap, column] = np.interp(
                        gap, usable, values[start + usable, column]
                    )
                elif len(gap):
                    earlier = np.searchsorted(usable, gap) - 1
                    if earlier[0] < 0:
                        raise InputError(
                            f"column {columns[int(column)]!r}: expected a value before "
                            f"{times.iloc[start + gap[0]]} to fill it "
                            "forward from, found none: set ingest.gaps to interpolate"
                        )
                    values[start + gap, column] = values[start + usable[earlier], column]
                before = end
