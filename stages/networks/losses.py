"""The loss of a batch: a sum and its weight, so that the mean over any number of batches is exact.

It need not be a sum over elements: that of a conditional random field or of CTC is a sum over
sequences, and its weight their number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.networks import recurrent
from stages.networks.backend import keras, tf
from stages.networks.recurrence import SHARDS
from stages.networks.state import call

# (outputs, batch) -> the sum of the losses, and their weight, scalars of float32. What the batch's
# mask excludes counts in neither. The batch is a `stages.batching.Batch` of tensors.
Loss = Callable[[tf.Tensor, dict[str, Any]], tuple[tf.Tensor, tf.Tensor]]


def elementwise(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Loss:
    """Returns the loss that sums `function` over the values whose mask is 1 and counts them.

    `function` maps targets and outputs to the loss of each value, of the mask's shape.
    """

    def loss(outputs: tf.Tensor, batch: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        mask = batch["mask"]
        return tf.reduce_sum(function(batch["targets"], outputs) * mask), tf.reduce_sum(mask)

    return loss


def compute(
    network: keras.Model,
    loss: Loss,
    batch: dict[str, Any],
    state: list[tf.Tensor],
    training: bool,
    shards: int = SHARDS,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Returns the loss of a batch, its weight, and the network's state after the batch.

    The batch is computed in `shards`, side by side, one core each.
    """
    rows = batch["mask"].shape[0]
    shards = min(shards, (rows or 0) // 2) or 1
    if shards == 1:
        with recurrent.few_lengths():
            outputs, state = call(network, batch["inputs"], state, training)
        return *loss(outputs, batch), state
    sizes = [len(indices) for indices in np.array_split(np.arange(rows), shards)]
    tensors = [tf.split(tensor, sizes) for tensor in tf.nest.flatten([batch, state])]
    results = []
    with recurrent.unsharded(), recurrent.few_lengths():
        for shard in zip(*tensors, strict=True):
            shard_batch, shard_state = tf.nest.pack_sequence_as([batch, state], shard)
            outputs, after = call(network, shard_batch["inputs"], shard_state, training)
            results.append((*loss(outputs, shard_batch), after))
    totals, weights, states = zip(*results, strict=True)
    return (
        tf.add_n(totals),
        tf.add_n(weights),
        [tf.concat(tensors, 0) for tensors in zip(*states, strict=True)],
    )
