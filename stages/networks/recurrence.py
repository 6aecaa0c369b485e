"""The recurrences of SimpleRNN, LSTM and GRU with their gradients written out, as loops that XLA
compiles.

Shapes: T steps, B rows of a batch, F features, U units, G gates (1, 4, 3). What a loop keeps is
time-major, so that a step is one piece of memory. What makes the loops fast:

- In training the input product of all steps is one matrix product before the loop. The gradients of
  all weights are one after it, which is
  TensorFlow's own, as that is faster than XLA's. In prediction a step's inputs and states side by
  side are one product, but for GRU.
- The backward loop holds nothing but the gradients of the gates and one product with the transposed
  recurrent kernel.
- What a step needs of an array over time is read where it is used, each gate by a slice of its own.
  Of a slice that is divided afterwards
  XLA makes a function that reads the step's number anew for every value, and the kernel is not
  vectorized.
- A compiled function stays on the thread that called it. XLA hands work to TensorFlow's pool of
  threads where it copies a large array, or
  has more than nine kernels that nothing stands before; then halves of a batch wait for each other.
  So no two arrays start equal (XLA would make one, and a copy), and none is returned that was
  given.

The gradients are those of back-propagation through time (Werbos, 1990), for the equations that
stand in each cell's `step`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.networks.backend import tf

# Parts of a batch run side by side, each on one core. The number is fixed, so that results do not
# depend on how many cores there are.
SHARDS = 2

# From so many steps on it pays to copy the kernels into a form that makes each step faster.
LONG = 16

# What `run` takes as weights, in this order.
WEIGHTS = ("kernel", "recurrent", "bias", "recurrent_bias")

# What an activation's derivative is, given the activation's value.
ACTIVATIONS = {
    "linear": (lambda a: a, tf.ones_like),
    "relu": (tf.nn.relu, lambda y: tf.cast(y > 0, y.dtype)),
    "sigmoid": (tf.sigmoid, lambda y: y * (1 - y)),
    "tanh": (tf.tanh, lambda y: 1 - y * y),
}


@dataclass(frozen=True)
class SimpleRNN:
    """h' = activation(z + h R), z = x W + b (Elman, 1990)."""

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 1
    states = 1

    def step(
        self, z: Any, inner: Any, states: tuple[Any, ...]
    ) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        """Returns the gates' values (B, G U), the new states, and what else `back` needs."""
        h = ACTIVATIONS[self.activation][0](z + inner)
        return h, (h,), ()

    def back(
        self, gates: list[Any], before: tuple[Any, ...], kept: tuple[Any, ...], d: tuple[Any, ...]
    ) -> Any:
        """Returns, of the loss, the gradients by `inner` and by `z` (None: the same), and by the
        states other than through `inner`."""
        return d[0] * ACTIVATIONS[self.activation][1](gates[0]), None, (None,)


@dataclass(frozen=True)
class LSTM:
    """i, f, o = sigmoid, g = tanh of the parts of z + h R; c' = f c + i g; h' = o tanh(c')
    (Hochreiter and Schmidhuber, 1997)."""

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 4
    states = 2

    def step(
        self, z: Any, inner: Any, states: tuple[Any, ...]
    ) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        activate, squash = (
            ACTIVATIONS[self.activation][0],
            ACTIVATIONS[self.recurrent_activation][0],
        )
        total = z + inner
        if (self.activation, self.recurrent_activation) == ("tanh", "sigmoid"):
            # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: so all four gates are one kernel that writes
            # into one array.
            scale = np.repeat([0.5, 0.5, 1.0, 0.5], states[0].shape[1]).astype(
                total.dtype.as_numpy_dtype
            )
            gates = scale * tf.tanh(scale * total) + (1 - scale) * (scale < 1)
        else:
            i, f, g, o = tf.split(total, 4, 1)
            gates = tf.concat([squash(i), squash(f), activate(g), squash(o)], 1)
        i, f, g, o = tf.split(gates, 4, 1)
        c = f * states[1] + i * g
        return gates, (o * activate(c), c), ()

    def back(
        self, gates: list[Any], before: tuple[Any, ...], kept: tuple[Any, ...], d: tuple[Any, ...]
    ) -> Any:
        slope, squashed = ACTIVATIONS[self.activation][1], ACTIVATIONS[self.recurrent_activation][1]
        i, f, g, o = gates
        activated = ACTIVATIONS[self.activation][0](f * before[1] + i * g)
        dc = d[1] + d[0] * o * slope(activated)
        inner = [
            dc * g * squashed(i),
            dc * before[1] * squashed(f),
            dc * i * slope(g),
            d[0] * activated * squashed(o),
        ]
        return tf.concat(inner, 1), None, (None, dc * f)


@dataclass(frozen=True)
class GRU:
    """u, r = sigmoid of the parts of z + inner; n = tanh(z_n + r inner_n); h' = u h + (1 - u) n;
    inner = h R + b' (Cho et al., 2014).

    With the reset gate after the product (`reset_after`), as in cuDNN.
    """

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 3
    states = 1

    def step(
        self, z: Any, inner: Any, states: tuple[Any, ...]
    ) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        units = states[0].shape[1]
        both = ACTIVATIONS[self.recurrent_activation][0](z[:, : 2 * units] + inner[:, : 2 * units])
        u, r = tf.split(both, 2, 1)
        n = ACTIVATIONS[self.activation][0](z[:, 2 * units :] + r * inner[:, 2 * units :])
        return tf.concat([both, n], 1), (u * states[0] + (1 - u) * n,), (inner[:, 2 * units :],)

    def back(
        self, gates: list[Any], before: tuple[Any, ...], kept: tuple[Any, ...], d: tuple[Any, ...]
    ) -> Any:
        squashed = ACTIVATIONS[self.recurrent_activation][1]
        u, r, n = gates
        dn = d[0] * (1 - u) * ACTIVATIONS[self.activation][1](n)
        du, dr = d[0] * (before[0] - n) * squashed(u), dn * kept[0] * squashed(r)
        return tf.concat([du, dr, dn * r], 1), dn, (d[0] * u,)


@tf.function(autograph=False)
def run(
    cell: Any,
    inputs: Any,
    states: list[Any],
    weights: tuple[Any, ...],
    mask: Any,
    dropped: Any,
    training: bool,
    sequences: bool,
    parts: int = SHARDS,
    within_xla: bool = False,
) -> Any:
    """Returns the outputs (B, T, U), or without `sequences` None, and the list of last states, (B,
    U) each.

    Args:
        inputs: (B, T, F); without an input kernel (B, T, G U), what the gates take from the inputs.
        weights: input kernel (F, G U) or None, recurrent kernel (U, G U), bias (G U,) of the inputs
            and of the recurrence or None.
        mask: (B, T), False where a step leaves the states as they are; or None.
        dropped: (G, B, U), the factors of the recurrent dropout for each gate; or None.
        training: whether the forward loop keeps what the backward one needs. Gradients are right
            without it too, but cost one more forward loop.
        within_xla: whether XLA compiles the function that calls this one. TensorFlow makes another
            gradient there, of loops that are not compiled on their own, and would take the one that
            it has made elsewhere.
    """
    known = inputs.shape[:2]
    rows, steps = (tf.shape(inputs)[axis] if of is None else of for axis, of in enumerate(known))
    size, length = _whole(rows, parts), _whole(steps, 1)
    # What is known is an int, what is not a tensor.
    pads = not (isinstance(size, int) and size == rows and isinstance(length, int))
    if not isinstance(length, int) and mask is None:
        mask = tf.ones([rows, steps], tf.bool)

    def padded(array: Any, rows_axis: int, *time: int) -> Any:
        wanted = [
            size if axis == rows_axis else length if axis in time else of
            for axis, of in enumerate(array.shape)
        ]
        ends = [
            [0, 0 if isinstance(of, int) and of == now else of - tf.shape(array)[axis]]
            for axis, (of, now) in enumerate(zip(wanted, array.shape, strict=True))
        ]
        return tf.ensure_shape(
            tf.pad(array, ends), [of if isinstance(of, int) else None for of in wanted]
        )

    if pads:
        inputs, states = padded(inputs, 0, 1), [padded(state, 0) for state in states]
        mask = mask if mask is None else padded(mask, 0, 1)
        dropped = dropped if dropped is None else padded(dropped, 1)
    parts = 1 if known[0] is not None and known[0] < 2 * parts else parts

    def split(array: Any, axis: int = 0) -> list[Any]:
        return [None] * parts if array is None else tf.split(array, parts, axis)

    pieces = zip(
        split(inputs),
        zip(*map(split, states), strict=True),
        split(mask),
        split(dropped, 1),
        strict=True,
    )
    done = [_piece(cell, *piece, weights, training, sequences) for piece in pieces]
    joined: list[Any] = [
        None if of[0] is None else tf.concat(of, 0) for of in zip(*done, strict=True)
    ]
    outputs, last = joined[0], joined[1:]
    if pads:
        outputs, last = (
            None if outputs is None else outputs[:rows, :steps],
            [state[:rows] for state in last],
        )
    # What is known when the graph is made stays known for the next layer.
    return None if outputs is None else tf.ensure_shape(outputs, [*known, states[0].shape[1]]), last


def _whole(size: Any, multiple: int) -> Any:
    """Returns the size to which an axis is padded.

    A size that is known when the graph is made is kept (made even, where there are two parts). Of
    one that is not, there may be many, and each would be compiled anew: it goes up to the next of
    1, 2, 3, 4, 6, 8, 12, 16, 24, ...
    """
    if isinstance(size, int):
        return size if size < 2 * multiple else size + size % multiple
    exponent = tf.floor(tf.math.log(tf.cast(tf.maximum(size, 1), tf.float64)) / np.log(2) + 1e-9)
    power = tf.cast(tf.round(2.0**exponent), tf.int32)
    middle = power + power // 2
    whole = tf.where(size <= power, power, tf.where(size <= middle, middle, 2 * power))
    return (whole + multiple - 1) // multiple * multiple


def _piece(
    cell: Any,
    inputs: Any,
    states: Any,
    mask: Any,
    dropped: Any,
    weights: Any,
    training: bool,
    sequences: bool,
) -> tuple[Any, ...]:
    """One part of a batch: `run`'s outputs and states, with the gradient that is written out."""

    @tf.custom_gradient
    def function(inputs: Any, states: Any, weights: Any) -> Any:
        kernel, recurrent, *biases = map(weights.get, WEIGHTS)
        long = (inputs.shape[1] or 0) >= LONG
        # In prediction inputs and states side by side are one product a step. (What GRU's last gate
        # takes of them is not added up.)
        joins = long and not training and kernel is not None and cell.gates != 3
        above, below = (None, tf.concat([kernel, recurrent], 0)) if joins else (kernel, recurrent)
        below = _off_page(below) if long and dropped is None else below
        outputs, last, kept = _forward(
            cell,
            inputs,
            states,
            above,
            below,
            *biases,
            mask,
            dropped,
            training,
            sequences and not training,
        )
        outputs = tf.transpose(kept[1][1:], [1, 0, 2]) if training else outputs
        kept = [tf.stop_gradient(array) for array in kept]

        def gradient(*upstream: Any) -> Any:
            # What is differentiated once more has to be of the graph of this gradient.
            given, *fixed = tf.nest.map_structure(
                lambda of: of if of is None else tf.identity(of),
                [[inputs, states, weights], mask, dropped],
            )

            @tf.custom_gradient
            def once(given: Any, upstream: Any) -> Any:
                saved = (
                    kept
                    if training
                    else _forward(
                        cell, inputs, states, kernel, recurrent, *biases, mask, dropped, True, False
                    )[2]
                )
                found = _gradient(cell, inputs, weights, mask, dropped, saved, upstream)
                again = tf.function(_gradient_again, autograph=False)
                return tf.nest.flatten(found), lambda *d: again(
                    cell, given, upstream, *fixed, list(d)
                )

            return once(given, list(upstream))

        return ((outputs,) if sequences else ()) + tuple(last), gradient

    found = function(
        inputs,
        list(states),
        {name: array for name, array in zip(WEIGHTS, weights, strict=True) if array is not None},
    )
    return tuple(found) if sequences else (None, *found)


def _gradient(
    cell: Any, inputs: Any, weights: Any, mask: Any, dropped: Any, saved: Any, upstream: list[Any]
) -> list[Any]:
    """Returns the gradients by the inputs, the states and the weights, of those by the outputs, if
    there are any, and the last states."""
    kernel, recurrent = weights.get("kernel"), weights["recurrent"]
    d_outputs, d_last = (
        (upstream[0], upstream[1:]) if len(upstream) > cell.states else (None, upstream)
    )
    d_states, *d_gates = _backward(
        cell, d_outputs, d_last, saved, tf.transpose(recurrent), mask, dropped
    )
    d_weights = dict(
        zip(WEIGHTS, _weights(saved[1], inputs, kernel, dropped, *d_gates), strict=True)
    )
    dz = (
        tf.concat([d_gates[0][:, :, : -d_gates[1].shape[2]], d_gates[1]], 2)
        if d_gates[1:]
        else d_gates[0]
    )
    # Apart from the compiled loop, so that it falls away where nobody needs it.
    d_inputs = tf.transpose(
        dz if kernel is None else tf.tensordot(dz, kernel, [[2], [1]]), [1, 0, 2]
    )
    return [d_inputs, d_states, {name: d_weights[name] for name in weights}]


def _gradient_again(
    cell: Any, given: Any, upstream: list[Any], mask: Any, dropped: Any, d: list[Any]
) -> list[Any]:
    """Returns the gradient, by what was given and by `upstream`, of the gradient that is written
    out, times `d`.

    It is TensorFlow's own, of a loop that is not compiled, so it can be differentiated further.
    """
    inputs, states, weights = given
    _, last, kept = _forward.python_function(
        cell,
        inputs,
        states,
        *map(weights.get, WEIGHTS),
        mask,
        dropped,
        True,
        False,
        inputs.shape[1],
    )
    outputs = [tf.transpose(kept[1][1:], [1, 0, 2])] if len(upstream) > cell.states else []
    primals = tf.nest.flatten(given)
    gradient = tf.gradients([*outputs, *last], primals, upstream, unconnected_gradients="zero")
    return tf.gradients(gradient, [*primals, *upstream], d, unconnected_gradients="zero")


@tf.function(jit_compile=True, autograph=False)
def _forward(
    cell: Any,
    inputs: Any,
    states: list[Any],
    kernel: Any,
    recurrent: Any,
    bias: Any,
    recurrent_bias: Any,
    mask: Any,
    dropped: Any,
    training: bool,
    sequences: bool,
    limit: int | None = None,
) -> tuple[Any, list[Any], list[Any]]:
    """Returns the outputs (B, T, U), the last states, and in training, in place of the outputs,
    what the backward loop needs over time: gates (T, B, G U), states (T + 1, B, U) with the first,
    what else (T, B, U). The recurrent kernel may hold the input kernel above it, and have more
    columns. `limit` is the number of steps where it is known: without it TensorFlow's gradient
    cannot be compiled.
    """
    steps, units = tf.shape(inputs)[1], states[0].shape[1]
    joined = recurrent.shape[0] > units
    by_time = tf.transpose(inputs, [1, 0, 2])
    of_step = None if mask is None else _over_time(tf.transpose(mask)[:, :, None])
    if training:
        # A step's gates overwrite what they were computed from.
        by_time = by_time if kernel is None else tf.tensordot(by_time, kernel, 1)
        arrays = [
            _over_time(by_time),
            *(_empty(steps + 1, of, number).write(0, of) for number, of in enumerate(states)),
        ]
        arrays += [_empty(steps, states[0], cell.states)] * (cell.gates == 3)
    else:
        arrays = [_empty(steps, states[0])] * sequences

    def body(t: Any, states: tuple[Any, ...], arrays: tuple[Any, ...]) -> Any:
        z, hidden = (
            arrays[0].read(t) if training else _columns(by_time, t, 0, by_time.shape[2]),
            states[0],
        )
        if joined:
            z, hidden = 0.0, tf.concat([z, hidden], 1)
        elif kernel is not None and not training:
            # Where nothing is kept, a step's own small product costs less than the way of a large
            # one's result through memory.
            z = tf.matmul(z, kernel)
        inner = _gates(hidden, recurrent, dropped)[:, : cell.gates * units]
        inner = inner if recurrent_bias is None else inner + recurrent_bias
        gates, after, kept = cell.step(z if bias is None else z + bias, inner, states)
        if of_step is not None:
            after = tuple(
                tf.where(of_step.read(t), new, old) for new, old in zip(after, states, strict=True)
            )
        writes = (
            [(t, gates), *((t + 1, state) for state in after), *((t, of) for of in kept)]
            if training
            else [(t, after[0])]
        )
        arrays = tuple(array.write(*write) for array, write in zip(arrays, writes, strict=False))
        return t + 1, after, arrays

    _, last, arrays = tf.while_loop(
        lambda t, *_: t < steps, body, (0, tuple(states), tuple(arrays)), maximum_iterations=limit
    )
    if training:
        return None, list(last), [array.stack() for array in arrays]
    outputs = (
        tf.transpose(tf.ensure_shape(arrays[0].stack(), [None, None, units]), [1, 0, 2])
        if sequences
        else None
    )
    return outputs, list(last), []


@tf.function(jit_compile=True, autograph=False)
def _backward(
    cell: Any,
    d_outputs: Any,
    d_states: list[Any],
    saved: list[Any],
    transposed: Any,
    mask: Any,
    dropped: Any,
) -> tuple[Any, ...]:
    """Returns the gradients by the first states, by the gates before their activations (T, B, G U),
    and where that by z differs from it in the last gate, that (T, B, U).
    """
    steps, units = tf.shape(saved[0])[0], transposed.shape[1]
    of_step = None if mask is None else tf.transpose(mask)[:, :, None]
    own = cell.gates == 3  # the gradient by z is not that by the product with the states
    written = [_empty(steps, saved[0][0])] + [_empty(steps, saved[1][0], 1)] * own

    def body(t: Any, d: tuple[Any, ...], written: tuple[Any, ...]) -> Any:
        if d_outputs is not None:
            d = (d[0] + d_outputs[:, t], *d[1:])
        gates = [_columns(saved[0], t, gate * units, units) for gate in range(cell.gates)]
        others = tuple(_columns(array, t, 0, units) for array in saved[1:])
        d_inner, d_own, direct = cell.back(gates, others[: cell.states], others[cell.states :], d)
        if of_step is not None:
            there = _columns(of_step, t, 0, 1)
            d_inner = tf.where(there, d_inner, tf.zeros_like(d_inner))
            d_own = None if d_own is None else tf.where(there, d_own, tf.zeros_like(d_own))
            direct = tuple(
                tf.where(there, tf.zeros_like(of) if new is None else new, of)
                for new, of in zip(direct, d, strict=True)
            )
        d_hidden = _states(d_inner, transposed, dropped)
        d_hidden = d_hidden if direct[0] is None else d_hidden + direct[0]
        written = tuple(
            array.write(t, of) for array, of in zip(written, (d_inner, d_own), strict=False)
        )
        return t - 1, (d_hidden, *direct[1:]), written

    _, d_states, written = tf.while_loop(
        lambda t, *_: t >= 0, body, (steps - 1, tuple(d_states), tuple(written))
    )
    return list(d_states), *(array.stack() for array in written)


def _weights(
    hidden: Any, inputs: Any, kernel: Any, dropped: Any, d_gates: Any, d_own: Any = None
) -> tuple[Any, Any, Any, Any]:
    """Returns the gradients by the input kernel, the recurrent kernel, and the biases of the inputs
    and of the recurrence.

    Of the states (T + 1, B, U), the inputs (B, T, F), and what `_backward` found. Without an input
    kernel there is none.
    """
    units = hidden.shape[2]
    d_inner = tf.reshape(d_gates, [-1, d_gates.shape[2]])
    columns = (
        []
        if kernel is None
        else [tf.reshape(tf.transpose(inputs, [1, 0, 2]), [-1, kernel.shape[0]])]
    )
    columns += [tf.ones_like(d_inner[:, :1])]
    hidden = hidden[:-1]
    if dropped is None:
        # The gradients of all weights are one product.
        found = tf.matmul(
            tf.concat([tf.reshape(hidden, [-1, units]), *columns], 1), d_inner, transpose_a=True
        )
        d_recurrent, found = found[:units], found[units:]
    else:
        parts = zip(tf.unstack(dropped), tf.split(d_inner, dropped.shape[0], 1), strict=True)
        factors = [
            tf.matmul(tf.reshape(hidden * factor, [-1, units]), part, transpose_a=True)
            for factor, part in parts
        ]
        d_recurrent, found = (
            tf.concat(factors, 1),
            tf.matmul(tf.concat(columns, 1), d_inner, transpose_a=True),
        )
    d_recurrent_bias = found[-1]
    if d_own is not None:
        new = tf.matmul(tf.concat(columns, 1), tf.reshape(d_own, [-1, units]), transpose_a=True)
        found = tf.concat([found[:, :-units], new], 1)
    return None if kernel is None else found[:-1], d_recurrent, found[-1], d_recurrent_bias


def _gates(hidden: Any, recurrent: Any, dropped: Any) -> Any:
    """Returns h R (B, G U), each gate with its own dropout of h."""
    if dropped is None:
        return tf.matmul(hidden, recurrent)
    parts = tf.split(recurrent, dropped.shape[0], 1)
    return tf.concat(
        [
            tf.matmul(hidden * factor, part)
            for factor, part in zip(tf.unstack(dropped), parts, strict=True)
        ],
        1,
    )


def _states(d_inner: Any, transposed: Any, dropped: Any) -> Any:
    """Returns the gradient by h (B, U) of h R."""
    if dropped is None:
        return tf.matmul(d_inner, transposed)
    gates = dropped.shape[0]
    pieces = zip(
        tf.unstack(dropped),
        tf.split(d_inner, gates, 1),
        tf.split(transposed, gates, 0),
        strict=True,
    )
    return tf.add_n([tf.matmul(of, part) * factor for factor, of, part in pieces])


def _off_page(kernel: Any) -> Any:
    """Returns the kernel with some more columns, of zeros, where its rows start at the same place
    of a page of memory each.

    The first cache holds few addresses of that kind at a time: the product is a tenth slower.
    """
    row = kernel.shape[1] * kernel.dtype.size
    return tf.pad(kernel, [[0, 0], [0, 64 // kernel.dtype.size]]) if row % 4096 == 0 else kernel


def _columns(array: Any, t: Any, first: int, count: int) -> Any:
    """Returns some columns of step t, (B, count), of an array (T, B, ...)."""
    return tf.reshape(tf.slice(array, [t, 0, first], [1, tf.shape(array)[1], count]), [-1, count])


def _over_time(array: Any) -> Any:
    return tf.TensorArray(
        array.dtype, tf.shape(array)[0], clear_after_read=False, element_shape=array.shape[1:]
    ).unstack(array)


def _empty(steps: Any, like: Any, number: int = 0) -> Any:
    """Returns an array over time to write to, which XLA does not take for another one of another
    number."""
    filled = tf.fill(tf.concat([[steps], tf.shape(like)], 0), tf.cast(number, like.dtype))
    return _over_time(tf.ensure_shape(filled, [None, *like.shape]))
