"""The state that a network carries from one batch to the next.

A network that carries none returns its outputs. One that does returns a dictionary of `outputs` and
of the tensors that it takes, by the same names, with the next batch.
"""

from typing import Any

from stages.networks.backend import keras, tf


def names(network: keras.Model) -> list[str]:
    """Returns the names of the tensors that the network hands to itself at the next batch."""
    if not isinstance(network.output, dict):
        return []
    return [name for name in network.output if name != "outputs"]


def start(network: keras.Model, rows: int) -> list[tf.Tensor]:
    """Returns the state before the first batch, of zeros, (rows, ...) each."""
    return [
        tf.zeros((rows, *network.input[name].shape[1:]), network.input[name].dtype)
        for name in names(network)
    ]


def call(
    network: keras.Model, inputs: dict[str, Any], state: list[Any], training: bool
) -> tuple[Any, list[Any]]:
    """Returns the network's outputs, and its state after them."""
    carried = names(network)
    result = network({**inputs, **dict(zip(carried, state, strict=True))}, training=training)
    return (result["outputs"], [result[name] for name in carried]) if carried else (result, [])
