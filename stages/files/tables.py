"""Tables on disk: raw ones as users have them, and the typed ones that `ingest` writes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from stages.errors import InputError
from stages.files.writing import whole

ENDINGS = (".csv", ".tsv", ".txt", ".parquet")


def read_raw(path: Path, columns: Sequence[str], matches: Callable[[str], bool] | None = None) -> pd.DataFrame:
    """Reads the named columns, and those whose name `matches`, of a CSV, TSV or Parquet file (CSV and TSV may be gzipped).

    No other column is read. Raises `InputError` for a file that is missing, empty, not a table, or lacks a column.
    """
    if not path.is_file():
        raise InputError(f"expected a raw file at {path}, found none: put it there and run `dvc add {path}`, or `dvc pull`")
    endings = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    kind = endings[0] if endings else ""
    if kind not in ENDINGS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(ENDINGS)} (or .csv.gz, .tsv.gz), received {path.name!r}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: expected a table with a header line, received an empty file")
    try:
        names = pq.read_schema(path).names if kind == ".parquet" else arrow_csv.open_csv(path, **_options(kind)).schema.names
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(f"{path}: expected the column {missing[0]!r}, found {_shortened(names)}")
        wanted = [name for name in names if name in columns or (matches is not None and matches(name))]
        if kind == ".parquet":
            return pd.read_parquet(path, columns=wanted)
        table = arrow_csv.read_csv(path, **_options(kind, wanted))
    except (pa.ArrowException, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{path}: expected a table, received one that cannot be read: {str(error).strip().splitlines()[0]}") from None
    binary = [field.name for field in table.schema if pa.types.is_binary(field.type)]
    if binary:
        raise InputError(f"{path}: expected UTF-8 text, received other bytes in column {binary[0]!r}: save the file as UTF-8")
    return table.to_pandas()


def _options(kind: str, columns: Sequence[str] = ()) -> dict[str, Any]:
    """Returns how Arrow reads CSV and TSV. Unlike pandas, it refuses rows with more or fewer fields than the header has."""
    return {
        "parse_options": arrow_csv.ParseOptions(delimiter="," if kind == ".csv" else "\t"),
        "convert_options": arrow_csv.ConvertOptions(include_columns=list(columns), strings_can_be_null=True),
    }


def read_parts(
    source: Path, parts: Sequence[str] | None, columns: Sequence[str], matches: Callable[[str], bool] | None = None
) -> list[pd.DataFrame]:
    """Reads a raw file, or the `parts` of a folder in their order."""
    paths = [source] if parts is None else [source / part for part in parts]
    return [read_raw(path, columns, matches) for path in paths]


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def write(path: Path, table: pd.DataFrame) -> None:
    with whole(path) as part:
        # In groups of rows that are small enough to be read one at a time.
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), part, row_group_size=1 << 16)


def write_csv(path: Path, table: pd.DataFrame, digits: int = 7) -> None:
    """Writes the table with `digits` significant digits."""
    with whole(path) as part:
        table.to_csv(part, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def read_in_parts(path: Path, columns: Sequence[str], rows: int = 8192) -> Iterator[pd.DataFrame]:
    """Yields a Parquet table part by part, so that memory holds one part at a time."""
    with pq.ParquetFile(path) as file:
        # Group by group: asked for all of them at once, Arrow keeps what it has read.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns)):
                yield batch.to_pandas()


def read(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    return pd.read_parquet(path, columns=None if columns is None else list(columns))
