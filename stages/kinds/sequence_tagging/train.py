"""The tagger: what is known of each word, a recurrent stack over the sentence, and a score for each
tag, or for each pair of neighbouring tags."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.batching import Batch, padded
from stages.errors import InputError
from stages.kinds.sequence_tagging import Examples
from stages.kinds.sequence_tagging.lexicon import SHAPES
from stages.networks.parameters import Training
from stages.sections import Count, Rate, Section
from stages.text.tags import OUTSIDE

if TYPE_CHECKING:
    from stages.networks.losses import Loss


class Spelled(Section):
    """How the characters of a word are read.

    encoder: `convolution` (Ma and Hovy, 2016) or `recurrent`, in both directions (Lample et al.,
        2016), of the network's cell.
    embedding: numbers of a character's embedding.
    units: numbers of a word; of a recurrent encoder in each direction.
    width: neighbouring characters that a convolution sees at once.
    """

    encoder: Literal["convolution", "recurrent"] = "convolution"
    embedding: Count = 25
    units: Count = 30
    width: Count = 3


class Parameters(Training):
    """Besides what all networks have:

    embedding: numbers of a word's embedding that is learned from scratch; null: none.
    train_vectors: whether training changes the pretrained vectors.
    embedding_dropout: part of what is known of a word that is dropped in training; `dropout` is
        that of the recurrent layers' outputs.
    word_dropout: share of the words that are unknown in training, so that the network learns what
        characters and neighbours say of one.
    characters: how the characters of a word are read; null: they are not.
    shapes: numbers of the embedding of a word's shape, such as all capitals; null: none.
    bidirectional: whether the recurrent layers read in both directions.
    crf: whether the network scores pairs of neighbouring tags, and whole sequences of tags are
        learned (a conditional random field), rather than each tag by itself.
    balance: whether training ends with taking off the scores of the tag O what gives the best F1 on
        validation. Where few entities of training occur again, a network finds too few.
    """

    embedding: Count | None = 50
    train_vectors: bool = False
    embedding_dropout: Rate = 0.0
    word_dropout: Rate = 0.0
    characters: Spelled | None = Spelled()
    shapes: Count | None = 8
    bidirectional: bool = True
    crf: bool = True
    balance: bool = False


class Sentences:
    """Sentences of different lengths, padded behind their end."""

    streams = None

    def __init__(self, examples: Examples, numbers: np.ndarray) -> None:
        self._examples, self._numbers = examples, numbers
        self._starts = np.asarray(examples.offsets)[numbers]
        self.lengths = np.asarray(examples.offsets)[numbers + 1] - self._starts

    def __len__(self) -> int:
        return len(self._numbers)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `tokens` and `shapes` (sentences, length) int32, and `characters` (sentences,
        length, longest) int32, all of them 0 for padding; `targets` and `mask` (sentences, length).
        """
        examples = self._examples
        starts, lengths = self._starts[indices], self.lengths[indices]
        length = length or int(lengths.max())
        steps = np.arange(length)
        own = steps < lengths[:, None]
        places = np.where(own, starts[:, None] + steps, 0).ravel()
        first = examples.character_starts[places]
        sizes = np.where(own.ravel(), examples.character_starts[places + 1] - first, 0)
        characters, _ = padded(examples.characters, first, sizes, examples.longest)

        def at_steps(values: np.ndarray) -> np.ndarray:
            return np.where(own, values[places].reshape(own.shape), 0).astype(np.int32)

        targets = at_steps(examples.tags)
        return {
            "inputs": {
                "tokens": at_steps(examples.words),
                "shapes": at_steps(examples.shapes),
                "characters": characters.reshape(*own.shape, -1).astype(np.int32),
            },
            # Tags that training lacks are not among the network's.
            "targets": np.where(targets < examples.tags_known, targets, 0),
            "mask": own.astype(np.float32),
        }


def batches(examples: Examples, split: str, parameters: Parameters) -> Sentences:
    return Sentences(examples, examples.numbers_of(split))


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of -log p of the tags, and the number of tokens."""
    from stages.networks import crf
    from stages.networks.backend import tf
    from stages.networks.losses import elementwise

    if parameters.crf:
        return crf.loss
    return elementwise(
        lambda targets, logits: tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    )


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only: `tokens` and, where it uses them,
    `shapes` and `characters` -> the scores of the tags, (batch, steps, tags), or with `crf` those
    of pairs, (batch, steps, tags, tags), as `stages.networks.crf` has them."""
    from keras import layers

    from stages.networks import crf, readers
    from stages.networks.backend import keras

    inputs = {"tokens": keras.Input((None,), dtype="int32", name="tokens")}
    words = readers.drop_words(inputs["tokens"], parameters.word_dropout)
    parts = []
    if parameters.embedding is not None or len(examples.vectors):
        known, _ = readers.embed(
            words,
            examples.known,
            parameters.embedding,
            np.asarray(examples.vectors),
            trained=parameters.train_vectors,
        )
        parts.append(known)
    if parameters.shapes is not None:
        inputs["shapes"] = keras.Input((None,), dtype="int32", name="shapes")
        shapes = layers.Embedding(len(SHAPES) + 1, parameters.shapes, name="shape")
        parts.append(shapes(inputs["shapes"]))
    if parameters.characters is not None:
        shape = (None, examples.longest)
        inputs["characters"] = keras.Input(shape, dtype="int32", name="characters")
        parts.append(_spelled(inputs["characters"], examples, parameters, parameters.characters))
    if not parts:
        raise InputError(
            "train: expected an embedding, vectors, shapes or characters to read words by, "
            "received none of them"
        )
    steps = layers.Concatenate(name="known")(parts) if len(parts) > 1 else parts[0]
    if parameters.embedding_dropout:
        steps = layers.Dropout(parameters.embedding_dropout, name="embedding_dropout")(steps)
    steps, _ = readers.read(
        steps,
        keras.ops.not_equal(inputs["tokens"], 0),
        cell=parameters.cell,
        units=parameters.units,
        layers=parameters.layers,
        bidirectional=parameters.bidirectional,
        dropout=parameters.dropout,
        fast=parameters.fast,
    )
    emissions = layers.Dense(examples.tags_known, name="emissions")(steps)
    outputs = crf.potentials(emissions, inputs["tokens"]) if parameters.crf else emissions
    return keras.Model(inputs, outputs, name=name)


def _spelled(characters: Any, examples: Examples, parameters: Parameters, spelled: Spelled) -> Any:
    """Returns what the characters (batch, steps, longest) say of each word, (batch, steps,
    features)."""
    from keras import layers

    from stages.networks import recurrent
    from stages.networks.backend import keras

    ops = keras.ops
    embedding = layers.Embedding(examples.characters_known, spelled.embedding, name="character")
    own = ops.not_equal(characters, 0)
    if spelled.encoder == "convolution":
        return _convolved(embedding(characters), own, spelled)
    # One word a row.
    flat = ops.reshape(embedding(characters), (-1, examples.longest, spelled.embedding))
    layer = recurrent.layer(
        parameters.cell, spelled.units, f"character_{parameters.cell}", fast=parameters.fast
    )
    both = recurrent.Bidirectional(layer, name="characters_both")
    _, states = recurrent.apply(both, flat, mask=ops.reshape(own, (-1, examples.longest)))
    last = layers.Concatenate(name="spelling")([states[0], states[len(states) // 2]])
    return ops.take(last, _numbers(characters[:, :, 0]), axis=0)


def _numbers(steps: Any) -> Any:
    """Returns the numbers of the steps, counted through the rows of (batch, steps): Keras cannot
    give an array two sizes that it does not know."""
    from stages.networks.backend import keras

    ops = keras.ops
    ones = ops.ones_like(steps)
    row, column = ops.cumsum(ones, axis=0) - 1, ops.cumsum(ones, axis=1) - 1
    return row * (ops.max(column) + 1) + column


def _convolved(steps: Any, own: Any, spelled: Spelled) -> Any:
    """Returns the maximum over a word's own characters of a convolution over them. Products of
    neighbours side by side add up alike on every processor, which layers of convolutions do not
    promise."""
    from keras import layers

    from stages.networks.backend import keras

    ops, width = keras.ops, spelled.width
    kept = ops.cast(own, "float32")[..., None]
    before = (width - 1) // 2
    wide = ops.pad(steps * kept, ((0, 0), (0, 0), (before, width - 1 - before), (0, 0)))
    longest = own.shape[-1]
    pieces = [wide[:, :, shift : shift + longest] for shift in range(width)]
    neighbours = ops.concatenate(pieces, axis=-1) if width > 1 else pieces[0]
    found = layers.Dense(spelled.units, activation="relu", name="convolution")(neighbours)
    return ops.max(found * kept, axis=2)


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Takes the best balance, or that of `settled`, off the scores of the tag O: in the weights, so
    that the network stays one of plain Keras."""
    from stages.kinds.sequence_tagging.decoding import balance
    from stages.networks.prediction import predict

    if not parameters.balance:
        return {}
    taken = settled["balance"] if settled else balance(partial(predict, network), examples)
    layer = network.get_layer("emissions")
    kernel, bias = layer.get_weights()
    bias[examples.tag_names.index(OUTSIDE)] -= taken
    layer.set_weights([kernel, bias])
    return {"balance": taken}
