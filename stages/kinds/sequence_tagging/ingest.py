"""Tagged texts -> a table of tokens with their tags, sentence after sentence, split."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files import conll, raw, raw_json
from stages.formats import FileFormat
from stages.kinds.sequence_tagging import Ingested
from stages.sections import Count, Name
from stages.splits import SPLITS, ByCount, ByFraction
from stages.text import entities, splitting, tags
from stages.text.tags import Scheme

log = logging.getLogger("reprise")


class Parameters(FileFormat):
    """Where the tagged texts are. How the file is written: `stages.formats`; without `separator`
    columns stand between tabs, if the first line with a token has one, else between white space.

    file: columns as in the shared tasks of CoNLL, or JSON (`.jsonl`, `.ndjson`, `.json`), one
        object a sentence; or a folder of such files, which `split` names.
    token, tag: the columns, counted from 1; `tag: null`: the last one.
    comments: whether lines that start with # are none of the text, as in CoNLL-U.
    tokens, tags, document: the keys of a JSON object: the lists of tokens and of tags, and what
        names the document of a sentence, if there is such.
    scheme: how tags mark entities; `auto`: found from the training sentences.
    group: `document`: whole documents are split, in their order; null: sentences, in theirs.
    split: fractions or numbers of sentences or documents; or files of the folder.
    """

    token: Count = 1
    tag: Count | None = None
    comments: bool = False
    tokens: Name = "tokens"
    tags: Name = "tags"
    document: Name | None = None
    scheme: Literal["auto"] | Scheme = "auto"
    group: Literal["document"] | None = None
    split: ByFraction | ByCount | splitting.ByFile

    @model_validator(mode="after")
    def _group(self) -> "Parameters":
        if self.group is not None and isinstance(self.split, splitting.ByFile):
            raise ValueError("`group` with fractions or numbers only: each split is a file")
        return self

    def layout(self, *, tagged: bool = True) -> conll.Layout:
        """Returns how columns are read."""
        return conll.Layout(self.token, self.tag, self.separator, self.comments, tagged)


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    """Reads a raw file, or the three files of a folder: a table of tokens each."""
    split = parameters.split
    if not isinstance(split, splitting.ByFile):
        if path.is_dir():
            raise InputError(
                f"{path}: expected a file, as ingest.split names no files, received a folder"
            )
        return [_read(path, parameters)]
    if path.exists() and not path.is_dir():
        raise InputError(
            f"{path}: expected a folder, as ingest.split names its files, received a file"
        )
    return [_read(path / name, parameters) for name in (split.train, split.validation, split.test)]


def _read(path: Path, parameters: Parameters) -> pd.DataFrame:
    if raw.suffix_of(path) in raw_json.SUFFIXES:
        names = parameters.tokens, parameters.tags, parameters.document
        return conll.read_json(path, parameters.encoding, *names)
    return conll.read(path, parameters.encoding, parameters.layout())


def ingest(tables: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, Ingested]:
    """Returns a table of `token`, `tag`, `sentence` and `split`, split after split, with repaired
    tags, and what is to be said of it."""
    table = _joined(tables, parameters)
    ids, names = tags.encode(table["tag"])
    splits, sentences = table["split"].to_numpy(), table["sentence"].to_numpy()
    offsets = np.append(np.flatnonzero(np.diff(sentences, prepend=-1)), len(sentences))
    _check_tags(table, ids, names)
    scheme = _scheme(ids, names, offsets, splits, parameters)
    _check_letters(table, ids, names, scheme)
    repaired, targets, _ = tags.repair(ids, names, offsets, scheme)
    before, after = (np.array(each, object) for each in (names, targets))
    changed = before[ids] != after[repaired]
    found = entities.find(repaired, targets, offsets)
    of_split = splits[found.first]
    foreign = _foreign(found.types, of_split)
    if changed.any():
        log.warning(
            "%d of %d tags broke the rules of %s, and were read as conlleval reads them",
            changed.sum(),
            len(table),
            scheme,
        )
    first = table.iloc[offsets[:-1]]
    table = table.assign(tag=after[repaired])[["token", "tag", "sentence", "split"]]
    return table.astype({"sentence": np.int32, "split": np.int8}), Ingested(
        scheme=scheme,
        sentences=_counts(first["split"]),
        documents=_counts(first.drop_duplicates(["split", "document"])["split"]),
        tokens=_counts(splits),
        entities=_counts(of_split),
        repaired=_counts(splits[changed]),
        types=sorted(set(found.types[of_split == 0].tolist())),
        foreign=foreign,
    )


def _counts(splits: Any) -> dict[str, int]:
    """Returns how often each split occurs among numbers of splits."""
    counts = np.bincount(np.asarray(splits, np.int64), minlength=len(SPLITS))
    return dict(zip(SPLITS, counts.tolist(), strict=True))


def _joined(tables: Sequence[pd.DataFrame], parameters: Parameters) -> pd.DataFrame:
    """Returns the tokens of all splits in their order, with sentences and documents counted through
    all files."""
    split = parameters.split
    if isinstance(split, splitting.ByFile):
        for number, table in enumerate(tables):
            table["split"] = number
        joined = pd.concat(tables, ignore_index=True)
    else:
        joined = tables[0].copy()
        unit = "sentence" if parameters.group is None else "document"
        count = int(joined[unit].iloc[-1]) + 1
        splits = splitting.splits_of(count, split)
        joined["split"] = splits[joined[unit].to_numpy()]
        joined = joined[joined["split"] < len(SPLITS)]
        if missing := [name for i, name in enumerate(SPLITS) if not (splits == i).any()]:
            raise InputError(
                f"ingest.split: expected at least one {unit} in each split, received none in "
                f"{', '.join(missing)} of {count}: give more text or another split"
            )
    changes = joined[["split", "sentence"]].diff().ne(0).any(axis=1)
    return joined.assign(sentence=changes.cumsum() - 1).reset_index(drop=True)


def _check_tags(table: pd.DataFrame, ids: np.ndarray, names: list[str]) -> None:
    """Raises `InputError` for what is no tag at all."""
    for number, name in enumerate(names):
        try:
            tags.split([name])
        except InputError as error:
            place = table["place"].iloc[int(np.argmax(ids == number))]
            raise InputError(f"{place}: {error}") from None


def _scheme(
    ids: np.ndarray,
    names: list[str],
    offsets: np.ndarray,
    splits: np.ndarray,
    parameters: Parameters,
) -> Scheme:
    """Returns the scheme of the training sentences' tags."""
    tokens = int((splits == 0).sum())
    offsets = offsets[offsets <= tokens]
    if not (np.array(names, object)[ids[:tokens]] != tags.OUTSIDE).any():
        raise InputError(
            f"expected at least one entity in the training sentences, received {tokens} tokens "
            "with the tag O: give another split, or choose the column of the tags by ingest.tag"
        )
    if parameters.scheme != "auto":
        return parameters.scheme
    detected = tags.detect(ids[:tokens], names, offsets)
    if detected.wrong and detected.others:
        log.warning(
            "the tags fit %s as well as %s: set ingest.scheme if %s is wrong",
            " and ".join(detected.others),
            detected.scheme,
            detected.scheme,
        )
    return detected.scheme


def _check_letters(table: pd.DataFrame, ids: np.ndarray, names: list[str], scheme: Scheme) -> None:
    """Raises `InputError` for a tag that is none of the scheme."""
    own = {name[0] for name in tags.of_types(["x"], scheme)}
    wrong = [number for number, name in enumerate(names) if name[0] not in own]
    if wrong:
        row = int(np.argmax(np.isin(ids, wrong)))
        raise InputError(
            f"{table['place'].iloc[row]}: expected a tag of the scheme {scheme} "
            f"({', '.join(sorted(own))}), received {names[ids[row]]!r}: correct it, or set "
            "ingest.scheme"
        )


def _foreign(types: np.ndarray, splits: np.ndarray) -> dict[str, int]:
    """Returns how many entities there are of each type that training has none of."""
    known = set(types[splits == 0].tolist())
    names, counts = np.unique(types[~np.isin(types, list(known))], return_counts=True)
    foreign = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if foreign:
        shown = ", ".join(f"{name} ({count})" for name, count in foreign.items())
        log.warning("types that the training sentences lack, and count as missed: %s", shown)
    return foreign
