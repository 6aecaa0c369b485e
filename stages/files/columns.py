"""The columns of raw tables: which of them are read, and what they are called."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.errors import InputError
from stages.formats import FileFormat, Wanted

# How many lines are searched for a header below titles and comments.
HEADER_LINES = 50


def choose(names: Sequence[str], wanted: Wanted, path: Path) -> list[str]:
    """Returns the names of the columns to read, in the file's order.

    Raises `InputError` if one is missing or occurs twice.
    """
    if not set(wanted.columns) <= set(names):
        raise missing(names, wanted, path)
    chosen = [name for name in names if name in wanted.columns or wanted.matches(name)]
    name, count = Counter(chosen).most_common(1)[0] if chosen else ("", 0)
    if count > 1:
        raise InputError(
            f"{path}: expected each column once, found {name!r} {count} times: rename the columns"
        )
    return chosen


def missing(names: Sequence[str], wanted: Wanted, path: Path, hint: str = "") -> InputError:
    """Returns the error for a table that lacks a wanted column."""
    absent = next(name for name in wanted.columns if name not in names)
    return InputError(f"{path}: expected the column {absent!r}, found {shortened(names)}{hint}")


def shortened(names: Iterable[str]) -> str:
    """Returns the names as text for an error message, at most 12 of them."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def without_header(path: Path, width: int, file_format: FileFormat) -> list[str]:
    """Returns the names of a file's columns if it has no header: `ingest.header` or 1, 2, ..."""
    if not isinstance(file_format.header, list):
        return [str(number) for number in range(1, width + 1)]
    if len(file_format.header) != width:
        raise InputError(
            f"{path}: expected {width} names in ingest.header, as there are columns, received "
            f"{len(file_format.header)}"
        )
    return file_format.header
