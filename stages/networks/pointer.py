"""Tokens that are copied from the source, as attention points at them, rather than written, and
attention that does not return to where it has been (See et al., "Get to the point: summarization
with pointer-generator networks", 2017).

The outputs of `stages.networks.encoder_decoder` have, behind the logits of the ids, the logit of
writing, and the weights of attention. A token's probability is that of writing times the softmax of
its logit, and that of copying times the weights of the source's tokens that are equal to it. Ids
from `ids` on are of tokens that cannot be written.
"""

from typing import Any

from stages.networks.backend import tf
from stages.networks.losses import cross_entropy
from stages.text.tokens import UNKNOWN

# Instead of a probability of 0.
LEAST = 1e-30


def log_probabilities(outputs: Any, ids: int, copies: Any, extended: Any) -> Any:
    """Returns log p of all ids and `extended` more, (batch, steps, ids + extended).

    Args:
        outputs: (batch, steps, ids + 1 + source steps).
        copies: (batch, source steps) the id that stands for each of the source's tokens, -1 for
            none.
    """
    logs = tf.nn.log_softmax(outputs[:, :, :ids])
    gate, weights = outputs[:, :, ids : ids + 1], outputs[:, :, ids + 1 :]
    shape = tf.shape(outputs)
    every = tf.stack([shape[0], shape[1], ids + extended])
    places = tf.meshgrid(tf.range(shape[0]), tf.range(shape[1]), indexing="ij")
    row, step = (tf.repeat(place[:, :, None], tf.shape(copies)[1], 2) for place in places)
    repeated = tf.repeat(tf.maximum(copies, 0)[:, None], shape[1], 1)
    own = weights * tf.cast(copies >= 0, weights.dtype)[:, None]
    copied = tf.scatter_nd(tf.stack([row, step, repeated], -1), own, every)
    written = tf.pad(tf.exp(logs), [[0, 0], [0, 0], [0, extended]])
    share = tf.sigmoid(gate)
    return tf.math.log(tf.maximum(share * written + (1 - share) * copied, LEAST))


def nats(targets: Any, outputs: Any, ids: int, copies: Any, smoothing: float) -> Any:
    """Returns -log p of each target (batch, steps), without the probabilities of all others.

    Args:
        smoothing: share of -log p of what is written that is that of all ids, on average.
    """
    logits, gate, weights = outputs[:, :, :ids], outputs[:, :, ids], outputs[:, :, ids + 1 :]
    writable = targets < ids
    written = cross_entropy(tf.where(writable, targets, UNKNOWN), logits)
    equal = tf.cast(copies[:, None] == targets[:, :, None], weights.dtype)
    copied = _log(tf.maximum(tf.reduce_sum(weights * equal, -1), LEAST))
    written = tf.where(writable, tf.math.log_sigmoid(gate) - written, tf.math.log(LEAST))
    copied = tf.math.log_sigmoid(-gate) + copied
    highest = tf.maximum(written, copied)
    mixed = _log(tf.exp(written - highest) + tf.exp(copied - highest)) + highest
    if not smoothing:
        return -mixed
    return -(1 - smoothing) * mixed + smoothing * cross_entropy(targets * 0, logits, 1.0)


@tf.custom_gradient
def _log(values: Any) -> Any:
    """Returns the logarithm. TensorFlow's own gradient may start from an approximation of the
    processor's."""
    return tf.math.log(values), lambda upstream: upstream / values


def coverage(weights: Any, mask: Any) -> Any:
    """Returns the loss of attention that returns, (batch, steps): for each of the source's tokens
    the smaller of its weight now and the sum of its weights before.

    Args:
        weights: (batch, steps, source steps). mask: (batch, steps), 0 for padding.
    """
    own = weights * mask[:, :, None]
    before = tf.cumsum(own, 1, exclusive=True)
    return tf.reduce_sum(tf.minimum(own, before), -1)
