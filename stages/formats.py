"""How raw files are written and which of their columns are read.

The `ingest` sections of all kinds share these parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from pydantic import Field, model_validator

from stages.sections import InnerPath, Name, Section, matching

# A file or folder below data/raw.
RawPath = Annotated[
    InnerPath,
    matching(
        r"data/raw(/[^/.][^/]*)+",
        "a path below data/raw/, such as data/raw/sales.csv, without names that start with a dot",
    ),
]


class FileFormat(Section):
    """How a raw file is written, where the file itself does not tell.

    file: the raw file, or a folder of them, below `data/raw/`.
    separator: the character between the fields of a line; null: whichever of comma, semicolon, tab
        and bar gives the header the columns that the task names.
    encoding: such as `cp1252` or `utf-16`; null: what a byte order mark says, else UTF-8.
    skip: number of lines above the header; null: all lines before the first one with the columns
        that the task names.
    header: whether the first line names the columns; false: they are called 1, 2, 3, ...; or a list
        of their names.
    sheet: of an Excel file; null: the only one with the columns that the task names.
    """

    file: RawPath
    separator: (
        Annotated[str, matching(r"[\t -~]", "one ASCII character, such as ; or a tab")] | None
    ) = None
    encoding: Name | None = None
    skip: Annotated[int, Field(ge=0)] | None = None
    header: bool | Annotated[list[Name], Field(min_length=1)] = True
    sheet: Name | None = None


class NumberFormat(FileFormat):
    """How a raw file and the numbers in it are written.

    decimal: the decimal mark; null: a point, or a comma where the numbers of a column cannot be
        read otherwise.
    thousands: the mark between groups of three digits; null: none.
    missing: what stands for a missing value besides an empty cell, `NA`, `NaN`, `null` and the
        like, such as -9999.
    """

    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    missing: list[int | float | Name] = []

    @model_validator(mode="after")
    def _marks(self) -> "NumberFormat":
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise ValueError("different characters for `decimal` and `thousands`")
        return self


@dataclass(frozen=True)
class Wanted:
    """Which columns of a table are read.

    Attributes:
        columns: names that the table must have.
        matches: whether another column, by its name, is read too.
        numbers: whether a column, by its name, holds numbers.
    """

    columns: Sequence[str]
    matches: Callable[[str], bool] = lambda name: False
    numbers: Callable[[str], bool] = lambda name: False


class Reading(TypedDict, total=False):
    """What reading a raw file found out about it, for `about.json`.

    The reader of the file, that of its times and that of its numbers each set their own keys.
    """

    separator: str
    encoding: str
    lines_above_header: int
    empty_rows: int
    sheet: str
    time_format: str
    zone: str
    offsets: str
    decimal: str
    # {column: {value: how often it occurs}}: numbers that look like codes of missing values.
    possible_missing_values: dict[str, dict[str, int]]
