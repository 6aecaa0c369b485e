"""Raw Parquet tables, and whether a table fits into memory."""

import re
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.errors import InputError
from stages.files import columns
from stages.formats import Wanted

# Measured: the most memory that one cell of a table takes on its way to the scores.
BYTES_PER_CELL = 160
# Bytes of text that take as much memory as one cell.
TEXT_PER_CELL = 40


def read(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Reads the wanted columns; those of a pandas index are columns like any other."""
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    # pandas stores the index as columns, and names one without a name itself.
    unnamed = [name for name in schema.names if re.fullmatch(r"__index_level_\d+__", name)]
    renamed = {name: "index" if len(unnamed) == 1 else f"level_{name[14:-2]}" for name in unnamed}
    chosen = columns.choose([renamed.get(name, name) for name in schema.names], wanted, path)
    check_memory(path, rows * len(chosen))
    stored = [name for name in schema.names if renamed.get(name, name) in chosen]
    texts = [
        field.name
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    # Texts are read as dictionaries, which are as small as in the file: each text occurs once.
    table = pq.read_table(path, columns=stored, read_dictionary=texts).replace_schema_metadata(None)
    table = table.select(stored)
    for name in texts:
        if name in stored:
            table = table.set_column(stored.index(name), name, _decoded(path, table[name]))
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
    return table.rename_columns([renamed.get(name, name) for name in stored]).to_pandas()


def _decoded(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column of dictionaries as one of texts, if these fit into memory."""
    if not pa.types.is_dictionary(column.type):
        return column
    sizes = [
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
    ]
    check_memory(path, sum(sizes) // TEXT_PER_CELL)
    return column.cast(pa.large_string())


def check_memory(path: Path, cells: int) -> None:
    """Raises `InputError` if a table with `cells` values would not fit into the free memory."""
    free = psutil.virtual_memory().available
    if cells * BYTES_PER_CELL > free / 2:
        raise InputError(
            f"{path}: expected a table that fits into half of the free memory ({free / 1e9:.1f} "
            f"GB), received {cells:,} values, which take about "
            f"{cells * BYTES_PER_CELL / 1e9:.0f} GB: use fewer rows or columns"
        )
