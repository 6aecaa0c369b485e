"""A recurrent layer's outputs and states, by the compiled loops, with gradients of any order.

Shapes: T steps, B rows of a batch, F features, U units, G gates (1, 4, 3).
"""

from typing import Any

import numpy as np

from stages.networks.backend import tf
from stages.networks.cells import Cell
from stages.networks.loops import Weights, backward, forward

# Shards of a batch are computed side by side, each on one core. The number is fixed, so that
# results do not depend on how many cores there are.
SHARDS = 2

# From so many steps on it pays to copy the kernels into a form that makes each step faster.
LONG = 16


@tf.function(autograph=False)
def compute(
    cell: Cell,
    inputs: Any,
    states: list[Any],
    weights: Weights,
    mask: Any,
    dropped: Any,
    known: tuple[int | None, int | None],
    training: bool,
    sequences: bool,
    shards: int = SHARDS,
    exact: bool = False,
    within_xla: bool = False,
) -> tuple[Any, list[Any]]:
    """Returns the outputs (B, T, U), or None without `sequences`, and the last states, (B, U) each.

    Args:
        inputs: (B, T, F); without an input kernel (B, T, G U), what the gates take from the inputs.
        mask: (B, T), False where a step leaves the states as they are; or None.
        dropped: (G, B, U), the factors of the recurrent dropout for each gate; or None.
        known: B and T, each None where it is unknown when the graph is made. Else TensorFlow would
            use what it traced for unknown sizes for known ones too, if it had met these before.
        training: whether the forward loop keeps what the backward one needs. Gradients are right
            without it too, but cost one more forward loop.
        exact: whether an unknown T is used as it is, and the loops compiled for each, rather than
            rounded up.
        within_xla: whether XLA compiles the calling function. It is not used, but traced anew for:
            TensorFlow makes other gradients there, of loops that are not compiled on their own, and
            would otherwise reuse those that it made elsewhere.
    """
    rows, steps = (tf.shape(inputs)[axis] if n is None else n for axis, n in enumerate(known))
    size, length = _whole(rows, shards), steps if exact else _whole(steps, 1)
    # A size that is known is an int, one that is not a tensor.
    longer = not (exact or isinstance(length, int))
    pads = longer or not (isinstance(size, int) and size == rows)
    if longer and mask is None:
        mask = tf.ones([rows, steps], tf.bool)
    if pads:
        inputs = _padded(inputs, {0: size, 1: length})
        states = [_padded(state, {0: size}) for state in states]
        mask = mask if mask is None else _padded(mask, {0: size, 1: length})
        dropped = dropped if dropped is None else _padded(dropped, {1: size})
    shards = 1 if known[0] is not None and known[0] < 2 * shards else shards
    outputs, last = _sharded(
        shards, cell, inputs, states, weights, mask, dropped, training, sequences
    )
    if pads:
        outputs = None if outputs is None else outputs[:rows, :steps]
        last = [state[:rows] for state in last]
    # What is known when the graph is made stays known for the next layer.
    units = states[0].shape[1]
    for state in last:
        state.set_shape([known[0], units])
    return None if outputs is None else tf.ensure_shape(outputs, [*known, units]), last


def _whole(size: Any, multiple: int) -> Any:
    """Returns the size to which an axis is padded.

    A size that is known when the graph is made is kept (made even, where there are two shards). One
    that is unknown may take many values, and each would be compiled anew: it is rounded up to the
    next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...
    """
    if isinstance(size, int):
        return size if size < 2 * multiple else size + size % multiple
    exponent = tf.floor(tf.math.log(tf.cast(tf.maximum(size, 1), tf.float64)) / np.log(2) + 1e-9)
    power = tf.cast(tf.round(2.0**exponent), tf.int32)
    middle = power + power // 2
    whole = tf.where(size <= power, power, tf.where(size <= middle, middle, 2 * power))
    return (whole + multiple - 1) // multiple * multiple


def _padded(array: Any, sizes: dict[int, Any]) -> Any:
    """Returns the array with zeros at the end of some axes, up to `sizes`, ints or tensors."""
    shape = [sizes.get(axis, size) for axis, size in enumerate(array.shape)]
    ends = [
        [0, 0 if isinstance(new, int) and new == old else new - tf.shape(array)[axis]]
        for axis, (new, old) in enumerate(zip(shape, array.shape, strict=True))
    ]
    known = [size if isinstance(size, int) else None for size in shape]
    return tf.ensure_shape(tf.pad(array, ends), known)


def _sharded(
    shards: int,
    cell: Cell,
    inputs: Any,
    states: list[Any],
    weights: Weights,
    mask: Any,
    dropped: Any,
    training: bool,
    sequences: bool,
) -> tuple[Any, list[Any]]:
    """Returns the outputs and last states of a batch whose shards are computed side by side."""

    def split(array: Any, axis: int = 0) -> list[Any]:
        return [None] * shards if array is None else tf.split(array, shards, axis)

    pieces = zip(
        split(inputs),
        zip(*map(split, states), strict=True),
        split(mask),
        split(dropped, 1),
        strict=True,
    )
    results = [_shard(cell, *piece, weights, training, sequences) for piece in pieces]
    outputs, *last = (
        None if tensors[0] is None else tf.concat(tensors, 0)
        for tensors in zip(*results, strict=True)
    )
    return outputs, last


def _shard(
    cell: Cell,
    inputs: Any,
    states: Any,
    mask: Any,
    dropped: Any,
    weights: Weights,
    training: bool,
    sequences: bool,
) -> tuple[Any, ...]:
    """Returns the outputs, or None, and the last states, with the gradients of `_gradient`."""

    @tf.custom_gradient
    def function(inputs: Any, states: Any, tensors: Any) -> Any:
        own = Weights(**tensors)
        outputs, last, kept = _forward(
            cell, inputs, states, own, mask, dropped, training, sequences
        )
        kept = [tf.stop_gradient(array) for array in kept]

        def gradient(*upstream: Any) -> Any:
            # What is differentiated once more has to be in the graph of this gradient.
            primals, *fixed = tf.nest.map_structure(
                lambda tensor: tensor if tensor is None else tf.identity(tensor),
                [[inputs, states, tensors], mask, dropped],
            )

            @tf.custom_gradient
            def once(primals: Any, upstream: Any) -> Any:
                saved = kept
                if not training:
                    saved = forward(cell, inputs, states, own, mask, dropped, True, False)[2]
                result = _gradient(cell, inputs, tensors, mask, dropped, saved, upstream)
                again = tf.function(_gradient_of_gradient, autograph=False)
                return tf.nest.flatten(result), lambda *d: again(
                    cell, primals, upstream, *fixed, list(d)
                )

            return once(primals, list(upstream))

        return ((outputs,) if sequences else ()) + tuple(last), gradient

    present = {name: array for name, array in weights._asdict().items() if array is not None}
    result = function(inputs, list(states), present)
    return tuple(result) if sequences else (None, *result)


def _forward(
    cell: Cell,
    inputs: Any,
    states: list[Any],
    weights: Weights,
    mask: Any,
    dropped: Any,
    training: bool,
    sequences: bool,
) -> tuple[Any, list[Any], list[Any]]:
    """Returns what `forward` does, and the outputs in training too; with the kernels in the form
    that is fastest for the number of steps."""
    kernel, recurrent = weights.kernel, weights.recurrent
    # In training both forms give the same bytes, so that an unknown number may be taken for a large
    # one.
    long = training if inputs.shape[1] is None else inputs.shape[1] >= LONG
    # In prediction inputs and states side by side are one product in each step. (What GRU's last
    # gate takes of them is not added up.)
    if long and not training and kernel is not None and cell.gates != 3:
        kernel, recurrent = None, tf.concat([kernel, recurrent], 0)
    recurrent = _off_page(recurrent) if long and dropped is None else recurrent
    fast = weights._replace(kernel=kernel, recurrent=recurrent)
    outputs, last, kept = forward(
        cell, inputs, states, fast, mask, dropped, training, sequences and not training
    )
    return tf.transpose(kept[1][1:], [1, 0, 2]) if training else outputs, last, kept


def _off_page(kernel: Any) -> Any:
    """Returns the kernel with some more columns, of zeros, where all its rows start at the same
    offset in a page of memory.

    The first cache holds few such addresses at a time: the product is a tenth slower.
    """
    row = kernel.shape[1] * kernel.dtype.size
    return tf.pad(kernel, [[0, 0], [0, 64 // kernel.dtype.size]]) if row % 4096 == 0 else kernel


def _gradient(
    cell: Cell,
    inputs: Any,
    weights: dict[str, Any],
    mask: Any,
    dropped: Any,
    saved: list[Any],
    upstream: list[Any],
) -> list[Any]:
    """Returns the gradients with respect to the inputs, the states and the weights.

    upstream: those with respect to the outputs, if there are any, and to the last states.
    """
    kernel, recurrent = weights.get("kernel"), weights["recurrent"]
    d_outputs, d_last = (
        (upstream[0], upstream[1:]) if len(upstream) > cell.states else (None, upstream)
    )
    d_states, *d_gates = backward(
        cell, d_outputs, d_last, saved, tf.transpose(recurrent), mask, dropped
    )
    d_weights = _gradient_of_weights(saved[1], inputs, kernel, dropped, *d_gates)._asdict()
    dz = d_gates[0]
    if d_gates[1:]:
        dz = tf.concat([dz[:, :, : -d_gates[1].shape[2]], d_gates[1]], 2)
    # Apart from the compiled loop, so that it is left out where nobody needs it.
    d_inputs = tf.transpose(
        dz if kernel is None else tf.tensordot(dz, kernel, [[2], [1]]), [1, 0, 2]
    )
    return [d_inputs, d_states, {name: d_weights[name] for name in weights}]


def _gradient_of_weights(
    hidden: Any, inputs: Any, kernel: Any, dropped: Any, d_inner: Any, d_new: Any = None
) -> Weights:
    """Returns the gradients with respect to the weights; without an input kernel there is none for
    it.

    Args:
        hidden: (T + 1, B, U) the states. inputs: (B, T, F).
        d_inner, d_new: what `backward` returns.
    """
    units = hidden.shape[2]
    d_inner = tf.reshape(d_inner, [-1, d_inner.shape[2]])
    columns = (
        []
        if kernel is None
        else [tf.reshape(tf.transpose(inputs, [1, 0, 2]), [-1, kernel.shape[0]])]
    )
    columns += [tf.ones_like(d_inner[:, :1])]
    hidden = hidden[:-1]
    if dropped is None:
        # The gradients of all weights are one product.
        left = tf.concat([tf.reshape(hidden, [-1, units]), *columns], 1)
        product = tf.matmul(left, d_inner, transpose_a=True)
        d_recurrent, product = product[:units], product[units:]
    else:
        gates = zip(tf.unstack(dropped), tf.split(d_inner, dropped.shape[0], 1), strict=True)
        blocks = [
            tf.matmul(tf.reshape(hidden * factor, [-1, units]), d_gate, transpose_a=True)
            for factor, d_gate in gates
        ]
        d_recurrent = tf.concat(blocks, 1)
        product = tf.matmul(tf.concat(columns, 1), d_inner, transpose_a=True)
    d_recurrent_bias = product[-1]
    if d_new is not None:
        new = tf.matmul(tf.concat(columns, 1), tf.reshape(d_new, [-1, units]), transpose_a=True)
        product = tf.concat([product[:, :-units], new], 1)
    d_kernel = None if kernel is None else product[:-1]
    return Weights(d_kernel, d_recurrent, product[-1], d_recurrent_bias)


def _gradient_of_gradient(
    cell: Cell, primals: Any, upstream: list[Any], mask: Any, dropped: Any, d: list[Any]
) -> list[Any]:
    """Returns the gradient of `_gradient` with respect to `primals` and `upstream`, times `d`.

    It is TensorFlow's own, of a loop that is not compiled, so it can be differentiated further.
    """
    inputs, states, tensors = primals
    _, last, kept = forward.python_function(
        cell, inputs, states, Weights(**tensors), mask, dropped, True, False, inputs.shape[1]
    )
    outputs = [tf.transpose(kept[1][1:], [1, 0, 2])] if len(upstream) > cell.states else []
    flat = tf.nest.flatten(primals)
    gradient = tf.gradients([*outputs, *last], flat, upstream, unconnected_gradients="zero")
    return tf.gradients(gradient, [*flat, *upstream], d, unconnected_gradients="zero")
