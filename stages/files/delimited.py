"""Raw delimited text, such as CSV. Separator and header are found by the names of the columns."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from stages.errors import InputError
from stages.files import columns, raw
from stages.formats import FileFormat, NumberFormat, Reading, Wanted
from stages.series.numbers import MISSING

# The separators that are tried, by suffix, the likeliest first.
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|", ".txt": "\t,;|"}
# How many bytes are searched for the header.
HEAD = 1 << 16
# Arrow counts the bytes of a block in 32 bits with a sign.
LARGEST_BLOCK = 2**31 - 1


class Row(NamedTuple):
    """The fields of a row; `end` counts the lines of the file up to its end."""

    fields: list[str]
    end: int


class Header(NamedTuple):
    """The names of the columns, the lines above them, and the offset in bytes of the first row."""

    separator: str
    skipped: int
    names: list[str]
    offset: int


def read(path: Path, separators: str, wanted: Wanted, file_format: FileFormat) -> pd.DataFrame:
    """Reads the wanted columns: numbers as float64 if all of them are plain, all else as text."""
    content, encoding = raw.read_utf8(path, file_format.encoding)
    head = content.slice(0, min(HEAD, content.size)).to_pybytes()
    text = _decoded(path, head, whole_file=len(head) == content.size)
    header = _find_header(path, head, text, separators, wanted, file_format)
    chosen = columns.choose(header.names, wanted, path)
    # With semicolons between fields, a comma or a point may or may not be a decimal mark:
    # `to_numbers` decides that from the text.
    plain = header.separator != ";" and not (
        isinstance(file_format, NumberFormat)
        and (file_format.decimal == "," or file_format.thousands is not None)
    )
    numbers = [name for name in chosen if plain and wanted.numbers(name)]
    table = _parse(path, content.slice(header.offset), header, chosen, numbers).to_pandas()
    if len(header.names) == 1:
        # An empty line of a single column is an empty cell, except at the end of the file.
        cells = table[header.names[0]]
        filled = np.flatnonzero((cells.notna() if numbers else cells != "").to_numpy())
        table = table.iloc[: int(filled[-1]) + 1 if len(filled) else 0]
    table, empty = _without_empty_rows(table, numbers)
    table.attrs["reading"] = Reading(
        separator=header.separator,
        encoding=encoding,
        lines_above_header=header.skipped,
        empty_rows=empty,
    )
    return table


def _without_empty_rows(table: pd.DataFrame, numbers: list[str]) -> tuple[pd.DataFrame, int]:
    """Leaves out rows without any cell, which spreadsheets write below a table, and counts them.

    In a table of numbers alone such rows are missing values, and stay.
    """
    texts = [name for name in table.columns if name not in numbers]
    if not texts or table.shape[1] < 2:
        return table, 0
    filled = table[texts[0]] != ""
    if filled.all():
        return table, 0
    for name in table.columns:
        filled |= table[name].notna() if name in numbers else table[name] != ""
    return table[filled].reset_index(drop=True), int((~filled).sum())


def _find_header(
    path: Path, head: bytes, text: str, separators: str, wanted: Wanted, file_format: FileFormat
) -> Header:
    """Returns the first line, by any of the separators, that has the wanted columns.

    text: `head`, the first bytes of the file, decoded.
    """
    skip = file_format.skip or 0
    choices = file_format.separator or separators
    candidates = {separator: list(_rows(text, separator, skip)) for separator in choices}
    if file_format.header is not True:
        separator, width = _regular(path, candidates)
        names = columns.without_header(path, width, file_format)
        return Header(separator, skip, names, _offset(head, skip))
    for line in range(columns.HEADER_LINES if file_format.skip is None else 1):
        for separator, rows in candidates.items():
            if line < len(rows) and set(wanted.columns) <= set(rows[line].fields):
                names, end = rows[line]
                skipped = end - 1 - sum(name.count("\n") for name in names)
                return Header(separator, skipped, names, _offset(head, end))
    rows = next(iter(candidates.values()))
    first = rows[0].fields if rows else []
    raise columns.missing(first, wanted, path, _hint(first))


def _regular(path: Path, candidates: dict[str, list[Row]]) -> tuple[str, int]:
    """Returns the separator that gives all rows the same number of fields, and that number."""
    regular = [
        separator
        for separator, rows in candidates.items()
        if len({len(row.fields) for row in rows}) == 1 and len(rows[0].fields) > 1
    ]
    if len(regular) > 1:
        raise InputError(
            f"{path}: expected fields with one possible separator, received "
            f"{' and '.join(map(repr, regular))} in each row: set ingest.separator"
        )
    separator = regular[0] if regular else next(iter(candidates))
    if not candidates[separator]:
        raise InputError(f"{path}: expected at least one row of data, received none")
    return separator, len(candidates[separator][0].fields)


def _decoded(path: Path, head: bytes, whole_file: bool) -> str:
    """Returns the head of a file up to its last whole line."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=whole_file)
    except UnicodeDecodeError as error:
        raise raw.decoding_error(path, "utf-8", error) from None
    return text if whole_file else text[: text.rfind("\n") + 1 or None]


def _rows(text: str, separator: str, skip: int) -> Iterator[Row]:
    """Yields the first rows that are not empty."""
    lines = io.StringIO(text, newline="")
    for _ in range(skip):
        lines.readline()
    reader = csv.reader(lines, delimiter=separator)
    try:
        for _, fields in zip(range(columns.HEADER_LINES + 1), reader, strict=False):
            if fields:
                yield Row(fields, skip + reader.line_num)
    except csv.Error:
        return  # A field is larger than the head: the header is above it, or there is none.


def _offset(head: bytes, lines: int) -> int:
    """Returns the offset of the first byte after so many lines."""
    ends = [match.end() for match in re.finditer(rb"\r\n|\n|\r", head)]
    return 0 if lines == 0 else ends[lines - 1] if lines <= len(ends) else len(head)


def _hint(first: list[str]) -> str:
    if first and all(re.fullmatch(r"\s*|[-+]?[\d.,:eE/ T-]+", cell) for cell in first):
        return (
            ": the first line looks like data; if there is no header, set ingest.header to false "
            "(columns 1, 2, ...) or to the names"
        )
    return (
        ": set ingest.separator or ingest.skip (lines above the header) if the header is another "
        "line"
    )


def _parse(
    path: Path, body: pa.Buffer, header: Header, chosen: list[str], numbers: list[str]
) -> pa.Table:
    """Reads the chosen columns with Arrow, those of `numbers` as float64 and the others as text."""
    has_quotes = raw.find_byte(body, ord('"')) is not None
    if has_quotes and body.size >= LARGEST_BLOCK:
        raise InputError(
            f"{path}: expected at most 2 GB for a file with quotes, received {body.size:,} bytes: "
            "save it as Parquet"
        )
    types = {name: pa.float64() if name in numbers else pa.string() for name in chosen}
    if not body.size:
        return pa.table({name: pa.array([], dtype) for name, dtype in types.items()})
    single_block = max(body.size + 1, 1024)
    # Quoted fields may hold line breaks: a single block has no edge at which Arrow could tear a
    # field (apache/arrow#51368).
    size = single_block if has_quotes else 1 << 20
    try:
        try:
            return _read_blocks(body, header, types, has_quotes, size)
        except pa.ArrowInvalid as error:
            if "straddling object" not in str(error) or body.size >= LARGEST_BLOCK:
                raise
            return _read_blocks(body, header, types, has_quotes, single_block)
    except pa.ArrowInvalid as error:
        if "conversion error to double" in str(error) and numbers:
            return _parse(path, body, header, chosen, [])
        raise _explained(path, header.separator, error) from None


def _read_blocks(
    body: pa.Buffer, header: Header, types: dict[str, pa.DataType], has_quotes: bool, size: int
) -> pa.Table:
    return arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(column_names=header.names, block_size=size),
        parse_options=arrow_csv.ParseOptions(
            delimiter=header.separator,
            newlines_in_values=has_quotes,
            ignore_empty_lines=len(header.names) > 1,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=MISSING,
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    )


def _explained(path: Path, separator: str, error: pa.ArrowInvalid) -> Exception:
    """Returns the error for text that is not a table: Arrow's own, where its cause is unknown."""
    message = str(error).strip().splitlines()[0]
    if "invalid UTF8" in message:
        return InputError(
            f"{path}: expected UTF-8 text, received other bytes: save the file as UTF-8, or set "
            "ingest.encoding"
        )
    ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if ragged is None:
        return error
    row = f"data row {ragged[1]}" if ragged[1] else "a row"
    return InputError(
        f"{path}: expected {ragged[2]} fields between {separator!r} in each row, as in the header, "
        f"received {ragged[3]} in {row} ({ragged[0].split(': ')[-1]}): a field that holds the "
        "separator must be in quotes"
    )
