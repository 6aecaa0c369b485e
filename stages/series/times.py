"""Columns of raw tables to times: dates in their own time zone, or whole numbers."""

import datetime
import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.formats import Reading
from stages.series import date_formats, dates


@dataclass(frozen=True)
class Times:
    """A column of times.

    Attributes:
        values: whole numbers; or datetime64[ns] without a zone, as the clock of `zone` shows them,
            or in UTC where `in_utc`.
        zone: the time zone of the data, such as `Europe/Berlin` or `+09:00`; None where there is
            none.
        in_utc: whether `values` are UTC. They are where a day has several times, as a change of
            clocks repeats an hour or leaves one out. Where all times are at the same time of the
            day, they are days of the local calendar.
        reading: what was found out about the column.
    """

    values: pd.Series
    zone: str | None = None
    in_utc: bool = False
    reading: Reading = field(default_factory=Reading)


def read_times(
    column: pd.Series,
    time_format: str | None,
    zone: str | None,
    whole: bool,
    in_utc: bool | None = None,
) -> Times:
    """Reads a column of times.

    Args:
        time_format: as for `datetime.strptime`; None: found out, where there is one way to read the
            column.
        zone: the zone of times that name none, or into which all are converted.
        whole: whether whole numbers count as such even where they look like dates.
        in_utc: whether times with a zone become UTC; None: found out.

    Raises:
        InputError: a row has no time or one of another form; or there are several ways to read the
            column.
    """
    column = _typed(column)
    text = _texts(column)
    if text is None and pd.api.types.is_datetime64_any_dtype(column):
        own = getattr(column.dtype, "tz", None)
        if own is None:
            return _in_zone(column, None, None, zone, in_utc, Reading())
        return _in_zone(column.dt.tz_localize(None), column, str(own), zone, in_utc, Reading())
    if text is None:
        text = _digits(column)
    if time_format is None and (numbers := date_formats.whole_numbers(text, whole)) is not None:
        return Times(numbers)
    form = time_format or date_formats.find(text)
    return _in_zone(*dates.parse(text, form), zone, in_utc, Reading(time_format=form))


def check_zone(name: str) -> datetime.tzinfo:
    """Returns the time zone called `name`, from the tz database or an offset such as +09:00.

    Raises `ValueError` if there is none.
    """
    try:
        if offset := re.fullmatch(r"(?:UTC)?([+-]\d{2}:\d{2})", name):
            return pd.Timestamp(f"2000-01-01T00:00:00{offset[1]}").tz
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone, such as Europe/Berlin or +09:00") from None


def local(times: np.ndarray, zone: str | None, in_utc: bool) -> np.ndarray:
    """Returns `Times.values` as the clock in `zone` shows them, without a zone."""
    if zone is None or not in_utc:
        return times
    aware = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(check_zone(zone))
    return aware.tz_localize(None).to_numpy()


def on_clock(time: pd.Timestamp, zone: str | None, in_utc: bool) -> pd.Timestamp:
    """Returns a time as `Times.values` hold it; one without a zone is on the clock of `zone`."""
    if zone is None:
        return time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
    aware = time.tz_localize(check_zone(zone)) if time.tz is None else time
    return aware.tz_convert("UTC" if in_utc else check_zone(zone)).tz_localize(None)


def shown(times: np.ndarray, zone: str | None, in_utc: bool) -> np.ndarray | pd.DatetimeIndex:
    """Returns `Times.values` as results show them: with the offset of their zone, if any."""
    if zone is None:
        return times
    index = pd.DatetimeIndex(times)
    if in_utc:
        return index.tz_localize("UTC").tz_convert(check_zone(zone))
    # Where a change of clocks leaves out midnight, the day starts at its first moment.
    return index.tz_localize(check_zone(zone), ambiguous=True, nonexistent="shift_forward")


def _typed(column: pd.Series) -> pd.Series:
    """Returns a column of Python objects, such as dates of Excel, as times, numbers or text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if column.dtype != object or any(isinstance(value, str) for value in column):
        return column
    try:
        numbers = all(isinstance(value, (int, float)) for value in column)
        return pd.to_numeric(column) if numbers else pd.to_datetime(column)
    except (ValueError, TypeError, OverflowError):
        return column.astype("str")


def _texts(column: pd.Series) -> pd.Series | None:
    """Returns the column as text; None if it holds times or numbers.

    Raises `InputError` if a row is empty.
    """
    is_text = isinstance(column.dtype, pd.StringDtype) or (
        column.dtype == object and any(isinstance(value, str) for value in column)
    )
    empty = column.isna() | (column == "" if is_text else False)
    if empty.any():
        raise InputError(
            f"column {column.name!r}: expected a time in every row, found none in data row "
            f"{int(empty.argmax()) + 1}"
        )
    return column.astype("str").str.strip() if is_text else None


def _digits(column: pd.Series) -> pd.Series:
    """Returns whole numbers as text. Raises `InputError` if the column holds anything else."""
    numbers = column.to_numpy()
    if not (pd.api.types.is_numeric_dtype(column) and (numbers == np.round(numbers)).all()):
        raise InputError(
            f"column {column.name!r}: expected times or whole numbers, received {column.iloc[0]}"
        )
    fits = np.abs(numbers).max(initial=0) < 2**63
    return column.astype("int64").astype("str") if fits else column.astype("str")


def _in_zone(
    clock: pd.Series,
    utc: pd.Series | None,
    own: str | None,
    zone: str | None,
    in_utc: bool | None,
    reading: Reading,
) -> Times:
    """Converts times into their own zone or into `zone`: to days of its calendar, or to UTC.

    Args:
        clock: the times on the clock, without a zone.
        utc: the same times with their zone; None: they have none.
        own: their zone, or several offsets.
        zone, in_utc: as for `read_times`.
    """
    if utc is None and zone is None:
        return Times(_nanoseconds(clock), reading=reading)
    if utc is None and not in_utc and _are_days(clock):
        # Days of the zone's calendar stay dates: a change of clocks may leave out a midnight.
        return Times(_nanoseconds(clock), zone, False, {**reading, "zone": str(zone)})
    if own is not None and ", " in own and zone is None:
        if _are_days(clock):
            return Times(_nanoseconds(clock), reading={**reading, "offsets": own})
        raise InputError(
            f"column {clock.name!r}: expected times with one offset from UTC, received {own}: set "
            "ingest.zone to the zone that changes its clocks so, such as Europe/Berlin"
        )
    name = str(zone or own)
    if utc is None:
        try:
            utc = clock.dt.tz_localize(check_zone(name), ambiguous="infer", nonexistent="raise")
        except ValueError as error:
            raise InputError(
                f"column {clock.name!r}: expected times of the zone {name}, received one that a "
                f"change of its clocks leaves out or repeats ({error}): give times with their "
                "offset from UTC"
            ) from None
    clock = utc.dt.tz_convert(check_zone(name)).dt.tz_localize(None)
    if in_utc is None:
        in_utc = not _are_days(clock)
    values = utc.dt.tz_convert("UTC").dt.tz_localize(None) if in_utc else clock
    return Times(_nanoseconds(values), name, in_utc, {**reading, "zone": name})


def _are_days(clock: pd.Series) -> bool:
    """Returns whether all times are at the same time of the day."""
    return bool((clock - clock.dt.normalize()).nunique() == 1)


def _nanoseconds(times: pd.Series) -> pd.Series:
    try:
        return times.astype("datetime64[ns]")
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise InputError(
            f"column {times.name!r}: expected {dates.LIMITS}, received {times.min()} to "
            f"{times.max()}"
        ) from None
