"""The network: a recurrent layer over the bits, and one probability."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from stages.kinds.parity import Examples

from stages.batching import Batch, padded
from stages.networks.parameters import Training

if TYPE_CHECKING:
    from stages.networks.losses import Loss


class Parameters(Training):
    """What all networks have."""


class Sequences:
    """Sequences of different lengths, padded behind their end, where the mask of the network's
    embedding leaves the padding out."""

    streams = None

    def __init__(self, examples: Examples, numbers: np.ndarray) -> None:
        self._examples, self._numbers = examples, numbers
        self.lengths = examples.lengths[numbers]

    def __len__(self) -> int:
        return len(self._numbers)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `tokens` (sequences, length) int32; `targets` and `mask` (sequences, 1)."""
        numbers, lengths = self._numbers[indices], self.lengths[indices]
        tokens, _ = padded(
            self._examples.tokens, self._examples.starts[numbers], lengths, length or lengths.max()
        )
        return {
            "inputs": {"tokens": tokens.astype(np.int32)},
            "targets": self._examples.odd[numbers, None].astype(np.float32),
            "mask": np.ones((len(indices), 1), np.float32),
        }


def batches(examples: Examples, split: str, parameters: Parameters) -> Sequences:
    return Sequences(examples, examples.numbers_of(split))


def loss(parameters: Parameters) -> "Loss":
    from stages.networks.backend import tf
    from stages.networks.losses import elementwise

    return elementwise(
        lambda targets, logits: tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    )


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model: `tokens` (batch, steps) -> logits (batch, 1)."""
    from keras import layers

    from stages.networks import recurrent
    from stages.networks.backend import keras

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    steps = layers.Embedding(3, parameters.units, mask_zero=True, name="embedding")(tokens)
    cell = recurrent.layer(parameters.cell, parameters.units, "recurrent", fast=parameters.fast)
    steps, _ = recurrent.apply(cell, steps)
    logits = layers.Dense(1, name="head")(steps[:, -1])
    return keras.Model({"tokens": tokens}, logits, name=name)


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Changes nothing: the weights are those of training."""
    return {}
