"""The step between times: which step of a regular grid a time is, and which time a step is.

Steps are written as pandas writes offsets (`h`, `15min`, `D`, `B`, `W-SAT`, `MS`, `QE-DEC`,
`2YS-JAN`), `MS-15` for the 15th of each month (`6MS-15`: every six months), and as a number for
times that are whole numbers.
"""

import re
import warnings
from dataclasses import dataclass
from math import gcd
from typing import Any, Protocol

import numpy as np
import pandas as pd

from stages.errors import InputError

# What stands in `day` for the end of a month.
END = 31
_DAY = np.timedelta64(1, "D")


class Step(Protocol):
    """The step of a grid that holds a first time."""

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns how many steps each of `times` is after the earliest, int64, and which of them
        are off the grid."""
        ...

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        """Returns the times that are so many steps after `first`, which is on the grid."""
        ...

    def following(self, last: Any, steps: int) -> np.ndarray:
        """Returns the next times of the grid after `last`, which may be off it."""
        ...


@dataclass(frozen=True)
class Whole:
    """Whole numbers that are `size` apart."""

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
    """Times that are `size` apart; on `weekday` (0: Monday), where that is said."""

    size: np.timedelta64
    weekday: int | None = None

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(times, "datetime64[ns]")
        # Without a sign, as 64 bits with one hold no more than 292 years of nanoseconds.
        since = values.view(np.uint64) - values.min().view(np.uint64)
        steps, rest = np.divmod(since, self.size.view(np.uint64))
        steps, off = steps.astype(np.int64), rest != 0
        return steps, off if self.weekday is None else off | (
            pd.DatetimeIndex(values).day_of_week.to_numpy() != self.weekday
        )

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        return np.datetime64(first, "ns") + self.size * steps

    def following(self, last: Any, steps: int) -> np.ndarray:
        stamp = pd.Timestamp(last)
        late = 0 if self.weekday is None else (self.weekday - stamp.day_of_week) % 7
        first = stamp + pd.Timedelta(days=late)
        return self.times(first, np.arange(steps) + (late == 0))


@dataclass(frozen=True)
class Months:
    """Every so many months, on one day of the month (`END`: the last one; in months that have no
    such day, the last one as well).

    Attributes:
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
        return steps, (rest != 0) | ~self._anchored(months) | (
            values != self._on(months) + clock
        ) | (clock != clock[values.argmin()])

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        first = np.datetime64(first, "ns")
        return self._on(_months_of(first) + self.size * steps) + (
            first - first.astype("datetime64[D]")
        )

    def following(self, last: Any, steps: int) -> np.ndarray:
        last = np.datetime64(last, "ns")
        clock = last - last.astype("datetime64[D]")
        months = _months_of(last) + np.arange(self.period + 2)
        possible = months[self._anchored(months) & (self._on(months) + clock >= last)]
        first = possible[0] + self.size if self._on(possible[0]) + clock == last else possible[0]
        return self._on(first + self.size * np.arange(steps)) + clock

    def _anchored(self, months: np.ndarray) -> np.ndarray:
        return (
            np.ones(months.shape, bool)
            if self.month is None
            else (months - self.month) % self.period == 0
        )

    def _on(self, months: Any) -> Any:
        """Returns the days in months that are counted from January 1970, datetime64[ns]."""
        begin = np.asarray(months, np.int64).astype("datetime64[M]")
        length = ((begin + 1).astype("datetime64[D]") - begin.astype("datetime64[D]")) // _DAY
        return (begin.astype("datetime64[D]") + (np.minimum(self.day, length) - 1) * _DAY).astype(
            "datetime64[ns]"
        )


def _months_of(times: Any) -> Any:
    return times.astype("datetime64[M]").astype(np.int64)


@dataclass(frozen=True)
class Offset:
    """Any other offset of pandas, such as business days."""

    offset: Any

    def count(self, times: Any) -> tuple[np.ndarray, np.ndarray]:
        index = pd.DatetimeIndex(times)
        grid = pd.date_range(index.min(), index.max(), freq=self.offset).as_unit("ns")
        # The grid need not hold the first time: then no time is on it.
        steps = grid.get_indexer(index)
        return steps.astype(np.int64), steps < 0

    def times(self, first: Any, steps: np.ndarray) -> np.ndarray:
        grid = pd.date_range(
            first, periods=int(np.max(steps, initial=0)) + 1, freq=self.offset
        ).as_unit("ns")
        return grid.to_numpy()[steps]

    def following(self, last: Any, steps: int) -> np.ndarray:
        grid = pd.date_range(last, periods=steps + 1, freq=self.offset).as_unit("ns")
        return grid[grid > last][:steps].to_numpy()


def parse(frequency: str) -> Step:
    """Returns the step that `frequency` names. Raises `ValueError` if it names none."""
    if frequency.isdecimal() and 0 < int(frequency) < 2**53:
        return Whole(int(frequency))
    if found := re.fullmatch(r"(\d*)MS-([12]?\d|3[01])", frequency):
        if int(found[1] or 1) > 0 and int(found[2]) > 0:
            return Months(int(found[1] or 1), int(found[2]))
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
    begins, ends = (
        (offsets.MonthBegin, offsets.QuarterBegin, offsets.YearBegin),
        (offsets.MonthEnd, offsets.QuarterEnd, offsets.YearEnd),
    )
    for size, kinds in zip((1, 3, 12), zip(begins, ends, strict=True), strict=True):
        if type(offset) in kinds:
            month = getattr(offset, "startingMonth", getattr(offset, "month", None))
            return Months(
                size * offset.n,
                1 if type(offset) is kinds[0] else END,
                None if month is None else month - 1,
                size,
            )
    return Offset(offset)


def find(times: pd.Series) -> str:
    """Finds the step between times. Raises `InputError` where there are fewer than three different
    times."""
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
        # pandas announces that it will return an offset instead of its name; both are taken.
        warnings.simplefilter("ignore")
        found = pd.infer_freq(unique)
    if found:
        return getattr(found, "freqstr", found)
    step = pd.Timedelta(steps.mode().iloc[0])
    if step == pd.Timedelta(days=7):
        return f"W-{unique[0].day_name()[:3].upper()}"
    if step == pd.Timedelta(days=1) and (unique.day_of_week < 5).all():
        return "B"
    days, rest = divmod(step, pd.Timedelta(days=1))
    return f"{days}D" if days and not rest else pd.tseries.frequencies.to_offset(step).freqstr


def _monthly(times: pd.DatetimeIndex) -> str | None:
    """Returns the step of times on one day of the month each; None if they are on several."""
    if (times - times.normalize()).nunique() > 1:
        return None
    size = gcd(*np.diff(_months_of(times.to_numpy())).tolist())
    day = END if times.is_month_end.all() else int(times.day.max())
    if (times.day != np.minimum(day, times.days_in_month)).any():
        month = times[0].strftime("%b").upper()
        names = {
            1: ("BMS", "BME"),
            3: (f"BQS-{month}", f"BQE-{month}"),
            12: (f"BYS-{month}", f"BYE-{month}"),
        }.get(size, ())
        return next(
            (
                name
                for name in names
                if all(map(pd.tseries.frequencies.to_offset(name).is_on_offset, times))
            ),
            None,
        )
    count, name = size, f"MS-{day}" if day not in (1, END) else "ME" if day == END else "MS"
    if day in (1, END) and size % 12 == 0:
        count, name = size // 12, f"Y{name[1]}-{times[0].strftime('%b').upper()}"
    elif day in (1, END) and size == 3:
        count, name = 1, f"Q{name[1]}-{times[0].strftime('%b').upper()}"
    return name if count == 1 else f"{count}{name}"
