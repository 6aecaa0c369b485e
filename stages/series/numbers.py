"""Columns of raw tables to numbers: decimal marks, missing values, and codes of missing values."""

import re
from contextlib import suppress
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.errors import InputError
from stages.formats import NumberFormat, Reading

# What stands for a missing number in any table: an empty cell, and the spellings of programs.
MISSING = [
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>"),
    *("NaN", "nan", "-NaN", "-nan", "NULL", "null", "Null", "None", "none"),
    *("-1.#IND", "1.#IND", "-1.#QNAN", "1.#QNAN"),
]
# Numbers that files use for missing values: nines, the limits of types, and fill values.
_CODES = [
    *(-9.0, -99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0),
    *(-999.9, 999.9, -99.9, 99.9),
    *(-32768.0, -2147483648.0, 2147483647.0),
    *(9.969209968386869e36, 1e20, 1e30, -1e30),
]
# The largest whole number that fits into 63 bits.
_LARGEST = 2.0**63 - 1024
_GROUPED = r"[-+]?[1-9]\d{0,2}([.,]\d{3})+"


def to_numbers(
    table: pd.DataFrame, number_format: NumberFormat, reading: Reading | None = None
) -> np.ndarray:
    """Returns the table as (rows, columns) float64, NaN for a missing value.

    Args:
        reading: what is known about the file, such as its `separator`; `decimal` is added where the
            decimal mark turns out to be a comma.

    Raises:
        InputError: a cell is not a finite number; or a mark may be a decimal mark or stand between
            thousands.
    """
    values = np.empty(table.shape, np.float64)
    reading = Reading() if reading is None else reading
    codes = _missing_codes(number_format)
    for index, name in enumerate(table.columns):
        column, numbers = table[name], values[:, index]
        is_number = column.dtype == np.float64
        numbers[:] = column if is_number else _parse(column, number_format, reading)
        for code in codes:
            numbers[numbers == code] = np.nan
        _expect_numbers(column, np.isinf(numbers))
    return values


def _missing_codes(number_format: NumberFormat) -> list[float]:
    """Returns the numbers that stand for a missing value, those written as text included."""
    codes = []
    for code in number_format.missing:
        with suppress(ValueError):
            codes.append(float(code))
    return codes


def sentinels(values: np.ndarray) -> dict[str, int]:
    """Returns the numbers of a column that look like codes of missing values, with their counts.

    They are codes that files use, if one lies farther from all other values than these lie from
    each other; and whatever does not fit into 63 bits.
    """
    values = values[~np.isnan(values)]
    # Only a minimum or maximum can lie far from all others, so most columns need not be sorted.
    if not len(values) or not (_is_code(values.min()) or _is_code(values.max())):
        return {}
    distinct, counts = np.unique(values, return_counts=True)
    result: dict[str, int] = {}
    while len(distinct) > 1:
        if _is_sentinel(distinct[-1], distinct[:-1]):
            extreme = -1
        elif _is_sentinel(distinct[0], distinct[1:]):
            extreme = 0
        else:
            break
        result[f"{distinct[extreme]:.15g}"] = int(counts[extreme])
        distinct, counts = np.delete(distinct, extreme), np.delete(counts, extreme)
    return result


def _is_sentinel(value: float, rest: np.ndarray) -> bool:
    distance = np.abs(rest - value).min()
    return _is_code(value) and bool(distance > max(np.ptp(rest), 1e-9 * abs(value)))


def _is_code(value: float) -> bool:
    return bool(np.isclose(value, _CODES, rtol=1e-6, atol=0).any() or abs(value) >= _LARGEST)


def _parse(column: pd.Series, number_format: NumberFormat, reading: Reading) -> np.ndarray:
    if not isinstance(column.dtype, pd.StringDtype):
        is_date = pd.api.types.is_datetime64_any_dtype(column)
        if is_date or pd.api.types.is_timedelta64_dtype(column):
            raise InputError(
                f"column {column.name!r}: expected numbers, received times such as "
                f"{column.iloc[0]}: leave it out of the columns"
            )
        if column.dtype != object:
            return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
        if not any(isinstance(value, str) for value in column):
            return _coerced(column, column)
        column = column.map(
            lambda value: value if isinstance(value, str) or value is None else str(value)
        )
    cells = pa.chunked_array(pa.array(column, pa.string(), from_pandas=True))
    text = pc.utf8_trim_whitespace(cells)
    missing = [*MISSING, *(code for code in number_format.missing if isinstance(code, str))]
    text = pc.if_else(pc.is_in(text, pa.array(missing)), pa.scalar(None, pa.string()), text)
    if _all_match(text, r"(?i)true|false"):
        return pc.cast(pc.equal(pc.utf8_lower(text), "true"), pa.float64()).to_numpy()
    plain = _with_point(text, str(column.name), number_format, reading)
    try:
        return pc.cast(plain, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return _coerced(plain.to_pandas(), column)


def _coerced(cells: pd.Series, column: pd.Series) -> np.ndarray:
    """Returns cells as numbers by pandas, which accepts more forms than Arrow.

    Errors show them as they are written in `column`.
    """
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    _expect_numbers(column, np.isnan(values) & cells.notna().to_numpy())
    return values


def _with_point(
    text: pa.ChunkedArray, name: str, number_format: NumberFormat, reading: Reading
) -> pa.ChunkedArray:
    """Returns the texts with a point as the decimal mark, and nothing between thousands."""
    thousands = number_format.thousands
    if thousands is not None:
        pattern = "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)
        _check_groups(text, name, thousands, pattern)
        text = pc.replace_substring_regex(text, pattern, "")
        decimal = number_format.decimal or "."
    else:
        decimal = number_format.decimal or _decimal_mark(text, name, reading)
    return pc.replace_substring(text, ",", ".") if decimal == "," else text


def _check_groups(text: pa.ChunkedArray, name: str, thousands: str, pattern: str) -> None:
    """Raises `InputError` if `thousands`, matched by `pattern`, is not between groups of digits.

    Removing it there would turn 1,5 into 15.
    """
    marked = pc.filter(text, pc.fill_null(pc.match_substring_regex(text, pattern), False))
    grouped = pc.match_substring_regex(
        marked,
        rf"^[-+]?\d{{1,3}}({pattern}\d{{2,3}})*{pattern}\d{{3}}(?:[.,]\d*)?(?:[eE].*)?$",
    )
    if not pc.all(grouped).as_py() and len(marked):
        shown = marked[pc.index(grouped, False).as_py()].as_py()
        raise InputError(
            f"column {name!r}: expected {thousands!r} between groups of three digits, received "
            f"{shown!r}: correct ingest.thousands"
        )


def _decimal_mark(text: pa.ChunkedArray, name: str, reading: Reading) -> Literal[".", ","]:
    comma, point = _any_match(text, ","), _any_match(text, r"\.")
    mark: Literal[".", ","] = "," if comma and not point else "."
    # With semicolons between fields, a comma is usually a decimal mark, and a point may be one.
    if comma != point and (comma or reading.get("separator") == ";"):
        marked = pc.filter(text, pc.fill_null(pc.match_substring(text, mark), False))
        if _all_match(marked, _GROUPED):
            shown = marked[0].as_py()
            whole = int(shown.split(mark)[0])
            # Countries read 1,234 and 1.234 in different ways.
            raise InputError(
                f"column {name!r}: expected numbers with one possible reading, received "
                f"{shown!r}: if that lies between {whole} and {whole + 1}, set ingest.decimal to "
                f"{mark!r}; if not, ingest.thousands to {mark!r} and ingest.decimal to "
                f"{'.' if comma else ','!r}"
            )
    if mark == ",":
        reading["decimal"] = ","
    return mark


def _all_match(text: pa.ChunkedArray, pattern: str) -> bool:
    """Returns whether there is text and all of it matches."""
    matches = pc.match_substring_regex(text, rf"^(?:{pattern})$")
    return len(matches) > matches.null_count and bool(pc.all(matches).as_py())


def _any_match(text: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _expect_numbers(column: pd.Series, bad: np.ndarray) -> None:
    """Raises `InputError` for the first cell that is `bad`, (rows,)."""
    if not bad.any():
        return
    row = int(bad.argmax())
    shown = column.iloc[row]
    shown = shown.item() if isinstance(shown, np.generic) else shown
    hint = ""
    if isinstance(shown, str) and re.fullmatch(r"[-+]?[\d.,' \u00a0_]+", shown):
        hint = ": set ingest.decimal and ingest.thousands to the marks of this file"
    elif isinstance(shown, str) and not re.search(r"\d", shown):
        hint = ": if it stands for a missing value, name it in ingest.missing"
        if 2 * bad.sum() > len(bad):
            hint += "; if not, write it as a number, such as 0 or 1"
    raise InputError(
        f"column {column.name!r}: expected finite numbers (an empty cell is a missing value), "
        f"received {shown!r} in data row {row + 1} ({int(bad.sum())} such cells){hint}"
    )
