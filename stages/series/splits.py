"""Splits by time: train, then validation, then test, in every series."""

import datetime
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BeforeValidator

from stages.errors import InputError
from stages.sections import Count, Name, Section
from stages.splits import SPLITS, ByCount, ByFraction, Fraction


def _read(time: object) -> object:
    """Returns a time that is written as text, as DVC takes no dates in params.yaml."""
    if not isinstance(time, str):
        return time
    try:
        return datetime.datetime.fromisoformat(time)
    except ValueError:
        raise ValueError('a time in quotes, such as "2020-01-31" or "2020-01-31 12:00"') from None


Time = Annotated[datetime.date | datetime.datetime, BeforeValidator(_read)]


class ByDate(Section):
    """The first time of validation and of test, and optionally the first time that is in no
    split."""

    validation: Time
    test: Time
    end: Time | None = None

    def on_clock(self, clock: Callable[[pd.Timestamp], pd.Timestamp]) -> "ByDate":
        """Returns the same times as `clock` shows them."""
        return self.model_copy(
            update={name: clock(pd.Timestamp(time)) for name, time in self if time is not None}
        )


class ByPrefix(Section):
    """Training and validation are the rows before a time, or so many rows; all others are test.

    until: the time or the number, or those of each series by its name.
    validation: the share of these rows, the last ones, that is validation.
    """

    until: Count | Time | dict[Name, Count | Time]
    validation: Fraction = 0.2

    def on_clock(self, clock: Callable[[pd.Timestamp], pd.Timestamp]) -> "ByPrefix":
        """Returns the same times as `clock` shows them."""

        def shown(until: int | Time) -> Any:
            return until if isinstance(until, int) else clock(pd.Timestamp(until))

        until = self.until
        moved = (
            {name: shown(own) for name, own in until.items()}
            if isinstance(until, dict)
            else shown(until)
        )
        return self.model_copy(update={"until": moved})


Split = ByFraction | ByCount | ByDate | ByPrefix


def starts_of(codes: np.ndarray) -> np.ndarray:
    """Returns the first row of each series, and the number of rows, (series + 1,), from the number
    of each row's series (rows,). The rows of a series lie together."""
    changes = np.flatnonzero(np.diff(codes)) + 1
    return np.concatenate([[0], changes, [len(codes)]]).astype(np.int64)


def boundaries(
    split: Split, starts: np.ndarray, times: pd.Series, names: Sequence[str] = ()
) -> np.ndarray:
    """Returns where the splits of each series lie.

    Args:
        split: how to split.
        starts: (series + 1,) first row of each series, and the number of rows at the end.
        times: (rows,) sorted in each series.
        names: of the series, for a split that names them.

    Returns:
        (series, 4) rows: split k of series s has the rows `[out[s, k], out[s, k + 1])`.

    Raises:
        InputError: a split of some series has no rows.
    """
    first, lengths = starts[:-1], np.diff(starts)
    match split:
        case ByFraction():
            # The small term undoes rounding of the sums: 0.7 + 0.15 is a little less than 0.85.
            shares = np.cumsum([split.train, split.validation, split.test])
            ends = np.floor(lengths[:, None] * shares + 1e-9).astype(np.int64)
        case ByCount():
            ends = _ends_by_count(split, lengths)
        case ByDate():
            ends = _ends_by_date(split, starts, times)
        case ByPrefix():
            ends = _ends_by_prefix(split, starts, times, names)
    edges = first[:, None] + np.concatenate([np.zeros((len(first), 1), np.int64), ends], axis=1)
    sizes = np.diff(edges, axis=1)
    bad = np.flatnonzero((sizes < 1).any(axis=1) | (edges[:, -1] > starts[1:]))
    if len(bad):
        series = int(bad[0])
        named = zip(SPLITS, sizes[series], strict=True)
        received = ", ".join(f"{name} {size}" for name, size in named)
        name = f", {names[series]!r}" if len(names) > 1 else ""
        raise InputError(
            f"ingest.split: expected at least one row in each split, received {received} of the "
            f"{lengths[series]} rows of series {series + 1} of {len(first)}{name} ({len(bad)} such "
            "series): give more rows or another split"
        )
    return edges


def _ends_by_count(split: ByCount, lengths: np.ndarray) -> np.ndarray:
    """Returns the rows up to the end of each split of each series, (series, 3)."""
    counts = [split.train, split.validation, split.test]
    known = sum(count for count in counts if count != "rest")
    sizes = [
        lengths - known if count == "rest" else np.full_like(lengths, count) for count in counts
    ]
    return np.cumsum(np.stack(sizes, axis=1), axis=1)


def _ends_by_date(split: ByDate, starts: np.ndarray, times: pd.Series) -> np.ndarray:
    """Returns the rows up to the end of each split of each series, (series, 3)."""
    _expect_dates(times)
    end = split.end or datetime.datetime.max
    edges = [pd.Timestamp(edge) for edge in (split.validation, split.test, end)]
    ends = np.empty((len(starts) - 1, 3), np.int64)
    for series, (start, stop) in enumerate(pairwise(starts)):
        own = times.iloc[start:stop]
        ends[series] = [
            len(own) if edge > own.iloc[-1] else own.searchsorted(edge) for edge in edges
        ]
    return ends


def _ends_by_prefix(
    split: ByPrefix, starts: np.ndarray, times: pd.Series, names: Sequence[str]
) -> np.ndarray:
    """Returns the rows up to the end of each split of each series, (series, 3)."""
    until = split.until
    if isinstance(until, dict) and (wrong := set(until) ^ set(names)):
        lacking, others = sorted(wrong & set(names)), sorted(wrong - set(names))
        received = [
            *([f"none of {lacking[0]!r}"] if lacking else []),
            *([f"one of {others[0]!r}, which is not in the data"] if others else []),
        ]
        raise InputError(
            f"ingest.split: expected `until` of each series, received {' and '.join(received)} "
            f"({len(wrong)} wrong names)"
        )
    ends = np.empty((len(starts) - 1, 3), np.int64)
    for series, (start, stop) in enumerate(pairwise(starts)):
        own = until[names[series]] if isinstance(until, dict) else until
        if isinstance(own, int):
            rows = min(own, int(stop - start))
        else:
            _expect_dates(times)
            rows = int(times.iloc[start:stop].searchsorted(pd.Timestamp(own)))
        ends[series] = rows - round(split.validation * rows), rows, stop - start
    return ends


def _expect_dates(times: pd.Series) -> None:
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise InputError(
            "ingest.split: expected fractions or counts, as this table has no dates; received dates"
        )
