"""A network from one sequence to another: an encoder, a decoder, and attention between them.

The decoder's first recurrent layer asks, and its other layers and the output get the answers (the
context), which are fed back to no layer below: so each layer runs over all steps at once, with the
fast loop, and attention is two products. With input feeding the answer goes back to the first layer
instead, as in `stages.networks.feeding`, and steps come one after the other.

A trained network's layers are found by their names. They are plain Keras layers, but for the one
with input feeding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from stages.networks import attention, feeding, readers, recurrent
from stages.networks.attention import Memory
from stages.networks.backend import keras

Layers = Mapping[str, Any]

# The standard deviation of embeddings before training. Keras's are a tenth of it, which recurrent
# layers hardly notice: 2,000 pairs of short sentences are then not yet learned by heart after 15
# epochs, rather than 8.
DEVIATION = 0.3


@dataclass(frozen=True)
class Shape:
    """Of what an encoder and a decoder are made.

    Attributes:
        source_ids, target_ids: how many ids there are. shared: whether one embedding serves both.
        width: numbers of an embedding. tied: whether the outputs' weights are the embedding's.
        cell, units: of the recurrent layers. layers, decoder_layers: how many.
        bidirectional: whether the encoder reads in both directions.
        attention: the form of attention. input_feeding: whether its answers are fed back.
        coverage: whether attention sees where it has been, which needs input feeding.
        gate: whether there is one between writing a token and copying one. weights: whether those
            of attention are among the outputs.
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
    input_feeding: bool
    coverage: bool
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
    written, weights, _ = decode(layers, target, memory, states)
    parts = [written, weights] if shape.weights else [written]
    joined = ops.concatenate(parts, -1) if len(parts) > 1 else written
    return keras.Model({"source": source, "target": target}, joined, name=name)


def _layers(shape: Shape) -> dict[str, Any]:
    """Returns all layers but those of the encoder's recurrence."""
    layers = keras.layers
    tied = layers.ReversibleEmbedding if shape.tied else layers.Embedding
    created = [layers.Dense(shape.units, use_bias=False, name="keys")]

    def embed(kind: Any, ids: int, name: str) -> None:
        start = keras.initializers.RandomNormal(stddev=DEVIATION)
        created.append(kind(ids, shape.width, embeddings_initializer=start, name=name))

    if shape.shared:
        embed(tied, shape.target_ids, "embedding")
    else:
        embed(layers.Embedding, shape.source_ids, "source_embedding")
        embed(tied, shape.target_ids, "target_embedding")
    states = 2 if shape.cell == "lstm" else 1
    for number in range(1, shape.decoder_layers + 1):
        created += [
            layers.Dense(shape.units, activation="tanh", name=f"start_{number}_{state}")
            for state in range(1, states + 1)
        ]
    if not shape.tied:
        created.append(layers.Dense(shape.target_ids, name="head"))
    if shape.gate:
        created.append(layers.Dense(1, name="gate"))
    created += _with_feeding(shape) if shape.input_feeding else _without_feeding(shape)
    rates = {"source": shape.embedding_dropout, "target": shape.embedding_dropout}
    rates |= {f"decoder_{number + 1}": shape.dropout for number in range(shape.decoder_layers)}
    rates["attentional"] = shape.dropout
    created += [
        layers.Dropout(rate, name=f"{name}_dropout") for name, rate in rates.items() if rate
    ]
    return {layer.name: layer for layer in created}


def _with_feeding(shape: Shape) -> list[Any]:
    """Returns the layers of the decoder with input feeding."""
    return [
        feeding.FedDecoder(
            shape.cell,
            shape.units,
            shape.decoder_layers,
            shape.width,
            shape.attention,
            shape.coverage,
            name="fed_decoder",
        )
    ]


def _without_feeding(shape: Shape) -> list[Any]:
    """Returns the layers of the decoder and of its attention."""
    numbers = range(1, shape.decoder_layers + 1)
    decoders = [
        recurrent.layer(shape.cell, shape.units, f"decoder_{number}", fast=shape.fast)
        for number in numbers
    ]
    attentional = keras.layers.Dense(shape.width, activation="tanh", name="attentional")
    return [*decoders, attentional, *attention.create(shape.attention, shape.units).values()]


def starts_of(layers: Layers) -> list[list[Any]]:
    """Returns the layers that give the decoder's first states: for each of its recurrent layers,
    for each state."""
    names = sorted(name for name in layers if name.startswith("start_"))
    groups = groupby(names, lambda name: name.rpartition("_")[0])
    return [[layers[name] for name in group] for _, group in groups]


def begin(layers: Layers, starts: Sequence[Any], memory: Memory) -> list[Any]:
    """Returns the states before the first step, from those of the recurrent layers, (batch, beams,
    units) each."""
    feeding_layer = layers.get("fed_decoder")
    return [*starts, *(feeding_layer.zeros(starts, memory) if feeding_layer else [])]


def decode(
    layers: Layers, target: Any, memory: Memory, states: Sequence[Any], *, one_step: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Returns the logits of the next tokens (batch, steps, ids), with the gate's behind them if
    there is one; the weights of attention (batch, steps, source steps); and the states afterwards.

    Args:
        layers: of a network, by their names.
        target: (batch, steps) the tokens before each step; or with `one_step` (batch, beams) those
            of texts side by side.
        states: of each recurrent layer before the first step, (batch, units) each; with `one_step`
            those of `begin` or of the step before.
    """
    embedding = layers["embedding" if "embedding" in layers else "target_embedding"]
    embedded = _dropped(layers, "target_dropout", embedding(target))
    if "fed_decoder" in layers:
        decoder = layers["fed_decoder"]
        if one_step:
            hidden, weights, after = decoder.step(embedded, memory, states)
        else:
            hidden, weights = decoder(embedded, list(memory), list(states))
            after = []
    else:
        hidden, weights, after = _decode(layers, embedded, memory, states, one_step)
    dropped = _dropped(layers, "attentional_dropout", hidden)
    logits = layers["head"](dropped) if "head" in layers else embedding(dropped, reverse=True)
    if "gate" in layers:
        gate = layers["gate"](keras.ops.concatenate([hidden, embedded], -1))
        logits = keras.ops.concatenate([logits, gate], -1)
    return logits, weights, after


def _decode(
    layers: Layers, hidden: Any, memory: Memory, states: Sequence[Any], one_step: bool
) -> tuple[Any, Any, list[Any]]:
    """Returns what the output is told from, (batch, steps, width), the weights of attention, and
    the last states, of the embedded tokens."""
    ops, after, context, weights = keras.ops, [], None, None
    recur = feeding.run_cell if one_step else recurrent.apply
    for number, state in enumerate(states, 1):
        if context is not None:
            hidden = ops.concatenate([hidden, context], -1)
        hidden, last = recur(layers[f"decoder_{number}"], hidden, state)
        after.append(last)
        hidden = _dropped(layers, f"decoder_{number}_dropout", hidden)
        if context is None:
            context, weights = attention.attend(layers, hidden, memory)
    joined = ops.concatenate([hidden, context], -1)
    return layers["attentional"](joined), weights, after


def _dropped(layers: Layers, name: str, values: Any) -> Any:
    return layers[name](values) if name in layers else values
