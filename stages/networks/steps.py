"""The compiled functions: many training steps in one call, and the loss of a batch.

A function's graph is made once for all lengths to which examples are padded, which takes longer
than what XLA then does for each of them: to compile the recurrent loops, with all sizes known.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stages.batching import Batch
from stages.networks import losses
from stages.networks.backend import keras, tf
from stages.networks.losses import Loss
from stages.networks.recurrence import SHARDS

# (arrays, state) -> the sum of the losses, the sum of their weights, and the state
Compiled = Callable[[Any, list[tf.Tensor]], tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]]


def training_steps(
    network: keras.Model,
    loss: Loss,
    optimizer: Any,
    average: list[tf.Variable],
    momentum: float | None,
    shards: int = SHARDS,
    samples: Sequence[Batch] = (),
) -> Compiled:
    """Returns the compiled loop over the batches of a chunk, whose arrays are (batches, batch,
    ...).

    Args:
        average: the variables of the moving average of the weights, with `momentum` a step; or
            none.
        shards: how many pieces of a batch are computed side by side.
        samples: chunks like those to come, of any size. The graph is the same for all sizes of an
            axis in which they differ; for any other axis it is made for each size.
    """

    smallest = 1.0 - (momentum or 0.0)

    def steps(
        chunk: dict[str, Any], state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        loss_sum = weight_sum = tf.constant(0.0, tf.float32)
        for index in tf.range(tf.shape(chunk["mask"])[0]):
            batch = tf.nest.map_structure(lambda array: array[index], chunk)  # noqa: B023 - used in this step only
            if "carried" in batch:
                state = [tensor * batch["carried"][:, None] for tensor in state]
            with tf.GradientTape() as tape:
                total, weight, state = losses.compute(
                    network, loss, batch, state, training=True, shards=shards
                )
                mean = total / tf.maximum(weight, 1.0)
            _update(network, optimizer, tape.gradient(mean, network.trainable_variables))
            # As `tf.train.ExponentialMovingAverage` does where it is told the number of updates.
            done = tf.cast(optimizer.iterations, tf.float32)
            rate = tf.maximum(smallest, 9.0 / (10.0 + done))
            _move(average, network.trainable_variables, rate)
            loss_sum, weight_sum = loss_sum + total, weight_sum + weight
        return loss_sum, weight_sum, state

    return _by_shape(steps, samples)


def _by_shape(function: Compiled, samples: Sequence[Batch]) -> Compiled:
    """Returns the function, compiled for each shape of a batch, whatever their number in a call,
    and whatever the size of an axis in which the samples differ."""
    compiled: dict[tuple[tf.TensorSpec, ...], Any] = {}

    def call(
        chunk: dict[str, Any], state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        specs = tf.nest.map_structure(_spec, chunk, *samples)
        key = tuple(tf.nest.flatten(specs))
        if key not in compiled:
            states = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in state]
            compiled[key] = tf.function(function, input_signature=[specs, states])
        return compiled[key](chunk, state)

    return call


def _spec(array: np.ndarray, *samples: np.ndarray) -> tf.TensorSpec:
    """Returns what is known of an array (batches, batch, ...) when the graph is made: all sizes but
    the number of batches and those in which its samples differ."""
    axes = zip(*(like.shape[1:] for like in samples or [array]), strict=True)
    known = [
        None if len(set(sizes)) > 1 else size
        for size, sizes in zip(array.shape[1:], axes, strict=True)
    ]
    return tf.TensorSpec([None, *known], array.dtype)


def _update(network: keras.Model, optimizer: Any, gradients: list[Any]) -> None:
    """Applies the gradients; None leaves a variable that the loss does not depend on as it is."""
    dense = [
        gradient if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients
    ]
    optimizer.apply(dense, network.trainable_variables)


def _move(average: list[tf.Variable], variables: list[Any], rate: tf.Tensor) -> None:
    """Moves each average towards its variable."""
    for mean, variable in zip(average, variables, strict=bool(average)):
        mean.assign_add(rate * (variable.value - mean))


def measuring(network: keras.Model, loss: Loss) -> Compiled:
    """Returns the compiled loss of one batch, outside training."""

    @tf.function
    def measure(
        batch: dict[str, Any], state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        return losses.compute(network, loss, batch, state, training=False)

    return measure
