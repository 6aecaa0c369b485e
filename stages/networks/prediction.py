"""What a trained network says: its outputs for a source of examples, and step by step."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from stages.batching import Batches, cut_ahead, plan
from stages.networks.backend import keras, tf
from stages.networks.state import call, names, start

# (outputs, batch) -> (batch, ...) what is kept of the outputs
Reduce = Callable[[tf.Tensor, dict[str, Any]], tf.Tensor]


def predict(
    network: keras.Model, batches: Batches, reduce: Reduce | None = None, batch_size: int = 512
) -> np.ndarray:
    """Returns the network's outputs for all examples, in their order; or what `reduce` makes of
    them and their batch.

    Where examples have lengths, those of like length are computed together. Outputs at each step
    are then (examples, longest, ...), with as many steps as the longest batch was padded to, and
    mean nothing behind an example's own steps: `batches.cut(indices, outputs.shape[1])` has the
    mask that tells them apart. Any other axis that differs between batches is filled up with zeros
    in the same way.
    """

    @tf.function
    def forward(batch: dict[str, Any], state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        outputs, state = call(network, batch["inputs"], state, training=False)
        return outputs if reduce is None else reduce(outputs, batch), state

    size = batches.streams or min(batch_size, len(batches))
    chunks, kept, state = plan(batches, size, 1), [], start(network, size)
    with ThreadPoolExecutor(1) as ahead:
        cut = cut_ahead(batches, chunks, size, list(network.input), ahead)
        for chunk, arrays in zip(chunks, cut, strict=True):
            outputs, state = forward(tf.nest.map_structure(lambda array: array[0], arrays), state)
            kept.append(outputs.numpy()[: len(chunk.indices)])
    if batches.lengths is None:
        return np.concatenate(kept)
    computed = _of_one_shape(kept)
    outputs = np.empty_like(computed)
    outputs[np.concatenate([chunk.indices for chunk in chunks])] = computed
    return outputs


class Predictor:
    """A trained network, to be called as `predict` with it.

    Attributes:
        network: the Keras model.
    """

    def __init__(self, network: keras.Model) -> None:
        self.network = network

    def __call__(
        self, batches: Batches, reduce: Reduce | None = None, batch_size: int = 512
    ) -> np.ndarray:
        return predict(self.network, batches, reduce, batch_size)


def _of_one_shape(arrays: list[np.ndarray]) -> np.ndarray:
    """Returns the arrays as one, each filled up with zeros behind its own values."""
    shape = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
    joined = np.zeros((sum(map(len, arrays)), *shape), arrays[0].dtype)
    first = 0
    for array in arrays:
        joined[first : first + len(array), *(slice(size) for size in array.shape[1:])] = array
        first += len(array)
    return joined


def stepping(
    network: keras.Model,
) -> Callable[[np.ndarray, list[Any] | None], tuple[np.ndarray, list[Any]]]:
    """Returns a function that hands a network of the single input `tokens` some more of them.

    (tokens (rows, steps) int32, state or None) -> the outputs after the last one, (rows, ...), and
    the state: a list of arrays, (rows, ...) each, empty where the network carries none.
    """
    carries = bool(names(network))

    @tf.function(reduce_retracing=True)
    def forward(tokens: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        outputs, state = call(network, {"tokens": tokens}, state, training=False)
        return outputs[:, -1] if carries else outputs, state

    def step(tokens: np.ndarray, state: list[Any] | None) -> tuple[np.ndarray, list[Any]]:
        outputs, following = forward(
            tf.constant(tokens), start(network, len(tokens)) if state is None else state
        )
        return outputs.numpy(), [tensor.numpy() for tensor in following]

    return step
