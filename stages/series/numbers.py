"""Columns of text to numbers: decimal marks, missing values, and values that look as if they stood
for missing ones."""

import re
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.errors import InputError
from stages.formats import NumberFormat

# What stands for a missing number, in any table.
MISSING = [
    "",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "<NA>",
    "NaN",
    "nan",
    "-NaN",
    "-nan",
    "NULL",
    "null",
    "Null",
    "None",
    "none",
]
MISSING += ["-1.#IND", "1.#IND", "-1.#QNAN", "1.#QNAN"]
# Numbers that files use for missing values: codes of nines, and the limits of types.
_CODES = [
    -9.0,
    -99.0,
    -999.0,
    -9999.0,
    -99999.0,
    999.0,
    9999.0,
    99999.0,
    -999.9,
    999.9,
    -99.9,
    99.9,
    -32768.0,
    -2147483648.0,
]
_CODES += [2147483647.0, 9.969209968386869e36, 1e20, 1e30, -1e30]
_LARGEST = 2.0**63 - 1024
_GROUPED = r"[-+]?[1-9]\d{0,2}([.,]\d{3})+"


def to_numbers(
    table: pd.DataFrame, form: NumberFormat, reading: dict[str, Any] | None = None
) -> np.ndarray:
    """Returns the table as (rows, columns) float64, NaN for a missing value.

    Args:
        reading: what was found out of the file, such as its `separator`; gets `decimal` where a
            comma was found to be the decimal mark.

    Raises `InputError` at the first cell that is no finite number, and where a mark may be a
    decimal mark or stand between thousands.
    """
    out = np.empty(table.shape, np.float64)
    reading = {} if reading is None else reading
    codes = _codes(form)
    for index, name in enumerate(table.columns):
        column = table[name]
        out[:, index] = column if column.dtype == np.float64 else _of_text(column, form, reading)
        for code in codes:
            out[out[:, index] == code, index] = np.nan
        _expect_numbers(column, np.isinf(out[:, index]))
    return out


def _codes(form: NumberFormat) -> list[float]:
    """Returns the numbers that stand for a missing value, also those that are given as text."""
    found = []
    for missing in form.missing:
        with suppress(ValueError):
            found.append(float(missing))
    return found


def sentinels(values: np.ndarray) -> dict[str, int]:
    """Returns the numbers of a column that look as if they stood for missing values, and how often
    each is there.

    These are the codes that files use, where one lies farther from all other values than these lie
    from each other; and whatever does not fit into 63 bits.
    """
    values = values[~np.isnan(values)]
    # Only what lies at either end can be far from all others, so that most columns need not be
    # sorted.
    if not len(values) or not (_is_code(values.min()) or _is_code(values.max())):
        return {}
    known, counts = np.unique(values, return_counts=True)
    found: dict[str, int] = {}
    while len(known) > 1:
        place = next(
            (
                place
                for place in (-1, 0)
                if _is_sentinel(known[place], known[1:] if place == 0 else known[:-1])
            ),
            None,
        )
        if place is None:
            break
        found[f"{known[place]:.15g}"] = int(counts[place])
        known, counts = np.delete(known, place), np.delete(counts, place)
    return found


def _is_sentinel(value: float, rest: np.ndarray) -> bool:
    return _is_code(value) and bool(
        np.abs(rest - value).min() > max(np.ptp(rest), 1e-9 * abs(value))
    )


def _is_code(value: float) -> bool:
    return bool(np.isclose(value, _CODES, rtol=1e-6, atol=0).any() or abs(value) >= _LARGEST)


def _of_text(column: pd.Series, form: NumberFormat, reading: dict[str, Any]) -> np.ndarray:
    if not isinstance(column.dtype, pd.StringDtype):
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(
            column
        ):
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
    text = pc.utf8_trim_whitespace(
        pa.chunked_array(pa.array(column, pa.string(), from_pandas=True))
    )
    names = [*MISSING, *(name for name in form.missing if isinstance(name, str))]
    text = pc.if_else(pc.is_in(text, pa.array(names)), pa.scalar(None, pa.string()), text)
    if _all_match(text, r"(?i)true|false"):
        return pc.cast(pc.equal(pc.utf8_lower(text), "true"), pa.float64()).to_numpy()
    plain = _with_point(text, column.name, form, reading)
    try:
        return pc.cast(plain, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return _coerced(plain.to_pandas(), column)


def _coerced(cells: pd.Series, column: pd.Series) -> np.ndarray:
    """Returns cells as numbers by pandas, which knows more forms than Arrow. Errors show them as
    they are written in `column`."""
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    _expect_numbers(column, np.isnan(values) & cells.notna().to_numpy())
    return values


def _with_point(text: Any, name: Any, form: NumberFormat, reading: dict[str, Any]) -> Any:
    """Returns the texts with a point for the decimal mark, and nothing between thousands."""
    if form.thousands is not None:
        mark = "[ \u00a0\u202f]" if form.thousands == " " else re.escape(form.thousands)
        _check_groups(text, name, form.thousands, mark)
        text = pc.replace_substring_regex(text, mark, "")
    decimal = form.decimal or (
        "." if form.thousands is not None else _decimal_mark(text, name, reading)
    )
    return pc.replace_substring(text, ",", ".") if decimal == "," else text


def _check_groups(text: Any, name: Any, thousands: str, mark: str) -> None:
    """Raises `InputError` where `thousands`, matched by the pattern `mark`, stands elsewhere: taken
    away it would make 15 of 1,5."""
    marked = pc.filter(text, pc.fill_null(pc.match_substring_regex(text, mark), False))
    grouped = pc.match_substring_regex(
        marked, rf"^[-+]?\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}}(?:[.,]\d*)?(?:[eE].*)?$"
    )
    if not pc.all(grouped).as_py() and len(marked):
        shown = marked[pc.index(grouped, False).as_py()].as_py()
        raise InputError(
            f"column {name!r}: expected {thousands!r} between groups of three digits, received "
            f"{shown!r}: set ingest.thousands rightly"
        )


def _decimal_mark(text: Any, name: Any, reading: dict[str, Any]) -> str:
    comma, point = _any_match(text, ","), _any_match(text, r"\.")
    mark = "," if comma and not point else "."
    # Where fields stand between semicolons, a comma is a decimal mark as a rule, and a point may be
    # one or not.
    if comma != point and (comma or reading.get("separator") == ";"):
        marked = pc.filter(text, pc.fill_null(pc.match_substring(text, mark), False))
        if _all_match(marked, _GROUPED):
            shown = marked[0].as_py()
            before = int(shown.split(mark)[0])
            other = "." if comma else ","
            # Other countries read 1,234 and 1.234 in the other way.
            raise InputError(
                f"column {name!r}: expected numbers with one possible reading, received "
                f"{shown!r}: if that lies between {before} and "
                f"{before + 1}, set ingest.decimal to {mark!r}; if not, ingest.thousands to "
                f"{mark!r} and ingest.decimal to {other!r}"
            )
    if mark == ",":
        reading["decimal"] = ","
    return mark


def _all_match(text: Any, pattern: str) -> bool:
    found = pc.match_substring_regex(text, rf"^(?:{pattern})$")
    return len(found) > found.null_count and bool(pc.all(found).as_py())


def _any_match(text: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _expect_numbers(column: pd.Series, bad: np.ndarray) -> None:
    """Raises `InputError` at the first cell of a column that is `bad`, (rows,)."""
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
    raise InputError(
        f"column {column.name!r}: expected finite numbers (an empty cell is a missing value), "
        f"received {shown!r} "
        f"in data row {row + 1} ({int(bad.sum())} such cells){hint}"
    )
