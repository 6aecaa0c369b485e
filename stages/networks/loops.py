"""The loops over time that XLA compiles: forward, and backward with the gradients written out.

Shapes: T steps, B rows of a batch, F features, U units, G gates. What a loop keeps is time-major,
so that a step is one contiguous block of memory. What makes the loops fast:

- In training, the input product of all steps is one matrix product before the loop, and the
  gradients of all weights are one after it, by TensorFlow's own kernel, which is faster than XLA's.
  In prediction the inputs and states of a step side by side are one product, except for GRU.
- The backward loop holds only the gradients of the gates and one product with the transposed
  recurrent kernel.
- A step reads its values from an array over time where it uses them, each gate with a slice of its
  own. If XLA slices once and divides the slice afterwards, it reads the step's number again for
  every value, and the kernel is not vectorized.
- A compiled function stays on the thread that called it. XLA hands work to TensorFlow's thread pool
  where it copies a large array, or has more than nine kernels that wait for nothing; then the
  shards of a batch wait for each other. So no two arrays start with equal contents (XLA would make
  one, and copy it), and no array is returned that was passed in.

The gradients are those of back-propagation through time (Werbos, 1990), for the equations of
`stages.networks.cells`.
"""

from typing import Any, NamedTuple

import numpy as np

from stages.networks.backend import tf
from stages.networks.cells import Cell

# XLA's matrix products (Eigen's) add up longer sums in pieces whose length follows the size of the
# processor's first cache, and is 400 for the smallest one, of 32 KiB. No result may depend on it.
LONGEST = 400


class Weights(NamedTuple):
    """Input kernel (F, G U) or None, recurrent kernel (U, G U), and the biases (G U,) of the inputs
    and of the recurrence, or None."""

    kernel: Any = None
    recurrent: Any = None
    bias: Any = None
    recurrent_bias: Any = None


@tf.function(jit_compile=True, autograph=False)
def forward(
    cell: Cell,
    inputs: Any,
    states: list[Any],
    weights: Weights,
    mask: Any,
    dropped: Any,
    training: bool,
    sequences: bool,
    limit: int | None = None,
) -> tuple[Any, list[Any], list[Any]]:
    """Returns the outputs (B, T, U) or None, the last states, and, in training in place of the
    outputs, what the backward loop needs over time: the gates (T, B, G U), the states (T + 1, B, U)
    with the initial ones, and what else the cell keeps (T, B, U).

    The recurrent kernel may hold the input kernel above it, and have more columns. `limit` is the
    number of steps where it is known: without it TensorFlow's gradient cannot be compiled.
    """
    steps, units = tf.shape(inputs)[1], states[0].shape[1]
    by_time = tf.transpose(inputs, [1, 0, 2])
    real = None if mask is None else _over_time(tf.transpose(mask)[:, :, None])
    kernel = None if weights.kernel is None else _pieces(weights.kernel)
    recurrent = _blocks(weights.recurrent, dropped, 1)
    if training:
        by_time = by_time if kernel is None else _product(by_time, kernel)
        arrays = _arrays(cell, by_time, steps, states)
    else:
        arrays = [_empty(steps, states[0])] * sequences

    def body(t: Any, states: tuple[Any, ...], arrays: tuple[Any, ...]) -> Any:
        z = arrays[0].read(t) if training else _columns(by_time, t, 0, by_time.shape[2])
        if kernel is not None and not training:
            # Where nothing is kept, a small product in each step costs less than taking the result
            # of a large one through memory.
            z = _product(z, kernel)
        gates, after, kept = _step(cell, z, states, weights, recurrent, dropped)
        if real is not None:
            after = tuple(
                tf.where(real.read(t), new, old) for new, old in zip(after, states, strict=True)
            )
        writes = [(t, after[0])]
        if training:
            writes = [(t, gates), *((t + 1, state) for state in after), *((t, x) for x in kept)]
        arrays = tuple(array.write(*write) for array, write in zip(arrays, writes, strict=False))
        return t + 1, after, arrays

    _, last, arrays = tf.while_loop(
        lambda t, *_: t < steps, body, (0, tuple(states), tuple(arrays)), maximum_iterations=limit
    )
    if training:
        return None, list(last), [array.stack() for array in arrays]
    if not sequences:
        return None, list(last), []
    outputs = tf.ensure_shape(arrays[0].stack(), [None, None, units])
    return tf.transpose(outputs, [1, 0, 2]), list(last), []


def _arrays(cell: Cell, z: Any, steps: Any, states: list[Any]) -> list[Any]:
    """Returns the arrays over time that training keeps. A step's gates overwrite z, from which they
    are computed."""
    initial = [
        _empty(steps + 1, state, number).write(0, state) for number, state in enumerate(states)
    ]
    return [_over_time(z), *initial, *[_empty(steps, states[0], cell.states)] * (cell.gates == 3)]


def _step(
    cell: Cell,
    z: Any,
    states: tuple[Any, ...],
    weights: Weights,
    recurrent: list[Any],
    dropped: Any,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Returns what `cell.step` does, of the product of a step's inputs; or of the inputs, where the
    recurrent kernel holds the input kernel above it. `recurrent`: its `_blocks`."""
    hidden, units = states[0], states[0].shape[1]
    if weights.recurrent.shape[0] > units:
        z, hidden = 0.0, tf.concat([z, hidden], 1)
    inner = _gates(hidden, recurrent, dropped)[:, : cell.gates * units]
    inner = inner if weights.recurrent_bias is None else inner + weights.recurrent_bias
    return cell.step(z if weights.bias is None else z + weights.bias, inner, states)


@tf.function(jit_compile=True, autograph=False)
def backward(
    cell: Cell,
    d_outputs: Any,
    d_states: list[Any],
    saved: list[Any],
    transposed: Any,
    mask: Any,
    dropped: Any,
) -> tuple[Any, ...]:
    """Returns the gradients with respect to the initial states, and to `inner` of all steps
    (T, B, G U); and for GRU, where that with respect to z differs in the last gate, this one
    (T, B, U).

    Args:
        d_outputs: the gradient with respect to the outputs (B, T, U), or None.
        d_states: those with respect to the last states.
        saved: what `forward` keeps.
        transposed: the transposed recurrent kernel.
    """
    steps, units = tf.shape(saved[0])[0], transposed.shape[1]
    blocks = _blocks(transposed, dropped, 0)
    real = None if mask is None else tf.transpose(mask)[:, :, None]
    written = [_empty(steps, saved[0][0])] + [_empty(steps, saved[1][0], 1)] * (cell.gates == 3)

    def body(t: Any, d: tuple[Any, ...], written: tuple[Any, ...]) -> Any:
        if d_outputs is not None:
            d = (d[0] + d_outputs[:, t], *d[1:])
        gates = [_columns(saved[0], t, gate * units, units) for gate in range(cell.gates)]
        others = tuple(_columns(array, t, 0, units) for array in saved[1:])
        d_inner, d_new, direct = cell.back(gates, others[: cell.states], others[cell.states :], d)
        if real is not None:
            d_inner, d_new, direct = _only(_columns(real, t, 0, 1), d_inner, d_new, direct, d)
        d_hidden = _states(d_inner, blocks, dropped)
        d_hidden = d_hidden if direct[0] is None else d_hidden + direct[0]
        written = tuple(
            array.write(t, value) for array, value in zip(written, (d_inner, d_new), strict=False)
        )
        return t - 1, (d_hidden, *direct[1:]), written

    _, d_states, written = tf.while_loop(
        lambda t, *_: t >= 0, body, (steps - 1, tuple(d_states), tuple(written))
    )
    return list(d_states), *(array.stack() for array in written)


def _only(
    real: Any, d_inner: Any, d_new: Any, direct: tuple[Any, ...], d: tuple[Any, ...]
) -> tuple[Any, Any, tuple[Any, ...]]:
    """Returns the gradients of a step that counts only for some rows; in the others the gradients
    `d` go through to the states before it."""
    d_inner = tf.where(real, d_inner, tf.zeros_like(d_inner))
    d_new = None if d_new is None else tf.where(real, d_new, tf.zeros_like(d_new))
    direct = tuple(
        tf.where(real, tf.zeros_like(old) if new is None else new, old)
        for new, old in zip(direct, d, strict=True)
    )
    return d_inner, d_new, direct


def _gates(hidden: Any, blocks: list[Any], dropped: Any) -> Any:
    """Returns h R (B, G U), each gate with its own dropout of h."""
    if dropped is None:
        return _product(hidden, blocks)
    gates = zip(tf.unstack(dropped), blocks, strict=True)
    return tf.concat([_product(hidden * factor, _pieces(kernel)) for factor, kernel in gates], 1)


def _states(d_inner: Any, blocks: list[Any], dropped: Any) -> Any:
    """Returns the gradient with respect to h (B, U), of that with respect to h R."""
    if dropped is None:
        return _product(d_inner, blocks)
    gates = zip(tf.unstack(dropped), tf.split(d_inner, len(blocks), 1), blocks, strict=True)
    return tf.add_n(
        [_product(d_gate, _pieces(kernel)) * factor for factor, d_gate, kernel in gates]
    )


def _blocks(matrix: Any, dropped: Any, axis: int) -> list[Any]:
    """Returns what a step multiplies with, cut before the loop and not in each step: the matrix in
    pieces; with dropout, that of each gate along `axis`."""
    return _pieces(matrix) if dropped is None else tf.split(matrix, dropped.shape[0], axis)


def _pieces(matrix: Any) -> list[Any]:
    """Returns the rows of a matrix (N, M) in pieces of at most `LONGEST`."""
    count = -(-matrix.shape[0] // LONGEST)
    sizes = [len(piece) for piece in np.array_split(np.arange(matrix.shape[0]), count)]
    return tf.split(matrix, sizes)


def _product(left: Any, right: list[Any]) -> Any:
    """Returns the product of (..., N) and the matrix (N, M) whose `_pieces` are given."""
    parts = zip(tf.split(left, [piece.shape[0] for piece in right], -1), right, strict=True)
    return tf.add_n([tf.tensordot(*part, 1) for part in parts])


def _columns(array: Any, t: Any, first: int, count: int) -> Any:
    """Returns some columns of step t, (B, count), of an array (T, B, ...)."""
    return tf.reshape(tf.slice(array, [t, 0, first], [1, tf.shape(array)[1], count]), [-1, count])


def _over_time(array: Any) -> Any:
    return tf.TensorArray(
        array.dtype, tf.shape(array)[0], clear_after_read=False, element_shape=array.shape[1:]
    ).unstack(array)


def _empty(steps: Any, like: Any, number: int = 0) -> Any:
    """Returns an array over time to write to. It is filled with `number`, so that XLA does not
    take it for another one."""
    filled = tf.fill(tf.concat([[steps], tf.shape(like)], 0), tf.cast(number, like.dtype))
    return _over_time(tf.ensure_shape(filled, [None, *like.shape]))
