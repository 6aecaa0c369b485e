"""Raw text -> a table of texts, split."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from stages.arrays.splits import SPLITS, ByCount, ByFraction
from stages.errors import InputError
from stages.formats import FileFormat, Wanted
from stages.sections import InnerPath, Name, Section

READS = "texts"


class ByFile(Section):
    """Each split is a file of the folder."""

    train: InnerPath
    validation: InnerPath
    test: InnerPath


class Parameters(FileFormat):
    """Where the texts are. How the file is written: `stages.formats`.

    file: a text file (each line is a text), a folder of text files, or a table (CSV, TSV, Parquet, JSON lines), in `data/raw/`.
    text: the column of the texts; null: plain text.
    group: a column, or `file` for a folder: texts of one group are in one split; groups are split in an order that their names give.
        null: texts are split in their order.
    split: fractions or numbers of texts (with `group`: about so many); files of the folder; or `same`: all texts are in all splits,
        for learning by heart.
    """

    text: Name | None = None
    group: Name | None = None
    split: ByFraction | ByCount | ByFile | Literal["same"]

    @property
    def parts(self) -> list[str] | None:
        """The files of the folder; None: all."""
        return [self.split.train, self.split.validation, self.split.test] if isinstance(self.split, ByFile) else None


def columns_to_read(parameters: Parameters) -> Wanted:
    """Returns the columns that are read of a table; none for plain text."""
    if parameters.text is None:
        return Wanted([])
    return Wanted(list(dict.fromkeys([parameters.text, *([parameters.group] if parameters.group not in (None, "file") else [])])))


def ingest(parts: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Returns a table of `text` and `split`, split after split, and what `about.json` says of it."""
    table = pd.concat(parts, ignore_index=True)
    name = parameters.text or "text"
    texts = table[name]
    if not len(texts) or texts.isna().all() or not (texts.astype(str).str.strip() != "").any():
        raise InputError(f"expected text, received {f'an empty column {name!r}' if parameters.text else 'an empty file'}")
    wrong = next((value for value in texts.dropna() if not isinstance(value, str)), None)
    if wrong is not None:
        raise InputError(f"column {name!r}: expected text, received {wrong!r}")
    # Lines of white space alone hold nothing to learn from; in a stream they are kept, as the ends of paragraphs.
    keep = texts.notna() if parameters.text is None else texts.notna() & (texts.astype(str).str.strip() != "")
    table, texts = table[keep], texts[keep]
    if parameters.split == "same":
        table, texts = table[texts.str.strip() != ""], texts[texts.str.strip() != ""]
    splits = _splits(table, texts, parameters)
    order = np.argsort(splits, kind="stable")
    order = order[splits[order] < len(SPLITS)]
    out = pd.DataFrame({"text": texts.to_numpy(object)[order], "split": splits[order].astype(np.int8)})
    counts = np.bincount(out["split"], minlength=len(SPLITS))
    if parameters.split != "same" and not counts.all():
        raise InputError(
            f"ingest.split: expected at least one text in each split, received {dict(zip(SPLITS, counts.tolist(), strict=True))} "
            f"of {len(texts)} texts: give more texts or another split"
        )
    return out, {
        "texts": dict(zip(SPLITS, counts.tolist(), strict=True)),
        "dropped": int(len(keep) - len(out)),
        "same": parameters.split == "same",
    }


def _splits(table: pd.DataFrame, texts: pd.Series, parameters: Parameters) -> np.ndarray:
    """Returns the number of each text's split, (texts,); 3 where it is in none."""
    split = parameters.split
    if split == "same":
        return np.zeros(len(texts), np.int64)
    if isinstance(split, ByFile):
        places = {split.train: 0, split.validation: 1, split.test: 2}
        return table["file"].map(places).to_numpy(np.int64)
    ends = _ends(split, len(texts))
    if parameters.group is None:
        return np.searchsorted(ends, np.arange(len(texts)), side="right")
    if parameters.group not in table:
        raise InputError(f"ingest.group: expected a column to group by, or `file` for a folder, received {parameters.group!r}")
    groups = table[parameters.group].astype(str)
    # An order that is neither that of the names nor one that changes when a group is added.
    names = sorted(groups.unique(), key=lambda name: hashlib.sha256(name.encode()).digest())
    sizes = groups.value_counts().reindex(names).to_numpy()
    middles = np.cumsum(sizes) - sizes / 2
    of_group = dict(zip(names, np.searchsorted(ends, middles, side="right"), strict=True))
    return groups.map(of_group).to_numpy(np.int64)


def _ends(split: ByFraction | ByCount, texts: int) -> np.ndarray:
    """Returns how many texts lie up to and with each split, (3,)."""
    wanted = [split.train, split.validation, split.test]
    if isinstance(split, ByFraction):
        return np.floor(texts * np.cumsum(wanted) + 1e-9).astype(np.int64)
    known = sum(count for count in wanted if count != "rest")
    return np.cumsum([texts - known if count == "rest" else count for count in wanted])
