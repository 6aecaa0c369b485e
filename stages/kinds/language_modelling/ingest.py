"""Raw text -> a table of texts, split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files import texts as text_files
from stages.formats import FileFormat, Wanted
from stages.sections import Name
from stages.splits import SPLITS, ByCount, ByFraction
from stages.text import splitting
from stages.text.data import IngestedTexts
from stages.text.splitting import ByFile


class Parameters(FileFormat):
    """Where the texts are. How the file is written: `stages.formats`.

    file: a text file (each line is a text), a folder of text files, or a table (CSV, TSV, Parquet,
        JSON lines, or a JSON array of objects), in `data/raw/`.
    text: the column of the texts; null: plain text.
    group: a column, or `file` for a folder: texts of one group are in one split; groups are split
        in an order that their names give. null: texts are split in their order.
    split: fractions or numbers of texts (with `group`: about so many); files of the folder; or
        `same`: all texts are in all splits, for learning by heart.
    """

    text: Name | None = None
    group: Name | None = None
    split: ByFraction | ByCount | ByFile | Literal["same"]

    @model_validator(mode="after")
    def _group(self) -> "Parameters":
        if self.group is not None and not isinstance(self.split, ByFraction | ByCount):
            raise ValueError(
                "`group` with fractions or numbers of texts only: this split has no use for it"
            )
        if self.group not in (None, "file") and self.text is None:
            raise ValueError("`group: file`, or a column of the table whose texts `text` names")
        return self

    @property
    def files(self) -> list[str] | None:
        """The files of the folder; None: all."""
        return (
            [self.split.train, self.split.validation, self.split.test]
            if isinstance(self.split, ByFile)
            else None
        )


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    """Reads a raw file of texts, or those of a folder: one table of texts per file."""
    wanted = [parameters.text, parameters.group if parameters.group != "file" else None]
    columns = list(dict.fromkeys(name for name in wanted if name is not None))
    # Plain text has no columns.
    columns = columns if parameters.text is not None else []
    return text_files.read_files(path, parameters.files, Wanted(columns), parameters)


def ingest(
    tables: Sequence[pd.DataFrame], parameters: Parameters
) -> tuple[pd.DataFrame, IngestedTexts]:
    """Returns a table of `text` and `split`, split after split, and what is to be said of it."""
    name = parameters.text or "text"
    table = pd.concat(
        [_texts_of_file(number, file, name, parameters) for number, file in enumerate(tables)],
        ignore_index=True,
    )
    filled = table["text"].str.strip() != ""
    if not filled.any():
        received = f"an empty column {name!r}" if parameters.text else "an empty file"
        raise InputError(f"expected text, received {received}")
    # Lines of white space alone hold nothing to learn from; in a stream they are kept, as the ends
    # of paragraphs.
    kept = table[filled] if parameters.text is not None or parameters.split == "same" else table
    splits = _splits(kept, parameters)
    order = np.argsort(splits, kind="stable")
    order = order[splits[order] < len(SPLITS)]
    split_texts = pd.DataFrame(
        {"text": kept["text"].to_numpy(object)[order], "split": splits[order].astype(np.int8)}
    )
    counts = np.bincount(split_texts["split"], minlength=len(SPLITS)).tolist()
    counts_by_split = dict(zip(SPLITS, counts, strict=True))
    if parameters.split != "same" and not all(counts):
        raise InputError(
            f"ingest.split: expected at least one text in each split, received {counts_by_split} "
            f"of {len(kept)} texts: give more texts or another split"
        )
    return split_texts, IngestedTexts(
        reading=tables[0].attrs.get("reading", {}),
        texts=counts_by_split,
        dropped=len(table) - len(split_texts),
        same=parameters.split == "same",
    )


def _texts_of_file(
    number: int, table: pd.DataFrame, name: str, parameters: Parameters
) -> pd.DataFrame:
    """Returns the texts of one file, with their `group` where texts are grouped, and the file's
    number. A missing text is empty."""
    texts = splitting.texts_of(table, name)
    group = parameters.group
    groups = "" if group is None else splitting.groups_of(table, texts, group)
    return pd.DataFrame({"text": texts, "group": groups, "file": number})


def _splits(table: pd.DataFrame, parameters: Parameters) -> np.ndarray:
    """Returns the number of each text's split, (texts,); 3 where it is in none."""
    split = parameters.split
    if split == "same":
        return np.zeros(len(table), np.int64)
    if isinstance(split, ByFile):
        return table["file"].to_numpy(np.int64)
    return splitting.splits_of(len(table) if parameters.group is None else table["group"], split)
