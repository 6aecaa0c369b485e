"""A softmax over a large vocabulary whose sum is computed in part and estimated in part, so that it
costs as much as that over a small one.

The exponentials of the frequent tokens are added up; the sum over all others is estimated from a
sample of them, by importance (Bengio and Senécal, "Adaptive importance sampling to accelerate
training of a neural probabilistic language model", 2008). Every target's own term is exact. Where
all tokens are frequent it is the plain softmax.
"""

from typing import Any

import numpy as np

from stages.networks.backend import keras, tf

# The logit of a token that is left out.
_NEVER = -1e9


class SampledSoftmax(keras.layers.Layer):
    """-log p of targets, where a token's logit is the product of what a network says and of what is
    known of the token by its embedding (Press and Wolf, "Using the output embedding", 2017), and a
    bias. It is trained with a network that is not saved."""

    def __init__(
        self,
        words: keras.Model,
        frequent: np.ndarray,
        rare: np.ndarray,
        sampled: int,
        **arguments: Any,
    ) -> None:
        """Args:
        words: ids (batch, steps) -> embeddings (batch, steps, features).
        frequent: the tokens whose terms are all computed.
        rare: (ids,) how often each other token is in the text that is sampled; 0: never.
        sampled: how many samples are used at most.
        """
        super().__init__(**arguments)
        self.words, self.frequent, self.sampled = words, frequent, sampled
        # Of a sample of n tokens each stands for so many divided by n.
        self.shares = np.log(max(rare.sum(), 1) / np.maximum(rare, 1)).astype(np.float32)
        self.any_rare = bool(rare.any())

    def build(self, *_: Any) -> None:
        self.bias = self.add_weight((len(self.shares),), initializer="zeros", name="bias")

    def call(self, hidden: Any, targets: Any, samples: Any) -> Any:
        """Returns the losses, (batch, steps), of `hidden` (batch, steps, features) and `targets`
        (batch, steps), by `samples` (batch, any number) of the rare tokens."""
        flat, own = tf.reshape(hidden, [-1, hidden.shape[-1]]), tf.reshape(targets, [-1])
        candidates, shift = tf.constant(self.frequent), tf.zeros(len(self.frequent))
        if self.any_rare:
            drawn = tf.reshape(samples, [-1])[: self.sampled]
            candidates = tf.concat([candidates, drawn], 0)
            count = tf.math.log(tf.cast(tf.shape(drawn)[0], tf.float32))
            shift = tf.concat([shift, tf.gather(self.shares, drawn) - count], 0)
        bias = tf.convert_to_tensor(self.bias)
        logits = tf.matmul(flat, self.words(candidates[None])[0], transpose_b=True)
        known = self.words(targets)
        logit = tf.reduce_sum(hidden * known, -1) + tf.gather(bias, targets)
        losses = cross_entropy(
            logits, shift + tf.gather(bias, candidates), tf.reshape(logit, [-1]), own, candidates
        )
        return tf.reshape(losses, tf.shape(targets))

    def compute_output_spec(self, hidden: Any, targets: Any, samples: Any) -> Any:
        return keras.KerasTensor(targets.shape, "float32")


def cross_entropy(logits: Any, shift: Any, own: Any, targets: Any, candidates: Any) -> Any:
    """Returns log(exp(own) + the sum of exp(logits + shift) over candidates that are not the
    target) - own, (rows,), with its gradient written out: half as many passes over all logits.

    Args:
        logits: (rows, candidates). shift: (candidates,). own: (rows,) logits of the targets.
        targets: (rows,) and candidates: (candidates,) ids.
    """

    @tf.custom_gradient
    def apply(logits: Any, shift: Any, own: Any) -> Any:
        losses, total = _forward(logits, shift, own, targets, candidates)

        def gradient(upstream: Any) -> Any:
            return _backward(logits, shift, own, targets, candidates, total, upstream)

        return losses, gradient

    return apply(logits, shift, own)


def _shifted(logits: Any, shift: Any, targets: Any, candidates: Any) -> Any:
    return tf.where(targets[:, None] == candidates, _NEVER, logits + shift)


@tf.function(jit_compile=True, autograph=False)
def _forward(logits: Any, shift: Any, own: Any, targets: Any, candidates: Any) -> Any:
    shifted = _shifted(logits, shift, targets, candidates)
    highest = tf.maximum(tf.reduce_max(shifted, -1), own)
    others = tf.reduce_sum(tf.exp(shifted - highest[:, None]), -1)
    total = tf.math.log(others + tf.exp(own - highest)) + highest
    return total - own, total


@tf.function(jit_compile=True, autograph=False)
def _backward(
    logits: Any, shift: Any, own: Any, targets: Any, candidates: Any, total: Any, upstream: Any
) -> Any:
    shifted = _shifted(logits, shift, targets, candidates)
    shares = tf.exp(shifted - total[:, None]) * upstream[:, None]
    return shares, tf.reduce_sum(shares, 0), (tf.exp(own - total) - 1.0) * upstream
