"""Raw tables: CSV, TSV, Parquet, Excel and JSON. Text is read exactly as it is written."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from stages.errors import InputError
from stages.files import columns, delimited, raw, raw_json, raw_parquet, workbooks
from stages.formats import FileFormat, Wanted

SUFFIXES = (*delimited.SEPARATORS, ".parquet", ".xlsx", *raw_json.SUFFIXES)
SETTINGS = ("separator", "encoding", "skip", "header", "sheet")
# Which of them the tables of a suffix have.
_OWN = {
    **dict.fromkeys(delimited.SEPARATORS, SETTINGS[:4]),
    ".xlsx": SETTINGS[2:],
    **dict.fromkeys(raw_json.SUFFIXES, ("encoding",)),
}


def unread_settings(name: str | None, file_format: FileFormat) -> list[str]:
    """Returns the settings, other than defaults, that nothing reads: those that a table of this
    name has not, by its suffix; without a name, all of them."""
    own = SETTINGS[:0] if name is None else _OWN.get(raw.suffix_of(Path(name)), ())
    fields = FileFormat.model_fields
    return [
        setting
        for setting in SETTINGS
        if setting not in own and getattr(file_format, setting) != fields[setting].default
    ]


def read_files(
    source: Path, names: Sequence[str] | None, wanted: Wanted, file_format: FileFormat
) -> list[pd.DataFrame]:
    """Reads a raw file, or, where `names` lists files of the folder `source`, these in order."""
    paths = [source] if names is None else [source / name for name in names]
    return [read_raw(path, wanted, file_format) for path in paths]


def read_raw(path: Path, wanted: Wanted, file_format: FileFormat) -> pd.DataFrame:
    """Reads the wanted columns of a CSV, TSV, Parquet, Excel or JSON file.

    CSV, TSV and JSON may be gzipped. Text is read exactly as it is written: nothing counts as
    missing, and no type is guessed. Columns of numbers are float64, with NaN for an empty cell, if
    all their cells are plain numbers; otherwise they are text too.

    Returns:
        The columns in the file's order; the attribute `reading` is a `Reading`.

    Raises:
        InputError: the file is missing, empty or not a table, or lacks a column.
    """
    raw.check_file(path)
    suffix = raw.suffix_of(path)
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: expected a name that ends in {', '.join(SUFFIXES)} (or .csv.gz, .tsv.gz), "
            f"received {path.name!r}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path}: expected a table with a header line, received an empty file")
    try:
        if suffix == ".parquet":
            return raw_parquet.read(path, wanted)
        if suffix == ".xlsx":
            return workbooks.read(path, wanted, file_format)
        if suffix in raw_json.SUFFIXES:
            return _read_json(path, wanted, file_format)
        return delimited.read(path, delimited.SEPARATORS[suffix], wanted, file_format)
    except (pa.ArrowException, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: expected a table, received one that cannot be read: "
            f"{str(error).strip().splitlines()[0]}"
        ) from None


def _read_json(path: Path, wanted: Wanted, file_format: FileFormat) -> pd.DataFrame:
    rows = list(raw_json.objects(path, file_format.encoding, as_written=True))
    if not rows:
        raise InputError(f"{path}: expected at least one JSON object, received none")
    names = dict.fromkeys(name for _, row in rows for name in row)
    chosen = columns.choose(list(names), wanted, path)
    for place, row in rows:
        for name in wanted.columns:
            raw_json.value_at(place, row, name)
    return pd.DataFrame(
        {name: [_as_written(row.get(name)) for _, row in rows] for name in chosen}, dtype=object
    )


def _as_written(value: Any) -> Any:
    """Returns a JSON value as its text in the file; null as None."""
    return str(value).lower() if isinstance(value, bool) else value
