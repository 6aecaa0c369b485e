"""SimpleRNN, LSTM and GRU: Keras's layers, with a loop that trains as fast as the machine allows.

`SimpleRNN`, `LSTM`, `GRU` and `Bidirectional` take the arguments of the Keras layers of these
names, have their weights, and give their results and gradients up to rounding. To Keras they
present themselves as Keras's own classes, so that a saved model is one of plain Keras and loads
without this package; `accelerate` gives a loaded model the fast loop back.

The fast loop is for CPUs. On a GPU the layers run Keras's own loop, which is cuDNN. They also do so
where a layer, or what it is called with, is not covered, and a debug message of the logger
`reprise` says why; and in a model that is exported, as other programs than TensorFlow cannot read a
compiled loop.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from stages.networks import cells, recurrence
from stages.networks.backend import keras, tf
from stages.networks.loops import Weights

log = logging.getLogger("reprise")

# Packages that write a network for other programs, which cannot read loops that XLA compiles.
EXPORTERS = ("keras.src.export.", "tensorflow.lite.", "tensorflow.python.saved_model.", "tf2onnx.")

_shards = ContextVar("shards", default=recurrence.SHARDS)
_few_lengths = ContextVar("few_lengths", default=False)


@contextmanager
def _within(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def unsharded() -> AbstractContextManager[None]:
    """Within it the layers do not divide a batch: their caller has done so already."""
    return _within(_shards, 1)


def few_lengths() -> AbstractContextManager[None]:
    """Within it the layers take sequences whose length is unknown when the graph is made as they
    are, and do not pad them to one of few lengths: their caller has done so already."""
    return _within(_few_lengths, True)


class _Fast:
    """The fast loop in place of the Keras layer's own; mixed into a subclass of it."""

    # `save` and `clone_model` write down and rebuild the plain Keras layer; a user's subclass stays
    # what it is.
    __class__ = property(lambda self: _PLAIN.get(type(self), type(self)))

    cell: Any

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Returns the last output (B, U), the outputs (B, T or 1, U) and the last states, of
        `sequences` (B, T, F)."""
        states = [tf.convert_to_tensor(state) for state in tf.nest.flatten(initial_state)]
        step_mask = tf.nest.flatten(mask)[0]
        reason = self._uncovered() or self._unsuited(sequences, states, step_mask)
        if reason is not None:
            log.debug("%s: Keras's own loop, as %s", self.name, reason)  # type: ignore[attr-defined]
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        sequences, states, mask = _aligned(sequences, states, step_mask, self.cell.units)
        if self.go_backwards:  # type: ignore[attr-defined]
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else tf.reverse(mask, [1])
        inputs, kernel, bias, recurrent_bias, dropped = self._inputs(sequences, states[0], training)
        recurrent_kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        weights = Weights(kernel, recurrent_kernel, bias, recurrent_bias)
        sequences_needed = self.return_sequences or mask is not None  # type: ignore[attr-defined]
        outputs, states = recurrence.compute(
            self._equations(),
            inputs,
            states,
            weights,
            mask,
            dropped,
            tuple(inputs.shape[:2]),
            bool(training),
            sequences_needed,
            _shards.get(),
            _few_lengths.get(),
            _within_xla(),
        )
        if mask is None:
            return states[0], states[0][:, None] if outputs is None else outputs, states
        # Keras repeats the last output at a masked step (or gives zeros), and gives zeros before
        # the first step that counts.
        shown = mask if self.zero_output_for_mask else tf.cumsum(tf.cast(mask, tf.int32), 1) > 0  # type: ignore[attr-defined]
        outputs = tf.where(shown[:, :, None], outputs, tf.zeros_like(outputs))
        return outputs[:, -1], outputs, states

    def _equations(self) -> cells.Cell:
        recurrent = getattr(self.cell, "recurrent_activation", None)
        return _CELLS[type(self.cell)](
            self.cell.activation.__name__, getattr(recurrent, "__name__", "sigmoid")
        )

    def _uncovered(self) -> str | None:
        """Returns why the fast loop does not support this layer; None if it does."""
        cell = self.cell
        if type(cell) not in _CELLS:
            return f"its cell is a {type(cell).__name__}"
        if tf.config.list_logical_devices("GPU"):
            return "there is a GPU"
        if getattr(self, "use_cudnn", "auto") is True:
            return "use_cudnn is set"
        if self.unroll:  # type: ignore[attr-defined]
            return "it is unrolled"
        if tf.config.functions_run_eagerly():
            return "functions run eagerly"
        if _exporting():
            return "it is exported"
        if 1 in (cell.dropout, cell.recurrent_dropout):
            return "it drops everything, which not all cells do"
        if not getattr(cell, "reset_after", True):
            return "its reset gate comes before the product"
        covered = [getattr(keras.activations, name) for name in cells.ACTIVATIONS]
        for activation in (
            cell.activation,
            getattr(cell, "recurrent_activation", keras.activations.sigmoid),
        ):
            if activation not in covered:
                return f"its activation is {getattr(activation, '__name__', activation)}"
        return None

    def _unsuited(self, sequences: Any, states: list[Any], mask: Any) -> str | None:
        """Returns why the fast loop cannot take what the layer is called with; None if it can."""
        if {self.cell.kernel.dtype} != {
            array.dtype.name for array in (sequences, *states) if array.dtype.is_floating
        }:
            return "its inputs, states and weights have several dtypes"
        if (
            len(
                {array.shape[0] for array in (sequences, *states, mask) if array is not None}
                - {None}
            )
            > 1
        ):
            return "its inputs, states and mask have several batch sizes"
        if mask is not None and (
            mask.shape[2:] not in ((), (1,))
            or len({mask.shape[1], sequences.shape[1]} - {None}) > 1
        ):
            return f"its mask has the shape {mask.shape}"
        return None

    def _inputs(self, sequences: Any, state: Any, training: bool) -> tuple[Any, Any, Any, Any, Any]:
        """Returns the loop's inputs, the input kernel, both biases and the recurrent dropout, with
        Keras's dropout masks applied."""
        cell = self.cell
        kernel = tf.convert_to_tensor(cell.kernel)
        bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None
        recurrent_bias = None
        if bias is not None and isinstance(cell, keras.layers.GRUCell):
            bias, recurrent_bias = bias[0], bias[1]
        masks = cell.get_dropout_mask(sequences[:, 0]) if training and cell.dropout else None
        dropped = (
            cell.get_recurrent_dropout_mask(state) if training and cell.recurrent_dropout else None
        )
        if dropped is not None:
            dropped = tf.stack(dropped if isinstance(dropped, list) else [dropped])
        if isinstance(masks, list):
            # Each gate sees other inputs, so each has a product of its own.
            gates = zip(masks, tf.split(kernel, len(masks), 1), strict=True)
            inputs = tf.concat(
                [tf.tensordot(sequences * mask[:, None], gate, 1) for mask, gate in gates], 2
            )
            return inputs if bias is None else inputs + bias, None, None, recurrent_bias, dropped
        return (
            sequences if masks is None else sequences * masks[:, None],
            kernel,
            bias,
            recurrent_bias,
            dropped,
        )


class SimpleRNN(_Fast, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with the fast loop."""


class LSTM(_Fast, keras.layers.LSTM):
    """`keras.layers.LSTM` with the fast loop."""


class GRU(_Fast, keras.layers.GRU):
    """`keras.layers.GRU` with the fast loop."""


class _Orthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal`, decomposed by NumPy. TensorFlow's decomposition (Eigen's)
    adds up in an order that follows the size of the processor's first cache."""

    __class__ = property(lambda self: keras.initializers.Orthogonal)

    def __call__(self, shape: tuple[int, int], dtype: Any = None) -> Any:
        tall = max(shape), min(shape)
        normal = keras.random.normal(tall, seed=self.seed, dtype=dtype)
        q, r = np.linalg.qr(keras.ops.convert_to_numpy(normal))
        q = q * np.sign(np.diag(r))
        return tf.constant(self.gain * (q if shape == tall else q.T), dtype)


def _decompose_alike(layer: keras.layers.Layer) -> None:
    """Lets the recurrent kernel of a layer start from the same bytes on every processor."""
    initializer = layer.cell.recurrent_initializer
    if type(initializer) is keras.initializers.Orthogonal:
        object.__setattr__(initializer, "__class__", _Orthogonal)


class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`, with the fast loop for both directions where `layer` has it."""

    __class__ = property(lambda self: _PLAIN.get(type(self), type(self)))

    def __init__(self, layer: Any, **arguments: Any) -> None:
        super().__init__(layer, **arguments)
        for direction in (self.forward_layer, self.backward_layer):
            _decompose_alike(direction)
        # Keras builds both directions from the layer's configuration, which is the plain layer's.
        if isinstance(layer, _Fast):
            accelerate(self)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        # The directions are computed side by side already.
        with unsharded():
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )


def _aligned(
    sequences: Any, states: list[Any], mask: Any, units: int
) -> tuple[Any, list[Any], Any]:
    """Returns the sequences with the states' dtype, and the states and the mask (B, T) with the
    sequences' shape.

    A size that is known of one of them is used for the others; one that is unknown is broadcast at
    run time, as Keras's loop would.
    """
    # Keras accepts integers and booleans as well.
    sequences = tf.cast(sequences, states[0].dtype)
    if sequences.shape[0] is None and states[0].shape[0] is not None:
        sequences = tf.ensure_shape(sequences, [states[0].shape[0], None, None])
    sizes = [
        tf.shape(sequences)[axis] if size is None else size
        for axis, size in enumerate(sequences.shape[:2])
    ]

    def broadcast(array: Any, *shape: Any) -> Any:
        same = all(isinstance(size, int) for size in shape) and array.shape == shape
        return array if same else tf.broadcast_to(array, shape)

    states = [broadcast(state, sizes[0], units) for state in states]
    if mask is not None:
        mask = tf.cast(mask if mask.shape.rank == 2 else mask[:, :, 0], tf.bool)
        mask = broadcast(mask, *sizes)
    return sequences, states, mask


def _exporting() -> bool:
    """Returns whether the layer is traced for a file that programs other than Keras read."""
    if tf.executing_eagerly():
        return False
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_stack(None))
    return any(module.startswith(EXPORTERS) for module in modules)


def _within_xla() -> bool:
    """Returns whether XLA compiles the function that is being traced."""
    # Not at the top, as TensorFlow has to be imported by `backend` first.
    from tensorflow.python.ops import control_flow_util

    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


FAST = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
PLAIN = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
_PLAIN: dict[type, type] = {FAST[name]: PLAIN[name] for name in FAST} | {
    Bidirectional: keras.layers.Bidirectional
}
_CELLS: dict[type, type[cells.Cell]] = {
    keras.layers.SimpleRNNCell: cells.SimpleRNN,
    keras.layers.LSTMCell: cells.LSTM,
    keras.layers.GRUCell: cells.GRU,
}


def accelerate(model: keras.layers.Layer) -> keras.layers.Layer:
    """Gives the recurrent layers of a model, or a layer, the fast loop, in place; its weights stay.
    Returns it."""
    fast = {plain: fast for fast, plain in _PLAIN.items()}
    for layer in model._flatten_layers():
        if type(layer) in fast:
            object.__setattr__(layer, "__class__", fast[type(layer)])
    return model


def layer(
    cell: str,
    units: int,
    name: str,
    *,
    activation: str = "tanh",
    recurrent_dropout: float = 0.0,
    fast: bool = True,
) -> keras.layers.Layer:
    """Returns a recurrent layer that gives its outputs at all steps and its last state.

    Called with (batch, time, features) it returns the outputs (batch, time, units) and then the
    states, (batch, units) each: one for `simple_rnn` and `gru`, two for `lstm` (hidden state, cell
    state).
    """
    classes = FAST if fast else PLAIN
    created = classes[cell](
        units,
        activation=activation,
        recurrent_dropout=recurrent_dropout,
        return_sequences=True,
        return_state=True,
        name=name,
    )
    _decompose_alike(created)
    return created


def apply(
    layer: keras.layers.Layer, inputs: Any, states: list[Any] | None = None, mask: Any = None
) -> tuple[Any, list[Any]]:
    """Returns the outputs at all steps and the list of last states.

    mask: (batch, time) bool, False for the steps that are left out: they leave the states as they
    are, so that the last state is that of an example's own last step. None: the mask that the
    inputs bring with them, if there is one.
    """
    # A saved model writes down all that a layer is called with, also None.
    masked = {} if mask is None else {"mask": mask}
    outputs, *last = layer(inputs, initial_state=states, **masked)
    return outputs, last
