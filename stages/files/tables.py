"""The typed tables that stages write for each other, in Parquet, and tables of plots, in CSV."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages import watch
from stages.errors import InputError
from stages.files.writing import RESTORE, whole


def write(path: Path, table: pd.DataFrame) -> None:
    with whole(path) as temporary:
        # In groups of rows that are small enough to be read one at a time.
        pq.write_table(
            pa.Table.from_pandas(table, preserve_index=False), temporary, row_group_size=1 << 16
        )


def write_csv(path: Path, table: pd.DataFrame, digits: int = 7) -> None:
    """Writes the table with `digits` significant digits."""
    with whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def read_chunks(path: Path, columns: Sequence[str], rows: int = 8192) -> Iterator[pd.DataFrame]:
    """Yields a Parquet table in chunks, so that memory holds one chunk at a time."""
    watch.reads(path)
    with pq.ParquetFile(path) as file:
        # Group by group: asked for all of them at once, Arrow keeps what it has read.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns)):
                yield batch.to_pandas()


def read(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    watch.reads(path)
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: expected a table as Reprise writes it, received a damaged file: {reason}. "
            f"{RESTORE}"
        ) from None
