"""A network from one sequence to another: an encoder, a decoder, and attention between them.

The decoder's first recurrent layer asks, and its other layers and the output get the answers (the
context), which are fed back to no layer below: so each layer runs over all steps at once, with the
fast loop, and attention is two products.

A trained network is one of plain Keras layers, which are found by their names.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.networks import attention, readers, recurrent
from stages.networks.attention import Memory
from stages.networks.backend import keras

Layers = Mapping[str, Any]
# (recurrent layer, its inputs (batch, steps, features), its states or None) -> its outputs (batch,
# steps, units), and its states
Run = Callable[[Any, Any, Any], tuple[Any, list[Any]]]


@dataclass(frozen=True)
class Shape:
    """Of what an encoder and a decoder are made.

    Attributes:
        source_ids, target_ids: how many ids there are. shared: whether one embedding serves both.
        width: numbers of an embedding. tied: whether the outputs' weights are the embedding's.
        cell, units: of the recurrent layers. layers, decoder_layers: how many.
        bidirectional: whether the encoder reads in both directions.
        attention: the form of attention. gate: whether there is a gate between writing a token and
            copying one. weights: whether the weights of attention are among the outputs.
        embedding_dropout, dropout: of the embeddings, and of all layers' outputs.
        fast: as for `recurrent.layer`.
    """

    source_ids: int
    target_ids: int
    shared: bool
    width: int
    tied: bool
    cell: str
    units: int
    layers: int
    decoder_layers: int
    bidirectional: bool
    attention: attention.Form
    gate: bool
    weights: bool
    embedding_dropout: float
    dropout: float
    fast: bool


def build(shape: Shape, name: str) -> Any:
    """Returns the Keras model: `source` (batch, source steps) and `target` (batch, steps), the
    token before each, -> logits (batch, steps, ids); and behind them, if `gate`, the logit of
    writing rather than copying, and, if `weights`, those of attention, (source steps)."""
    ops = keras.ops
    source, target = (
        keras.Input((None,), dtype="int32", name=name) for name in ("source", "target")
    )
    layers = _layers(shape)
    mask = ops.not_equal(source, 0)
    embedding = layers["embedding" if shape.shared else "source_embedding"]
    outputs, hidden = readers.read(
        _dropped(layers, "source_dropout", embedding(source)),
        mask,
        cell=shape.cell,
        units=shape.units,
        layers=shape.layers,
        bidirectional=shape.bidirectional,
        dropout=shape.dropout,
        fast=shape.fast,
    )
    memory = Memory(outputs, layers["keys"](outputs), mask)
    whole = ops.concatenate(hidden, -1) if len(hidden) > 1 else hidden[0]
    states = [[layer(whole) for layer in starts] for starts in starts_of(layers)]
    written, weights, _ = decode(layers, target, memory, states, recurrent.apply)
    parts = [written, weights] if shape.weights else [written]
    joined = ops.concatenate(parts, -1) if len(parts) > 1 else written
    return keras.Model({"source": source, "target": target}, joined, name=name)


def _layers(shape: Shape) -> dict[str, Any]:
    """Returns all layers but those of the encoder's recurrence."""
    layers = keras.layers
    tied = layers.ReversibleEmbedding if shape.tied else layers.Embedding
    created = [layers.Dense(shape.units, use_bias=False, name="keys")]
    if shape.shared:
        created.append(tied(shape.target_ids, shape.width, name="embedding"))
    else:
        created.append(layers.Embedding(shape.source_ids, shape.width, name="source_embedding"))
        created.append(tied(shape.target_ids, shape.width, name="target_embedding"))
    states = 2 if shape.cell == "lstm" else 1
    for number in range(1, shape.decoder_layers + 1):
        decoder = recurrent.layer(shape.cell, shape.units, f"decoder_{number}", fast=shape.fast)
        created.append(decoder)
        created += [
            layers.Dense(shape.units, activation="tanh", name=f"start_{number}_{state}")
            for state in range(1, states + 1)
        ]
    created.append(layers.Dense(shape.width, activation="tanh", name="attentional"))
    if not shape.tied:
        created.append(layers.Dense(shape.target_ids, name="head"))
    if shape.gate:
        created.append(layers.Dense(1, name="gate"))
    rates = {"source": shape.embedding_dropout, "target": shape.embedding_dropout}
    rates |= {f"decoder_{number + 1}": shape.dropout for number in range(shape.decoder_layers)}
    rates["attentional"] = shape.dropout
    created += [
        layers.Dropout(rate, name=f"{name}_dropout") for name, rate in rates.items() if rate
    ]
    return {layer.name: layer for layer in created} | attention.create(shape.attention, shape.units)


def starts_of(layers: Layers) -> list[list[Any]]:
    """Returns the layers that give the decoder's first states: for each of its recurrent layers,
    for each state."""
    return [
        [layers[name] for name in sorted(layers) if name.startswith(f"start_{number}_")]
        for number in range(1, len(_decoders(layers)) + 1)
    ]


def _decoders(layers: Layers) -> list[Any]:
    names = sorted(name for name in layers if re.fullmatch(r"decoder_\d+", name))
    return [layers[name] for name in names]


def decode(
    layers: Layers, target: Any, memory: Memory, states: Sequence[Any], run: Run
) -> tuple[Any, Any, list[Any]]:
    """Returns the logits of the next tokens (batch, steps, ids), with the gate's behind them if
    there is one; the weights of attention (batch, steps, source steps); and the last states of each
    recurrent layer.

    Args:
        layers: of a network, by their names.
        target: (batch, steps) the tokens before each step.
        states: of each recurrent layer before the first step.
        run: runs a recurrent layer.
    """
    ops = keras.ops
    first, *others = _decoders(layers)
    embedding = layers["embedding" if "embedding" in layers else "target_embedding"]
    embedded = _dropped(layers, "target_dropout", embedding(target))
    hidden, last = run(first, embedded, states[0])
    after = [last]
    hidden = _dropped(layers, "decoder_1_dropout", hidden)
    context, weights = attention.attend(layers, hidden, memory)
    for layer, state in zip(others, states[1:], strict=True):
        hidden, last = run(layer, ops.concatenate([hidden, context], -1), state)
        after.append(last)
        hidden = _dropped(layers, f"{layer.name}_dropout", hidden)
    joined = ops.concatenate([hidden, context], -1)
    hidden = _dropped(layers, "attentional_dropout", layers["attentional"](joined))
    logits = layers["head"](hidden) if "head" in layers else embedding(hidden, reverse=True)
    if "gate" in layers:
        gate = layers["gate"](ops.concatenate([joined, embedded], -1))
        logits = ops.concatenate([logits, gate], -1)
    return logits, weights, after


def _dropped(layers: Layers, name: str, values: Any) -> Any:
    return layers[name](values) if name in layers else values
