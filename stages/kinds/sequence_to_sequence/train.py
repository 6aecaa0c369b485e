"""The network: an encoder that reads a text in both directions, and a decoder with attention that
writes another one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stages.errors import InputError
from stages.kinds.sequence_to_sequence import Examples
from stages.kinds.sequence_to_sequence.pairs import Pairs
from stages.networks.parameters import Training
from stages.sections import Count, Rate

if TYPE_CHECKING:
    from stages.networks.losses import Loss

__all__ = ["Pairs", "Parameters", "batches", "build", "loss", "settle"]


class Parameters(Training):
    """Besides what all networks have, of which `layers` are those of the encoder:

    embedding: numbers of a token's embedding; null: as many as `units`. With one tokenizer for both
        sides there is one embedding.
    tied: whether the outputs' weights are the embedding's (Press and Wolf, "Using the output
        embedding", 2017).
    bidirectional: whether the encoder reads in both directions.
    attention: `multiplicative` or `additive`: see `stages.networks.attention`.
    decoder_layers: recurrent layers of the decoder. The first one asks, the others know the answer.
    input_feeding: the last one asks, and the first one gets the answer with the next token, as
        `stages.networks.feeding` has it. The network then loads only where Reprise is imported.
    embedding_dropout: part of the embeddings that is dropped in training; `dropout` is that of all
        layers' outputs.
    label_smoothing: share of a training target that is divided among all tokens.
    copy: whether a token may be copied from the source, as attention points at it, rather than
        written (See et al., "Get to the point: summarization with pointer-generator networks",
        2017). So can words be that the tokenizer does not know.
    coverage: weight in the loss of attention that returns to where it has been (See et al., 2017);
        null: 0. With `input_feeding` attention sees where it has been, too.
    """

    embedding: Count | None = None
    tied: bool = True
    bidirectional: bool = True
    attention: Literal["multiplicative", "additive"] = "multiplicative"
    decoder_layers: Annotated[int, Field(ge=1, le=9)] = 2
    input_feeding: bool = False
    embedding_dropout: Rate = 0.0
    label_smoothing: Rate = 0.0
    copy_tokens: Annotated[bool, Field(alias="copy")] = False
    coverage: Annotated[float, Field(ge=0)] | None = None


def batches(examples: Examples, split: str, parameters: Parameters) -> Pairs:
    """Returns the pairs of a split."""
    if parameters.copy_tokens and not len(examples.copies):
        raise InputError(
            "train.copy: expected tokens that stand for the same on both sides, received "
            f"{examples.units['source']} and {examples.units['target']}: set "
            "tokenize_text.unit to words or bytes with one tokenizer for both, or copy to false"
        )
    return Pairs(examples, examples.numbers_of(split), parameters.copy_tokens)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of -log p of each target, and with `coverage` of its
    part, and how many targets there are."""
    from stages.networks import pointer
    from stages.networks.backend import tf
    from stages.networks.losses import cross_entropy

    smoothing, coverage = parameters.label_smoothing, parameters.coverage or 0.0

    def of_batch(outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        targets, mask = batch["targets"], batch["mask"]
        steps = tf.shape(batch["inputs"]["source"])[1]
        if parameters.copy_tokens:
            ids, copies = tf.shape(outputs)[2] - steps - 1, batch["given"]["copies"]
            losses = pointer.nats(targets, outputs, ids, copies, smoothing)
        else:
            logits = outputs[:, :, :-steps] if coverage else outputs
            losses = cross_entropy(targets, logits, smoothing)
        if coverage:
            losses += coverage * pointer.coverage(outputs[:, :, -steps:], mask)
        return tf.reduce_sum(losses * mask), tf.reduce_sum(mask)

    return of_batch


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only: see
    `stages.networks.encoder_decoder.build`."""
    from stages.networks import encoder_decoder

    shape = encoder_decoder.Shape(
        source_ids=examples.sizes["source"],
        target_ids=examples.sizes["target"],
        shared=examples.shared,
        width=parameters.embedding or parameters.units,
        tied=parameters.tied,
        cell=parameters.cell,
        units=parameters.units,
        layers=parameters.layers,
        decoder_layers=parameters.decoder_layers,
        bidirectional=parameters.bidirectional,
        attention=parameters.attention,
        input_feeding=parameters.input_feeding,
        coverage=parameters.input_feeding and bool(parameters.coverage),
        gate=parameters.copy_tokens,
        weights=parameters.copy_tokens or bool(parameters.coverage),
        embedding_dropout=parameters.embedding_dropout,
        dropout=parameters.dropout,
        fast=parameters.fast,
    )
    return encoder_decoder.build(shape, name)


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Changes nothing: the weights are those of training."""
    return {}
