"""Sequence to sequence: from one text to another, such as a translation or a summary."""

from dataclasses import dataclass

import numpy as np

from stages.formats import Reading
from stages.splits import SPLITS

SIDES = ("source", "target")


@dataclass(frozen=True)
class Ingested:
    """What `ingest` says of its table of `source`, `target`, `split` and further references.

    Attributes:
        reading: what was detected while reading the raw file, such as its separator.
        references: the columns of the texts that outputs are compared with, `target` first.
        pairs: how many each split has.
        dropped: how many pairs are in no split, by the reason.
    """

    reading: Reading
    references: list[str]
    pairs: dict[str, int]
    dropped: dict[str, int]


@dataclass(frozen=True)
class Examples:
    """Token ids of both sides in flat arrays, split after split.

    Attributes:
        shared: whether one tokenizer serves both sides.
        units: of the tokens of each side. tokenizers: the sha256 of each side's file.
        sizes: how many ids each side's tokenizer has.
        pairs: how many each split has.
        left_out: how many pairs of each split are longer than the section `tokenize_text` says, and
            were left out. shortened: how many sources of each split were cut instead.
        unknown_rate: of each side, the share of unknown tokens in each split.
        extended: how many different unknown tokens that can be copied a source has at most.
        rows: (pairs,) the row of each pair in the ingested table.
        source_ids: (tokens,) of all sources.
        copies: (tokens,) of each token of the sources the target's id that stands for the same
            token; `sizes["target"]` + n for the nth different one that the target's tokenizer does
            not know. Without elements: nothing can be copied.
        target_ids: (tokens,) of all targets, without a token for their start or end. Like `copies`
            they name unknown tokens that their source has.
        source_starts, source_lengths, target_starts, target_lengths: (pairs,) the first token and
            the number of tokens of each text.
    """

    shared: bool
    units: dict[str, str]
    tokenizers: dict[str, str]
    sizes: dict[str, int]
    pairs: dict[str, int]
    left_out: dict[str, int]
    shortened: dict[str, int]
    unknown_rate: dict[str, dict[str, float]]
    extended: int
    rows: np.ndarray
    source_ids: np.ndarray
    source_starts: np.ndarray
    source_lengths: np.ndarray
    copies: np.ndarray
    target_ids: np.ndarray
    target_starts: np.ndarray
    target_lengths: np.ndarray

    def numbers_of(self, split: str) -> np.ndarray:
        """Returns the numbers of the pairs of a split."""
        first = sum(self.pairs[name] for name in SPLITS[: SPLITS.index(split)])
        return np.arange(first, first + self.pairs[split])
