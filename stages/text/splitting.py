"""Which split each text is in: by fractions or numbers, by groups, or by the file it is from."""

import datetime
import hashlib
import reprlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.sections import InnerPath, Section
from stages.splits import ByCount, ByFraction


class ByFile(Section):
    """Each split is a file of the folder."""

    train: InnerPath
    validation: InnerPath
    test: InnerPath

    @model_validator(mode="after")
    def _different(self) -> "ByFile":
        expect_different([self.train, self.validation, self.test], "files")
        return self


def expect_different(names: Sequence[str], what: str) -> None:
    """Raises `ValueError` if one path is given twice."""
    if len({PurePosixPath(name) for name in names}) < len(names):
        raise ValueError(f"{'three' if len(names) == 3 else 'two'} different {what}")


def texts_of(table: pd.DataFrame, column: str) -> pd.Series:
    """Returns the texts of one file's table, a missing one as an empty one.

    Raises `InputError` for a value that is no text. The table's attribute `file` is its name.
    """
    texts = table[column].astype(object)
    texts = texts.where(texts.notna(), "")
    wrong = np.flatnonzero(~texts.map(lambda value: isinstance(value, str)).to_numpy(bool))
    if len(wrong):
        raise InputError(
            f"{place(table, wrong)}: column {column!r}: expected text, received "
            f"{reprlib.repr(texts.iloc[wrong[0]])}"
        )
    return texts


def groups_of(table: pd.DataFrame, texts: pd.Series, column: str) -> pd.Series:
    """Returns the name of each text's group in one file's table, as it is written.

    Args:
        texts: of the table; the group of an empty one may be missing.
        column: of the groups, or `file`: all texts of a file are a group.
    """
    if column == "file":
        name = table.attrs.get("file", "")
        if not name:
            raise InputError(
                "ingest.group: expected `file` for a folder only, received it for a file: name a "
                "column, or take null"
            )
        return pd.Series(name, index=table.index, dtype=object)
    groups = table[column].astype(object)
    filled = (texts.str.strip() != "").to_numpy()
    empty = np.flatnonzero(
        filled & (groups.isna() | (groups.astype(str).str.strip() == "")).to_numpy()
    )
    if len(empty):
        raise InputError(
            f"{place(table, empty)}: column {column!r}: expected the name of a group, "
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
            f"{place(table, wrong)}: column {column!r}: expected the name of a group, "
            f"text or a whole number, received {received}"
        )
    return groups.astype(str)


def place(table: pd.DataFrame, rows: np.ndarray) -> str:
    """Returns where the first of some rows of a file's table is, for error messages."""
    name = table.attrs.get("file", "")
    return f"{name}, row {rows[0] + 1}" if name else f"row {rows[0] + 1}"


def splits_of(
    groups: pd.Series | int, split: ByFraction | ByCount, shuffle: int | None = None
) -> np.ndarray:
    """Returns the number of each text's split, (texts,); 3 where it is in none.

    Args:
        groups: the group of each text, of which all texts are in one split; or how many texts there
            are, without groups.
        shuffle: the seed of the order in which texts or groups are split; None: texts are split in
            their order, groups in one that their names give.
    """
    count = groups if isinstance(groups, int) else len(groups)
    ends = ends_of(split, count)
    if ends[-1] > count:
        raise InputError(
            f"ingest.split: expected at most {count} in all, as there are, received {ends[-1]}"
        )
    if isinstance(groups, int):
        places = np.arange(count)
        if shuffle is not None:
            places[np.random.default_rng(shuffle).permutation(count)] = np.arange(count)
        return np.searchsorted(ends, places, side="right")
    # An order that is neither that of the names nor one that changes when a group is added.
    names = sorted(groups.unique(), key=lambda name: hashlib.sha256(name.encode()).digest())
    if shuffle is not None:
        names = [names[index] for index in np.random.default_rng(shuffle).permutation(len(names))]
    sizes = groups.value_counts().reindex(names).to_numpy()
    middles = np.cumsum(sizes) - sizes / 2
    split_by_group = dict(zip(names, np.searchsorted(ends, middles, side="right"), strict=True))
    return groups.map(split_by_group).to_numpy(np.int64)


def ends_of(split: ByFraction | ByCount, texts: int) -> np.ndarray:
    """Returns the number of texts up to the end of each split, (3,)."""
    wanted = [split.train, split.validation, split.test]
    if isinstance(split, ByFraction):
        return np.floor(texts * np.cumsum(wanted) + 1e-9).astype(np.int64)
    known = sum(count for count in wanted if count != "rest")
    return np.cumsum([texts - known if count == "rest" else count for count in wanted])
