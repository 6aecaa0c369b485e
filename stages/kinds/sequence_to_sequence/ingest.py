"""Raw pairs of texts -> a table of sources and targets, split."""

import logging
import re
import reprlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import model_validator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.errors import InputError
from stages.files import parallel
from stages.files import texts as text_files
from stages.formats import FileFormat, Wanted
from stages.kinds.sequence_to_sequence import SIDES, Ingested
from stages.sections import Name, Seed
from stages.splits import SPLITS, ByCount, ByFraction
from stages.text import splitting
from stages.text.splitting import ByFile

log = logging.getLogger("reprise")

# The number of a pair that is in no split.
NOWHERE = len(SPLITS)
# Whatever is no letter, digit or white space: punctuation marks are among them.
_MARK = re.compile(r"[^\w\s]|_")


class Parameters(FileFormat):
    """Where the pairs of texts are. How the file is written: `stages.formats`.

    file: a table (CSV, TSV, Parquet, Excel, JSON lines, or a JSON array of objects), a folder of
        such, or, with `parallel`, a folder of text files.
    parallel: whether the texts are lines of files, such as `train.de` and `train.en`, where lines
        of the same number are a pair: see `stages.files.parallel`.
    source, target: the columns of the two texts; with `parallel` the endings of the files' names,
        such as `de` and `en`. In JSON a target may be a list of texts, of which the first one is
        learned, and outputs are compared with all.
    references: further columns or endings, of texts that outputs are compared with besides the
        target; a row or a file may lack them.
    empty: what happens to pairs whose source or target is empty.
    group: a column, or `file` for a folder: pairs of one group are in one split.
    components: whether pairs with the same source, or with the same target, are in one split, and
        those that share one with these, and so on. Texts are the same that differ in case,
        punctuation and white space alone.
    shuffle: the seed of the order in which pairs (or groups) are split; null: pairs are split in
        their order, groups in one that their names give.
    repeated: what happens to pairs, of the same source and the same target as above, that stand in
        a split before as well: in training, or for test in validation.
    split: fractions or numbers of pairs (with groups: about so many); or files of the folder, with
        `parallel` without the ending, such as `train`.
    """

    parallel: bool = False
    source: Name = "source"
    target: Name = "target"
    references: list[Name] = []
    empty: Literal["drop", "refuse"] = "drop"
    group: Name | None = None
    components: bool = False
    shuffle: Seed | None = None
    repeated: Literal["drop", "keep", "refuse"] = "drop"
    split: ByFraction | ByCount | ByFile

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("different names for `source`, `target` and each of `references`")
        if isinstance(self.split, ByFile) and (self.group is not None or self.components):
            raise ValueError(
                "`group` and `components` with fractions or numbers of pairs only: this split has "
                "no use for them"
            )
        if self.parallel and self.group not in (None, "file"):
            raise ValueError("`group: file`, or null, with `parallel`: lines have no columns")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns of the texts."""
        return [self.source, self.target, *self.references]

    @property
    def files(self) -> list[str] | None:
        """The files of the folder, or their names without endings; None: all."""
        return (
            [self.split.train, self.split.validation, self.split.test]
            if isinstance(self.split, ByFile)
            else None
        )


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    """Reads a raw table, those of a folder, or parallel files: one table per file."""
    if parameters.parallel:
        sides = [parameters.source, parameters.target]
        return parallel.read_files(path, parameters.files, sides, parameters.references, parameters)
    wanted = parameters.columns
    if parameters.group not in (None, "file"):
        wanted = list(dict.fromkeys([*wanted, parameters.group]))
    return text_files.read_files(path, parameters.files, Wanted(wanted), parameters)


def ingest(tables: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, Ingested]:
    """Returns a table of `source`, `target`, further references (some empty) and `split`, split
    after split, and what is to be said of it."""
    table = pd.concat(
        [_pairs_of_file(number, file, parameters) for number, file in enumerate(tables)],
        ignore_index=True,
    )
    references = [name for name in table.columns if name == "target" or "reference" in name]
    table[references] = table[references].fillna("")
    names = [file.attrs.get("file", "") for file in tables]
    empty = ((table["source"] == "") | (table["target"] == "")).to_numpy()
    if empty.all():
        raise InputError(
            f"expected pairs of texts, received {len(table)} rows with an empty "
            f"{parameters.source!r} or {parameters.target!r}"
        )
    if parameters.empty == "refuse" and empty.any():
        raise _of_empty(table[empty], names, parameters)
    table = table[~empty].reset_index(drop=True)
    keys = pd.DataFrame({side: table[side].map(folded) for side in SIDES})
    splits = _splits(table, keys, parameters)
    dropped = {"empty": int(empty.sum()), "in no split": int((splits == NOWHERE).sum())}
    repeated = _repeated(keys["source"] + "\0" + keys["target"], splits)
    if parameters.repeated == "refuse" and repeated.any():
        raise _of_repeated(table[repeated], names)
    _warn_of_shared(keys["source"], splits, repeated, parameters)
    if parameters.repeated == "drop":
        dropped["repeated"] = int(repeated.sum())
        splits = np.where(repeated, NOWHERE, splits)
    order = np.argsort(splits, kind="stable")
    order = order[splits[order] < NOWHERE]
    kept = table.loc[order, ["source", *references]].reset_index(drop=True)
    kept["split"] = splits[order].astype(np.int8)
    counts = np.bincount(kept["split"], minlength=len(SPLITS)).tolist()
    pairs = dict(zip(SPLITS, counts, strict=True))
    if not all(counts):
        raise InputError(
            f"ingest.split: expected at least one pair in each split, received {pairs} "
            f"(not in one: {dropped}): give more pairs, or another split or group"
        )
    return kept, Ingested(tables[0].attrs.get("reading", {}), references, pairs, dropped)


def folded(text: str) -> str:
    """Returns a text without the differences of case, punctuation and white space (Unicode's NFKC
    and case folding); a text of punctuation alone keeps it."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_MARK.sub(_space_for_punctuation, text).split()) or text


def _space_for_punctuation(mark: re.Match[str]) -> str:
    return " " if unicodedata.category(mark[0]).startswith("P") else mark[0]


def _pairs_of_file(number: int, table: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """Returns the `source`, `target`, further references, `group`, number of the `file` and `row`
    of each row of one file. A missing text is empty."""
    sources = splitting.texts_of(table, parameters.source).str.strip()
    targets = _targets(table, parameters.target)
    targets += [splitting.texts_of(table, name).str.strip() for name in parameters.references]
    pairs = {"source": sources, "target": targets[0]}
    pairs |= {f"reference_{place}": texts for place, texts in enumerate(targets[1:], 2)}
    group = parameters.group
    groups = "" if group is None else splitting.groups_of(table, sources, group)
    rows = np.arange(1, len(table) + 1)
    return pd.DataFrame({**pairs, "group": groups, "file": number, "row": rows})


def _targets(table: pd.DataFrame, column: str) -> list[pd.Series]:
    """Returns the targets of one file's table, and, where some are lists, further references."""
    is_list = table[column].map(lambda value: isinstance(value, list)).to_numpy(bool)
    if not is_list.any():
        return [splitting.texts_of(table, column).str.strip()]
    single = splitting.texts_of(table.assign(**{column: table[column].mask(is_list)}), column)
    lists = [[text] for text in single]
    for row in np.flatnonzero(is_list):
        lists[row] = table[column].iloc[row]
        if not all(isinstance(text, str | None) for text in lists[row]):
            raise InputError(
                f"{splitting.place(table, np.array([row]))}: column {column!r}: expected a text or "
                f"a list of texts, received {reprlib.repr(lists[row])}"
            )
    filled = [[text.strip() for text in texts if text and text.strip()] for texts in lists]
    most = max(1, *map(len, filled))
    columns = zip(*(texts + [""] * (most - len(texts)) for texts in filled), strict=True)
    return [pd.Series(texts, index=table.index, dtype=object) for texts in columns]


def _splits(table: pd.DataFrame, keys: pd.DataFrame, parameters: Parameters) -> np.ndarray:
    """Returns the number of each pair's split, (pairs,); `NOWHERE` where it is in none."""
    split, shuffle = parameters.split, parameters.shuffle
    if isinstance(split, ByFile):
        return table["file"].to_numpy(np.int64)
    if not parameters.components:
        groups = len(table) if parameters.group is None else table["group"]
        return splitting.splits_of(groups, split, shuffle)
    shared = [keys["source"], keys["target"]]
    if parameters.group is not None:
        shared.append(table["group"])
    components = connected(shared)
    sizes = np.bincount(components)
    log.info("%d components, the largest one of %d pairs", len(sizes), sizes.max())
    # A component is called like its first source, which no other one has.
    _, first = np.unique(components, return_index=True)
    names = keys["source"].to_numpy(object)[first]
    return splitting.splits_of(pd.Series(names[components]), split, shuffle)


def connected(keys: Sequence[pd.Series]) -> np.ndarray:
    """Returns the number of each row's component, (rows,): rows are connected that have one of the
    keys, each (rows,), in common."""
    rows, ends, nodes = len(keys[0]), [], len(keys[0])
    for key in keys:
        codes, names = pd.factorize(key)
        ends.append(nodes + codes)
        nodes += len(names)
    starts = np.tile(np.arange(rows), len(keys))
    edges = (np.ones(len(starts), np.int8), (starts, np.concatenate(ends)))
    graph = coo_array(edges, shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1][:rows], np.int64)


def _repeated(keys: pd.Series, splits: np.ndarray) -> np.ndarray:
    """Returns which rows have a key that a split before theirs has too, (rows,) bool."""
    first = pd.Series(splits).groupby(keys.to_numpy(object), sort=False).transform("min")
    return (splits > first.to_numpy()) & (splits < NOWHERE)


def _warn_of_shared(
    sources: pd.Series, splits: np.ndarray, repeated: np.ndarray, parameters: Parameters
) -> None:
    """Warns of what tells a network about texts that it is to be tested with."""
    shared = _repeated(sources, splits)
    if parameters.repeated == "keep" and repeated.any():
        log.warning(
            "%d pairs stand in a split before theirs too, so that their scores say little",
            repeated.sum(),
        )
    if other := int((shared & ~repeated).sum()):
        log.warning("%d sources stand in a split before theirs too, with another target", other)


def _place(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Returns where the first of some pairs is, for error messages."""
    first = table.iloc[0]
    name = names[first["file"]]
    return f"{name}, row {first['row']}" if name else f"row {first['row']}"


def _of_empty(table: pd.DataFrame, names: Sequence[str], parameters: Parameters) -> InputError:
    side = next(side for side in SIDES if table[side].iloc[0] == "")
    column = parameters.source if side == "source" else parameters.target
    return InputError(
        f"{_place(table, names)}: expected a {side}, received an empty one in {column!r} "
        f"({len(table)} such rows): fill it in, or set ingest.empty to drop"
    )


def _of_repeated(table: pd.DataFrame, names: Sequence[str]) -> InputError:
    return InputError(
        f"{_place(table, names)}: expected each pair in one split, received one that stands in a "
        f"split before too, {reprlib.repr(table['source'].iloc[0])} ({len(table)} such pairs): "
        "set ingest.repeated to drop, or ingest.components to true"
    )
