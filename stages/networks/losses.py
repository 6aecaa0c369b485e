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


def cross_entropy(targets: Any, logits: Any, smoothing: float = 0.0) -> Any:
    """Returns -log p of each target (batch, steps), from logits (batch, steps, ids).

    smoothing: share of each target that is divided among all ids (Szegedy et al., "Rethinking the
        Inception architecture", 2016).
    """

    @tf.custom_gradient
    def apply(logits: Any) -> Any:
        losses, total = _forward(targets, logits, smoothing)
        return losses, lambda upstream: _backward(targets, logits, total, upstream, smoothing)

    return apply(logits)


# Compiled, and with the gradient written out, as there are half as many passes over (batch, steps,
# ids) numbers then.
@tf.function(jit_compile=True, autograph=False)
def _forward(targets: Any, logits: Any, smoothing: float) -> tuple[Any, Any]:
    highest = tf.reduce_max(logits, -1, keepdims=True)
    total = tf.math.log(tf.reduce_sum(tf.exp(logits - highest), -1)) + highest[..., 0]
    own = tf.gather(logits, targets, axis=-1, batch_dims=targets.shape.rank)
    if smoothing:
        own = (1 - smoothing) * own + smoothing * tf.reduce_mean(logits, -1)
    return total - own, total


@tf.function(jit_compile=True, autograph=False)
def _backward(targets: Any, logits: Any, total: Any, upstream: Any, smoothing: float) -> Any:
    ids = tf.shape(logits)[-1]
    is_target = tf.cast(tf.range(ids, dtype=targets.dtype) == targets[..., None], logits.dtype)
    if smoothing:
        is_target = (1 - smoothing) * is_target + smoothing / tf.cast(ids, logits.dtype)
    return (tf.exp(logits - total[..., None]) - is_target) * upstream[..., None]


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
