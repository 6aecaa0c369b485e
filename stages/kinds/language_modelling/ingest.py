"""Raw text -> a table of texts, split."""

import datetime
import hashlib
import reprlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.formats import FileFormat, Wanted
from stages.sections import InnerPath, Name, Section
from stages.splits import SPLITS, ByCount, ByFraction

READS = "texts"


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
    def parts(self) -> list[str] | None:
        """The files of the folder; None: all."""
        return (
            [self.split.train, self.split.validation, self.split.test]
            if isinstance(self.split, ByFile)
            else None
        )


def columns_to_read(parameters: Parameters) -> Wanted:
    """Returns the columns that are read of a table; none for plain text."""
    if parameters.text is None:
        return Wanted([])
    return Wanted(
        list(
            dict.fromkeys(
                [
                    parameters.text,
                    *([parameters.group] if parameters.group not in (None, "file") else []),
                ]
            )
        )
    )


def ingest(
    parts: Sequence[pd.DataFrame], parameters: Parameters
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Returns a table of `text` and `split`, split after split, and what `about.json` says of
    it."""
    name = parameters.text or "text"
    table = pd.concat(
        [_of_part(number, part, name, parameters) for number, part in enumerate(parts)],
        ignore_index=True,
    )
    filled = table["text"].str.strip() != ""
    if not filled.any():
        raise InputError(
            "expected text, received "
            f"{f'an empty column {name!r}' if parameters.text else 'an empty file'}"
        )
    # Lines of white space alone hold nothing to learn from; in a stream they are kept, as the ends
    # of paragraphs.
    kept = table[filled] if parameters.text is not None or parameters.split == "same" else table
    splits = _splits(kept, parameters)
    order = np.argsort(splits, kind="stable")
    order = order[splits[order] < len(SPLITS)]
    out = pd.DataFrame(
        {"text": kept["text"].to_numpy(object)[order], "split": splits[order].astype(np.int8)}
    )
    counts = np.bincount(out["split"], minlength=len(SPLITS))
    if parameters.split != "same" and not counts.all():
        raise InputError(
            "ingest.split: expected at least one text in each split, received "
            f"{dict(zip(SPLITS, counts.tolist(), strict=True))} "
            f"of {len(kept)} texts: give more texts or another split"
        )
    return out, {
        "texts": dict(zip(SPLITS, counts.tolist(), strict=True)),
        "dropped": int(len(table) - len(out)),
        "same": parameters.split == "same",
    }


def _of_part(number: int, part: pd.DataFrame, name: str, parameters: Parameters) -> pd.DataFrame:
    """Returns the texts of one file, with their `group` where texts are grouped, and the file's
    number. A missing text is empty."""
    texts = part[name].astype(object)
    texts = texts.where(texts.notna(), "")
    file = part.attrs.get("file", "")
    wrong = np.flatnonzero(~texts.map(lambda value: isinstance(value, str)).to_numpy(bool))
    if len(wrong):
        raise InputError(
            f"{_place(file, wrong)}: column {name!r}: expected text, received "
            f"{reprlib.repr(texts.iloc[wrong[0]])}"
        )
    groups = _groups(part, texts, file, parameters) if parameters.group is not None else ""
    return pd.DataFrame({"text": texts, "group": groups, "part": number})


def _groups(part: pd.DataFrame, texts: pd.Series, file: str, parameters: Parameters) -> Any:
    """Returns the name of each text's group, as it is written."""
    if parameters.group == "file":
        if not file:
            raise InputError(
                "ingest.group: expected `file` for a folder only, received it for a file: name a "
                "column, or take null"
            )
        return file
    groups = part[parameters.group].astype(object)
    filled = (texts.str.strip() != "").to_numpy()
    empty = np.flatnonzero(
        filled & (groups.isna() | (groups.astype(str).str.strip() == "")).to_numpy()
    )
    if len(empty):
        raise InputError(
            f"{_place(file, empty)}: column {parameters.group!r}: expected the name of a group, "
            f"received an empty one ({len(empty)} such "
            "rows): fill it in, or take out the row"
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
        return table["part"].to_numpy(np.int64)
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
    of_group = dict(zip(names, np.searchsorted(ends, middles, side="right"), strict=True))
    return table["group"].map(of_group).to_numpy(np.int64)


def _ends(split: ByFraction | ByCount, texts: int) -> np.ndarray:
    """Returns how many texts lie up to and with each split, (3,)."""
    wanted = [split.train, split.validation, split.test]
    if isinstance(split, ByFraction):
        return np.floor(texts * np.cumsum(wanted) + 1e-9).astype(np.int64)
    known = sum(count for count in wanted if count != "rest")
    return np.cumsum([texts - known if count == "rest" else count for count in wanted])
