"""Parity: whether a sequence of bits has an odd number of ones."""

from dataclasses import dataclass

import numpy as np

from stages.splits import SPLITS


@dataclass(frozen=True)
class Ingested:
    """sequences: how many each split has."""

    sequences: dict[str, int]


@dataclass(frozen=True)
class Examples:
    """Bits of all sequences in one flat array.

    Attributes:
        sequences: how many each split has; they lie split after split.
        tokens: (bits,) uint8, 1 for a zero and 2 for a one: 0 is padding.
        starts, lengths: (sequences,) first bit, and number of bits.
        odd: (sequences,) uint8, 1 where the number of ones is odd.
    """

    sequences: dict[str, int]
    tokens: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    odd: np.ndarray

    def numbers_of(self, split: str) -> np.ndarray:
        """Returns the numbers of a split's sequences."""
        sizes = [self.sequences[name] for name in SPLITS]
        first = sum(sizes[: SPLITS.index(split)])
        return np.arange(first, first + self.sequences[split])
