"""A linear-chain conditional random field (Lafferty, McCallum and Pereira, 2001).

A network gives potentials (batch, steps, tags, tags): entry (i, j) of step t is the score of tag j
at t behind tag i at t - 1, what the network reads at t and the transition added up. The first step
takes row `OUTSIDE`, as a text starts as if behind a token in no entity. The probability of a
sequence of tags is exp of the sum of its scores, divided by that of all sequences, Z.

Shapes: B rows of a batch, T steps, K tags. The loss and its gradient, which is written out by the
probabilities of pairs of tags, are each one loop over time in log space that XLA compiles. A step
that the mask excludes leaves everything as it is; a text's own steps come first.
"""

from typing import Any

from stages.networks.backend import keras, tf

OUTSIDE = 0

# The score of what is impossible: exp of it is 0, and sums of it over a text are finite numbers.
_IMPOSSIBLE = -1e9


def potentials(emissions: Any, tokens: Any) -> Any:
    """Returns the potentials, (B, T, K, K), by layers of Keras alone.

    Args:
        emissions: (B, T, K), the scores of the tags at each step.
        tokens: (B, T) integers, any input of the network: Keras needs one to make the matrix of the
            transitions, which is the embedding `transitions` of the numbers of the tags.
    """
    ops, tags = keras.ops, emissions.shape[-1]
    numbers = ops.zeros_like(tokens[:1, :1], dtype="int32") + ops.arange(tags, dtype="int32")
    layer = keras.layers.Embedding(tags, tags, embeddings_initializer="zeros", name="transitions")
    # In this order: `keras.ops.add` takes a second addend with one axis for a bias.
    return emissions[:, :, None, :] + layer(numbers)[:, None, :, :]


def loss(potentials: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the sum of -log p of whole texts' tags, and how many steps count; scalars.

    Args:
        potentials: (B, T, K, K).
        batch: `targets` (B, T) integers, and `mask` (B, T), 1 for a text's own steps, which come
            first. A row of zeros counts in nothing.

    Raises:
        NotImplementedError: if a gradient of the gradient is asked for.
    """
    targets, mask = tf.cast(batch["targets"], tf.int32), tf.cast(batch["mask"], potentials.dtype)

    @tf.custom_gradient
    def negative(potentials: Any) -> tuple[Any, Any]:
        # Else TensorFlow would prepare the loops for gradients of their own.
        constant = tf.stop_gradient(potentials)
        losses, alphas = _losses(constant, targets, mask)

        def gradient(upstream: Any) -> Any:
            return _once(_gradients(constant, targets, mask, alphas, upstream), potentials)

        return losses, gradient

    return tf.reduce_sum(negative(potentials)), tf.reduce_sum(mask)


def decode(potentials: Any, mask: Any, allowed: Any, ends: Any = None) -> tuple[Any, Any]:
    """Returns the most probable allowed tags, (B, T) int32, and the probability of each of them
    alone, (B, T), among all allowed sequences. Behind a text's own steps both are 0.

    Args:
        potentials: (B, T, K, K).
        mask: (B, T), 1 for a text's own steps.
        allowed: (K + 1, K) bool, whether a tag may follow another one; the last row: whether it may
            start a text.
        ends: (K,) bool, whether a tag may end a text; None: each may.
    """
    allowed = tf.cast(allowed, tf.bool)
    ends = tf.ones_like(allowed[0]) if ends is None else tf.cast(ends, tf.bool)
    return _decode(potentials, tf.cast(mask, potentials.dtype), allowed, ends)


@tf.custom_gradient
def _once(gradient: Any, potentials: Any) -> tuple[Any, Any]:
    """Returns the gradient, whose own with respect to the potentials is an error, not zero."""

    def second(*_: Any) -> Any:
        raise NotImplementedError("the loss of a conditional random field has first gradients only")

    return tf.identity(gradient), second


@tf.function(jit_compile=True, autograph=False)
def _losses(potentials: Any, targets: Any, mask: Any) -> tuple[Any, Any]:
    """Returns -log p (B,), and what the gradient needs: `_forward`."""
    tags = potentials.shape[-1]
    pairs = (_before(targets) * tags + targets)[:, :, None]
    flat = tf.reshape(potentials, [tf.shape(potentials)[0], -1, tags * tags])
    scores = tf.gather(flat, pairs, axis=2, batch_dims=2)[:, :, 0]
    alphas = _forward(potentials, mask, None)
    right = tf.reduce_sum(tf.where(mask > 0, scores, 0.0), 1)
    return _log_sum(alphas[-1], 1) - right, alphas


@tf.function(jit_compile=True, autograph=False)
def _gradients(potentials: Any, targets: Any, mask: Any, alphas: Any, upstream: Any) -> Any:
    """Returns the gradient of -log p, (B, T, K, K), times `upstream` (B,): the probability of each
    pair of tags at each step, minus 1 for the right one."""
    steps, tags = tf.shape(potentials)[1], tf.range(potentials.shape[-1])
    real = _real(mask)

    def body(t: Any, marginal: Any, written: Any) -> Any:
        before = tf.reduce_sum(_pairs(potentials[:, t], alphas, t, marginal), 2)
        return t - 1, tf.where(real[t], before, marginal), written.write(t, marginal)

    last = tf.nn.softmax(alphas[-1])
    written = tf.TensorArray(potentials.dtype, steps, element_shape=last.shape)
    _, _, written = tf.while_loop(
        lambda t, *_: t >= 0, body, (steps - 1, last, written), maximum_iterations=steps
    )
    by_row = tf.transpose(alphas, [1, 0, 2])
    given = tf.exp(by_row[:, :-1, :, None] + potentials - by_row[:, 1:, None, :])
    pairs = given * tf.transpose(written.stack(), [1, 0, 2])[:, :, None, :]
    is_before = (_before(targets)[:, :, None] == tags)[:, :, :, None]
    is_right = is_before & (targets[:, :, None] == tags)[:, :, None, :]
    errors = (pairs - tf.cast(is_right, pairs.dtype)) * upstream[:, None, None, None]
    return tf.where(mask[:, :, None, None] > 0, errors, 0.0)


@tf.function(autograph=False)
def _decode(potentials: Any, mask: Any, allowed: Any, ends: Any) -> tuple[Any, Any]:
    """Viterbi (1967), and the probabilities on the way back along the best sequence.

    It is not compiled by XLA, which would take longer than decoding a whole corpus.
    """
    rows, steps = tf.shape(potentials)[0], tf.shape(potentials)[1]
    real, closing = _real(mask), _score(ends)
    best, pointers = _viterbi(potentials, mask, allowed)
    alphas = _forward(potentials, mask, allowed)

    def body(t: Any, tag: Any, marginal: Any, tags: Any, probabilities: Any) -> Any:
        is_real, chosen = real[t][:, 0], tf.gather(marginal, tag, batch_dims=1)
        tags = tags.write(t, tf.where(is_real, tag, 0))
        probabilities = probabilities.write(t, tf.where(is_real, chosen, 0.0))
        pairs = _pairs(_constrained(potentials, allowed, t), alphas, t, marginal)
        marginal = tf.where(real[t], tf.reduce_sum(pairs, 2), marginal)
        tag = tf.where(is_real, tf.gather(pointers[t], tag, batch_dims=1), tag)
        return t - 1, tag, marginal, tags, probabilities

    first = (
        steps - 1,
        tf.argmax(best + closing, 1, tf.int32),
        tf.nn.softmax(alphas[-1] + closing),
        tf.TensorArray(tf.int32, steps, element_shape=mask[:, 0].shape),
        tf.TensorArray(potentials.dtype, steps, element_shape=mask[:, 0].shape),
    )
    *_, tags, probabilities = tf.while_loop(
        lambda t, *_: t >= 0, body, first, maximum_iterations=steps
    )
    # As numbers with a fraction, as TensorFlow warns on standard error where it transposes others.
    by_row = [
        tf.reshape(tf.transpose(tf.cast(array.stack(), potentials.dtype)), [rows, steps])
        for array in (tags, probabilities)
    ]
    return tf.cast(by_row[0], tf.int32), by_row[1]


def _forward(potentials: Any, mask: Any, allowed: Any) -> Any:
    """Returns alpha before the first step and after each one, (T + 1, B, K): log of the sum of exp
    of the scores of all beginnings that end in a tag."""
    steps, real = tf.shape(potentials)[1], _real(mask)

    def body(t: Any, alpha: Any, written: Any) -> Any:
        scores = alpha[:, :, None] + _constrained(potentials, allowed, t)
        alpha = tf.where(real[t], _log_sum(scores, 1), alpha)
        return t + 1, alpha, written.write(t + 1, alpha)

    start = _start(potentials)
    written = tf.TensorArray(start.dtype, steps + 1, element_shape=start.shape).write(0, start)
    *_, written = tf.while_loop(
        lambda t, *_: t < steps, body, (0, start, written), maximum_iterations=steps
    )
    return written.stack()


def _viterbi(potentials: Any, mask: Any, allowed: Any) -> tuple[Any, Any]:
    """Returns the score of the best sequence that ends in each tag, (B, K), and the tag before each
    one on the best way to it, (T, B, K)."""
    steps, real = tf.shape(potentials)[1], _real(mask)

    def body(t: Any, best: Any, pointers: Any) -> Any:
        scores = best[:, :, None] + _constrained(potentials, allowed, t)
        pointers = pointers.write(t, tf.argmax(scores, 1, tf.int32))
        return t + 1, tf.where(real[t], tf.reduce_max(scores, 1), best), pointers

    start = _start(potentials)
    pointers = tf.TensorArray(tf.int32, steps, element_shape=start.shape)
    _, best, pointers = tf.while_loop(
        lambda t, *_: t < steps, body, (0, start, pointers), maximum_iterations=steps
    )
    return best, pointers.stack()


def _pairs(scores: Any, alphas: Any, t: Any, marginal: Any) -> Any:
    """Returns the probabilities of the pairs of tags at t - 1 and t, (B, K, K), of the `marginal`
    ones of the tags at t, (B, K)."""
    given = tf.exp(alphas[t][:, :, None] + scores - alphas[t + 1][:, None, :])
    return given * marginal[:, None, :]


def _constrained(potentials: Any, allowed: Any, t: Any) -> Any:
    """Returns the potentials of a step, (B, K, K), with those that are not allowed out of reach."""
    if allowed is None:
        return potentials[:, t]
    follows = tf.where(
        tf.equal(t, 0), tf.broadcast_to(allowed[-1:], allowed[1:].shape), allowed[:-1]
    )
    return tf.where(follows, potentials[:, t], _IMPOSSIBLE)


def _start(potentials: Any) -> Any:
    """Returns alpha before the first step, (B, K): outside of entities, whatever comes."""
    start = _score(tf.range(potentials.shape[-1]) == OUTSIDE)
    return tf.tile(start[None], [tf.shape(potentials)[0], 1])


def _score(possible: Any) -> Any:
    return tf.where(possible, 0.0, _IMPOSSIBLE)


def _real(mask: Any) -> Any:
    """Returns which rows have a step of their own at each time, (T, B, 1) bool."""
    return (tf.transpose(mask) > 0)[:, :, None]


def _before(targets: Any) -> Any:
    """Returns the tag before each one, (B, T)."""
    return tf.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=OUTSIDE)


def _log_sum(scores: Any, axis: int) -> Any:
    """Returns log of the sum of exp of the scores."""
    highest = tf.reduce_max(scores, axis, keepdims=True)
    return tf.math.log(tf.reduce_sum(tf.exp(scores - highest), axis)) + tf.squeeze(highest, axis)
