"""The network: embeddings, recurrent layers in one or both directions, pooling over time, and a
logit for each class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.kinds.text_classification import Examples, calibrating, shortcuts
from stages.kinds.text_classification.texts import Texts
from stages.networks.parameters import Training
from stages.sections import Count, Positive, Rate, Section
from stages.text import tokens as tokenizers

if TYPE_CHECKING:
    from stages.networks.losses import Loss

# The layers that add up to the logits.
HEADS = ("head", "shortcut")


class Pretraining(Section):
    """How a language model is trained on all training texts, from whose weights the classifier
    starts.

    epochs, batch_size, learning_rate: of its training; the rate falls to 0 along a cosine.
    steps: tokens of a window, which is read alone. Texts follow each other in it.
    dropout: part of the embeddings and of each recurrent layer's outputs that is dropped.
    frequent: how many of the most frequent tokens are in the softmax of every token; the sum over
        all others is estimated from `samples` of them.
    unfreeze: whether the classifier's training starts with its head alone, and releases one layer
        in each epoch, from the head down.
    discriminative: by what each layer's learning rate is smaller than that of the layer above it in
        the classifier's training.
    """

    epochs: Count = 3
    batch_size: Count = 32
    steps: Count = 100
    learning_rate: Positive = 0.002
    dropout: Rate = 0.1
    frequent: Count = 1000
    samples: Count = 500
    unfreeze: bool = False
    discriminative: Annotated[float, Field(ge=1)] = 1.0


class Parameters(Training):
    """Besides what all networks have:

    embedding: numbers of the embedding that is learned from scratch; null: none where there are
        pretrained vectors, else as many as `units`.
    train_vectors: whether training changes the pretrained vectors.
    word_dropout: share of the tokens that are unknown in training.
    embedding_dropout: part of the embeddings that is dropped in training; `dropout` is that of the
        recurrent layers' outputs, `head_dropout` that of what is pooled.
    bidirectional: whether the recurrent layers read in both directions.
    pooling: what of the last recurrent layer the classes are told from, side by side: its `last`
        state, or the `mean` or `max` over a text's tokens.
    shortcut: adds to the logits those of the different tokens of a text, which start from so many
        times naive Bayes' log ratios of the training texts (Wang and Manning, "Baselines and
        bigrams", 2012) and are trained; null: none.
    class_weights: whether each class has the same weight in the loss, however many texts it has.
    label_smoothing: share of a training target that is divided among all classes.
    calibrate: whether logits are divided by the temperature with the smallest log loss on
        validation.
    pretrain: a language model of all training texts that is trained first; null: none.
    """

    embedding: Count | None = None
    train_vectors: bool = False
    word_dropout: Rate = 0.0
    embedding_dropout: Rate = 0.0
    head_dropout: Rate = 0.0
    bidirectional: bool = True
    pooling: Annotated[list[Literal["last", "mean", "max"]], Field(min_length=1)] = ["max", "mean"]
    shortcut: Annotated[float, Field(ge=0)] | None = None
    class_weights: bool = False
    label_smoothing: Rate = 0.0
    calibrate: bool = True
    pretrain: Pretraining | None = None


def batches(examples: Examples, split: str, parameters: Parameters) -> Texts:
    """Returns the texts of a split. Targets are smoothed in training alone."""
    weights = None
    if parameters.class_weights:
        counts = np.bincount(examples.labels[examples.numbers_of("train")])
        weights = counts.sum() / (len(counts) * counts)
    smoothing = parameters.label_smoothing if split == "train" else 0.0
    return Texts(examples, examples.numbers_of(split), weights, smoothing)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of the cross entropies of its texts, from logits, and
    how many texts there are."""
    from stages.networks.backend import tf

    def cross_entropy(outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        mask = batch["mask"]
        losses = batch["targets"] * tf.nn.log_softmax(outputs) * mask
        return -tf.reduce_sum(losses), tf.reduce_sum(mask[:, 0])

    return cross_entropy


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only: `tokens` (batch, steps), and with a
    shortcut `first` (batch, steps), -> logits (batch, classes)."""
    from stages.networks import readers
    from stages.networks.backend import keras

    layers = keras.layers
    inputs = {"tokens": keras.Input((None,), dtype="int32", name="tokens")}
    tokens = _dropped(inputs["tokens"], parameters.word_dropout)
    steps, mask = readers.embed(
        tokens,
        examples.known,
        width_of(examples, parameters),
        examples.vectors,
        trained=parameters.train_vectors,
    )
    if parameters.embedding_dropout:
        steps = layers.Dropout(parameters.embedding_dropout, name="embedding_dropout")(steps)
    steps, states = readers.read(
        steps,
        mask,
        cell=parameters.cell,
        units=parameters.units,
        layers=parameters.layers,
        bidirectional=parameters.bidirectional,
        dropout=parameters.dropout,
        fast=parameters.fast,
    )
    pooled = _pooled(steps, states, mask, parameters.pooling)
    if parameters.head_dropout:
        pooled = layers.Dropout(parameters.head_dropout, name="head_dropout")(pooled)
    logits = layers.Dense(len(examples.classes), name="head")(pooled)
    if parameters.shortcut is not None:
        inputs["first"] = keras.Input((None,), name="first")
        start = parameters.shortcut * shortcuts.log_ratios(examples)
        logits = logits + _shortcut(tokens, inputs["first"], start)
    return keras.Model(inputs, logits, name=name)


def width_of(examples: Examples, parameters: Parameters) -> int | None:
    """Returns the numbers of the embedding that is learned from scratch; None: there is none."""
    if parameters.embedding is None and not len(examples.vectors):
        return parameters.units
    return parameters.embedding


def _dropped(tokens: Any, rate: float) -> Any:
    """Returns tokens, (batch, steps), some of which are unknown in training."""
    from stages.networks.backend import keras

    if not rate:
        return tokens
    ops = keras.ops
    own = ops.not_equal(tokens, tokenizers.PAD)
    kept = keras.layers.Dropout(rate, name="word_dropout")(ops.cast(own, "float32"))
    dropped = ops.logical_and(own, ops.equal(kept, 0.0))
    return ops.where(dropped, tokenizers.UNKNOWN, tokens)


def _pooled(steps: Any, states: list[Any], mask: Any, pooling: Sequence[str]) -> Any:
    """Returns what is told of whole texts, (batch, numbers), from the outputs at each step, (batch,
    steps, numbers), the last states, and which steps count."""
    from stages.networks.backend import keras

    ops, parts = keras.ops, []
    counts = ops.expand_dims(mask, -1)
    for name in pooling:
        if name == "last":
            parts += states
        elif name == "max":
            parts.append(ops.max(ops.where(counts, steps, -1e9), axis=1))
        else:
            total = ops.sum(ops.where(counts, steps, 0.0), axis=1)
            parts.append(total / ops.sum(ops.cast(counts, "float32"), axis=1))
    return keras.layers.Concatenate(name="pooled")(parts) if len(parts) > 1 else parts[0]


def _shortcut(tokens: Any, first: Any, start: np.ndarray) -> Any:
    """Returns the sum of trained numbers of the different tokens of each text, (batch, classes).

    start: (ids, classes) what the numbers are before training.
    """
    from stages.networks.backend import keras

    ops, known = keras.ops, len(start)
    layer = keras.layers.Embedding(*start.shape, name="shortcut")
    numbers = layer(ops.where(tokens < known, tokens, tokenizers.UNKNOWN))
    layer.set_weights([start])
    return ops.sum(numbers * ops.expand_dims(first, -1), axis=1)


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Divides the logits by the `temperature` with the smallest log loss on validation, or by that
    of `settled`: in the weights, so that the network stays one of plain Keras."""
    from stages.networks.prediction import predict

    if not parameters.calibrate:
        return {}
    if settled is None:
        numbers = examples.numbers_of("validation")
        logits = predict(network, Texts(examples, numbers))
        temperature = calibrating.temperature(logits, examples.labels[numbers])
    else:
        temperature = settled["temperature"]
    for layer in network.layers:
        if layer.name in HEADS:
            layer.set_weights([weights / temperature for weights in layer.get_weights()])
    return {"temperature": temperature}
