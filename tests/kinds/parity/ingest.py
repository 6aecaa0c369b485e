"""A table with a column `bits`, such as 0110, to sequences of bits, split in their order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from stages.kinds.parity import Ingested

from stages.errors import InputError
from stages.files import raw_tables
from stages.formats import FileFormat, Wanted
from stages.splits import SPLITS, ByFraction


class Parameters(FileFormat):
    """split: fractions of the sequences."""

    split: ByFraction


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    return [raw_tables.read_raw(path, Wanted(["bits"]), parameters)]


def ingest(tables: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, Ingested]:
    """Returns a table of `bits` and `split`, split after split."""
    bits = tables[0]["bits"].astype(str)
    wrong = bits[~bits.str.fullmatch("[01]+")]
    if len(wrong):
        raise InputError(f"column 'bits': expected zeros and ones, received {wrong.iloc[0]!r}")
    split = parameters.split
    ends = np.floor(len(bits) * np.cumsum([split.train, split.validation, split.test]) + 1e-9)
    numbers = np.searchsorted(ends, np.arange(len(bits)), side="right")
    table = pd.DataFrame({"bits": bits, "split": numbers.astype(np.int8)})
    table = table[table["split"] < len(SPLITS)]
    counts = np.bincount(table["split"], minlength=len(SPLITS)).tolist()
    return table, Ingested(dict(zip(SPLITS, counts, strict=True)))
