"""Which form the dates of a column have. A column that could be read in two ways is an error."""

import re
import warnings

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.series import dates

_CLOCK = r"[ T](?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: ?(?P<half>[AaPp][Mm]))?"
# Dates of three numbers.
_NUMERIC = re.compile(
    rf"(?P<a>\d{{1,4}})(?P<mark>[./-])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{1,4}})(?:{_CLOCK})?"
)
_MONTH_NAMES = [
    order.replace(" ", mark) for mark in (" ", "-", "/") for order in ("%b %Y", "%Y %b")
] + ["%Y/%m", "%m/%Y", "%m.%Y", "%m-%Y"]
# Formats of dates without any marks, by their number of digits.
_DIGITS = {
    6: ("%Y%m", "%y%m%d"),
    7: ("%Y%j",),
    8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
_DAY_FIRST, _MONTH_FIRST = ("%d", "%m", "%Y"), ("%m", "%d", "%Y")


def whole_numbers(text: pd.Series, certain: bool) -> pd.Series | None:
    """Returns the texts as whole numbers, int64; None if they are anything else.

    Args:
        certain: whether they are numbers even where they look like dates.

    Raises:
        InputError: they may be dates.
    """
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
    if not certain and (advice := _advice_for_dates(text)):
        raise InputError(
            f"column {text.name!r}: expected times that can be read in one way only, received "
            f"{text.iloc[0]!r}: if these are dates, {advice}; if they count steps, set "
            "ingest.frequency to 1"
        )
    return values.astype(np.int64)


def _advice_for_dates(text: pd.Series) -> str | None:
    """Returns how to declare whole numbers as dates; None if they cannot all be dates."""
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
    is_weeks = years.between("1900", "2100").all() and weeks.between(1, 53).all()
    return "write the weeks as 2020-W01" if int(lengths.iloc[0]) == 6 and is_weeks else None


def find(text: pd.Series) -> str:
    """Returns the one form in which all rows can be read: a `form` of `dates.parse`.

    All rows share one form: a guess for each row would read 01/02 and 13/02 in two ways.

    Raises:
        InputError: there is no such form, or there are several.
    """
    first = str(text.iloc[0])
    if re.match(r"\d{4}-\d{2}(?!\d)", first) or re.match(r"\d{8}T\d", first):
        return "ISO8601"
    for name, (pattern, _) in dates.PERIODS.items():
        if re.fullmatch(pattern, first):
            return name
    plain = dates.without_offset(text)
    if _NUMERIC.fullmatch(plain.iloc[0]):
        return _numeric_form(text, plain)
    form = _form_with_names(text, plain)
    if form is None:
        raise InputError(
            f"column {text.name!r}: expected times in a form that can be read in one way only, "
            f"received {first!r}: set ingest.time_format, or write quarters as 2010Q1 and weeks as "
            "2020-W01"
        )
    return _with_offset(form, text, plain)


def _with_offset(form: str, text: pd.Series, plain: pd.Series) -> str:
    return form if plain.iloc[0] == text.iloc[0] else f"{form} %z"


def _form_with_names(text: pd.Series, plain: pd.Series) -> str | None:
    """Returns the format of dates other than three numbers, such as those with names of months.

    plain: the texts without their offsets from UTC.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guess = pd.tseries.api.guess_datetime_format(str(plain.iloc[0]))
    if guess and "%m" in guess and "%d" in guess and not guess.startswith("%Y"):
        # Of two numbers, pandas takes the first for the month.
        swapped = guess.translate(str.maketrans("md", "dm"))
        fitting = [form for form in (swapped, guess) if _fits(plain, form)]
        if len(fitting) == 2:
            raise _two_readings(text, swapped, guess)
        if fitting and "%y" not in guess:
            return fitting[0]
    guesses = [guess, *_MONTH_NAMES] if guess and "%m" not in guess else _MONTH_NAMES
    # May is both a full name and a short one. A year of two digits may be a day.
    forms = [
        form
        for guess in guesses
        if "%y" not in guess
        for form in (guess, guess.replace("%b", "%B"))
    ]
    fitting = [form for form in forms if _fits(plain.iloc[:1], form)]
    return next((form for form in fitting if _fits(plain, form)), fitting[0] if fitting else None)


def _fits(text: pd.Series, form: str) -> bool:
    try:
        return bool(pd.to_datetime(text, format=form, errors="coerce").notna().all())
    except ValueError:
        return False


def _two_readings(text: pd.Series, day_first: str, month_first: str) -> InputError:
    return InputError(
        f"column {text.name!r}: expected dates that can be read in one way only, received "
        f"{text.iloc[0]!r}, in which both readings are possible in all rows: set "
        f'ingest.time_format to "{day_first}" (day first) or "{month_first}" (month first)'
    )


def _numeric_form(text: pd.Series, plain: pd.Series) -> str:
    """Returns the format of dates of three numbers. The day is the one that exceeds 12 somewhere.

    plain: the texts without their offsets from UTC.
    """
    fields = plain.str.extract(rf"^(?:{_NUMERIC.pattern})$")
    first = str(text.iloc[0])
    if fields["a"].isna().any():
        row = int(fields["a"].isna().argmax())
        raise dates.other_form(text, row, f"times written like {first!r}")
    mark = fields["mark"].iloc[0]
    order = mark.join(_order(text, fields, mark))
    clock = fields["clock"].iloc[0]
    if not isinstance(clock, str):
        return order
    has_half = isinstance(fields["half"].iloc[0], str)
    seconds = {1: "", 2: ":%S"}[clock.count(":")] + (".%f" if "." in clock else "")
    gap = " " if has_half and re.search(r" [AaPp][Mm]", first) else ""
    between = "T" if "T" in first else " "
    hour, half = ("%I", f"{gap}%p") if has_half else ("%H", "")
    return _with_offset(f"{order}{between}{hour}:%M{seconds}{half}", text, plain)


def _order(text: pd.Series, fields: pd.DataFrame, mark: str) -> tuple[str, str, str]:
    """Returns the directives of the three numbers `a`, `b` and `c` in `fields`."""
    widths = fields[["a", "b", "c"]].apply(lambda column: column.str.len().max())
    if widths["a"] == 4:
        return "%Y", "%m", "%d"
    if widths["c"] != 4:
        raise InputError(
            f"column {text.name!r}: expected years of four digits, received {text.iloc[0]!r}: set "
            f'ingest.time_format, such as "{mark.join(("%d", "%m", "%y"))}"'
        )
    numbers = fields[["a", "b"]].astype(np.int64)
    day_first, month_first = numbers["a"].max() > 12, numbers["b"].max() > 12
    if day_first and month_first:
        raise InputError(
            f"column {text.name!r}: expected days in one place of all dates, received "
            f"{text.iloc[int(numbers['a'].argmax())]!r} and "
            f"{text.iloc[int(numbers['b'].argmax())]!r}: set ingest.time_format"
        )
    if not day_first and not month_first:
        raise _two_readings(text, mark.join(_DAY_FIRST), mark.join(_MONTH_FIRST))
    return _DAY_FIRST if day_first else _MONTH_FIRST
