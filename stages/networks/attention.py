"""Attention of a decoder to what an encoder has read, in plain Keras layers."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from stages.networks.backend import keras

Form = Literal["multiplicative", "additive"]


class Memory(NamedTuple):
    """What an encoder has read: its outputs (batch, source steps, features), what attention is
    computed from, (batch, source steps, units), and which steps count, (batch, source steps)
    bool."""

    outputs: Any
    keys: Any
    mask: Any


def create(form: Form, units: int, *, coverage: bool = False) -> dict[str, Any]:
    """Returns the layers of attention by their names, without that of the keys.

    coverage: whether attention sees where it has been.
    """
    layers, additive = keras.layers, form == "additive"
    created: list[Any] = []
    if additive:
        created.append(layers.Dense(units, name="query"))
        created.append(layers.Dense(1, use_bias=False, name="energy"))
    if coverage:
        width = units if additive else 1
        created.append(layers.Dense(width, use_bias=False, name="coverage"))
    return {layer.name: layer for layer in created}


def attend(
    layers: Mapping[str, Any], queries: Any, memory: Memory, covered: Any = None
) -> tuple[Any, Any]:
    """Returns the mean of the memory that each query gets, (batch, steps, features), and the
    weights of its steps, (batch, steps, source steps).

    The weights are a softmax of q k (`multiplicative`: Luong et al., "Effective approaches to
    attention-based neural machine translation", 2015, their form `general`), or of v tanh(W q + k)
    (`additive`: Bahdanau et al., "Neural machine translation by jointly learning to align and
    translate", 2015), where k is the product of a matrix and the encoder's output. What is covered
    is added, times weights of its own, to q k or within tanh (See et al., "Get to the point",
    2017).

    Args:
        layers: those of `create`, by their names.
        queries: (batch, steps, units).
        covered: (batch, steps, source steps) the sum of all weights before; None: it is not seen.
    """
    ops, added = keras.ops, 0.0
    if covered is not None:
        added = layers["coverage"](ops.expand_dims(covered, -1))
    if "energy" in layers:
        # In this order: `keras.ops.add` takes a second addend with one axis for a bias, and adds it
        # to axis 1 of the first, if that is as large.
        summed = ops.expand_dims(memory.keys, 1) + ops.expand_dims(layers["query"](queries), 2)
        energies = ops.squeeze(layers["energy"](ops.tanh(summed + added)), -1)
    else:
        energies = ops.matmul(queries, ops.transpose(memory.keys, [0, 2, 1]))
        energies = energies if covered is None else energies + ops.squeeze(added, -1)
    energies = ops.where(ops.expand_dims(memory.mask, 1), energies, -1e9)
    # Keras's softmax may start from an approximation of the processor's.
    exponentials = ops.exp(energies - ops.max(energies, axis=-1, keepdims=True))
    weights = exponentials / ops.sum(exponentials, axis=-1, keepdims=True)
    return ops.matmul(weights, memory.outputs), weights
