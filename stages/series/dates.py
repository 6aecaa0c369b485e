"""Texts of a known form to dates and times: ISO 8601, `strptime` formats or names of periods."""

import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.errors import InputError

# An offset from UTC at the end of a time, after hours and minutes.
_OFFSET = (
    r"(?<=\d) ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|(?:(?<=:\d\d)|(?<=\.\d{3})|(?<=\.\d{6}))[+-]\d{2})$"
)
_HAS_CLOCK = r"\d:\d\d|\dT\d\d"
# A year that 64 bits of nanoseconds cannot hold.
_OUTSIDE = r"(?<!\d)(0\d{3}|1[0-5]\d\d|16[0-6]\d|2[3-9]\d\d|[3-9]\d{3})(?!\d)"
# The number of digits of each directive of `strptime` that has a fixed width.
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
LIMITS = "times between the years 1678 and 2261, which 64 bits of nanoseconds can hold"


def parse(text: pd.Series, form: str) -> tuple[pd.Series, pd.Series | None, str | None]:
    """Reads times.

    Args:
        form: `ISO8601`, a format of `strptime`, or a key of `PERIODS`.

    Returns:
        The times on the clock, without a zone; and where the texts have offsets from UTC, the times
        in UTC and the offsets.

    Raises:
        InputError: a text does not have this form, or is out of range.
    """
    expected = f"times like {form!r}"
    if form == "ISO8601":
        expected = "ISO times such as '2020-01-31' or '2020-01-31T12:00:00'"
    utc, offsets = None, None
    if form in PERIODS:
        clock = PERIODS[form][1](text.astype(object))
    elif form == "ISO8601" and (fast := _parse_iso(text)) is not None:
        return fast, None, None
    else:
        plain = without_offset(text)
        has_offset = plain != text
        if not ("%z" in form or form == "ISO8601") or not has_offset.any():
            clock = _to_datetime(_zero_filled(text.astype(object), form), form)
            if isinstance(clock.dtype, pd.DatetimeTZDtype):
                utc, offsets, clock = clock, str(clock.dt.tz), clock.dt.tz_localize(None)
        elif has_offset.all():
            clock = _to_datetime(plain, form.replace("%z", "").strip())
            utc = _to_utc(clock, text.astype(object).str.extract(f"({_OFFSET})")[0])
            offsets = _offset_names(clock, utc)
        else:
            row = int((has_offset != has_offset.iloc[0]).argmax())
            raise other_form(text, row, "an offset from UTC in every row or in none")
    if clock.isna().any():
        row = int(clock.isna().argmax())
        outside = re.search(_OUTSIDE, str(text.iloc[row]))
        raise other_form(text, row, LIMITS if outside else expected)
    return clock, utc, offsets


def without_offset(text: pd.Series) -> pd.Series:
    """Returns the texts without their offsets from UTC."""
    if not re.search(_HAS_CLOCK, str(text.iloc[0])):
        return text.astype(object)
    return text.astype(object).str.replace(_OFFSET, "", regex=True)


def other_form(text: pd.Series, row: int, expected: str) -> InputError:
    """Returns the error for a row whose text does not have the expected form."""
    return InputError(
        f"column {text.name!r}: expected {expected}, received {text.iloc[row]!r} in data row "
        f"{row + 1}: set ingest.time_format"
    )


def _zero_filled(text: pd.Series, form: str) -> pd.Series:
    """Restores leading zeros, which spreadsheets remove, where the format has a fixed width."""
    if not re.fullmatch(r"(?:%[YymdHMSj])+", form):
        return text
    return text.str.zfill(sum(_WIDTHS[directive] for directive in form[1::2]))


def _parse_iso(text: pd.Series) -> pd.Series | None:
    """Reads ISO times without offsets by Arrow, much faster than pandas; None where it cannot."""
    try:
        stamps = pc.cast(pa.chunked_array(pa.array(text, pa.string())), pa.timestamp("ns"))
    except pa.ArrowInvalid:
        return None
    return pd.Series(stamps.to_numpy(), index=text.index, name=text.name)


def _to_datetime(text: pd.Series, form: str) -> pd.Series:
    try:
        return pd.to_datetime(text, format=form, errors="coerce")
    except (ValueError, OverflowError) as error:  # an invalid format
        raise InputError(
            f"ingest.time_format: expected a format of strptime, received {form!r}: {error}"
        ) from None


def _to_utc(clock: pd.Series, offsets: pd.Series) -> pd.Series:
    fields = offsets.str.strip().str.extract(r"^([+-])(\d{2}):?(\d{2})?")
    minutes = pd.to_numeric(fields[1]).fillna(0) * 60 + pd.to_numeric(fields[2]).fillna(0)
    signed = minutes.where(fields[0] != "-", -minutes)
    return (clock - pd.to_timedelta(signed, unit="min")).dt.tz_localize("UTC")


def _offset_names(clock: pd.Series, utc: pd.Series) -> str:
    """Returns the offsets from UTC, such as `+01:00, +02:00`."""
    minutes = ((clock - utc.dt.tz_localize(None)) / pd.Timedelta(minutes=1)).dropna().unique()
    names = [
        f"{'-' if offset < 0 else '+'}{int(abs(offset)) // 60:02d}:{int(abs(offset)) % 60:02d}"
        for offset in sorted(minutes)
    ]
    return ", ".join("UTC" if name == "+00:00" else name for name in names)


def _parse_quarters(text: pd.Series) -> pd.Series:
    fields = text.str.extract(r"^(?:[Qq]([1-4])[- /]?(\d{4})|(\d{4})[- /]?[Qq]([1-4]))$")
    year, quarter = fields[1].fillna(fields[2]), fields[0].fillna(fields[3])
    month = ((pd.to_numeric(quarter) - 1) * 3 + 1).astype("Int64").astype("str")
    return pd.to_datetime(year + "-" + month, format="%Y-%m", errors="coerce")


def _parse_weeks(text: pd.Series) -> pd.Series:
    fields = text.str.extract(r"^(\d{4})-?[Ww](\d{2})(?:-?([1-7]))?$")
    weekday = fields[2].fillna("1")
    return pd.to_datetime(
        fields[0] + "-" + fields[1] + "-" + weekday, format="%G-%V-%u", errors="coerce"
    )


def _parse_months(text: pd.Series) -> pd.Series:
    iso = text.str.replace(r"^(\d{4})[- ]?[Mm](\d{2})$", r"\1-\2", regex=True)
    return pd.to_datetime(iso, format="%Y-%m", errors="coerce")


# Names of periods, each by its pattern. A period stands for its first day.
PERIODS = {
    "quarters": (r"[Qq][1-4][- /]?\d{4}|\d{4}[- /]?[Qq][1-4]", _parse_quarters),
    "ISO weeks": (r"\d{4}-?[Ww]\d{2}(-?[1-7])?", _parse_weeks),
    "months": (r"\d{4}[- ]?[Mm]\d{2}", _parse_months),
}
