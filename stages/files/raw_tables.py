"""Raw tables as users have them: CSV, TSV, Parquet, Excel and JSON. Text comes exactly as it is
written."""

import codecs
import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from stages.errors import InputError
from stages.files import raw
from stages.formats import FileFormat, NumberFormat, Wanted
from stages.series.numbers import MISSING

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", *raw.JSON)
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|", ".txt": "\t,;|"}
# Where a header may stand below titles and comments, and how much of a file is read to find it.
HEADER_LINES = 50
HEAD = 1 << 16
# What one cell of a table takes in memory at most on its way to the scores, as was measured.
BYTES_PER_CELL = 160
# Bytes of text that take as much.
TEXT_PER_CELL = 40
# Arrow counts the bytes of a block in 32 bits with a sign.
LARGEST_BLOCK = 2**31 - 1

# The fields of a row, and how many lines of the file it reaches.
Row = tuple[list[str], int]
Rows = list[Row]


def read_raw(path: Path, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
    """Reads the wanted columns of a CSV, TSV, Parquet, Excel or JSON file (CSV, TSV and JSON may be
    gzipped).

    Text comes exactly as it is written: nothing is taken for missing, and no type is guessed.
    Columns of numbers are float64, with NaN for an empty cell, where all of them are plainly
    numbers; else they come as text too. `attrs["reading"]` says what was found out.

    Raises `InputError` for a file that is missing, empty, not a table, or lacks a column.
    """
    raw.check_file(path)
    ending = raw.ending_of(path)
    if ending not in ENDINGS:
        raise InputError(
            f"{path}: expected a name that ends in {', '.join(ENDINGS)} (or .csv.gz, .tsv.gz), "
            f"received {path.name!r}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path}: expected a table with a header line, received an empty file")
    try:
        if ending == ".parquet":
            return _read_parquet(path, wanted)
        if ending == ".xlsx":
            return _read_excel(path, wanted, form)
        if ending in raw.JSON:
            return _read_json(path, wanted, form)
        return _read_text(path, ending, wanted, form)
    except (pa.ArrowException, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: expected a table, received one that cannot be read: "
            f"{str(error).strip().splitlines()[0]}"
        ) from None


def _chosen(names: Sequence[str], wanted: Wanted, path: Path) -> list[str]:
    """Returns the names to read, in the file's order. Raises `InputError` where one is missing or
    there twice."""
    if not set(wanted.columns) <= set(names):
        raise _missing_column(names, wanted, path)
    chosen = [name for name in names if name in wanted.columns or wanted.matches(name)]
    name, count = Counter(chosen).most_common(1)[0] if chosen else ("", 0)
    if count > 1:
        raise InputError(
            f"{path}: expected each column once, found {name!r} {count} times: rename the columns"
        )
    return chosen


def _missing_column(names: Sequence[str], wanted: Wanted, path: Path, hint: str = "") -> InputError:
    missing = next(name for name in wanted.columns if name not in names)
    return InputError(f"{path}: expected the column {missing!r}, found {_shortened(names)}{hint}")


def read_parts(
    source: Path, parts: Sequence[str] | None, wanted: Wanted, form: FileFormat
) -> list[pd.DataFrame]:
    """Reads a raw file, or the `parts` of a folder in their order."""
    return [
        read_raw(path, wanted, form)
        for path in ([source] if parts is None else [source / part for part in parts])
    ]


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


# --- Text: fields between separators ---


def _read_text(path: Path, ending: str, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
    content, encoding = raw.read_utf8(path, form.encoding)
    head = content.slice(0, min(HEAD, content.size)).to_pybytes()
    separator, skipped, names, offset = _find_header(
        path, head, len(head) == content.size, SEPARATORS[ending], wanted, form
    )
    chosen = _chosen(names, wanted, path)
    body = content.slice(offset)
    # In a file with semicolons a comma or a point may be a decimal mark or not: `to_numbers` looks
    # at the text.
    marks = isinstance(form, NumberFormat) and (form.decimal == "," or form.thousands is not None)
    plain = not marks and separator != ";"
    numbers = [name for name in chosen if plain and wanted.numbers(name)]
    table = _parse(path, body, separator, names, chosen, numbers)
    frame = table.to_pandas()
    if len(names) == 1:
        # A line that is empty is an empty cell here, but for those at the end of the file.
        filled = frame[names[0]].notna() if numbers else frame[names[0]] != ""
        frame = frame.iloc[: int(np.flatnonzero(filled.to_numpy())[-1]) + 1 if filled.any() else 0]
    frame, empty = _without_empty_rows(frame, numbers)
    frame.attrs["reading"] = {
        "separator": separator,
        "encoding": encoding,
        "lines_above_header": skipped,
        "empty_rows": empty,
    }
    return frame


def _without_empty_rows(frame: pd.DataFrame, numbers: list[str]) -> tuple[pd.DataFrame, int]:
    """Leaves out the rows without any cell, which spreadsheets write below a table. Rows of nothing
    but numbers are missing values."""
    texts = [name for name in frame.columns if name not in numbers]
    if not texts or frame.shape[1] < 2:
        return frame, 0
    filled = frame[texts[0]] != ""
    if filled.all():
        return frame, 0
    for name in frame.columns:
        filled |= frame[name].notna() if name in numbers else frame[name] != ""
    return frame[filled].reset_index(drop=True), int((~filled).sum())


def _find_header(
    path: Path, head: bytes, whole_file: bool, separators: str, wanted: Wanted, form: FileFormat
) -> tuple[str, int, list[str], int]:
    """Returns the separator, how many lines stand above the header, the names of the columns, and
    the byte where the rows begin."""
    text = _decoded(path, head, whole_file)
    choices = [form.separator] if form.separator else list(separators)
    found = [(separator, list(_rows(text, separator, form.skip or 0))) for separator in choices]
    if form.header is not True:
        separator, names = _without_header(path, found, form)
        return separator, form.skip or 0, names, _offset(head, form.skip or 0)
    for line in range(HEADER_LINES if form.skip is None else 1):
        for separator, rows in found:
            if line < len(rows) and set(wanted.columns) <= set(rows[line][0]):
                names, end = rows[line]
                return (
                    separator,
                    end - 1 - sum(name.count("\n") for name in names),
                    names,
                    _offset(head, end),
                )
    first = found[0][1][0][0] if found[0][1] else []
    raise _missing_column(first, wanted, path, _hint(first))


def _without_header(
    path: Path, found: list[tuple[str, Rows]], form: FileFormat
) -> tuple[str, list[str]]:
    """Returns the separator that makes as many fields of each row, and the names of the columns,
    which are known by their number."""
    regular = [
        choice
        for choice in found
        if len({len(fields) for fields, _ in choice[1]}) == 1 and len(choice[1][0][0]) > 1
    ]
    if len(regular) > 1:
        raise InputError(
            f"{path}: expected fields with one possible separator, received "
            f"{' and '.join(repr(name) for name, _ in regular)} in each "
            "row: set ingest.separator"
        )
    separator, rows = (regular or found)[0]
    if not rows:
        raise InputError(f"{path}: expected at least one row of data, received none")
    return separator, _numbered(path, len(rows[0][0]), form)


def _numbered(path: Path, width: int, form: FileFormat) -> list[str]:
    """Returns the names of so many columns without a header: those that are given, or their
    numbers."""
    names = (
        form.header
        if isinstance(form.header, list)
        else [str(number) for number in range(1, width + 1)]
    )
    if len(names) != width:
        raise InputError(
            f"{path}: expected {width} names in ingest.header, as there are columns, received "
            f"{len(names)}"
        )
    return names


def _decoded(path: Path, head: bytes, whole_file: bool) -> str:
    """Returns the head of a file up to its last whole line."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=whole_file)
    except UnicodeDecodeError as error:
        raise raw.other_encoding(path, "utf-8", error) from None
    return text if whole_file else text[: text.rfind("\n") + 1 or None]


def _rows(text: str, separator: str, skip: int) -> Iterator[Row]:
    """Yields the fields of the first rows that are not empty, and how many lines they reach."""
    lines = io.StringIO(text, newline="")
    for _ in range(skip):
        lines.readline()
    reader = csv.reader(lines, delimiter=separator)
    try:
        for _, row in zip(range(HEADER_LINES + 1), reader, strict=False):
            if row:
                yield row, skip + reader.line_num
    except csv.Error:
        return  # a field larger than the head: the header was above it, or is none


def _offset(head: bytes, lines: int) -> int:
    """Returns the byte after so many lines."""
    ends = [found.end() for found in re.finditer(rb"\r\n|\n|\r", head)]
    return 0 if lines == 0 else ends[lines - 1] if lines <= len(ends) else len(head)


def _hint(first: list[str]) -> str:
    if first and all(re.fullmatch(r"\s*|[-+]?[\d.,:eE/ T-]+", cell) for cell in first):
        return ": the first line looks like data; if there is no header, set ingest.header to false (columns 1, 2, ...) or to the names"
    return ": set ingest.separator or ingest.skip (lines above the header) if the header is another one"


def _parse(
    path: Path,
    body: pa.Buffer,
    separator: str,
    names: list[str],
    chosen: list[str],
    numbers: list[str],
) -> pa.Table:
    """Reads the chosen columns with Arrow, those of `numbers` as float64 and the others as text."""
    quoted = raw.find_byte(body, ord('"')) is not None
    if quoted and body.size >= LARGEST_BLOCK:
        raise InputError(
            f"{path}: expected at most 2 GB for a file with quotes, received {body.size:,} bytes: "
            "save it as Parquet"
        )
    types = {name: pa.float64() if name in numbers else pa.string() for name in chosen}
    options = {
        "parse_options": arrow_csv.ParseOptions(
            delimiter=separator, newlines_in_values=quoted, ignore_empty_lines=len(names) > 1
        ),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=chosen,
            null_values=MISSING,
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    }

    def read(block_size: int) -> pa.Table:
        # Quoted fields may hold line breaks: in one block there is no edge at which Arrow could
        # tear one (apache/arrow#51368).
        reading = arrow_csv.ReadOptions(column_names=names, block_size=block_size)
        return arrow_csv.read_csv(pa.BufferReader(body), read_options=reading, **options)

    single = max(body.size + 1, 1024)
    if not body.size:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    try:
        try:
            return read(single if quoted else 1 << 20)
        except pa.ArrowInvalid as error:
            if "straddling object" not in str(error) or body.size >= LARGEST_BLOCK:
                raise
            return read(single)
    except pa.ArrowInvalid as error:
        if "conversion error to double" in str(error) and numbers:
            return _parse(path, body, separator, names, chosen, [])
        raise _unreadable(path, separator, error) from None


def _unreadable(path: Path, separator: str, error: pa.ArrowInvalid) -> Exception:
    """Returns what to say of text that is no table; Arrow's own error where that is not known."""
    message = str(error).strip().splitlines()[0]
    if "invalid UTF8" in message:
        return InputError(
            f"{path}: expected UTF-8 text, received other bytes: save the file as UTF-8, or set "
            "ingest.encoding"
        )
    ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if ragged is None:
        return error
    where = f"data row {ragged[1]}" if ragged[1] else "a row"
    return InputError(
        f"{path}: expected {ragged[2]} fields between {separator!r} in each row, as in the "
        f"header, received {ragged[3]} in {where} "
        f"({ragged[0].split(': ')[-1]}): a field that holds the separator must be in quotes"
    )


# --- Parquet, Excel, JSON ---


def _read_parquet(path: Path, wanted: Wanted) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        # The index of a pandas table is stored as columns; one without a name has a name of
        # pandas's own.
        unnamed = [name for name in schema.names if re.fullmatch(r"__index_level_\d+__", name)]
        shown = {name: "index" if len(unnamed) == 1 else f"level_{name[14:-2]}" for name in unnamed}
        names = [shown.get(name, name) for name in schema.names]
        chosen = _chosen(names, wanted, path)
        check_memory(path, rows * len(chosen))
        stored = [name for name in schema.names if shown.get(name, name) in chosen]
        texts = [
            field.name
            for field in schema
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
    # As dictionaries, which are as small as in the file: a text that is there a million times is
    # there once.
    table = pq.read_table(path, columns=stored, read_dictionary=texts).replace_schema_metadata(None)
    table = table.select(stored)
    for name in texts:
        if name in stored:
            table = table.set_column(stored.index(name), name, _decoded_texts(path, table[name]))
    binary = [
        column.name
        for column in table.schema
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    ]
    if binary:
        raise InputError(
            f"{path}: expected text or numbers, received bytes in column {binary[0]!r}: save it "
            "as text"
        )
    return table.rename_columns([shown.get(name, name) for name in stored]).to_pandas()


def _decoded_texts(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return column
    sizes = [
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
    ]
    check_memory(path, sum(sizes) // TEXT_PER_CELL)
    return column.cast(pa.large_string())


def check_memory(path: Path, cells: int) -> None:
    """Raises `InputError` where a table of so many cells would not fit into this machine's
    memory."""
    free = psutil.virtual_memory().available
    if cells * BYTES_PER_CELL > free / 2:
        raise InputError(
            f"{path}: expected a table that fits into half of the free memory ({free / 1e9:.1f} "
            f"GB), received {cells:,} values, which take "
            f"about {cells * BYTES_PER_CELL / 1e9:.0f} GB: use fewer rows or columns"
        )


def _read_excel(path: Path, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
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
    except Exception as error:  # of many types, for a file that is not what its name says
        raise InputError(
            f"{path}: expected an Excel workbook, received one that cannot be read: {error}"
        ) from None
    if form.sheet is not None and form.sheet not in book.sheetnames:
        raise InputError(
            f"{path}: expected the sheet {form.sheet!r}, found {_shortened(book.sheetnames)}"
        )
    sheets = {
        name: list(book[name].values)
        for name in (book.sheetnames if form.sheet is None else [form.sheet])
    }
    tables = {
        name: table
        for name, rows in sheets.items()
        if (table := _table_of(path, rows, wanted, form)) is not None
    }
    book.close()
    if len(tables) != 1:
        columns = _shortened(list(wanted.columns))
        first = next(
            (
                row
                for rows in sheets.values()
                for row in rows
                if any(cell is not None for cell in row)
            ),
            (),
        )
        raise InputError(
            f"{path}: expected one sheet with the columns {columns}, found {len(tables)} such "
            f"among {_shortened(list(sheets))} (the first "
            f"row has {_shortened([str(cell) for cell in first])}): set ingest.sheet, or "
            "ingest.header if no row names the columns"
        )
    (name, (header, names, rows)) = next(iter(tables.items()))
    places = {column: names.index(column) for column in _chosen(names, wanted, path)}
    frame = pd.DataFrame(
        {column: [row[place] for row in rows] for column, place in places.items()}, dtype=object
    )
    frame.attrs["reading"] = {"sheet": name, "lines_above_header": header}
    return frame


def _table_of(
    path: Path, rows: list[tuple[Any, ...]], wanted: Wanted, form: FileFormat
) -> tuple[int, list[str], list[tuple[Any, ...]]] | None:
    """Returns where the header of a sheet is, its names, and the rows below that are not empty;
    None where there is no such header."""

    def filled(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [row for row in rows if any(cell is not None for cell in row)]

    first = form.skip or 0
    if form.header is not True:
        below = filled(rows[first:])
        return first, _numbered(path, max(map(len, below), default=0), form), below
    for line in range(first, min(first + (HEADER_LINES if form.skip is None else 1), len(rows))):
        if set(wanted.columns) <= {str(cell) for cell in rows[line]}:
            return (
                line,
                ["" if cell is None else str(cell) for cell in rows[line]],
                filled(rows[line + 1 :]),
            )
    return None


def _read_json(path: Path, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
    rows = list(raw.json_objects(path, form.encoding, as_written=True))
    if not rows:
        raise InputError(f"{path}: expected at least one JSON object, received none")
    chosen = _chosen(list(dict.fromkeys(name for _, row in rows for name in row)), wanted, path)
    for where, row in rows:
        for name in wanted.columns:
            raw.key_of(where, row, name)
    return pd.DataFrame(
        {name: [_as_written(row.get(name)) for _, row in rows] for name in chosen}, dtype=object
    )


def _as_written(value: Any) -> Any:
    """Returns a JSON value as its text in the file; null as None."""
    return str(value).lower() if isinstance(value, bool) else value
