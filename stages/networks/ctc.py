"""Connectionist temporal classification (Graves, Fernández, Gomez and Schmidhuber, 2006).

A network gives each step of the inputs a score for each label and for the blank, the last class. A
path, one class per step, stands for the labels that are left when repeats are merged and blanks
removed. The probability of a sequence of labels is the sum of that of all paths that stand for it.

The states of a path are a blank before each label, the labels, and a blank at the end: blank 0,
label 1, blank 1, ..., label L, blank L. They are kept as two arrays, blanks and labels, in which
label 0 is impossible. A path stays in a state or goes to the next one, and may go from a label to
the next one if the two differ.

Shapes: B examples of a batch, T steps, C classes, L labels. The loss and its gradient, which is
written out by how probable it is to be in each label at each step, are each one loop over time in
log space that XLA compiles. A step behind an example's own leaves everything as it is.
"""

from typing import Any

from stages.networks.backend import tf

# The log-probability of what is impossible: exp of it is 0, and sums of it over all steps are
# finite numbers. No possible path has less than half of it.
_IMPOSSIBLE = -1e9


def loss(outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the sum of -log p of the labels of whole examples, and how many count; scalars.

    The labels of an example that has too few steps for them are impossible: the loss is then above
    1e8, and the gradient 0.

    Args:
        outputs: (B, T, C) scores, of which a softmax makes probabilities; the last one is that of
            the blank.
        batch: `targets` (B,) integers, how many labels each example has; `mask` (B,), 0 for what
            counts in nothing; and in `given` the `labels` (B, L), integers below C - 1, and `steps`
            (B,), integers, how many of the outputs are an example's own. An example's own labels
            and steps come first; what is behind them counts in nothing.

    Raises:
        NotImplementedError: if a gradient of the gradient is asked for.
    """
    given = batch["given"]
    mask = tf.cast(batch["mask"], outputs.dtype)
    # With label 0 in front.
    labels = tf.pad(tf.cast(given["labels"], tf.int32), [[0, 0], [1, 0]])
    counts, steps = tf.cast(batch["targets"], tf.int32), tf.cast(given["steps"], tf.int32)

    @tf.custom_gradient
    def negative(outputs: Any) -> tuple[Any, Any]:
        # Else TensorFlow would prepare the loops for gradients of their own.
        constant = tf.stop_gradient(outputs)
        losses, *kept = _losses(constant, labels, counts, steps)

        def gradient(upstream: Any) -> Any:
            return _once(
                _gradients(constant, labels, counts, steps, losses, *kept, upstream), outputs
            )

        return tf.cast(losses, outputs.dtype), gradient

    losses = tf.where(mask > 0, negative(outputs), 0.0)
    return tf.reduce_sum(losses), tf.reduce_sum(mask)


@tf.custom_gradient
def _once(gradient: Any, outputs: Any) -> tuple[Any, Any]:
    """Returns the gradient, whose own with respect to the outputs is an error, not zero."""

    def second(*_: Any) -> Any:
        raise NotImplementedError("the loss of CTC has first gradients only")

    return tf.identity(gradient), second


@tf.function(jit_compile=True, autograph=False)
def _losses(outputs: Any, labels: Any, counts: Any, steps: Any) -> tuple[Any, ...]:
    """Returns -log p (B,), and what the gradient needs: log p of the labels and the blank at each
    step (T, B, 1 + L), the blank first; alpha of the labels (T, B, 1 + L), log of the sum of the
    probabilities of all beginnings that end in a label at a step; and what was subtracted from it
    (T, B)."""
    length, blank = tf.shape(outputs)[1], outputs.shape[-1] - 1
    first = tf.range(tf.shape(labels)[1]) == 0
    columns = tf.where(first, blank, labels)
    scores = tf.gather(outputs, columns, axis=2, batch_dims=1)
    emissions = tf.transpose(scores - _log_sum(outputs)[:, :, None], [1, 0, 2])
    skips = _skips(labels)
    real = _real(steps, length)

    def body(t: Any, blanks: Any, own: Any, total: Any, written: Any, totals: Any) -> Any:
        either = _log_add(blanks, own)
        entered = tf.pad(
            tf.where(skips[:, 1:], either[:, :-1], blanks[:, :-1]),
            [[0, 0], [1, 0]],
            constant_values=_IMPOSSIBLE,
        )
        emission = emissions[t]
        blanks = tf.where(real[t], either + emission[:, :1], blanks)
        own = tf.where(real[t], _log_add(own, entered) + emission, own)
        blanks, own, total = _rescaled(blanks, own, total)
        return t + 1, blanks, own, total, written.write(t, own), totals.write(t, total)

    nothing = tf.fill(tf.shape(labels), tf.constant(_IMPOSSIBLE, outputs.dtype))
    start = (0, tf.where(first, 0.0, nothing), nothing, tf.zeros_like(counts, tf.float64))
    written = tf.TensorArray(outputs.dtype, length, element_shape=nothing.shape)
    totals = tf.TensorArray(tf.float64, length, element_shape=counts.shape)
    _, blanks, own, total, written, totals = tf.while_loop(
        lambda t, *_: t < length, body, (*start, written, totals), maximum_iterations=length
    )
    losses = -total - tf.cast(_at(_log_add(blanks, own), counts), total.dtype)
    return losses, emissions, written.stack(), totals.stack()


@tf.function(jit_compile=True, autograph=False)
def _gradients(
    outputs: Any,
    labels: Any,
    counts: Any,
    steps: Any,
    losses: Any,
    emissions: Any,
    alphas: Any,
    totals: Any,
    upstream: Any,
) -> Any:
    """Returns the gradient of -log p, (B, T, C), times `upstream` (B,): the probability of each
    class at each step, minus that of being in it given the labels."""
    length, blank = tf.shape(outputs)[1], outputs.shape[-1] - 1
    betas, behind = _backward(emissions, labels, counts, steps)
    of_all = tf.cast(losses + totals + behind, outputs.dtype)[:, :, None]
    inside = tf.exp(alphas[:, :, 1:] + betas[:, :, :-1] + of_all)
    inside = tf.where(_real(steps, length), inside, 0.0)
    labelled = _by_class(inside, labels[:, 1:], blank + 1)
    of_blank = tf.transpose(1 - tf.reduce_sum(inside, 2))[:, :, None]
    occupied = tf.where(tf.range(blank + 1) == blank, of_blank, labelled)
    errors = (tf.exp(outputs - _log_sum(outputs)[:, :, None]) - occupied) * upstream[:, None, None]
    counted = (losses < -_IMPOSSIBLE / 2) & (upstream != 0)
    own = counted[:, None] & (tf.range(length) < steps[:, None])
    return tf.where(own[:, :, None], errors, 0.0)


def _backward(emissions: Any, labels: Any, counts: Any, steps: Any) -> tuple[Any, Any]:
    """Returns beta of the labels 1 to L and of an impossible one, (T, B, L + 1): log of the sum of
    the probabilities of all that may come behind a label at a step; and what was subtracted from it
    (T, B)."""
    length, places = tf.shape(emissions)[0], tf.range(tf.shape(labels)[1])
    real, skips = _real(steps, length), _skips(labels)[:, 2:]
    skips = tf.pad(skips, [[0, 0], [0, 1]])
    # The label behind each blank, so that the loop shifts one array, after the sums that XLA would
    # compute again for each use.
    following = tf.pad(emissions[:, :, 1:], [[0, 0], [0, 0], [0, 1]])

    def body(t: Any, blanks: Any, own: Any, total: Any, written: Any, totals: Any) -> Any:
        written, totals = written.write(t, own), totals.write(t, total)
        blank, label = blanks + emissions[t][:, :1], own + following[t]
        either = _log_add(blank, label)
        left = tf.pad(
            tf.where(skips, either[:, 1:], blank[:, 1:]),
            [[0, 0], [0, 1]],
            constant_values=_IMPOSSIBLE,
        )
        own = tf.where(real[t], _log_add(label, left), own)
        blanks = tf.where(real[t], either, blanks)
        return t - 1, *_rescaled(blanks, own, total), written, totals

    nothing = tf.fill(tf.shape(labels), tf.constant(_IMPOSSIBLE, emissions.dtype))
    last = tf.where(places == counts[:, None], 0.0, nothing)
    last_label = tf.where(places + 1 == counts[:, None], 0.0, nothing)
    written = tf.TensorArray(emissions.dtype, length, element_shape=nothing.shape)
    totals = tf.TensorArray(tf.float64, length, element_shape=counts.shape)
    start = (length - 1, last, last_label, tf.zeros_like(counts, tf.float64), written, totals)
    *_, written, totals = tf.while_loop(
        lambda t, *_: t >= 0, body, start, maximum_iterations=length
    )
    return written.stack(), totals.stack()


def _rescaled(blanks: Any, own: Any, total: Any) -> tuple[Any, Any, Any]:
    """Returns the arrays with 0 as the highest number, and what has been subtracted in all, in
    double precision: log p of a long example has as many digits in front of the point as behind."""
    highest = tf.maximum(tf.reduce_max(blanks, 1), tf.reduce_max(own, 1))
    shift = highest[:, None]
    return blanks - shift, own - shift, total + tf.cast(highest, total.dtype)


def _by_class(inside: Any, labels: Any, classes: int) -> Any:
    """Returns the sums of (T, B, L) over the labels of each class, (B, T, C)."""
    rows = tf.shape(labels)[0]
    ids = labels + tf.range(rows)[:, None] * classes
    sums = tf.math.unsorted_segment_sum(tf.transpose(inside, [1, 2, 0]), ids, rows * classes)
    return tf.transpose(tf.reshape(sums, [rows, classes, -1]), [0, 2, 1])


def _skips(labels: Any) -> Any:
    """Returns whether a path may go to each label from the one before, (B, 1 + L)."""
    return labels != tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=-1)


def _real(steps: Any, length: Any) -> Any:
    """Returns which examples have a step of their own at each time, (T, B, 1) bool."""
    return tf.range(length)[:, None, None] < steps[:, None]


def _at(array: Any, counts: Any) -> Any:
    """Returns the entry of each row behind `counts` others, (B,)."""
    return tf.reduce_sum(tf.where(tf.range(tf.shape(array)[1]) == counts[:, None], array, 0.0), 1)


def _log_add(left: Any, right: Any) -> Any:
    """Returns log(exp(left) + exp(right))."""
    return tf.maximum(left, right) + tf.math.log(1 + tf.exp(-tf.abs(left - right)))


def _log_sum(scores: Any) -> Any:
    """Returns log of the sum of exp of the scores, over the last axis."""
    highest = tf.reduce_max(scores, -1, keepdims=True)
    return tf.math.log(tf.reduce_sum(tf.exp(scores - highest), -1)) + highest[..., 0]
