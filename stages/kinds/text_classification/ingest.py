"""Raw texts with labels -> a table of texts, split."""

import logging
import reprlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files import labelled
from stages.files import texts as text_files
from stages.formats import FileFormat, Wanted
from stages.kinds.text_classification import PARTS, Ingested
from stages.sections import InnerPath, Name, Section, Seed
from stages.splits import SPLITS, ByCount, ByFraction, Fraction
from stages.text import splitting

log = logging.getLogger("reprise")

# The label that names folders, and the number of a text that is in no split.
FOLDER, NOWHERE = "folder", len(SPLITS)


class ByName(Section):
    """Each split is a file of the folder; with the label `folder`, a folder. validation: or a
    fraction of the training texts, which the seed `shuffle` draws."""

    train: InnerPath
    validation: InnerPath | Fraction
    test: InnerPath

    @model_validator(mode="after")
    def _different(self) -> "ByName":
        splitting.expect_different(self.names, "files or folders")
        return self

    @property
    def names(self) -> list[str]:
        names = [self.train, self.validation, self.test]
        return [name for name in names if isinstance(name, str)]


class Parameters(FileFormat):
    """Where the texts and their labels are. How the file is written: `stages.formats`.

    file: a table (CSV, TSV, Parquet, JSON lines, or a JSON array of objects), a folder of such, or,
        with the label `folder`, a folder or an archive with one subfolder for each class.
    text: the column of the texts. label: the column of the labels, or `folder`: the name of the
        folder that a text's file is in.
    unlabelled: labels that stand for none, besides an empty one, such as `unsup`.
    group: a column, or `file` for a folder of tables: texts of one group are in one split; null:
        each text stands alone.
    shuffle: the seed of the order in which texts (or groups) are split; null: texts are split in
        their order.
    split: fractions or numbers of the texts with a label (with `group`: about so many); or names:
        see `ByName`. Texts without a label are in training.
    """

    text: Name = "text"
    label: Name = "label"
    unlabelled: list[Name] = []
    group: Name | None = None
    shuffle: Seed | None = None
    split: ByFraction | ByCount | ByName

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        named = isinstance(self.split, ByName)
        if self.group is not None and (named or self.label == FOLDER):
            raise ValueError(
                "`group` for tables that are split by fractions or numbers only: this split has no "
                "use for it"
            )
        if named and isinstance(self.split.validation, float) and self.shuffle is None:
            raise ValueError("a seed as `shuffle`, which draws the validation texts")
        return self

    @property
    def files(self) -> list[str] | None:
        """The files of the folder; None: all."""
        return self.split.names if isinstance(self.split, ByName) else None


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    """Reads a raw table, those of a folder, or the texts in folders of classes: one table per
    file."""
    if parameters.label == FOLDER:
        return [labelled.read(path, parameters)]
    wanted = [parameters.text, parameters.label]
    if parameters.group not in (None, "file"):
        wanted.append(parameters.group)
    columns = Wanted(list(dict.fromkeys(wanted)))
    return text_files.read_files(path, parameters.files, columns, parameters)


def ingest(tables: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, Ingested]:
    """Returns a table of `text`, `label` (null: none) and `split`, part after part of `PARTS`, and
    what is to be said of it."""
    table = pd.concat(
        [_texts_of_file(number, file, parameters) for number, file in enumerate(tables)],
        ignore_index=True,
    )
    filled = table[table["text"].str.strip() != ""].reset_index(drop=True)
    if filled.empty:
        raise InputError(f"expected texts, received {len(table)} rows with an empty text")
    has_label = filled["label"].notna().to_numpy()
    if not has_label.any():
        raise InputError(f"expected labels, received only empty ones in {parameters.label!r}")
    splits = _splits(filled, has_label, parameters)
    # The place of each text's part in PARTS.
    parts = np.where(splits == 0, np.where(has_label, 0, 1), splits + 1)
    parts[~has_label & (splits != 0)] = len(PARTS)
    order = np.argsort(parts, kind="stable")
    order = order[parts[order] < len(PARTS)]
    kept = pd.DataFrame(
        {
            "text": filled["text"].to_numpy(object)[order],
            "label": filled["label"].to_numpy(object)[order],
            "split": splits[order].astype(np.int8),
        }
    )
    counts = np.bincount(parts[order], minlength=len(PARTS)).tolist()
    texts = dict(zip(PARTS, counts, strict=True))
    _expect_texts(texts)
    classes, by_class = _classes(kept)
    repeated = _repeated(kept)
    if any(repeated.values()):
        log.warning(
            "texts that stand in two splits, so that their scores say little: %d of validation are "
            "in training too, and %d of test in training or validation",
            *repeated.values(),
        )
    reading = tables[0].attrs.get("reading", {})
    dropped = len(table) - len(kept)
    return kept, Ingested(reading, classes, texts, by_class, dropped, repeated)


def _texts_of_file(number: int, table: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """Returns the `text`, `label`, `group` and `name` of each row of one file. A missing text is
    empty, a missing label None; the name is that of a folder, or the file's number."""
    if parameters.label == FOLDER:
        texts = table["text"].astype(object)
        labels, names = table["label"].astype(object), table["split_folder"]
    else:
        texts = splitting.texts_of(table, parameters.text)
        labels, names = _labels(table, parameters.label), number
    labels = labels.where(~labels.isin(parameters.unlabelled), None)
    group = parameters.group
    groups = "" if group is None else splitting.groups_of(table, texts, group)
    return pd.DataFrame({"text": texts, "label": labels, "group": groups, "name": names})


def _labels(table: pd.DataFrame, column: str) -> pd.Series:
    """Returns the labels of a table as they are written; None where there is none."""
    labels = table[column].astype(object)
    labels = labels.where(labels.notna(), None)
    wrong = np.flatnonzero(
        ~labels.map(lambda label: label is None or isinstance(label, str | int | float))
    )
    if len(wrong):
        raise InputError(
            f"{splitting.place(table, wrong)}: column {column!r}: expected a label, text or a "
            f"number, received {reprlib.repr(labels.iloc[wrong[0]])}"
        )
    return labels.map(_written)


def _written(label: Any) -> str | None:
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float):
        return f"{label:.17g}" if label.is_integer() else repr(label)
    return str(label) if label is not None and str(label).strip() else None


def _splits(table: pd.DataFrame, has_label: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Returns the number of each text's split, (texts,); `NOWHERE` where it is in none."""
    split, shuffle = parameters.split, parameters.shuffle
    if isinstance(split, ByName):
        return _splits_by_name(table["name"], has_label, split, parameters)
    if parameters.group is not None:
        return splitting.splits_of(table["group"], split, shuffle)
    splits = np.zeros(len(table), np.int64)
    splits[has_label] = splitting.splits_of(int(has_label.sum()), split, shuffle)
    return splits


def _splits_by_name(
    names: pd.Series, has_label: np.ndarray, split: ByName, parameters: Parameters
) -> np.ndarray:
    splits = np.full(len(names), NOWHERE)
    known = dict.fromkeys(names)
    for number, (name, wanted) in enumerate(zip(split.names, split.names, strict=True)):
        key: Any = str(PurePosixPath(wanted)) if parameters.label == FOLDER else number
        if key not in known:
            raise InputError(
                f"ingest.split: expected the folder {name!r} with folders of classes, found "
                f"{', '.join(map(repr, list(known)[:8]))}"
            )
        splits[(names == key).to_numpy()] = 0 if number == 0 else number
    if isinstance(split.validation, float):
        splits[splits == 1] = 2
        train = np.flatnonzero((splits == 0) & has_label)
        drawn = np.random.default_rng(parameters.shuffle).permutation(len(train))
        splits[train[drawn[: int(len(train) * split.validation + 1e-9)]]] = 1
    return splits


def _expect_texts(texts: dict[str, int]) -> None:
    labelled_texts = {name: texts[name] for name in SPLITS}
    if not all(labelled_texts.values()):
        raise InputError(
            "ingest.split: expected at least one text with a label in each split, received "
            f"{labelled_texts}: give more texts or another split"
        )


def _classes(table: pd.DataFrame) -> tuple[list[str], dict[str, list[int]]]:
    """Returns the labels of the training texts, sorted, and how many texts each has in each split.

    Raises `InputError` if there is one alone, or if another split has labels besides.
    """
    found = {
        name: table.loc[table["split"] == number, "label"].dropna().value_counts()
        for number, name in enumerate(SPLITS)
    }
    classes = sorted(found["train"].index)
    hint = "set ingest.shuffle to a seed, or take another split"
    for name in SPLITS[1:]:
        others = sorted(set(found[name].index) - set(classes))
        if others:
            raise InputError(
                f"expected each label in training texts too, received {others[0]!r} in {name} "
                f"alone ({len(others)} such labels; training has "
                f"{', '.join(map(repr, classes[:8]))}): {hint}"
            )
    if len(classes) < 2:
        raise InputError(
            f"expected at least two labels in the training texts, received {classes[0]!r} alone: "
            f"{hint}, or other data"
        )
    return classes, {
        name: counts.reindex(classes, fill_value=0).tolist() for name, counts in found.items()
    }


def _repeated(table: pd.DataFrame) -> dict[str, int]:
    """Returns how many texts of validation and test stand in a split before too, apart from white
    space around them."""
    texts, split = table["text"].str.strip(), table["split"]
    return {
        name: int(texts[split == number].isin(set(texts[split < number])).sum())
        for number, name in enumerate(SPLITS[1:], 1)
    }
