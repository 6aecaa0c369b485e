"""The network: embeddings, recurrent layers in one or both directions, pooling over time, and a
logit for each class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.kinds.text_classification import Examples, calibrating
from stages.kinds.text_classification.texts import Texts
from stages.networks.parameters import Training
from stages.sections import Count, Positive, Rate, Section

if TYPE_CHECKING:
    from stages.networks.losses import Loss


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
    embedding_dropout: part of the learned embeddings that is dropped in training, and
        vectors_dropout: of the pretrained vectors; `dropout` is that of the recurrent layers'
        outputs, `head_dropout` that of what is pooled.
    bidirectional: whether the recurrent layers read in both directions.
    pooling: what of the last recurrent layer the classes are told from, side by side: its `last`
        state, or the `mean` or `max` over a text's tokens.
    class_weights: whether each class has the same weight in the loss, however many texts it has.
    label_smoothing: share of a training target that is divided among all classes.
    calibrate: whether logits are divided by the temperature with the smallest log loss on
        validation. A linear model of `tokenize_text` has the weight with the smallest one anyway.
    pretrain: a language model of all training texts that is trained first; null: none.
    """

    embedding: Count | None = None
    train_vectors: bool = False
    word_dropout: Rate = 0.0
    embedding_dropout: Rate = 0.0
    vectors_dropout: Rate = 0.0
    head_dropout: Rate = 0.0
    bidirectional: bool = True
    pooling: Annotated[list[Literal["last", "mean", "max"]], Field(min_length=1)] = ["max", "mean"]
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
    linear model its logits `linear` (batch, classes), -> logits (batch, classes)."""
    from stages.networks import readers
    from stages.networks.backend import keras

    layers, classes = keras.layers, len(examples.classes)
    inputs = {"tokens": keras.Input((None,), dtype="int32", name="tokens")}
    steps, mask = readers.embed(
        readers.drop_words(inputs["tokens"], parameters.word_dropout),
        examples.known,
        width_of(examples, parameters),
        examples.vectors,
        trained=parameters.train_vectors,
        dropout=parameters.embedding_dropout,
        vectors_dropout=parameters.vectors_dropout,
    )
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
    logits = layers.Dense(classes, name="head")(pooled)
    if len(examples.linear):
        inputs["linear"] = keras.Input((classes,), name="linear")
        # Training leaves the linear model out, as it knows the training texts by heart.
        weight = layers.Dense(
            classes,
            use_bias=False,
            kernel_initializer="zeros",
            trainable=False,
            name="linear_weight",
        )
        logits = logits + weight(inputs["linear"])
    return keras.Model(inputs, logits, name=name)


def width_of(examples: Examples, parameters: Parameters) -> int | None:
    """Returns the numbers of the embedding that is learned from scratch; None: there is none."""
    if parameters.embedding is None and not len(examples.vectors):
        return parameters.units
    return parameters.embedding


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


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Adds the linear model's logits, if there is one, with a weight, and divides the sum by a
    temperature: by those of `settled`, or with the smallest log loss on validation. That is done in
    the weights, so that the network stays one of plain Keras.

    Returns:
        `temperature`, and with a linear model its weight `linear`.
    """
    has_linear = len(examples.linear) > 0
    if not parameters.calibrate and not has_linear:
        return {}
    if settled is None:
        settled = _settled(network, examples, parameters.calibrate)
    temperature = settled["temperature"]
    head = network.get_layer("head")
    head.set_weights([weights / temperature for weights in head.get_weights()])
    if has_linear:
        weight = settled["linear"] / temperature
        kernel = weight * np.eye(len(examples.classes), dtype=np.float32)
        network.get_layer("linear_weight").set_weights([kernel])
    return dict(settled)


def _settled(network: Any, examples: Examples, calibrate: bool) -> dict[str, float]:
    """Returns what `settle` returns, of validation."""
    from stages.networks.prediction import predict

    numbers = examples.numbers_of("validation")
    logits = [predict(network, Texts(examples, numbers))]
    if len(examples.linear):
        logits.append(np.asarray(examples.linear[numbers]))
    own, *other = calibrating.multipliers(logits, examples.labels[numbers]).tolist()
    # More digits would say nothing.
    settled = {"temperature": round(1 / own, 4) if calibrate else 1.0}
    if other:
        settled["linear"] = round(other[0] / own, 4)
    return settled
