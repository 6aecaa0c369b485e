"""Raw tables to tidy series: sorted, typed, on a regular grid of times, each missing value filled and marked."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.arrays.splits import SPLITS, Split, boundaries
from stages.errors import InputError


def stack_rows(parts: Sequence[pd.DataFrame], series: str, name: str) -> pd.DataFrame:
    """Tables with one row a series become a long one. Parts follow each other in time and hold the same series.

    The empty cells at the end of a row are no values (ragged tables); empty cells between values are missing ones.
    """
    ids = parts[0][series].astype(str)
    blocks, kept = [], []
    for part in parts:
        if list(part[series].astype(str)) != list(ids):
            raise InputError(f"expected the same series in the same order in every part, received others in column {series!r}")
        values = numbers(part.drop(columns=series))
        filled = ~np.isnan(values)
        blocks.append(values)
        # True up to the last value of the row.
        kept.append(np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1])
    if ids.duplicated().any():
        raise InputError(f"expected one row a series, received the series {ids[ids.duplicated()].iloc[0]!r} twice in column {series!r}")
    mask = np.concatenate(kept, axis=1)
    lengths = mask.sum(axis=1)
    if not lengths.all():
        raise InputError(f"expected a value in every row, found none for the series {ids[lengths == 0].iloc[0]!r}")
    return pd.DataFrame(
        {
            "series": np.repeat(ids.to_numpy(), lengths),
            "time": np.concatenate([np.arange(length) for length in lengths]),
            name: np.concatenate(blocks, axis=1)[mask],
        }
    )


def stack_columns(table: pd.DataFrame, time: str | None, columns: Sequence[str], name: str) -> pd.DataFrame:
    """A table with one column a series becomes a long one."""
    rows = len(table)
    return pd.DataFrame(
        {
            "series": np.repeat(np.array(columns, dtype=object), rows),
            "time": np.tile(np.arange(rows) if time is None else table[time].to_numpy(), len(columns)),
            name: numbers(table[list(columns)]).T.ravel(),
        }
    )


def numbers(table: pd.DataFrame) -> np.ndarray:
    """Returns the table as (rows, columns) float64. Raises `InputError` at the first cell that is text or infinite."""
    out = np.empty(table.shape, np.float64)
    for index, name in enumerate(table.columns):
        column = table[name]
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        bad = np.flatnonzero((np.isnan(values) & column.notna().to_numpy()) | np.isinf(values))
        if len(bad):
            shown = column.iloc[bad[0]] if np.isnan(values[bad[0]]) else float(values[bad[0]])
            raise InputError(
                f"column {name!r}: expected finite numbers (an empty cell is a missing value), received {shown!r} "
                f"in data row {bad[0] + 1} ({len(bad)} such cells)"
            )
        out[:, index] = values
    return out


def times_of(column: pd.Series, time_format: str | None) -> pd.Series:
    """Returns the column as times without a zone, or as whole numbers where it holds whole numbers and no format is given."""
    if column.isna().any():
        raise InputError(f"column {column.name!r}: expected a time in every row, found none in data row {int(column.isna().argmax()) + 1}")
    if pd.api.types.is_float_dtype(column) and (column == column.round()).all():
        column = column.astype(np.int64)
    if pd.api.types.is_integer_dtype(column) and time_format is None:
        return column.astype(np.int64)
    if pd.api.types.is_datetime64_any_dtype(column):
        times = column
    else:
        text = column.astype(str)
        # All rows are parsed as the first one is: a guess for each row would read 01/02 and 13/02 in two ways.
        times = pd.to_datetime(text, format=time_format or _guess(str(text.iloc[0])), errors="coerce")
        if times.isna().any():
            row = int(times.isna().argmax())
            expected = f"times like {time_format!r}" if time_format else f"times written like {text.iloc[0]!r}"
            raise InputError(
                f"column {column.name!r}: expected {expected}, received {text.iloc[row]!r} in data row {row + 1}: set ingest.time_format"
            )
    if getattr(times.dtype, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return times.astype("datetime64[ns]")


def _guess(text: str) -> str:
    if re.match(r"^\d{4}-\d{2}", text):
        return "ISO8601"
    with warnings.catch_warnings():
        # pandas warns where only the day can come first, and then puts it first.
        warnings.simplefilter("ignore")
        return pd.tseries.api.guess_datetime_format(text) or "ISO8601"


def frequency_of(times: pd.Series) -> str:
    """Finds the step between times: a pandas offset such as `h`, `D`, `W-SAT`, `MS`, or `1` for whole numbers."""
    unique = pd.Index(times.unique()).sort_values()
    if len(unique) < 3:
        raise InputError(f"expected at least 3 different times to find the frequency, received {len(unique)}: set ingest.frequency")
    if not isinstance(unique, pd.DatetimeIndex):
        return str(int(pd.Series(np.diff(unique)).mode().iloc[0]))
    with warnings.catch_warnings():
        # pandas announces that it will return an offset instead of its name; both are taken.
        warnings.simplefilter("ignore")
        found = pd.infer_freq(unique)
    if found:
        return getattr(found, "freqstr", found)
    steps = pd.Series(np.diff(unique))
    step = pd.Timedelta(steps.mode().iloc[0])
    if step == pd.Timedelta(days=7):
        return f"W-{unique[0].day_name()[:3].upper()}"
    if step == pd.Timedelta(days=1) and (unique.day_of_week < 5).all():
        return "B"
    if step >= pd.Timedelta(days=28):
        month = unique[0].strftime("%b").upper()
        # The longest of the calendar's steps that all times are on: the first of a quarter is the first of a month too.
        for name in (f"YS-{month}", f"YE-{month}", f"QS-{month}", f"QE-{month}", "MS", "ME", "BMS", "BME"):
            offset = pd.tseries.frequencies.to_offset(name)
            if all(offset.is_on_offset(time) for time in unique):
                return name
    days, rest = divmod(step, pd.Timedelta(days=1))
    return f"{days}D" if days and not rest else pd.tseries.frequencies.to_offset(step).freqstr


def steps_on_grid(times: pd.Series, frequency: str) -> np.ndarray:
    """Returns for each time which step of the grid it is, counted from the earliest.

    Raises `InputError` for a time that is not on the grid of `frequency`.
    """
    dates = pd.api.types.is_datetime64_any_dtype(times)
    if dates == frequency.isdigit():
        expected = "a step such as h or D, as times are dates" if dates else "a whole number, as times are whole numbers"
        raise InputError(f"ingest.frequency: expected {expected}, received {frequency!r}")
    span = times.max() - times.min()
    # No step of the calendar is shorter than a day.
    offset = pd.tseries.frequencies.to_offset(frequency) if dates else None
    shortest = (pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else pd.Timedelta(days=1)) if dates else int(frequency)
    if span / shortest > 100 * len(times) + 1000:
        raise InputError(
            f"expected times {frequency!r} apart, received {len(times)} rows over {span}, gaps so wide that they cannot be filled in: "
            "set ingest.frequency to the real one, or ingest.gaps to keep"
        )
    if not dates:
        steps, rest = np.divmod(times.to_numpy() - times.min(), int(frequency))
        off = rest != 0
    else:
        unique = pd.DatetimeIndex(times.unique()).sort_values()
        grid = pd.date_range(unique[0], unique[-1], freq=frequency)
        # The grid of an anchored offset (weeks, months) need not hold the first time: then no time is on it.
        steps = grid.get_indexer(pd.DatetimeIndex(times))
        off = steps < 0
    if off.any():
        at = int(np.argmax(off))
        raise InputError(
            f"expected times {frequency!r} apart, received {times.iloc[at]} which is off that grid ({int(off.sum())} such rows): "
            "set ingest.frequency, or ingest.gaps to keep if rows are to count as steps whatever their times"
        )
    return np.asarray(steps, np.int64)


def following(last: Any, frequency: str, steps: int) -> np.ndarray:
    """Returns the `steps` times after `last`."""
    if isinstance(last, (int, np.integer)):
        return last + int(frequency) * np.arange(1, steps + 1)
    # An offset rolls a last time that is off its grid (rows kept as they came) forward to the first time on it.
    grid = pd.date_range(last, periods=steps + 1, freq=frequency)
    return grid[grid > last][:steps].to_numpy()


def tidy(
    table: pd.DataFrame, columns: Sequence[str], frequency: str | None, duplicates: str, gaps: str, split: Split | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Sorts, checks and completes a long table.

    Args:
        table: columns `series`, `time` and `columns`, in any order of rows.
        columns: the value columns, float64 with NaN for a missing value.
        frequency: a pandas offset; None finds it.
        duplicates: what becomes of rows of one series with one time: `error`, `first`, `last`, `mean`.
        gaps: what becomes of missing times and values: `error`, `interpolate`, `forward_fill`, `zero`; `keep` lets rows be the
            steps whatever their times are, and still refuses missing values.
        split: how to split by time; None splits nothing (newer rows to predict from).

    Returns:
        The table with `series`, `time`, `columns`, one `observed_NAME` a column that is False where a value was filled in, and
        `split` (null: in no split); and what was counted.
    """
    counts: dict[str, Any] = {"raw_rows": len(table)}
    table = table.dropna(how="all", subset=list(columns)) if gaps == "keep" else table
    # Series keep the order in which the file names them; a stable sort keeps duplicates in theirs.
    order = np.lexsort((table["time"].to_numpy(), pd.factorize(table["series"])[0]))
    counts["was_sorted"] = bool((order[1:] > order[:-1]).all())
    if not counts["was_sorted"]:
        table = table.iloc[order]
    table, counts["duplicates"] = _without_duplicates(table, columns, duplicates)
    found = frequency or frequency_of(table["time"])
    counts["frequency"] = found

    codes, ids = pd.factorize(table["series"])
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).astype(np.int64)
    values = table[list(columns)].to_numpy(np.float64)
    times = table["time"].reset_index(drop=True)
    counts["missing_times"] = 0
    if gaps != "keep":
        values, times, starts, counts["missing_times"] = _on_whole_grid(values, times, starts, found)
    missing = np.isnan(values)
    counts["missing_values"] = int(missing.sum())
    ends = starts[1:, None] if split is None else boundaries(split, starts, times)[:, 1:]
    if missing.any():
        values = values.copy()
        _fill(values, missing, starts, ends, times, columns, gaps)
    series = pd.Categorical.from_codes(np.repeat(np.arange(len(ids)), np.diff(starts)), categories=np.asarray(ids, dtype=object))
    out = pd.DataFrame({"series": series, "time": times})
    for index, name in enumerate(columns):
        out[name] = values[:, index]
        out[f"observed_{name}"] = ~missing[:, index]
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


def _without_duplicates(table: pd.DataFrame, columns: Sequence[str], rule: str) -> tuple[pd.DataFrame, int]:
    repeated = table.duplicated(["series", "time"])
    number = int(repeated.sum())
    if not number:
        return table, 0
    if rule == "error":
        row = table[repeated].iloc[0]
        raise InputError(
            f"expected one row for each time, received {row['time']} of series {row['series']!r} again ({number} such rows): "
            "set ingest.duplicates to first, last or mean"
        )
    if rule == "mean":
        return table.groupby(["series", "time"], sort=False, as_index=False)[list(columns)].mean(), number
    return table.drop_duplicates(["series", "time"], keep=rule), number


def _on_whole_grid(
    values: np.ndarray, times: pd.Series, starts: np.ndarray, frequency: str
) -> tuple[np.ndarray, pd.Series, np.ndarray, int]:
    steps = steps_on_grid(times, frequency)
    first, last = steps[starts[:-1]], steps[starts[1:] - 1]
    lengths = last - first + 1
    whole = np.concatenate([[0], np.cumsum(lengths)])
    added = int(whole[-1] - len(times))
    if not added:
        return values, times, starts, 0
    place = np.repeat(whole[:-1] - first, np.diff(starts)) + steps
    complete = np.full((whole[-1], values.shape[1]), np.nan)
    complete[place] = values
    at = np.arange(whole[-1]) - np.repeat(whole[:-1] - first, lengths)
    if pd.api.types.is_datetime64_any_dtype(times):
        grid = pd.date_range(times.min(), times.max(), freq=frequency).as_unit("ns")
        return complete, pd.Series(grid.to_numpy()[at]), whole, added
    return complete, pd.Series(times.min() + at * int(frequency)), whole, added


def _fill(
    values: np.ndarray, missing: np.ndarray, starts: np.ndarray, ends: np.ndarray, times: pd.Series, columns: Sequence[str], rule: str
) -> None:
    """Fills missing values in place. What is filled in a split is computed from rows up to that split's end: nothing leaks back."""
    if rule in ("error", "keep"):
        row, column = np.argwhere(missing)[0]
        raise InputError(
            f"column {columns[int(column)]!r}: expected a value at every step, found none at {times.iloc[row]} "
            f"({int(missing.sum())} missing values): set ingest.gaps to interpolate, forward_fill or zero"
        )
    if rule == "zero":
        values[missing] = 0.0
        return
    for series in np.unique(np.searchsorted(starts, np.flatnonzero(missing.any(axis=1)), side="right") - 1):
        start, stop = starts[series], starts[series + 1]
        for column in np.flatnonzero(missing[start:stop].any(axis=0)):
            known = np.flatnonzero(~missing[start:stop, column])
            before = start
            for end in [*ends[series], stop]:
                gap = before - start + np.flatnonzero(missing[before:end, column])
                usable = known[known < end - start]
                if len(gap) and not len(usable):
                    raise InputError(
                        f"column {columns[int(column)]!r}: expected a value up to {times.iloc[end - 1]}, found none to fill the gap with"
                    )
                if len(gap) and rule == "interpolate":
                    values[start + gap, column] = np.interp(gap, usable, values[start + usable, column])
                elif len(gap):
                    earlier = np.searchsorted(usable, gap) - 1
                    if earlier[0] < 0:
                        raise InputError(
                            f"column {columns[int(column)]!r}: expected a value before {times.iloc[start + gap[0]]} to fill it "
                            "forward from, found none: set ingest.gaps to interpolate"
                        )
                    values[start + gap, column] = values[start + usable[earlier], column]
                before = end
