"""From a network's scores to the tags of sentences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.kinds.sequence_tagging import Examples
from stages.kinds.sequence_tagging.train import Sentences
from stages.text import tags


def decode(
    predict: Callable[..., np.ndarray], examples: Examples, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most probable tags that keep the rules of their scheme, and the probability of
    each of them, (tokens,) each, of all tokens of the sentences `numbers`.

    Args:
        predict: the network: batches, and what is kept of the outputs -> that.
    """
    names = examples.tag_names[: examples.tags_known]
    allowed, ends = tags.allowed(names, examples.scheme)

    def reduce(outputs: Any, batch: dict[str, Any]) -> Any:
        from stages.networks import crf
        from stages.networks.backend import tf

        # Without a random field no pair of tags has a score of its own.
        size = outputs.shape[-1]
        pairs = outputs if outputs.shape.rank == 4 else tf.repeat(outputs[:, :, None], size, 2)
        found, probability = crf.decode(pairs, batch["mask"], allowed, ends)
        return tf.stack([tf.cast(found, tf.float32), probability], -1)

    sentences = Sentences(examples, numbers)
    kept = predict(sentences, reduce)
    own = np.arange(kept.shape[1]) < sentences.lengths[:, None]
    return kept[own][:, 0].astype(np.int32), kept[own][:, 1]
