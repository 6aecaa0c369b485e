"""Labels: which rows are anomalies, from a column of 0 and 1 or from a table of windows. Either
becomes windows, which survive whatever is done to rows."""

import json
import logging
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import raw, raw_series, raw_tables
from stages.formats import FileFormat, Wanted
from stages.series.splits import starts_of

log = logging.getLogger("reprise")

# What stands for 0 and 1 in a column of labels besides these numbers, lower case.
VALUES = {"false": 0.0, "true": 1.0}
SHOWN = 3
# Windows as they are written, the first and the last time of each, by their series; None: the file
# names none. A series may have none.
Windows = dict[str | None, list[tuple[str, str]]]


def read_windows(path: Path) -> Windows:
    """Reads windows: a table with the columns `start`, `end`, and `series` where there are several;
    or JSON, series to lists of `[start, end]`, as the Numenta Anomaly Benchmark has it."""
    raw.check_file(path)
    if raw.suffix_of(path) == ".json" and isinstance(content := _json(path), dict):
        return {series: _pairs(path, series, pairs) for series, pairs in content.items()}
    wanted = Wanted(["start", "end"], lambda name: name == "series", lambda name: False)
    table = raw_tables.read_raw(path, wanted, FileFormat(file="data/raw/windows"))
    for name, column in table.items():
        empty = (column.isna() | (column.astype("str").str.strip() == "")).to_numpy()
        if empty.any():
            raise InputError(
                f"{path}: column {name!r}: expected a value in every row, found none in data row "
                f"{int(empty.argmax()) + 1}"
            )
    windows: Windows = {}
    names = table["series"].astype("str") if "series" in table else [None] * len(table)
    pairs = zip(table["start"].astype("str"), table["end"].astype("str"), strict=True)
    for name, pair in zip(names, pairs, strict=True):
        windows.setdefault(name, []).append(pair)
    return windows


def _json(path: Path) -> Any:
    """Returns the content of a JSON file, numbers as they are written."""

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        name, count = Counter(name for name, _ in pairs).most_common(1)[0] if pairs else ("", 0)
        if count > 1:
            raise InputError(
                f"{path}: expected each series once, found {name!r} {count} times: put its windows "
                "into one list"
            )
        return dict(pairs)

    text = raw.read_text(path)
    try:
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=mapping)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{path}: expected lists of [start, end], received deeper ones") from None
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, received another text: {error}") from None


def _pairs(path: Path, series: str, pairs: Any) -> list[tuple[str, str]]:
    found = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(isinstance(time, str) and not raw.SURROGATE.search(time) for time in pair)
        ):
            raise InputError(
                f"{path}: expected a list of [start, end] for each series, received "
                f"{reprlib.repr(pair)} for {series!r}"
            )
        found.append((pair[0], pair[1]))
    return found


def of_column(
    values: pd.Series, clock: pd.Series, series: np.ndarray, duplicates: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the windows that a column of labels marks, as `located` does.

    Args:
        values: the column. clock: (rows,) times. series: (rows,) names.
        duplicates: the label of several rows at one time: that of the `first` or of the `last`;
            anything else: whether one of them is an anomaly.
    """
    text = values.astype("str").str.strip().str.lower()
    labels = text.map(VALUES).fillna(pd.to_numeric(text, errors="coerce")).to_numpy(np.float64)
    if (wrong := ~np.isin(labels, [0, 1])).any():
        row = int(wrong.argmax())
        raise InputError(
            f"column {values.name!r}: expected 0 or 1 in every row, received "
            f"{str(values.iloc[row])!r} in data row {row + 1}"
        )
    marks, codes, times = labels > 0, pd.factorize(series)[0], clock.to_numpy()
    # Of the rows at one time, which sorting puts together, the first counts.
    ranks = {"first": np.zeros(len(marks)), "last": -np.arange(len(marks))}.get(duplicates, ~marks)
    order = np.lexsort((ranks, times, codes))
    codes, times = codes[order], times[order]
    again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    order = order[np.concatenate([[True], ~again])]
    marks, names, times = marks[order], series[order], clock.to_numpy()[order]
    same = names[1:] == names[:-1]
    first = marks & ~np.concatenate([[False], same & marks[:-1]])
    last = marks & ~np.concatenate([same & marks[1:], [False]])
    return names[first], times[first], times[last]


def located(
    windows: Windows, names: Mapping[str, str], read: Callable[[pd.Series], pd.Series]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the series, the first and the last time of windows, (windows,) each, those of series
    that are not in the data left out.

    Args:
        names: the name of each series in the data, by each name that a file of windows may have for
            it; a path stands for the name of its file.
        read: a column of text to its times, as the data's own are read.
    """
    every = sorted(set(names.values()))
    by_name = _by_name(windows, every)
    series_of = _series_of(list(by_name), names)
    lacking = [name for name in every if name not in series_of.values()]
    if others := [name for name in by_name if name not in series_of]:
        _report_others(others, names, lacking, any_known=bool(series_of))
    if windows and lacking:
        log.warning(
            "ingest.windows names no window of %s (%d such series): they count as normal",
            lacking[0],
            len(lacking),
        )
    found = [(series, *pair) for name, series in series_of.items() for pair in by_name[name]]
    if not found:
        empty = np.zeros(0, object)
        return empty, empty, empty
    series, starts, ends = (np.array(column, object) for column in zip(*found, strict=True))
    # Each text once: a repeated time would pass for the two that a change of clocks makes of it.
    numbers, texts = pd.factorize(np.concatenate([starts, ends]))
    clock = read(pd.Series(texts, name="start, end", dtype="str")).to_numpy()[numbers]
    return series, clock[: len(found)], clock[len(found) :]


def _by_name(windows: Windows, every: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Returns windows by the names in their file; those without one are of the only series."""
    if None in windows and len(every) > 1:
        raise InputError(
            f"ingest.windows: expected a column `series`, as the data has {len(every)} series, "
            "received start and end alone"
        )
    return {every[0] if name is None else name: pairs for name, pairs in windows.items()}


def _series_of(written: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """Returns the series that each name in a file of windows stands for, without those that stand
    for none. Arguments as of `located`."""
    series = {name: names[name] for name in written if name in names}
    taken = {*series, *map(_of_path, series)}
    paths: dict[str, str] = {}
    for name in written:
        own = _of_path(name)
        if name in series or own not in names or own in taken:
            continue
        if own in paths:
            raise InputError(
                f"ingest.windows: expected the windows of {own!r} under one name, received "
                f"{paths[own]!r} and {name!r}"
            )
        paths[own] = name
    return series | {name: names[own] for own, name in paths.items()}


def _of_path(path: str) -> str:
    """Returns the name of the series that the file at `path` is."""
    return raw_series.name_of(PurePosixPath(path).name)


def _report_others(
    others: Sequence[str], names: Mapping[str, str], lacking: Sequence[str], *, any_known: bool
) -> None:
    """Warns of windows of series that the data has not; an error where it has no other.

    Args:
        lacking: the series that have no windows, one of which may have been meant.
    """
    near = [match for name in others for match in get_close_matches(_of_path(name), lacking, n=1)]
    guess = f" (is it {near[0]!r}?)" if near else ""
    shown = ", ".join(map(repr, others[:SHOWN])) + (", ..." if len(others) > SHOWN else "")
    if not any_known:
        raise InputError(
            f"ingest.windows: expected windows of {', '.join(map(repr, list(names)[:SHOWN]))}, "
            f"received those of {shown}{guess}"
        )
    log.warning(
        "windows of %d series that are not in the data are left out: %s%s",
        len(others),
        shown,
        guess,
    )


def marked(
    table: pd.DataFrame,
    series: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    may_be_empty: bool = False,
) -> np.ndarray:
    """Returns which rows of a tidy table are in a window, (rows,) bool.

    Args:
        series, starts, ends: of the windows, as `located` returns them.
        may_be_empty: whether a window may have no row, as the rows that it was made of are gone.

    Raises:
        InputError: a window ends before it starts, has no row, or overlaps another one.
    """
    categories, codes = table["series"].cat.categories, table["series"].cat.codes.to_numpy()
    clock, rows = table["time"].to_numpy(), starts_of(codes)
    numbers = categories.get_indexer(series)
    edges, gone = np.zeros(len(table) + 1, np.int64), 0
    for start, stop in pairwise(rows):
        chosen = np.flatnonzero(numbers == codes[start])
        order = chosen[np.argsort(starts[chosen], kind="stable")]
        begin, finish = starts[order].astype(clock.dtype), ends[order].astype(clock.dtype)
        name, own = str(categories[codes[start]]), clock[start:stop]
        _check_windows(name, begin, finish)
        first = np.searchsorted(own, begin, side="left")
        after = np.searchsorted(own, finish, side="right")
        empty = after <= first
        gone += int(empty.sum())
        if empty.any() and not may_be_empty:
            at = int(empty.argmax())
            raise InputError(
                f"ingest.windows: expected a row of {name!r} in each window, found none from "
                f"{_shown(begin[at])} to {_shown(finish[at])} ({int(empty.sum())} such windows); "
                f"the rows are from {_shown(own[0])} to {_shown(own[-1])}"
            )
        np.add.at(edges, start + first, 1)
        np.add.at(edges, start + after, -1)
    if gone:
        log.warning("labels: %d anomalies are left out, as all their rows are without values", gone)
    return np.cumsum(edges)[:-1] > 0


def _check_windows(name: str, starts: np.ndarray, ends: np.ndarray) -> None:
    """Raises `InputError` for sorted windows of a series that are reversed or overlap."""
    if (wrong := ends < starts).any():
        at = int(wrong.argmax())
        raise InputError(
            f"ingest.windows: expected ends that are not before their starts, received "
            f"{_shown(starts[at])} to {_shown(ends[at])} of {name!r} ({int(wrong.sum())} such "
            "windows)"
        )
    if (overlap := starts[1:] <= ends[:-1]).any():
        at = int(overlap.argmax())
        raise InputError(
            f"ingest.windows: expected windows that do not overlap, received {_shown(starts[at])} "
            f"to {_shown(ends[at])} and {_shown(starts[at + 1])} to {_shown(ends[at + 1])} of "
            f"{name!r}: write them as one"
        )


def _shown(time: Any) -> str:
    return str(pd.Timestamp(time)) if isinstance(time, np.datetime64) else str(time)
