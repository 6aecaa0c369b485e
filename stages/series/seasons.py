"""The season of series, found by autocorrelation."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from stages.series import grid

# Seasons of the calendar: how many steps of so many seconds make a day, a week or a year.
CYCLES = (86_400, 604_800, 31_556_952)
# A weaker correlation one season apart makes no season.
WEAKEST = 0.3
# So much less do changes correlate between seasons.
DISTINCT = 0.15
# A longer season has to explain so much more than a shorter one.
MARGIN = 0.03


def find(series: Iterable[np.ndarray], frequency: str) -> int:
    """Returns the steps after which series repeat, 1 where they do not.

    The season is the lag at which the changes over half of it correlate best with themselves: those
    of a level that wanders do not, while its values correlate at every lag. For a curve that merely
    is smooth the correlation is as high a quarter or half of a season later, which a season is not.
    For dates only days, weeks and years come into question, so far as there are at least three; for
    whole numbers every lag, of which some correlate by chance, so far as there are at least six.

    Args:
        series: (rows,) each, training rows alone; NaN where a value was filled in.
        frequency: the step between times, as `stages.series.grid` says.
    """
    values = list(series)
    fewest = 6 if frequency.isdecimal() else 3
    longest = max((len(rows) for rows in values), default=0) // fewest
    best, highest = 1, WEAKEST - MARGIN
    for lag in _candidates(frequency, longest):
        if 2 <= lag <= longest:
            changes = [rows[lag // 2 :] - rows[: -(lag // 2)] for rows in values]
            found = _correlation(changes, lag)
            later = min(_correlation(changes, lag + part) for part in (lag // 2, lag // 4 or 1))
            if found > highest + MARGIN and found > later + DISTINCT:
                best, highest = lag, found
    return best


def _candidates(frequency: str, longest: int) -> list[int]:
    """Returns the lags that come into question, shortest first."""
    if frequency.isdecimal():
        return list(range(2, min(longest, 400) + 1))
    if grid.parse(frequency) == grid.parse("B"):
        return [5]
    first, *_, last = grid.parse(frequency).following(pd.Timestamp("2001-01-01"), 49)
    seconds = (last - first) / np.timedelta64(1, "s") / 48
    lags = (round(cycle / seconds) for cycle in CYCLES)
    return sorted({lag for lag in lags if lag >= 2})


def _correlation(changes: list[np.ndarray], lag: int) -> float:
    """Returns the mean over all series of the correlation of changes `lag` steps apart."""
    found = []
    for values in changes:
        first, second = values[:-lag], values[lag:]
        known = np.isfinite(first) & np.isfinite(second)
        if known.sum() > 2:
            first, second = first[known] - first[known].mean(), second[known] - second[known].mean()
            size = np.sqrt((first @ first) * (second @ second))
            found.append(first @ second / size if size > 0 else 0.0)
    return float(np.mean(found)) if found else 0.0
