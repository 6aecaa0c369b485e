"""From a network's scores to the tags of sentences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.kinds.sequence_tagging import Examples, agreeing
from stages.kinds.sequence_tagging.train import Sentences
from stages.text import entities, tags

# What may be taken off the scores of the tag O; of equal ones the first is taken.
BALANCES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, -0.25, -0.5, -0.75, -1.0)


def decode(
    predict: Callable[..., np.ndarray],
    examples: Examples,
    numbers: np.ndarray,
    agreement: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most probable tags that keep the rules of their scheme, and the probability of
    each of them, (tokens,) each, of all tokens of the sentences `numbers`.

    Args:
        predict: the network: batches, and what is kept of the outputs -> that.
        agreement: how far the occurrences of a name in neighbouring sentences agree on its type, 0
            to 1; above 0 each sentence is read twice.
    """
    decoder = _decoder(examples)

    def reduce(outputs: Any, batch: dict[str, Any]) -> Any:
        from stages.networks.backend import tf

        if agreement:
            added = batch["targets"]
            outputs += added[:, :, None] if outputs.shape.rank == 4 else added
        found, probability = decoder(outputs, batch)
        return tf.stack([tf.cast(found, tf.float32), probability], -1)

    sentences = Sentences(examples, numbers)
    if agreement:
        scores = _of_tokens(predict, sentences, _scores)
        added = agreeing.added(scores, examples, numbers, agreement)
        sentences = agreeing.Agreed(examples, numbers, added)
    kept = _of_tokens(predict, sentences, reduce)
    return kept[:, 0].astype(np.int32), kept[:, 1]


def _scores(outputs: Any, batch: dict[str, Any]) -> Any:
    """Returns the score of each tag by itself, (batch, steps, tags): of pairs, the mean over what
    stands before."""
    from stages.networks.backend import tf

    return tf.reduce_mean(outputs, 2) if outputs.shape.rank == 4 else outputs


def balance(predict: Callable[..., np.ndarray], examples: Examples) -> float:
    """Returns which of `BALANCES`, taken off the scores of the tag O, gives the best F1 on
    validation.

    Args:
        predict: as in `decode`.
    """
    decoder, names = _decoder(examples), examples.tag_names

    def reduce(outputs: Any, batch: dict[str, Any]) -> Any:
        from stages.networks.backend import tf

        outside = tf.one_hot(names.index(tags.OUTSIDE), outputs.shape[-1])
        found = [decoder(outputs - value * outside, batch)[0] for value in BALANCES]
        return tf.stack(found, -1)

    sentences = Sentences(examples, examples.numbers_of("validation"))
    found = _of_tokens(predict, sentences, reduce)
    place, offsets = examples.tokens_of("validation")
    gold = entities.find(np.asarray(examples.tags[place]), names, offsets)
    scores = [
        entities.count(gold, entities.find(each, names, offsets)).f1
        for each in np.ascontiguousarray(found.T)
    ]
    return BALANCES[int(np.argmax(scores))]


def _decoder(examples: Examples) -> Callable[[Any, dict[str, Any]], tuple[Any, Any]]:
    """Returns the function from a batch's outputs to its tags and their probabilities."""
    names = examples.tag_names[: examples.tags_known]
    allowed, ends = tags.allowed(names, examples.scheme)

    def decoded(outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        from stages.networks import crf
        from stages.networks.backend import tf

        # Without a random field no pair of tags has a score of its own.
        size = outputs.shape[-1]
        pairs = outputs if outputs.shape.rank == 4 else tf.repeat(outputs[:, :, None], size, 2)
        return crf.decode(pairs, batch["mask"], allowed, ends)

    return decoded


def _of_tokens(
    predict: Callable[..., np.ndarray],
    sentences: Sentences,
    reduce: Callable[[Any, dict[str, Any]], Any],
) -> np.ndarray:
    """Returns what is kept of the outputs of all tokens of sentences, (tokens, ...)."""
    kept = predict(sentences, reduce)
    return kept[np.arange(kept.shape[1]) < sentences.lengths[:, None]]
