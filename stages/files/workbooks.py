"""Raw Excel workbooks. Sheet and header are found by the names of the columns."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil

from stages.errors import InputError
from stages.files import columns
from stages.formats import FileFormat, Reading, Wanted

Row = tuple[Any, ...]


class Sheet(NamedTuple):
    """A table in a sheet; `header` counts the lines above the header."""

    header: int
    names: list[str]
    rows: list[Row]


def read(path: Path, wanted: Wanted, file_format: FileFormat) -> pd.DataFrame:
    """Reads the wanted columns of the one sheet that has them."""
    rows = _rows_by_sheet(path, file_format)
    tables = {name: _table(path, rows[name], wanted, file_format) for name in rows}
    matches = [(name, table) for name, table in tables.items() if table is not None]
    if len(matches) != 1:
        first = next((row for each in rows.values() for row in _filled(each)), ())
        raise InputError(
            f"{path}: expected one sheet with the columns {columns.shortened(wanted.columns)}, "
            f"found {len(matches)} such among {columns.shortened(rows)} (the first row has "
            f"{columns.shortened(str(cell) for cell in first)}): set ingest.sheet, or "
            "ingest.header if no row names the columns"
        )
    [(name, sheet)] = matches
    chosen = columns.choose(sheet.names, wanted, path)
    indices = {column: sheet.names.index(column) for column in chosen}
    table = pd.DataFrame(
        {column: [row[index] for row in sheet.rows] for column, index in indices.items()},
        dtype=object,
    )
    table.attrs["reading"] = Reading(sheet=name, lines_above_header=sheet.header)
    return table


def _rows_by_sheet(path: Path, file_format: FileFormat) -> dict[str, list[Row]]:
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path}: expected the package openpyxl to read Excel files, found none: pip install "
            "openpyxl"
        ) from None
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size * 10 > psutil.virtual_memory().available:
        raise InputError(
            f"{path}: expected a workbook that fits into memory, received {size:,} bytes when "
            "unpacked: save it as CSV"
        )
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises many types for a damaged file
        raise InputError(
            f"{path}: expected an Excel workbook, received one that cannot be read: {error}"
        ) from None
    if file_format.sheet is not None and file_format.sheet not in book.sheetnames:
        raise InputError(
            f"{path}: expected the sheet {file_format.sheet!r}, found "
            f"{columns.shortened(book.sheetnames)}"
        )
    names = book.sheetnames if file_format.sheet is None else [file_format.sheet]
    rows = {name: list(book[name].values) for name in names}
    book.close()
    return rows


def _table(path: Path, rows: list[Row], wanted: Wanted, file_format: FileFormat) -> Sheet | None:
    """Returns the table in a sheet without its empty rows; None if no row has the wanted names."""
    first = file_format.skip or 0
    if file_format.header is not True:
        below = _filled(rows[first:])
        width = max(map(len, below), default=0)
        return Sheet(first, columns.without_header(path, width, file_format), below)
    searched = columns.HEADER_LINES if file_format.skip is None else 1
    for line in range(first, min(first + searched, len(rows))):
        if set(wanted.columns) <= {str(cell) for cell in rows[line]}:
            names = ["" if cell is None else str(cell) for cell in rows[line]]
            return Sheet(line, names, _filled(rows[line + 1 :]))
    return None


def _filled(rows: list[Row]) -> list[Row]:
    """Returns the rows that are not empty."""
    return [row for row in rows if any(cell is not None for cell in row)]
