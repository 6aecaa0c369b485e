"""Texts as batches."""

import numpy as np

from stages.batching import Batch, padded
from stages.kinds.text_classification import Examples


class Texts:
    """Texts of different lengths, padded behind their end, where the network leaves the padding
    out."""

    streams = None

    def __init__(
        self,
        examples: Examples,
        numbers: np.ndarray,
        weights: np.ndarray | None = None,
        smoothing: float = 0.0,
    ) -> None:
        """Args:
        numbers: (texts,) of the texts.
        weights: (classes,) of a text's loss by its class; None: all 1.
        smoothing: share of a target that is divided among all classes.
        """
        self._examples, self._numbers = examples, numbers
        self.lengths = np.asarray(examples.lengths[numbers])
        classes = len(examples.classes)
        targets = np.eye(classes) * (1 - smoothing) + smoothing / classes
        targets = targets if weights is None else targets * weights[:, None]
        # A text without a label has no target.
        self._targets = np.vstack([targets, np.zeros(classes)]).astype(np.float32)

    def __len__(self) -> int:
        return len(self._numbers)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `tokens` (texts, length) int32, and with a linear model its logits `linear`
        (texts, classes); `targets` (texts, classes), the probability of each class times the text's
        weight; and `mask` of the same shape."""
        numbers, lengths = self._numbers[indices], self.lengths[indices]
        tokens, _ = padded(
            self._examples.token_ids,
            self._examples.starts[numbers],
            lengths,
            length or int(lengths.max()),
        )
        targets = self._targets[self._examples.labels[numbers]]
        inputs = {"tokens": tokens.astype(np.int32)}
        if len(self._examples.linear):
            inputs["linear"] = np.asarray(self._examples.linear[numbers])
        return {"inputs": inputs, "targets": targets, "mask": np.ones_like(targets)}
