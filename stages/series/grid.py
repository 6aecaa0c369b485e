"""Regular grids of times: the step between times, steps to times and times to steps.

A step is written as pandas writes offsets (`h`, `15min`, `D`, `B`, `W-SAT`, `MS`, `QE-DEC`,
`2YS-JAN`), as `MS-15` for the 15th of each month (`6MS-15`: every six months), or as a number where
times are whole numbers.
"""

import re
import warnings
from dataclasses import dataclass
from math import gcd
from typing import Any, Protocol

import numpy as np
import pandas as pd

from stages.errors import InputError

# The `day` of `Months` that means the end of the month.
END = 31
_DAY = np.timedelta64(1, "D")


class Step(Protocol):
    """The step of a grid that holds a first time."""

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        """Counts the steps of each time after the earliest.

        Returns:
            The counts, int64, and which of the times are off the grid.
        """
        ...

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        """Returns the times so many `steps` after `first`, which is on the grid."""
        ...

    def following(self, last: Any, steps: int) -> np.ndarray:
        """Returns the next `steps` times of the grid after `last`, which may be off it."""
        ...


@dataclass(frozen=True)
class Whole:
    """Whole numbers, `size` apart."""

    size: int

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(times, np.int64)
        steps, rest = np.divmod(values - values.min(), self.size)
        return steps, rest != 0

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        return first + self.size * steps

    def following(self, last: Any, steps: int) -> np.ndarray:
        return self.times(last, np.arange(1, steps + 1))


@dataclass(frozen=True)
class Fixed:
    """Times `size` apart, all on `weekday` (0: Monday) unless that is None."""

    size: np.timedelta64
    weekday: int | None = None

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(times, "datetime64[ns]")
        # Unsigned: 64 bits with a sign hold no more than 292 years of nanoseconds.
        elapsed = values.view(np.uint64) - values.min().view(np.uint64)
        steps, rest = np.divmod(elapsed, self.size.view(np.uint64))
        off = rest != 0
        if self.weekday is not None:
            off |= pd.DatetimeIndex(values).day_of_week.to_numpy() != self.weekday
        return steps.astype(np.int64), off

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        return np.datetime64(first, "ns") + self.size * steps

    def following(self, last: Any, steps: int) -> np.ndarray:
        stamp = pd.Timestamp(last)
        late = 0 if self.weekday is None else (self.weekday - stamp.day_of_week) % 7
        first = stamp + pd.Timedelta(days=late)
        return self.times(first, np.arange(steps) + (late == 0))


@dataclass(frozen=True)
class Months:
    """Every `size` months, on one day of the month.

    Attributes:
        day: the day of the month; the last one in shorter months, and in all where it is `END`.
        month, period: if `month` is not None, times are in that month (0: January) and every
            `period` months from it.
    """

    size: int
    day: int
    month: int | None = None
    period: int = 12

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(times, "datetime64[ns]")
        months = _months_of(values)
        steps, rest = np.divmod(months - months.min(), self.size)
        clock = values - values.astype("datetime64[D]")
        off = (rest != 0) | ~self._anchored(months)
        off |= (values != self._days(months) + clock) | (clock != clock[values.argmin()])
        return steps, off

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        first = np.datetime64(first, "ns")
        clock = first - first.astype("datetime64[D]")
        return self._days(_months_of(first) + self.size * steps) + clock

    def following(self, last: Any, steps: int) -> np.ndarray:
        last = np.datetime64(last, "ns")
        clock = last - last.astype("datetime64[D]")
        months = _months_of(last) + np.arange(self.period + 2)
        first = months[self._anchored(months) & (self._days(months) + clock >= last)][0]
        if self._days(first) + clock == last:
            first += self.size
        return self._days(first + self.size * np.arange(steps)) + clock

    def _anchored(self, months: np.ndarray) -> np.ndarray:
        if self.month is None:
            return np.ones(months.shape, bool)
        return (months - self.month) % self.period == 0

    def _days(self, months: Any) -> Any:
        """Returns the grid's days in months counted from January 1970, datetime64[ns]."""
        months = np.asarray(months, np.int64).astype("datetime64[M]")
        first = months.astype("datetime64[D]")
        length = ((months + 1).astype("datetime64[D]") - first) // _DAY
        return (first + (np.minimum(self.day, length) - 1) * _DAY).astype("datetime64[ns]")


def _months_of(times: Any) -> Any:
    """Returns months, counted from January 1970, int64."""
    return times.astype("datetime64[M]").astype(np.int64)


@dataclass(frozen=True)
class Offset:
    """Any other offset of pandas, such as business days."""

    offset: pd.DateOffset

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        index = pd.DatetimeIndex(times)
        grid = pd.date_range(index.min(), index.max(), freq=self.offset).as_unit("ns")
        # The first time may be off the grid; then all are.
        steps = grid.get_indexer(index)
        return steps.astype(np.int64), steps < 0

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        periods = int(np.max(steps, initial=0)) + 1
        grid = pd.date_range(first, periods=periods, freq=self.offset).as_unit("ns")
        return grid.to_numpy()[steps]

    def following(self, last: Any, steps: int) -> np.ndarray:
        grid = pd.date_range(last, periods=steps + 1, freq=self.offset).as_unit("ns")
        return grid[grid > last][:steps].to_numpy()


def parse(frequency: str) -> Step:
    """Returns the step that `frequency` names. Raises `ValueError` if it names none."""
    if frequency.isdecimal() and 0 < int(frequency) < 2**53:
        return Whole(int(frequency))
    if match := re.fullmatch(r"(\d*)MS-([12]?\d|3[01])", frequency):
        months, day = int(match[1] or 1), int(match[2])
        if months > 0 and day > 0:
            return Months(months, day)
        raise ValueError("a month and a day above 0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            offset = pd.tseries.frequencies.to_offset(frequency)
        except (ValueError, OverflowError) as error:
            raise ValueError(str(error)) from None
    if offset.n < 1:
        raise ValueError("a step above 0")
    offsets = pd.offsets
    if isinstance(offset, offsets.Week):
        return Fixed(np.timedelta64(7 * offset.n, "D").astype("timedelta64[ns]"), offset.weekday)
    if isinstance(offset, offsets.Day):
        return Fixed(np.timedelta64(offset.n, "D").astype("timedelta64[ns]"))
    if isinstance(offset, offsets.Tick):
        return Fixed(pd.Timedelta(offset).to_timedelta64().astype("timedelta64[ns]"))
    for period, begin, end in (
        (1, offsets.MonthBegin, offsets.MonthEnd),
        (3, offsets.QuarterBegin, offsets.QuarterEnd),
        (12, offsets.YearBegin, offsets.YearEnd),
    ):
        if type(offset) in (begin, end):
            month = getattr(offset, "startingMonth", getattr(offset, "month", None))
            anchor = None if month is None else month - 1
            return Months(period * offset.n, 1 if type(offset) is begin else END, anchor, period)
    return Offset(offset)


def in_days(frequency: str) -> bool:
    """Returns whether a step is one of days, weeks, months or the like."""
    step = parse(frequency)
    return not isinstance(step, Whole) and not (isinstance(step, Fixed) and step.size % _DAY)


def find(times: pd.Series) -> str:
    """Finds the step between times, some of which may be missing.

    Raises `InputError` if there are fewer than three different times.
    """
    unique = pd.Index(times.unique()).sort_values()
    if len(unique) < 3:
        raise InputError(
            f"expected at least 3 different times to find the frequency, received {len(unique)}: "
            "set ingest.frequency"
        )
    if not isinstance(unique, pd.DatetimeIndex):
        return str(int(pd.Series(np.diff(unique)).mode().iloc[0]))
    steps = pd.Series(np.diff(unique))
    if steps.min() >= pd.Timedelta(days=28) and (name := _monthly(unique)) is not None:
        return name
    with warnings.catch_warnings():
        # pandas warns that it will return an offset instead of its name; either will do.
        warnings.simplefilter("ignore")
        inferred = pd.infer_freq(unique)
    if inferred:
        return getattr(inferred, "freqstr", inferred)
    step = pd.Timedelta(steps.mode().iloc[0])
    if step == pd.Timedelta(days=7):
        return f"W-{unique[0].day_name()[:3].upper()}"
    if step == pd.Timedelta(days=1) and (unique.day_of_week < 5).all():
        return "B"
    days, rest = divmod(step, pd.Timedelta(days=1))
    return f"{days}D" if days and not rest else pd.tseries.frequencies.to_offset(step).freqstr


def _monthly(times: pd.DatetimeIndex) -> str | None:
    """Returns the step of times that are all on the same day of a month; None if they are not."""
    if (times - times.normalize()).nunique() > 1:
        return None
    size = gcd(*np.diff(_months_of(times.to_numpy())).tolist())
    day = END if times.is_month_end.all() else int(times.day.max())
    if (times.day != np.minimum(day, times.days_in_month)).any():
        # The first or the last business day of a month, quarter or year.
        month = times[0].strftime("%b").upper()
        names = {
            1: ("BMS", "BME"),
            3: (f"BQS-{month}", f"BQE-{month}"),
            12: (f"BYS-{month}", f"BYE-{month}"),
        }.get(size, ())
        for name in names:
            if all(map(pd.tseries.frequencies.to_offset(name).is_on_offset, times)):
                return name
        return None
    if day not in (1, END):
        return f"{'' if size == 1 else size}MS-{day}"
    edge = "S" if day == 1 else "E"
    if size % 12 and size != 3:
        return f"{'' if size == 1 else size}M{edge}"
    count, unit = (1, "Q") if size == 3 else (size // 12, "Y")
    return f"{'' if count == 1 else count}{unit}{edge}-{times[0].strftime('%b').upper()}"
