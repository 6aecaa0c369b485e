"""Raw text -> a table of texts, split."""

import datetime
import hashlib
import reprlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files import texts as text_files
from stages.formats import FileFormat, Wanted
from stages.sections import InnerPath, Name, Section
from stages.splits import SPLITS, ByCount, ByFraction
from stages.text.data import IngestedTexts


class ByFile(Section):
    """Each split is a file of the folder."""

    train: InnerPath
    validation: InnerPath
    test: InnerPath

    @model_validator(mode="after")
    def _different(self) -> "ByFile":
        if len({PurePosixPath(name) for name in (self.train, self.validation, self.test)}) < len(
            SPLITS
        ):
            raise ValueError("three different files")
        return self


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
    texts = table[name].astype(object)
    texts = texts.where(texts.notna(), "")
    file = table.attrs.get("file", "")
    wrong = np.flatnonzero(~texts.map(lambda value: isinstance(value, str)).to_numpy(bool))
    if len(wrong):
        raise InputError(
            f"{_place(file, wrong)}: column {name!r}: expected text, received "
            f"{reprlib.repr(texts.iloc[wrong[0]])}"
        )
    groups = _groups(table, texts, file, parameters) if parameters.group is not None else ""
    return pd.DataFrame({"text": texts, "group": groups, "file": number})


def _groups(table: pd.DataFrame, texts: pd.Series, file: str, parameters: Parameters) -> Any:
    """Returns the name of each text's group, as it is written."""
    if parameters.group == "file":
        if not file:
            raise InputError(
                "ingest.group: expected `file` for a folder only, received it for a file: name a "
                "column, or take null"
            )
        return file
    groups = table[parameters.group].astype(object)
    filled = (texts.str.strip() != "").to_numpy()
    empty = np.flatnonzero(
        filled & (groups.isna() | (groups.astype(str).str.strip() == "")).to_numpy()
    )
    if len(empty):
        raise InputError(
            f"{_place(file, empty)}: column {parameters.group!r}: expected the name of a group, "
            f"received an empty one ({len(empty)} such rows): fill it in, or take out the row"
        )
    # Numbers with a fraction can be written in many ways, and truth values too.
    named = groups.map(
        lambda value: isinstance(value, str | int | datetime.date) and not isinstance(value, bool)
    ).to_numpy(bool)
    wrong = np.flatnonzero(filled & ~named)
    if len(wrong):
        received = reprlib.repr(groups.iloc[wrong[0]])
        raise InputError(
            f"{_place(file, wrong)}: column {parameters.group!r}: expected the name of a group, "
            f"text or a whole number, received {received}"
        )
    return groups.astype(str)


def _place(file: str, rows: np.ndarray) -> str:
    return f"{file}, row {rows[0] + 1}" if file else f"row {rows[0] + 1}"


def _splits(table: pd.DataFrame, parameters: Parameters) -> np.ndarray:
    """Returns the number of each text's split, (texts,); 3 where it is in none."""
    split = parameters.split
    if split == "same":
        return np.zeros(len(table), np.int64)
    if isinstance(split, ByFile):
        return table["file"].to_numpy(np.int64)
    ends = _ends(split, len(table))
    if ends[-1] > len(table):
        raise InputError(
            f"ingest.split: expected at most {len(table)} texts together, as there are, received "
            f"{ends[-1]}"
        )
    if parameters.group is None:
        return np.searchsorted(ends, np.arange(len(table)), side="right")
    # An order that is neither that of the names nor one that changes when a group is added.
    names = sorted(table["group"].unique(), key=lambda name: hashlib.sha256(name.encode()).digest())
    sizes = table["group"].value_counts().reindex(names).to_numpy()
    middles = np.cumsum(sizes) - sizes / 2
    split_by_group = dict(zip(names, np.searchsorted(ends, middles, side="right"), strict=True))
    return table["group"].map(split_by_group).to_numpy(np.int64)


def _ends(split: ByFraction | ByCount, texts: int) -> np.ndarray:
    """Returns the number of texts up to the end of each split, (3,)."""
    wanted = [split.train, split.validation, split.test]
    if isinstance(split, ByFraction):
        return np.floor(texts * np.cumsum(wanted) + 1e-9).astype(np.int64)
    known = sum(count for count in wanted if count != "rest")
    return np.cumsum([texts - known if count == "rest" else count for count in wanted])
