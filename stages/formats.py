"""How raw files are written, and what is read of them: parameters that the kinds' sections `ingest`
share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.sections import InnerPath, Name, Section, written

# A file or folder below data/raw.
RawPath = Annotated[
    InnerPath,
    written(
        r"data/raw(/[^/.][^/]*)+",
        "a path below data/raw/, such as data/raw/sales.csv, of which no part starts with a dot",
    ),
]


class FileFormat(Section):
    """How a raw file is written, where that is not found from the file itself.

    file: the raw file, or a folder of them, below `data/raw/`.
    separator: the character between the fields of a line; null: the one of comma, semicolon, tab
        and bar with which the header has the columns that the task names.
    encoding: such as `cp1252` or `utf-16`; null: UTF-8, or what a byte order mark says.
    skip: lines above the header; null: those before the first line that has the columns that the
        task names.
    header: whether the first line names the columns; false: they are called 1, 2, 3, ...; or their
        names.
    sheet: of an Excel file; null: the only one with the columns that the task names.
    """

    file: RawPath
    separator: (
        Annotated[str, written(r"[\t -~]", "one ASCII character, such as ; or a tab")] | None
    ) = None
    encoding: Name | None = None
    skip: Annotated[int, Field(ge=0)] | None = None
    header: bool | Annotated[list[Name], Field(min_length=1)] = True
    sheet: Name | None = None


class NumberFormat(FileFormat):
    """And how its numbers are written.

    decimal: the decimal mark; null: a point, or a comma where the numbers of a column cannot be
        read otherwise.
    thousands: what stands between groups of three digits; null: nothing.
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
    """What is read of a table: the `columns` that it must have, others whose names `matches`, and
    which of all are `numbers`."""

    columns: Sequence[str]
    matches: Callable[[str], bool] = lambda name: False
    numbers: Callable[[str], bool] = lambda name: False
