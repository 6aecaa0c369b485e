"""Windows of a long text that each stand alone, for language models of both directions; cut from
the flat array when needed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.batching import Batch
from stages.text.tokens import PAD


@dataclass(frozen=True)
class Frequencies:
    """How often each token stands in the training texts, for a softmax over some of the vocabulary.

    Attributes:
        counts: (ids,) of each token.
        size: how many of the most frequent tokens are computed for every target.
    """

    counts: np.ndarray
    size: int

    @cached_property
    def frequent(self) -> np.ndarray:
        """The most frequent tokens, (size or fewer,) int32; of equally frequent ones the first."""
        order = np.argsort(-self.counts, kind="stable")[: self.size]
        return order[self.counts[order] > 0].astype(np.int32)

    @cached_property
    def rare(self) -> np.ndarray:
        """How often each of the other tokens occurs, (ids,), 0 for those in `frequent`."""
        rare = self.counts.copy()
        rare[self.frequent] = 0
        return rare

    def drawn(self, ids: np.ndarray) -> np.ndarray:
        """Returns the rare tokens of a text in a random order, which is always the same one: any
        stretch of it is a sample by frequency."""
        rare = ids[self.rare[np.minimum(ids, len(self.counts) - 1)] > 0]
        return np.random.default_rng(0).permutation(rare)


@dataclass(frozen=True)
class Windows:
    """Stretches of one text, in which every token but the first predicts the one before it, and
    every token but the last the one behind it. Each such pair is in exactly one window.

    With ids 5 6 7 8 9 and three steps the windows are 5 6 7 8 and 8 9 0 0, where the pairs of the
    padding 0 count for nothing.

    Attributes:
        ids: (tokens,) of the text; may be memory-mapped.
        steps: pairs in a window.
        drawn: (tokens,) a sample of tokens. samples: how many of them stand beside a window.
    """

    ids: np.ndarray
    steps: int
    drawn: np.ndarray
    samples: int
    streams = None
    lengths = None  # all windows have the same

    def __len__(self) -> int:
        return max(-(-(len(self.ids) - 1) // self.steps), 1)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `inputs`: `tokens` (windows, steps + 1) int32 and `samples` (windows, samples)
        int32, those of the window's number; and `mask` (windows, steps) float32, 1 for pairs that
        count."""
        places = indices[:, None] * self.steps + np.arange(self.steps + 1)
        real = places < len(self.ids)
        tokens = np.where(real, self.ids[np.where(real, places, 0)], PAD).astype(np.int32)
        sampled = indices[:, None] * self.samples + np.arange(self.samples)
        samples = self.drawn[sampled % max(len(self.drawn), 1)]
        return {
            "inputs": {"tokens": tokens, "samples": samples.astype(np.int32)},
            "mask": real[:, 1:].astype(np.float32),
        }
