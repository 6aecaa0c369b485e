"""Pairs of texts as batches."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.batching import Batch, padded
from stages.kinds.sequence_to_sequence import Examples
from stages.text.tokens import END, UNKNOWN


@dataclass(frozen=True)
class Pairs:
    """Some pairs, each an example of its own.

    Attributes:
        numbers: (pairs,) of the pairs among the examples.
        copy: whether tokens of the source can be copied.
    """

    examples: Examples
    numbers: np.ndarray
    copy: bool
    streams = None

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def _sizes(self) -> np.ndarray:
        """(pairs, 2): the tokens of each source, and those of its target with the end."""
        examples, numbers = self.examples, self.numbers
        target_lengths = examples.target_lengths[numbers] + 1
        return np.stack([examples.source_lengths[numbers], target_lengths], 1)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(pairs,) of each pair its longer side."""
        return self._sizes.max(1)

    @cached_property
    def _longest(self) -> tuple[np.ndarray, np.ndarray]:
        """Lengths, in order, and the longest (source, target) of all pairs up to each, (n, 2)."""
        order = np.argsort(self.lengths, kind="stable")
        return self.lengths[order], np.maximum.accumulate(self._sizes[order])

    def _widths(self, length: int) -> dict[str, int]:
        """Returns to how many tokens each side is padded in a batch of this length. Summaries are
        much shorter than what they sum up."""
        lengths, longest = self._longest
        last = np.searchsorted(lengths, length, side="right") - 1
        source, target = longest[last]
        return {"source": int(source), "target": int(target)}

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `inputs`: `source` (batch, source steps) and `target` (batch, target steps), the
        token before each, both int32; `targets` and `mask`, (batch, target steps); and with `copy`
        under `given` the targets' ids of the source's tokens, `copies` (batch, source steps)
        int32, -1 for none."""
        examples, numbers = self.examples, self.numbers[indices]
        widths = self._widths(int(self.lengths[indices].max()) if length is None else length)
        source = (examples.source_starts[numbers], examples.source_lengths[numbers])
        sources, own = padded(examples.source_ids, *source, widths["source"])
        starts, lengths = examples.target_starts[numbers], examples.target_lengths[numbers]
        targets = np.zeros((len(numbers), widths["target"]), np.int32)
        if widths["target"] > 1:
            targets[:, :-1] = padded(examples.target_ids, starts, lengths, widths["target"] - 1)[0]
        targets[np.arange(len(numbers)), lengths] = END
        size = examples.sizes["target"]
        known = np.where(targets < size, targets, UNKNOWN)
        before = np.concatenate([np.full_like(known[:, :1], END), known[:, :-1]], 1)
        mask = np.arange(widths["target"]) <= lengths[:, None]
        batch: Batch = {
            "inputs": {
                "source": sources.astype(np.int32),
                "target": np.where(mask, before, 0).astype(np.int32),
            },
            "targets": targets if self.copy else known,
            "mask": mask.astype(np.float32),
        }
        if self.copy:
            copies = padded(examples.copies, *source, widths["source"])[0].astype(np.int32)
            batch["given"] = {"copies": np.where(own, copies, -1)}
        return batch
