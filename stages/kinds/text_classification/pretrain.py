"""A language model of all training texts, those without a label as well, from whose weights the
classifier starts (Dai and Le, "Semi-supervised sequence learning", 2015).

For a network of both directions it is two models that share the embedding, one of the next token
and one of the token before (as in Peters et al., "Deep contextualized word representations", 2018).
Each recurrent layer has the shapes of the classifier's, and reads its own direction alone: the
weights of the other direction's outputs are 0 until the classifier is trained.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.kinds.text_classification import Examples
from stages.kinds.text_classification.train import Parameters, Pretraining, width_of
from stages.networks.parameters import Training
from stages.text import tokens as tokenizers
from stages.text.windows import Frequencies, Windows

if TYPE_CHECKING:
    from stages.networks.losses import Loss

__all__ = ["batches", "build", "loss", "rates", "section", "transfer"]

PRETRAINED = ("embedding", "vectors")


def section(parameters: Parameters) -> Training | None:
    """Returns how the language model is trained."""
    chosen = parameters.pretrain
    if chosen is None:
        return None
    return Training(
        epochs=chosen.epochs,
        patience=None,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        decay="cosine",
        clip=parameters.clip,
        steps_per_call=parameters.steps_per_call,
    )


def batches(examples: Examples, split: str, parameters: Parameters) -> Windows:
    """Returns windows of the texts of a split, one behind the other, with samples of the rare
    tokens of the training texts."""
    chosen, ids = _chosen(parameters), _stream(examples, split)
    drawn = _frequencies(examples, parameters).drawn(_stream(examples, "train"))
    # Half a batch is computed at a time, and takes its own samples.
    samples = -(-2 * chosen.samples // chosen.batch_size) if len(drawn) else 0
    return Windows(ids, chosen.steps, drawn, samples)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of -log p of the tokens that count, in each direction,
    and how many there are."""
    from stages.networks.backend import tf

    def total(outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        mask = batch["mask"][..., None]
        return tf.reduce_sum(outputs * mask), tf.reduce_sum(mask) * outputs.shape[-1]

    return total


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model: `tokens` (batch, steps + 1) and `samples` (batch, any number) ->
    -log p of each token in its direction, (batch, steps, directions)."""
    from stages.networks import readers
    from stages.networks.backend import keras
    from stages.networks.sampled import SampledSoftmax

    layers, ops, chosen = keras.layers, keras.ops, _chosen(parameters)
    inputs = {key: keras.Input((None,), dtype="int32", name=key) for key in ("tokens", "samples")}
    ids = keras.Input((None,), dtype="int32")
    embedded, _ = readers.embed(
        ids,
        examples.known,
        width_of(examples, parameters),
        examples.vectors,
        trained=parameters.train_vectors,
    )
    words = keras.Model(ids, embedded, name="words")
    steps = words(inputs["tokens"])
    steps = layers.Dropout(chosen.dropout, name="embedding_dropout")(steps)
    known = inputs["tokens"]
    if len(examples.vectors) > examples.known:
        known = ops.where(known < examples.known, known, tokenizers.UNKNOWN)
    frequencies = _frequencies(examples, parameters)
    softmax = SampledSoftmax(
        words, frequencies.frequent, frequencies.rare, chosen.samples, name="softmax"
    )
    losses = []
    for direction in ("forward", "backward")[: 1 + parameters.bidirectional]:
        read, targets = steps[:, :-1], known[:, 1:]
        if direction == "backward":
            read, targets = ops.flip(steps[:, 1:], 1), ops.flip(known[:, :-1], 1)
        hidden = _read(read, direction, parameters)
        hidden = layers.Dense(embedded.shape[-1], name=f"{direction}_projection")(hidden)
        nats = softmax(hidden, targets, inputs["samples"])
        losses.append(ops.flip(nats, 1) if direction == "backward" else nats)
    return keras.Model(inputs, ops.stack(losses, -1), name=name)


def _read(steps: Any, direction: str, parameters: Parameters) -> Any:
    """Returns the outputs of the recurrent layers of one direction, (batch, steps, units)."""
    from stages.networks import recurrent
    from stages.networks.backend import keras

    for number in range(1, parameters.layers + 1):
        other = None
        if number > 1 and parameters.bidirectional:
            # What the classifier's layer reads of the other direction.
            parts = [steps, keras.ops.zeros_like(steps)]
            other = slice(parameters.units, None)
            if direction == "backward":
                parts, other = parts[::-1], slice(parameters.units)
            steps = keras.ops.concatenate(parts, -1)
        layer = recurrent.layer(
            parameters.cell,
            parameters.units,
            f"{direction}_{parameters.cell}_{number}",
            fast=parameters.fast,
        )
        steps, _ = recurrent.apply(layer, steps)
        if other is not None:
            kernel, *weights = layer.get_weights()
            kernel[other] = 0
            layer.set_weights([kernel, *weights])
        steps = keras.layers.Dropout(_chosen(parameters).dropout)(steps)
    return steps


def transfer(pretrained: Any, network: Any) -> None:
    """Copies the embeddings, and the recurrent layers of each direction."""
    words = pretrained.get_layer("words")
    for layer in network.layers:
        name = layer.name
        if name in PRETRAINED:
            layer.set_weights(words.get_layer(name).get_weights())
        elif name.endswith("_both"):
            for direction in ("forward", "backward"):
                own = pretrained.get_layer(f"{direction}_{name.removesuffix('_both')}")
                getattr(layer, f"{direction}_layer").set_weights(own.get_weights())
        elif _number(name):
            layer.set_weights(pretrained.get_layer(f"forward_{name}").get_weights())


def rates(network: Any, parameters: Parameters) -> Callable[[int], list[float]] | None:
    """Returns the learning rates of single variables (Howard and Ruder, "Universal language model
    fine-tuning for text classification", 2018): each group of layers, from the classes down to the
    embedding, has that of the one above it divided by `discriminative`, and with `unfreeze` is
    trained from one epoch later on."""
    chosen = _chosen(parameters)
    if not chosen.unfreeze and chosen.discriminative == 1:
        return None
    depths: dict[int, int] = {}
    for layer in network.layers:
        number = _number(layer.name)
        depth = parameters.layers + 1 - number if number else 0
        depth = parameters.layers + 1 if layer.name in PRETRAINED else depth
        depths |= {id(variable): depth for variable in layer.trainable_variables}
    groups = np.array([depths[id(variable)] for variable in network.trainable_variables])
    multipliers = chosen.discriminative ** -groups.astype(float)

    def of_epoch(epoch: int) -> list[float]:
        released = groups < epoch if chosen.unfreeze else True
        return np.where(released, multipliers, 0.0).tolist()

    return of_epoch


def _number(name: str) -> int:
    """Returns the number of a recurrent layer by its name; 0 of another layer."""
    cell, _, number = name.removesuffix("_both").rpartition("_")
    return int(number) if cell in ("simple_rnn", "lstm", "gru") and number.isdigit() else 0


def _chosen(parameters: Parameters) -> Pretraining:
    assert parameters.pretrain is not None
    return parameters.pretrain


def _stream(examples: Examples, split: str) -> np.ndarray:
    """Returns the tokens of a split's texts, each with a token for its end; of `train` also of the
    texts that have no label."""
    parts = ("train", "unlabelled") if split == "train" else (split,)
    numbers = np.concatenate([examples.numbers_of(part) for part in parts])
    starts, lengths = examples.starts[numbers], examples.lengths[numbers]
    first, last = int(starts[0]), int(starts[-1] + lengths[-1])
    ends = starts + lengths - first
    return np.insert(np.asarray(examples.token_ids[first:last]), ends, tokenizers.END)


def _frequencies(examples: Examples, parameters: Parameters) -> Frequencies:
    counts = np.bincount(_stream(examples, "train"), minlength=examples.known)
    return Frequencies(counts, _chosen(parameters).frequent)
