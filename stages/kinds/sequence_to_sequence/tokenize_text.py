"""Ingested pairs to the token ids of both sides in flat arrays, and the tokenizers as readable
text."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.errors import InputError
from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.kinds.sequence_to_sequence import SIDES, Examples, Ingested
from stages.kinds.sequence_to_sequence.texts import OWN, SHARED, Copying, shortened
from stages.sections import Count
from stages.splits import SPLITS
from stages.text import tokens

COLUMNS = [*SIDES, "split"]
ARRAYS = ("source_ids", "copies", "target_ids")
TEST = SPLITS.index("test")
# More tokens than a text has.
UNLIMITED = 2**62


class Parameters(tokens.Tokenization):
    """How pairs become examples: besides the tokenization,

    shared: whether one tokenizer serves both sides. target: the tokenization of targets where it is
        not; null: as that of sources.
    longest_source, longest_target: how many tokens the sides of a pair have at most; null: any
        number.
    long: what happens to longer pairs of training and validation: they are left out, cut at the
        end, or refused. In test their sources are cut and their targets stay whole.
    """

    shared: bool = True
    target: tokens.Tokenization | None = None
    longest_source: Count | None = None
    longest_target: Count | None = None
    long: Literal["leave_out", "cut", "refuse"] = "leave_out"

    @model_validator(mode="after")
    def _sides(self) -> "Parameters":
        if self.shared and self.target is not None:
            raise ValueError("`shared: false` with `target`, the tokenization of targets alone")
        return self

    def longest(self, side: str) -> int:
        longest = self.longest_source if side == "source" else self.longest_target
        return UNLIMITED if longest is None else longest


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    """Fits tokenizers on the training pairs and encodes all pairs, chunk by chunk."""
    source, target = _fitted(ingested, parameters)
    copying = Copying(source, target)
    found = _Found(parameters)
    types = _types(copying, source, target)
    with (
        (scratch / "source_ids").open("wb") as sources,
        (scratch / "copies").open("wb") as copies,
        (scratch / "target_ids").open("wb") as targets,
    ):
        files = dict(zip(ARRAYS, (sources, copies, targets), strict=True))
        for chunk in ingested.chunks(COLUMNS):
            _encode(chunk, (source, target), copying, found, types, files)
    found.expect_pairs()
    contents = [source.content()] if parameters.shared else [source.content(), target.content()]
    sums = [hashlib.sha256(content.encode()).hexdigest() for content in contents]
    of_targets = parameters.target or parameters
    arrays: dict[str, Any] = {name: _array(scratch / name, types[name]) for name in ARRAYS}
    examples = Examples(
        shared=parameters.shared,
        units={"source": parameters.unit, "target": of_targets.unit},
        tokenizers={"source": sums[0], "target": sums[-1]},
        sizes={"source": source.size, "target": target.size},
        **found.fields(),
        **arrays,
    )
    summary = (
        f"ids {examples.sizes}, pairs {examples.pairs}, left out {examples.left_out}, sources cut "
        f"{examples.shortened}, unknown {examples.unknown_rate}"
    )
    names = [SHARED] if parameters.shared else OWN
    return Prepared(examples, summary, dict(zip(names, contents, strict=True)))


def _fitted(
    ingested: IngestedTable[Ingested], parameters: Parameters
) -> tuple[tokens.Tokenizer, tokens.Tokenizer]:
    if parameters.shared:
        shared = parameters.fit(_training(ingested, SIDES))
        return shared, shared
    of_targets = parameters.target or parameters
    return (
        parameters.fit(_training(ingested, ["source"])),
        of_targets.fit(_training(ingested, ["target"])),
    )


def _training(ingested: IngestedTable[Ingested], sides: Sequence[str]) -> Iterator[list[str]]:
    """Yields the training texts of some sides."""
    for chunk in ingested.chunks([*sides, "split"]):
        train = chunk[chunk["split"] == 0]
        for side in sides:
            yield train[side].tolist()


def _types(
    copying: Copying, source: tokens.Tokenizer, target: tokens.Tokenizer
) -> dict[str, np.dtype[Any]]:
    """Returns the type of each array of ids. Those of words that can be copied have no bound."""
    own, other = (np.min_scalar_type(tokenizer.size - 1) for tokenizer in (source, target))
    has_unknown = copying.is_possible and isinstance(source, tokens.Words)
    extended = np.dtype(np.uint32) if has_unknown else other
    return dict(zip(ARRAYS, (own, extended, extended), strict=True))


def _array(path: Path, dtype: np.dtype[Any]) -> np.ndarray:
    """Returns the array in a file, which cannot be memory-mapped where it is empty."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


def _encode(
    chunk: pd.DataFrame,
    tokenizers: tuple[tokens.Tokenizer, tokens.Tokenizer],
    copying: Copying,
    found: "_Found",
    types: dict[str, np.dtype[Any]],
    files: Mapping[str, BinaryIO],
) -> None:
    """Writes the ids of some pairs behind those of others: arrays that need not fit into memory."""
    source, target = (
        tokenizer.encode(chunk[side].tolist())
        for tokenizer, side in zip(tokenizers, SIDES, strict=True)
    )
    source, target = found.add(chunk["split"].to_numpy(), source, target)
    copies, unknown = copying.copies(source)
    found.extended = max([found.extended, *map(len, unknown.words)])
    arrays = (source.ids, copies, copying.named(target, unknown))
    for name, ids in zip(ARRAYS, arrays, strict=True):
        files[name].write(ids.astype(types[name]).tobytes())


class _Found:
    """What is found in the pairs of each split."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.extended, self._rows_before = 0, 0
        self._left_out, self._shortened = np.zeros((2, len(SPLITS)), np.int64)
        # Of both sides, in each split.
        self._tokens, self._unknown = np.zeros((2, len(SIDES), len(SPLITS)), np.int64)
        self._splits: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._lengths: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}

    def add(
        self, splits: np.ndarray, source: tokens.Encoded, target: tokens.Encoded
    ) -> tuple[tokens.Encoded, tokens.Encoded]:
        """Counts some pairs, and returns them without those that are too long, or cut.

        splits: (pairs,). In the same order the pairs follow those that were added before.
        """
        longest = [self._parameters.longest(side) for side in SIDES]
        is_long = (source.lengths > longest[0]) | (target.lengths > longest[1])
        is_long &= splits != TEST
        rows = self._rows_before + np.arange(len(splits))
        self._rows_before += len(splits)
        kept = np.ones(len(splits), bool)
        if self._parameters.long == "refuse" and is_long.any():
            raise self._of_long(is_long, splits, source, target, rows)
        if self._parameters.long == "leave_out":
            kept = ~is_long
            self._left_out += np.bincount(splits[is_long], minlength=len(SPLITS))
        is_cut = kept & (source.lengths > longest[0])
        self._shortened += np.bincount(splits[is_cut], minlength=len(SPLITS))
        limits = [
            np.where(kept, longest[0], 0),
            np.where(kept, np.where(splits == TEST, UNLIMITED, longest[1]), 0),
        ]
        cut = [shortened(side, limit) for side, limit in zip((source, target), limits, strict=True)]
        for number, (name, side) in enumerate(zip(SIDES, cut, strict=True)):
            by_token = np.repeat(splits, side.lengths)
            is_unknown = side.ids == tokens.UNKNOWN
            self._tokens[number] += np.bincount(by_token, minlength=len(SPLITS))
            self._unknown[number] += np.bincount(by_token[is_unknown], minlength=len(SPLITS))
            self._lengths[name].append(side.lengths[kept])
        self._splits.append(splits[kept])
        self._rows.append(rows[kept])
        first, second = (tokens.Encoded(side.ids, side.lengths[kept], side.unknown) for side in cut)
        return first, second

    def _of_long(
        self,
        is_long: np.ndarray,
        splits: np.ndarray,
        source: tokens.Encoded,
        target: tokens.Encoded,
        rows: np.ndarray,
    ) -> InputError:
        first = int(is_long.argmax())
        return InputError(
            f"expected at most {self._parameters.longest_source} tokens in a source and "
            f"{self._parameters.longest_target} in a target (null: any number), received "
            f"{source.lengths[first]} and {target.lengths[first]} in pair {rows[first] + 1} of the "
            f"ingested table, in {SPLITS[splits[first]]}: set tokenize_text.long to leave_out or "
            "cut"
        )

    def _pairs(self) -> dict[str, int]:
        counts = np.bincount(np.concatenate(self._splits), minlength=len(SPLITS))
        return dict(zip(SPLITS, counts.tolist(), strict=True))

    def expect_pairs(self) -> None:
        """Raises `InputError` if all pairs of a split are too long."""
        pairs = self._pairs()
        if not all(pairs.values()):
            raise InputError(
                "tokenize_text.longest_source, longest_target: expected numbers that leave pairs "
                f"in each split, received {self._parameters.longest_source} and "
                f"{self._parameters.longest_target}, which leave {pairs}"
            )

    def fields(self) -> dict[str, Any]:
        """Returns what was found as fields of `Examples`."""
        rates = self._unknown / np.maximum(self._tokens, 1)
        fields: dict[str, Any] = {
            "pairs": self._pairs(),
            "left_out": dict(zip(SPLITS, self._left_out.tolist(), strict=True)),
            "shortened": dict(zip(SPLITS, self._shortened.tolist(), strict=True)),
            "unknown_rate": {
                side: dict(zip(SPLITS, rates[number].tolist(), strict=True))
                for number, side in enumerate(SIDES)
            },
            "extended": self.extended,
            "rows": np.concatenate(self._rows),
        }
        for side, found in self._lengths.items():
            lengths = np.concatenate(found)
            fields[f"{side}_starts"] = np.cumsum(lengths) - lengths
            fields[f"{side}_lengths"] = lengths
        return fields
