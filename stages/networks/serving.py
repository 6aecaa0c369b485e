"""A trained network that is asked again and again, for a few examples or for many."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stages.networks.backend import keras, tf

# Examples are computed so many at once: some or many. Each size is compiled once. Products of fewer
# rows are summed in another order: one example alone would not have the outputs, to the last digit,
# that it has among others.
SIZES = (128, 512)


def answering(network: keras.Model) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """Returns a function that gives the network's outputs for inputs by their names, (examples,
    ...) each; those that the network lacks are ignored. Arrays may be views, of which one batch at
    a time is copied."""
    names = list(network.input)

    @tf.function
    def forward(inputs: dict[str, tf.Tensor]) -> Any:
        return network(inputs, training=False)

    def answer(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        own = {name: inputs[name] for name in names}
        count, outputs, start = len(own[names[0]]), [], 0
        while start < count:
            left = count - start
            size = next((size for size in SIZES if size >= left), SIZES[-1])
            rows = {name: _filled(array[start : start + size], size) for name, array in own.items()}
            outputs.append(forward(rows).numpy()[:left])
            start += size
        return np.concatenate(outputs)

    return answer


def _filled(rows: np.ndarray, size: int) -> tf.Tensor:
    """Returns rows as a tensor of `size` rows, the last of which are repeated if need be."""
    missing = size - len(rows)
    if missing:
        rows = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
    return tf.constant(np.ascontiguousarray(rows))
