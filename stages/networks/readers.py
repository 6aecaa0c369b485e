"""What networks that read whole texts have in common: embeddings of tokens, and recurrent layers in
one or both directions. Padding, the token 0, is left out everywhere."""

from typing import Any

import numpy as np

from stages.networks import recurrent
from stages.networks.backend import keras
from stages.text.tokens import UNKNOWN


def drop_words(tokens: Any, rate: float) -> Any:
    """Returns the tokens, (batch, steps), of which in training a share of `rate` is unknown."""
    if not rate:
        return tokens
    ops = keras.ops
    kept = keras.layers.Dropout(rate, name="word_dropout")(ops.ones_like(tokens, dtype="float32"))
    return ops.where(ops.logical_or(kept > 0, ops.equal(tokens, 0)), tokens, UNKNOWN)


def embed(
    tokens: Any,
    known: int,
    width: int | None,
    vectors: np.ndarray,
    *,
    trained: bool,
    dropout: float = 0.0,
    vectors_dropout: float = 0.0,
) -> tuple[Any, Any]:
    """Returns what is known of each token, (batch, steps, features), and which steps count, (batch,
    steps) bool.

    Args:
        tokens: (batch, steps) int32, 0 for padding.
        known: how many ids training texts have. Ids from there on are of words that pretrained
            vectors alone know; to the embedding that is learned they are unknown.
        width: numbers of the embedding that is learned from scratch; None: there is none.
        vectors: (ids, numbers) pretrained; without rows: there are none.
        trained: whether training changes the pretrained vectors.
        dropout, vectors_dropout: of the embedding that is learned, and of the vectors.
    """
    ops, layers = keras.ops, keras.layers
    parts = []

    def add(layer: Any, ids: Any, rate: float) -> None:
        found = layer(ids)
        parts.append(layers.Dropout(rate, name=f"{layer.name}_dropout")(found) if rate else found)

    if len(vectors):
        pretrained = layers.Embedding(*vectors.shape, trainable=trained, name="vectors")
        add(pretrained, tokens, vectors_dropout)
        pretrained.set_weights([vectors])
    if width is not None:
        seen = ops.where(tokens < known, tokens, UNKNOWN) if len(vectors) > known else tokens
        add(layers.Embedding(known, width, name="embedding"), seen, dropout)
    joined = layers.Concatenate(name="word")(parts) if len(parts) > 1 else parts[0]
    return joined, ops.not_equal(tokens, 0)


def read(
    steps: Any,
    mask: Any,
    *,
    cell: str,
    units: int,
    layers: int,
    bidirectional: bool,
    dropout: float,
    fast: bool,
) -> tuple[Any, list[Any]]:
    """Returns the outputs of the last recurrent layer, (batch, steps, units or 2 units), and the
    last hidden state of each of its directions, (batch, units) each.

    Args:
        steps: (batch, steps, features).
        mask: (batch, steps) bool, False behind a text's own steps.
        dropout: of each layer's outputs.
    """
    hidden: list[Any] = []
    for number in range(1, layers + 1):
        name = f"{cell}_{number}"
        layer = recurrent.layer(cell, units, name, fast=fast)
        if bidirectional:
            layer = recurrent.Bidirectional(layer, name=f"{name}_both")
        steps, states = recurrent.apply(layer, steps, mask=mask)
        hidden = [states[0], states[len(states) // 2]] if bidirectional else [states[0]]
        if dropout:
            steps = keras.layers.Dropout(dropout, name=f"dropout_{number}")(steps)
    return steps, hidden
