"""Splits by time: train, then validation, then test, in every series."""

import datetime
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.sections import Section
from stages.splits import SPLITS, ByCount, ByFraction


class ByDate(Section):
    """The first time of validation and of test, and optionally the first time that is in no
    split."""

    validation: datetime.date | datetime.datetime
    test: datetime.date | datetime.datetime
    end: datetime.date | datetime.datetime | None = None

    def on_clock(self, clock: Callable[[pd.Timestamp], pd.Timestamp]) -> "ByDate":
        """Returns the same times as `clock` shows them."""
        return self.model_copy(
            update={name: clock(pd.Timestamp(time)) for name, time in self if time is not None}
        )


Split = ByFraction | ByCount | ByDate


def starts_of(codes: np.ndarray) -> np.ndarray:
    """Returns the first row of each series, and the number of rows, (series + 1,), from the number
    of each row's series (rows,). The rows of a series lie together."""
    changes = np.flatnonzero(np.diff(codes)) + 1
    return np.concatenate([[0], changes, [len(codes)]]).astype(np.int64)


def boundaries(split: Split, starts: np.ndarray, times: pd.Series) -> np.ndarray:
    """Returns where the splits of each series lie.

    Args:
        split: how to split.
        starts: (series + 1,) first row of each series, and the number of rows at the end.
        times: (rows,) sorted in each series.

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
    edges = first[:, None] + np.concatenate([np.zeros((len(first), 1), np.int64), ends], axis=1)
    sizes = np.diff(edges, axis=1)
    bad = np.flatnonzero((sizes < 1).any(axis=1) | (edges[:, -1] > starts[1:]))
    if len(bad):
        series = int(bad[0])
        named = zip(SPLITS, sizes[series], strict=True)
        received = ", ".join(f"{name} {size}" for name, size in named)
        raise InputError(
            f"ingest.split: expected at least one row in each split, received {received} of the "
            f"{lengths[series]} rows of series {series + 1} of {len(first)} ({len(bad)} such "
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
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise InputError(
            "ingest.split: expected fractions or counts, as this table has no dates; received dates"
        )
    end = split.end or datetime.datetime.max
    edges = [pd.Timestamp(edge) for edge in (split.validation, split.test, end)]
    ends = np.empty((len(starts) - 1, 3), np.int64)
    for series, (start, stop) in enumerate(pairwise(starts)):
        own = times.iloc[start:stop]
        ends[series] = [
            len(own) if edge > own.iloc[-1] else own.searchsorted(edge) for edge in edges
        ]
    return ends
