"""Batches of token ids: one long text in parallel streams, or the beginnings of short texts. Cut
from the flat array when needed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.batching import Batch
from stages.text.data import TextExamples
from stages.text.tokens import PAD


@dataclass(frozen=True)
class Stream:
    """One text as `streams` texts that are read side by side, `steps` tokens at a time; every token
    is a target exactly once.

    Example `block * streams + stream` are the tokens of one stream in one block, so that a batch of
    `streams` examples in their order goes on where the batch before it stopped. With ids 5 6 7 8 9,
    an end id of 2, two streams and two steps, batches are (inputs -> targets; * counts for
    nothing):

    | block | stream 0 | stream 1 |
    |---|---|---|
    | 0 | 2 5 -> 5 6 | 7 8 -> 8 9 |
    | 1 | 6 * -> 7 * | * * -> * * |

    Attributes:
        ids: (tokens,) of the split; may be memory-mapped.
        first: the id that the first token is predicted from.
        carry: blocks through which the state is carried before it starts from zero again, in each
            stream at another block; None: all.
    """

    ids: np.ndarray
    first: int
    streams: int
    steps: int
    carry: int | None = None
    lengths = None  # all blocks have the same

    @cached_property
    def _length(self) -> int:
        return -(-len(self.ids) // self.streams)

    def __len__(self) -> int:
        return -(-self._length // self.steps) * self.streams

    def _places(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets' places in the text, and which of them count, (examples, steps)."""
        block, stream = np.divmod(indices, self.streams)
        within = block[:, None] * self.steps + np.arange(self.steps)
        places = stream[:, None] * self._length + within
        return places, (within < self._length) & (places < len(self.ids))

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `inputs`: `tokens` (examples, steps) int32; `targets` likewise; `mask` float32, 1
        for those that count.

        With `carry` also `carried` (examples,) float32, 0 for those whose state starts from zero.
        """
        places, real = self._places(indices)
        before = np.where(real, places - 1, 0)
        tokens = self.ids[np.maximum(before, 0)].astype(np.int32)
        tokens[before < 0] = self.first
        tokens[~real] = PAD
        targets = np.where(real, self.ids[np.where(real, places, 0)], PAD).astype(np.int32)
        batch: Batch = {
            "inputs": {"tokens": tokens},
            "targets": targets,
            "mask": real.astype(np.float32),
        }
        if self.carry:
            block, stream = np.divmod(indices, self.streams)
            batch["carried"] = ((block + stream) % self.carry > 0).astype(np.float32)
        return batch


@dataclass(frozen=True)
class Prefixes:
    """Every beginning of a text predicts its next token. Beginnings are padded on the left, and cut
    there to `steps` tokens.

    The text 5 6 7 gives, with three steps, 0 0 5 -> 6 and 0 5 6 -> 7.

    Attributes:
        ids: (tokens,) of the split. starts: (texts + 1,) where its texts start, and their end.
    """

    ids: np.ndarray
    starts: np.ndarray
    steps: int
    streams = None  # a beginning needs no other
    lengths = None  # all are padded to the same

    @cached_property
    def _targets(self) -> np.ndarray:
        first = np.zeros(len(self.ids), bool)
        first[self.starts[:-1][self.starts[:-1] < len(self.ids)]] = True
        return np.flatnonzero(~first)

    def __len__(self) -> int:
        return len(self._targets)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `inputs`: `tokens` (examples, steps) int32; `targets` and `mask` (examples,)."""
        places = self._targets[indices]
        start = self.starts[np.searchsorted(self.starts, places, side="right") - 1]
        before = places[:, None] + np.arange(-self.steps, 0)
        real = before >= start[:, None]
        tokens = np.where(real, self.ids[np.where(real, before, 0)], PAD).astype(np.int32)
        return {
            "inputs": {"tokens": tokens},
            "targets": self.ids[places].astype(np.int32),
            "mask": np.ones(len(places), np.float32),
        }


def of_split(
    examples: TextExamples, split: str, streams: int, steps: int, carry: int | None = None
) -> Stream | Prefixes:
    """Returns the batches of `split`."""
    ids, starts = examples.tokens_of(split)
    if examples.examples == "prefixes":
        return Prefixes(ids, starts, int(examples.lengths["train"][-1]) - 1)
    return Stream(ids, examples.end_id, min(streams, len(ids)), steps, carry)
