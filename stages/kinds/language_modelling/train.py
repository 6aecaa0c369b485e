"""The language model: embedding, recurrent layers, and a probability for every next token."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from stages.networks.parameters import Training
from stages.sections import Count, Rate
from stages.text import streams
from stages.text.data import TextExamples

if TYPE_CHECKING:
    from stages.networks.losses import Loss

__all__ = ["Parameters", "batches", "build", "loss", "settle"]


class Parameters(Training):
    """Besides what all networks have:

    embedding: numbers of a token's embedding; null: as many as `units`.
    steps: tokens between which gradients flow back; the state is carried further (truncated
        back-propagation through time).
    carry: batches through which training carries the state before it starts from zero again, in
        each stream at another one; null: the whole epoch. A network that never starts anew learns
        to rely on what has long passed, and answers a short prompt badly.
    tied: whether the outputs' weights are the embedding's (Press and Wolf, "Using the output
        embedding", 2017).
    embedding_dropout: part of the embeddings that is dropped in training; `dropout` is that of the
        recurrent layers' outputs.
    recurrent_dropout: part of a layer's own state that is dropped on its way to the next step, by
        one mask for `steps` steps.
    variational: whether one dropout mask serves all steps of a sequence (Gal and Ghahramani, 2016).
    """

    embedding: Count | None = None
    steps: Count = 35
    carry: Count | None = None
    tied: bool = False
    embedding_dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    variational: bool = False

    @model_validator(mode="after")
    def _one(self) -> "Parameters":
        if self.members != 1:
            raise ValueError("one member: the outputs of language models are not averaged")
        return self


def batches(
    examples: TextExamples, split: str, parameters: Parameters
) -> streams.Stream | streams.Prefixes:
    """Returns the batches of a split: as many streams side by side as `batch_size`, or beginnings
    of texts."""
    carry = parameters.carry if split == "train" else None
    return streams.of_split(examples, split, parameters.batch_size, parameters.steps, carry)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of -log p of each target, from logits, and how many
    targets there are."""
    from stages.networks.losses import cross_entropy, elementwise

    return elementwise(cross_entropy)


def build(examples: TextExamples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only.

    For streams it takes `tokens` (batch, steps) and the states of its layers, `state_1_1`, ...
    (batch, units), and returns a dictionary of `outputs`, the logits of the next token at each step
    (batch, steps, vocabulary), and the new states. For prefixes it takes `tokens` padded on the
    left and returns the logits after the last one, (batch, vocabulary).
    """
    from keras import layers

    from stages.networks.backend import keras

    stream, vocabulary_size = examples.examples == "stream", examples.vocabulary_size
    width = parameters.embedding or parameters.units
    shape = (None, 1, None) if parameters.variational else None
    inputs = {"tokens": keras.Input((None,), dtype="int32", name="tokens")}
    layer_class = layers.ReversibleEmbedding if parameters.tied else layers.Embedding
    embedding = layer_class(vocabulary_size, width, mask_zero=not stream, name="embedding")
    hidden = layers.Dropout(
        parameters.embedding_dropout, noise_shape=shape, name="embedding_dropout"
    )(embedding(inputs["tokens"]))
    hidden, states = _stack(hidden, inputs, parameters, shape, stream=stream)
    if not stream:
        hidden = hidden[:, -1]
    if parameters.tied and width != parameters.units:
        hidden = layers.Dense(width, use_bias=False, name="projection")(hidden)
    head = (
        partial(embedding, reverse=True)
        if parameters.tied
        else layers.Dense(vocabulary_size, name="head")
    )
    logits = head(hidden)
    return keras.Model(inputs, {"outputs": logits, **states} if stream else logits, name=name)


def _stack(
    hidden: Any,
    inputs: dict[str, Any],
    parameters: Parameters,
    noise_shape: tuple[int | None, ...] | None,
    *,
    stream: bool,
) -> tuple[Any, dict[str, Any]]:
    """Returns the outputs of the recurrent layers, and of a stream their last states by the names
    of the inputs, which this adds, that take them with the next batch."""
    from keras import layers

    from stages.networks import recurrent
    from stages.networks.backend import keras

    states: dict[str, Any] = {}
    for number in range(1, parameters.layers + 1):
        layer = recurrent.layer(
            parameters.cell,
            parameters.units,
            f"{parameters.cell}_{number}",
            recurrent_dropout=parameters.recurrent_dropout,
            fast=parameters.fast,
        )
        sizes = range(1, len(layer.state_size) + 1) if stream else []
        names = [f"state_{number}_{index}" for index in sizes]
        inputs |= {name: keras.Input((parameters.units,), name=name) for name in names}
        first = [inputs[name] for name in names] or None
        hidden, last = recurrent.apply(layer, hidden, first)
        states |= dict(zip(names, last, strict=False))
        hidden = layers.Dropout(
            parameters.dropout, noise_shape=noise_shape, name=f"dropout_{number}"
        )(hidden)
    return hidden, states


def settle(
    network: Any,
    examples: TextExamples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Changes nothing: the weights are those of training."""
    return {}
