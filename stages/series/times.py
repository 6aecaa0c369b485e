"""Columns of raw tables to times: dates as people write them, in their own time zone, or whole
numbers."""

import re
import warnings
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.errors import InputError

# An offset from UTC at the end of a time, behind hours and minutes.
_OFFSET = (
    r"(?<=\d) ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|(?:(?<=:\d\d)|(?<=\.\d{3})|(?<=\.\d{6}))[+-]\d{2})$"
)
_HAS_CLOCK = r"\d:\d\d|\dT\d\d"
_CLOCK = r"[ T](?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: ?(?P<half>[AaPp][Mm]))?"
_NUMERIC = re.compile(
    rf"(?P<a>\d{{1,4}})(?P<mark>[./-])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{1,4}})(?:{_CLOCK})?"
)
_MONTH_NAMES = [
    order.replace(" ", mark) for mark in (" ", "-", "/") for order in ("%b %Y", "%Y %b")
] + ["%Y/%m", "%m/%Y", "%m.%Y", "%m-%Y"]
# Dates that are written as digits alone, by how many there are.
_DIGITS = {
    6: ("%Y%m", "%y%m%d"),
    7: ("%Y%j",),
    8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
_LIMITS = "times between the years 1678 and 2261, which 64 bits of nanoseconds can hold"


@dataclass(frozen=True)
class Times:
    """Times that were read.

    Attributes:
        values: whole numbers; or datetime64[ns] without a zone: the clock of `zone`, or UTC where
            `in_utc`.
        zone: the time zone of the data, such as `Europe/Berlin` or `+09:00`; None where there is
            none.
        in_utc: whether `values` are UTC. So they are where a day has several times, as a change of
            clocks repeats an hour or leaves one out; where all have one time of the day, they are
            days of the local calendar.
        reading: what was found out, for `about.json`.
    """

    values: pd.Series
    zone: str | None = None
    in_utc: bool = False
    reading: dict[str, Any] = field(default_factory=dict)


def read_times(
    column: pd.Series,
    time_format: str | None,
    zone: str | None,
    whole: bool,
    in_utc: bool | None = None,
) -> Times:
    """Reads a column of times.

    Args:
        time_format: as `datetime.strptime` takes it; None: found out, where there is one way to
            read the column.
        zone: the zone of times that name none, or into which all are put.
        whole: whether whole numbers are meant as such, even where they look like dates.
        in_utc: whether times with a zone become UTC; None: found out.

    Raises:
        InputError: a row has no time or another sort of time; or there are several ways to read the
            column.
    """
    column = _typed(column)
    text = _texts(column)
    if text is None and pd.api.types.is_datetime64_any_dtype(column):
        aware = getattr(column.dtype, "tz", None)
        clock = column if aware is None else column.dt.tz_localize(None)
        return _in_zone(
            clock,
            None if aware is None else column,
            None if aware is None else str(aware),
            zone,
            in_utc,
            {},
        )
    if text is None:
        numbers = column.to_numpy()
        if not (pd.api.types.is_numeric_dtype(column) and (numbers == np.round(numbers)).all()):
            raise InputError(
                f"column {column.name!r}: expected times or whole numbers, received "
                f"{column.iloc[0]}"
            )
        text = (
            column.astype("int64").astype("str")
            if np.abs(numbers).max(initial=0) < 2**63
            else column.astype("str")
        )
    if time_format is None and (numbers := _whole_numbers(text, whole)) is not None:
        return Times(numbers)
    found = time_format or _format_of(text)
    return _in_zone(*_parsed(text, found), zone, in_utc, {"time_format": found})


def check_zone(name: str) -> Any:
    """Returns the time zone called `name`, of the tz database or an offset such as +09:00. Raises
    `ValueError` if there is none."""
    try:
        if offset := re.fullmatch(r"(?:UTC)?([+-]\d{2}:\d{2})", name):
            return pd.Timestamp(f"2000-01-01T00:00:00{offset[1]}").tz
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone, such as Europe/Berlin or +09:00") from None


def local(times: np.ndarray, zone: str | None, in_utc: bool) -> np.ndarray:
    """Returns times of a table as the clock in `zone` shows them, without a zone."""
    if zone is None or not in_utc:
        return times
    return (
        pd.DatetimeIndex(times)
        .tz_localize("UTC")
        .tz_convert(check_zone(zone))
        .tz_localize(None)
        .to_numpy()
    )


def on_clock(time: pd.Timestamp, zone: str | None, in_utc: bool) -> pd.Timestamp:
    """Returns a time as it stands in a table: without a zone it is one of the clock in `zone`."""
    if zone is None:
        return time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
    aware = time.tz_localize(check_zone(zone)) if time.tz is None else time
    return aware.tz_convert("UTC" if in_utc else check_zone(zone)).tz_localize(None)


def shown(times: np.ndarray, zone: str | None, in_utc: bool) -> Any:
    """Returns times of a table as they are written down: with the offset of their zone, if they
    have one."""
    if zone is None:
        return times
    index = pd.DatetimeIndex(times)
    if in_utc:
        return index.tz_localize("UTC").tz_convert(check_zone(zone))
    # A midnight that a change of clocks leaves out is the first moment of that day.
    return index.tz_localize(check_zone(zone), ambiguous=True, nonexistent="shift_forward")


def _typed(column: pd.Series) -> pd.Series:
    """Returns a column of Python's objects, such as the dates of Excel and Parquet, as one of
    times, numbers or text."""
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
    """Returns the column as text; None where it holds times or numbers. Raises `InputError` where a
    row has nothing."""
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


def _whole_numbers(text: pd.Series, whole: bool) -> pd.Series | None:
    """Returns the texts as whole numbers; None if they are no such. Raises `InputError` where they
    may be dates."""
    if not re.fullmatch(r"[-+]?\d+(\.0*)?", str(text.iloc[0])):
        return None
    values = pd.to_numeric(text, errors="coerce")
    if values.isna().any() or (values != values.round()).any():
        return None
    if values.abs().max() > 2**53:
        raise InputError(
            f"column {text.name!r}: expected whole numbers up to 2^53, received "
            f"{text[values.abs().idxmax()]!r}"
        )
    values = values.astype(np.int64)
    if whole:
        return values
    if dates := _as_dates(text):
        raise InputError(
            f"column {text.name!r}: expected times that can be read in one way only, received "
            f"{text.iloc[0]!r}: if these are dates, "
            f"{dates}; if they count steps, set ingest.frequency to 1"
        )
    return values


def _as_dates(text: pd.Series) -> str | None:
    """Returns how whole numbers that may all be dates are to be given as such; None if they cannot
    all be dates."""
    lengths = text.str.len()
    if lengths.nunique() > 1 or not text.str.fullmatch(r"\d+").all():
        return None
    forms = []
    for form in _DIGITS.get(int(lengths.iloc[0]), ()):
        times = pd.to_datetime(text.astype(object), format=form, errors="coerce")
        if times.notna().all() and times.dt.year.between(1800, 2199).all():
            forms.append(f'"{form}"')
    if forms:
        return f"set ingest.time_format to {' or '.join(forms)}"
    years, weeks = text.str[:4], pd.to_numeric(text.str[4:])
    if (
        int(lengths.iloc[0]) == 6
        and years.between("1900", "2100").all()
        and weeks.between(1, 53).all()
    ):
        return "write the weeks as 2020-W01"
    return None


def _format_of(text: pd.Series) -> str:
    """Returns the one format in which the column can be read: of `strptime`, or ISO8601, or the
    name of another form.

    All rows have the form of the first one: a guess for each row would read 01/02 and 13/02 in two
    ways.
    """
    first = str(text.iloc[0])
    if re.match(r"\d{4}-\d{2}(?!\d)", first) or re.match(r"\d{8}T\d", first):
        return "ISO8601"
    for name, (pattern, _) in _PERIODS.items():
        if re.fullmatch(pattern, first):
            return name
    plain = _without_offset(text)
    if _NUMERIC.fullmatch(plain.iloc[0]):
        return _numeric_format(text, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guess = pd.tseries.api.guess_datetime_format(str(plain.iloc[0]))
    if guess and "%m" in guess and "%d" in guess and not guess.startswith("%Y"):
        # pandas takes the month for the first of two numbers.
        swapped = guess.translate(str.maketrans("md", "dm"))
        fitting = [form for form in (swapped, guess) if _fits(plain, form)]
        if len(fitting) == 2:
            raise _two_readings(text, swapped, guess)
        if fitting and "%y" not in guess:
            return _with_offset(fitting[0], plain, text)
    forms = [guess, *_MONTH_NAMES] if guess and "%m" not in guess else _MONTH_NAMES
    # May is a whole name and a short one. A year of two digits may be a day.
    forms = [
        form for name in forms if "%y" not in name for form in (name, name.replace("%b", "%B"))
    ]
    fitting = [form for form in forms if _fits(plain.iloc[:1], form)]
    if fitting:
        return _with_offset(
            next((form for form in fitting if _fits(plain, form)), fitting[0]), plain, text
        )
    raise InputError(
        f"column {text.name!r}: expected times in a form that can be read in one way only, "
        f"received {first!r}: set ingest.time_format, or "
        "write quarters as 2010Q1 and weeks as 2020-W01"
    )


def _fits(text: pd.Series, form: str) -> bool:
    try:
        return bool(pd.to_datetime(text, format=form, errors="coerce").notna().all())
    except ValueError:
        return False


def _with_offset(form: str, plain: pd.Series, text: pd.Series) -> str:
    return form if plain.iloc[0] == text.iloc[0] else f"{form} %z"


def _two_readings(text: pd.Series, day_first: str, month_first: str) -> InputError:
    return InputError(
        f"column {text.name!r}: expected dates that can be read in one way only, received "
        f"{text.iloc[0]!r}, in which both readings are "
        f'possible in all rows: set ingest.time_format to "{day_first}" (day first) or '
        f'"{month_first}" (month first)'
    )


def _numeric_format(text: pd.Series, plain: pd.Series) -> str:
    """Returns the format of dates of three numbers. Which one is the day is told by the column,
    where one of them is above 12.

    plain: the texts without their offsets from UTC.
    """
    parts = plain.str.extract(rf"^(?:{_NUMERIC.pattern})$")
    first = str(text.iloc[0])
    if parts["a"].isna().any():
        row = int(parts["a"].isna().argmax())
        raise _other_form(text, row, f"times written like {first!r}")
    mark = parts["mark"].iloc[0]
    numbers = parts[["a", "b", "c"]].astype(np.int64)
    lengths = parts[["a", "b", "c"]].apply(lambda column: column.str.len().max())
    if lengths["a"] == 4:
        order = ("%Y", "%m", "%d")
    elif lengths["c"] == 4:
        day_first, month_first = numbers["a"].max() > 12, numbers["b"].max() > 12
        if day_first == month_first:
            orders = [mark.join(order) for order in (("%d", "%m", "%Y"), ("%m", "%d", "%Y"))]
            if day_first:
                raise InputError(
                    f"column {text.name!r}: expected days in one place of all dates, received "
                    f"{text.iloc[int(numbers['a'].argmax())]!r} and "
                    f"{text.iloc[int(numbers['b'].argmax())]!r}: set ingest.time_format"
                )
            raise _two_readings(text, *orders)
        order = ("%d", "%m", "%Y") if day_first else ("%m", "%d", "%Y")
    else:
        raise InputError(
            f"column {text.name!r}: expected years of four digits, received {first!r}: set "
            "ingest.time_format, such as "
            f'"{mark.join(("%d", "%m", "%y"))}"'
        )
    clock = parts["clock"].iloc[0]
    if isinstance(clock, str):
        half = isinstance(parts["half"].iloc[0], str)
        seconds = {1: "", 2: ":%S"}[clock.count(":")] + (".%f" if "." in clock else "")
        between = "T" if "T" in first else " "
        gap = " " if half and re.search(r" [AaPp][Mm]", first) else ""
        clock = ("%I" if half else "%H") + ":%M" + seconds + (gap + "%p" if half else "")
        return _with_offset(mark.join(order) + between + clock, plain, text)
    return mark.join(order)


def _without_offset(text: pd.Series) -> pd.Series:
    return (
        text.astype(object).str.replace(_OFFSET, "", regex=True)
        if re.search(_HAS_CLOCK, str(text.iloc[0]))
        else text.astype(object)
    )


def _quarters(text: pd.Series) -> pd.Series:
    found = text.str.extract(r"^(?:[Qq]([1-4])[- /]?(\d{4})|(\d{4})[- /]?[Qq]([1-4]))$")
    year, quarter = found[1].fillna(found[2]), found[0].fillna(found[3])
    return pd.to_datetime(
        year + "-" + ((pd.to_numeric(quarter) - 1) * 3 + 1).astype("Int64").astype("str"),
        format="%Y-%m",
        errors="coerce",
    )


def _weeks(text: pd.Series) -> pd.Series:
    found = text.str.extract(r"^(\d{4})-?[Ww](\d{2})(?:-?([1-7]))?$")
    return pd.to_datetime(
        found[0] + "-" + found[1] + "-" + found[2].fillna("1"), format="%G-%V-%u", errors="coerce"
    )


def _months(text: pd.Series) -> pd.Series:
    return pd.to_datetime(
        text.str.replace(r"^(\d{4})[- ]?[Mm](\d{2})$", r"\1-\2", regex=True),
        format="%Y-%m",
        errors="coerce",
    )


# Forms that name a period: it stands for its first day.
_PERIODS = {
    "quarters": (r"[Qq][1-4][- /]?\d{4}|\d{4}[- /]?[Qq][1-4]", _quarters),
    "ISO weeks": (r"\d{4}-?[Ww]\d{2}(-?[1-7])?", _weeks),
    "months": (r"\d{4}[- ]?[Mm]\d{2}", _months),
}


def _parsed(text: pd.Series, form: str) -> tuple[pd.Series, pd.Series | None, str | None]:
    """Returns what the clock showed; where the texts have offsets from UTC, also the times in UTC,
    and the offsets."""
    expected = {"ISO8601": "ISO times such as '2020-01-31' or '2020-01-31T12:00:00'"}.get(
        form, f"times like {form!r}"
    )
    utc, zone = None, None
    if form in _PERIODS:
        clock = _PERIODS[form][1](text.astype(object))
    elif form == "ISO8601" and (fast := _iso(text)) is not None:
        return fast, None, None
    else:
        plain = _without_offset(text)
        has = plain != text
        if not ("%z" in form or form == "ISO8601") or not has.any():
            clock = _to_datetime(_padded(text.astype(object), form), form)
            if isinstance(clock.dtype, pd.DatetimeTZDtype):
                utc, zone, clock = clock, str(clock.dt.tz), clock.dt.tz_localize(None)
        elif has.all():
            clock = _to_datetime(plain, form.replace("%z", "").strip())
            utc = _utc(clock, text.astype(object).str.extract(f"({_OFFSET})")[0])
            zone = _zone_of(clock, utc)
        else:
            raise _other_form(
                text,
                int((has != has.iloc[0]).argmax()),
                "an offset from UTC in every row or in none",
            )
    if clock.isna().any():
        row = int(clock.isna().argmax())
        if re.search(
            r"(?<!\d)(0\d{3}|1[0-5]\d\d|16[0-6]\d|2[3-9]\d\d|[3-9]\d{3})(?!\d)", str(text.iloc[row])
        ):
            expected = _LIMITS
        raise _other_form(text, row, expected)
    return clock, utc, zone


def _padded(text: pd.Series, form: str) -> pd.Series:
    """Returns digits with the zeros in front that spreadsheets take away, where the format is of a
    fixed width."""
    codes = re.fullmatch(r"(?:%[YymdHMSj])+", form)
    return text.str.zfill(sum(_WIDTHS[code] for code in form[1::2])) if codes else text


def _iso(text: pd.Series) -> pd.Series | None:
    """Returns ISO times without offsets, by Arrow, many times as fast as pandas; None where it
    cannot read them."""
    try:
        found = pc.cast(pa.chunked_array(pa.array(text, pa.string())), pa.timestamp("ns"))
    except pa.ArrowInvalid:
        return None
    return pd.Series(found.to_numpy(), index=text.index, name=text.name)


def _to_datetime(text: pd.Series, form: str) -> pd.Series:
    try:
        return pd.to_datetime(text, format=form, errors="coerce")
    except (ValueError, OverflowError) as error:  # a format that does not exist
        raise InputError(
            f"ingest.time_format: expected a format of strptime, received {form!r}: {error}"
        ) from None


def _utc(clock: pd.Series, offsets: pd.Series) -> pd.Series:
    found = offsets.str.strip().str.extract(r"^([+-])(\d{2}):?(\d{2})?")
    minutes = pd.to_numeric(found[1]).fillna(0) * 60 + pd.to_numeric(found[2]).fillna(0)
    return (
        clock - pd.to_timedelta(minutes.where(found[0] != "-", -minutes), unit="min")
    ).dt.tz_localize("UTC")


def _zone_of(clock: pd.Series, utc: pd.Series) -> str:
    minutes = ((clock - utc.dt.tz_localize(None)) / pd.Timedelta(minutes=1)).dropna().unique()
    names = [
        f"{'-' if offset < 0 else '+'}{int(abs(offset)) // 60:02d}:{int(abs(offset)) % 60:02d}"
        for offset in sorted(minutes)
    ]
    return ", ".join("UTC" if name == "+00:00" else name for name in names)


def _in_zone(
    clock: pd.Series,
    utc: pd.Series | None,
    own: str | None,
    zone: str | None,
    in_utc: bool | None,
    reading: dict[str, Any],
) -> Times:
    """Puts times into their zone, or one that is set: as the days that its clock shows, or in UTC.

    Args:
        clock: what the clock showed, without a zone.
        utc: the same times with their zone; None: they have none.
        own: their zone, or several offsets.
    """
    if utc is None and zone is None:
        return Times(_nanoseconds(clock), reading=reading)
    if utc is None and not in_utc and _are_days(clock):
        return Times(
            _nanoseconds(clock), zone, False, {**reading, "zone": zone}
        )  # days of its calendar, whose midnight may be left out
    several = own is not None and ", " in own
    if several and zone is None:
        if _are_days(clock):
            return Times(
                _nanoseconds(clock), reading={**reading, "offsets": own}
            )  # days of the local calendar
        raise InputError(
            f"column {clock.name!r}: expected times with one offset from UTC, received {own}: set "
            "ingest.zone to the zone that changes its "
            "clocks so, such as Europe/Berlin"
        )
    name = str(zone or own)
    if utc is None:
        try:
            utc = clock.dt.tz_localize(check_zone(name), ambiguous="infer", nonexistent="raise")
        except ValueError as error:
            raise InputError(
                f"column {clock.name!r}: expected times of the zone {name}, received one that a "
                "change of its clocks leaves out or repeats "
                f"({error}): give times with their offset from UTC"
            ) from None
    clock = utc.dt.tz_convert(check_zone(name)).dt.tz_localize(None)
    if in_utc is None:
        in_utc = not _are_days(clock)
    values = utc.dt.tz_convert("UTC").dt.tz_localize(None) if in_utc else clock
    return Times(_nanoseconds(values), name, in_utc, {**reading, "zone": name})


def _are_days(clock: pd.Series) -> bool:
    """Returns whether all times are at one time of the day."""
    return bool((clock - clock.dt.normalize()).nunique() == 1)


def _nanoseconds(times: pd.Series) -> pd.Series:
    try:
        return times.astype("datetime64[ns]")
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise InputError(
            f"column {times.name!r}: expected {_LIMITS}, received {times.min()} to {times.max()}"
        ) from None


def _other_form(text: pd.Series, row: int, expected: str) -> InputError:
    return InputError(
        f"column {text.name!r}: expected {expected}, received {text.iloc[row]!r} in data row "
        f"{row + 1}: set ingest.time_format"
    )
