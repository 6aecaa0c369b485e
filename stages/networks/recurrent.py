"""SimpleRNN, LSTM and GRU: Keras's layers, with a loop that trains as fast as the machine allows.

`SimpleRNN`, `LSTM`, `GRU` and `Bidirectional` take the arguments of the Keras layers of these names, have their weights, and give
their results and gradients to rounding. They call themselves by Keras's classes where Keras asks, so that a saved model is one of
plain Keras and loads without this package; `accelerate` gives a loaded model the fast loop back.

The fast loop is for CPUs. On a GPU the layers take Keras's way, which is cuDNN. Where a layer is not covered they take it too, and
a debug message of the logger `reprise` says why.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from stages.networks import recurrence
from stages.networks.backend import keras, tf

log = logging.getLogger("reprise")

_parts = ContextVar("parts", default=recurrence.PARTS)


@contextmanager
def undivided() -> Iterator[None]:
    """Within it the layers leave a batch whole: their caller has divided it already."""
    token = _parts.set(1)
    try:
        yield
    finally:
        _parts.reset(token)


class _Fast:
    """The fast loop in place of the Keras layer's own; mixed into a subclass of it."""

    # What `save` and `clone_model` write down and build again is the plain Keras layer.
    __class__ = property(lambda self: type(self).__mro__[2])

    cell: Any

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, list[Any]]:
        """Returns the last output (B, U), the outputs (B, T or 1, U) and the last states, of `sequences` (B, T, F)."""
        reason = self._uncovered()
        if reason is not None:
            log.debug("%s: Keras's own loop, as %s", self.name, reason)  # type: ignore[attr-defined]
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        mask = tf.nest.flatten(mask)[0] if mask is not None else None
        states = tf.nest.flatten(initial_state)
        if self.go_backwards:  # type: ignore[attr-defined]
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else tf.reverse(mask, [1])
        inputs, kernel, bias, recurrent_bias, dropped = self._inputs(sequences, states[0], training)
        weights = (kernel, tf.convert_to_tensor(self.cell.recurrent_kernel), bias, recurrent_bias)
        mask = None if mask is None else tf.cast(mask, tf.bool)
        wanted = self.return_sequences or mask is not None  # type: ignore[attr-defined]
        outputs, states = recurrence.run(self._recurrence(), inputs, states, weights, mask, dropped, bool(training), wanted, _parts.get())
        if mask is None:
            return states[0], states[0][:, None] if outputs is None else outputs, states
        # Keras repeats the last output at a masked step (or gives zeros), and gives zeros before the first step that counts.
        shown = mask if self.zero_output_for_mask else tf.cumsum(tf.cast(mask, tf.int32), 1) > 0  # type: ignore[attr-defined]
        outputs = tf.where(shown[:, :, None], outputs, tf.zeros_like(outputs))
        return outputs[:, -1], outputs, states

    def _recurrence(self) -> Any:
        recurrent = getattr(self.cell, "recurrent_activation", None)
        return _RECURRENCES[type(self.cell)](self.cell.activation.__name__, getattr(recurrent, "__name__", "sigmoid"))

    def _uncovered(self) -> str | None:
        """Returns why the fast loop does not serve this layer; None if it does."""
        cell = self.cell
        if type(cell) not in _RECURRENCES:
            return f"its cell is a {type(cell).__name__}"
        if tf.config.list_logical_devices("GPU"):
            return "there is a GPU"
        if getattr(self, "use_cudnn", "auto") is True:
            return "use_cudnn is set"
        if self.unroll:  # type: ignore[attr-defined]
            return "it is unrolled"
        if not getattr(cell, "reset_after", True):
            return "its reset gate stands before the product"
        covered = [getattr(keras.activations, name) for name in recurrence.ACTIVATIONS]
        for activation in (cell.activation, getattr(cell, "recurrent_activation", keras.activations.sigmoid)):
            if activation not in covered:
                return f"its activation is {getattr(activation, '__name__', activation)}"
        return None

    def _inputs(self, sequences: Any, state: Any, training: bool) -> tuple[Any, Any, Any, Any, Any]:
        """Returns the loop's inputs, the input kernel, both biases and the recurrent dropout, with Keras's dropout masks applied."""
        cell = self.cell
        kernel = tf.convert_to_tensor(cell.kernel)
        bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None
        recurrent_bias = None
        if bias is not None and isinstance(cell, keras.layers.GRUCell):
            bias, recurrent_bias = bias[0], bias[1]
        masks = cell.get_dropout_mask(sequences[:, 0]) if training and cell.dropout else None
        dropped = cell.get_recurrent_dropout_mask(state) if training and cell.recurrent_dropout else None
        if dropped is not None:
            dropped = tf.stack(dropped if isinstance(dropped, list) else [dropped])
        if isinstance(masks, list):
            # Each gate sees other inputs, so that there is a product for each.
            parts = zip(masks, tf.split(kernel, len(masks), 1), strict=True)
            inputs = tf.concat([tf.tensordot(sequences * mask[:, None], part, 1) for mask, part in parts], 2)
            return inputs if bias is None else inputs + bias, None, None, recurrent_bias, dropped
        return sequences if masks is None else sequences * masks[:, None], kernel, bias, recurrent_bias, dropped


class SimpleRNN(_Fast, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with the fast loop."""


class LSTM(_Fast, keras.layers.LSTM):
    """`keras.layers.LSTM` with the fast loop."""


class GRU(_Fast, keras.layers.GRU):
    """`keras.layers.GRU` with the fast loop."""


class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`, with the fast loop for both directions where `layer` has it."""

    __class__ = property(lambda self: keras.layers.Bidirectional)

    def __init__(self, layer: Any, **arguments: Any) -> None:
        super().__init__(layer, **arguments)
        # Keras builds both directions anew from the layer's configuration, which is the plain layer's.
        if isinstance(layer, _Fast):
            accelerate(self)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        # The directions run side by side already.
        with undivided():
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)


FAST = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
PLAIN = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
_RECURRENCES = {
    keras.layers.SimpleRNNCell: recurrence.SimpleRNN,
    keras.layers.LSTMCell: recurrence.LSTM,
    keras.layers.GRUCell: recurrence.GRU,
}


def accelerate(model: keras.layers.Layer) -> keras.layers.Layer:
    """Gives the recurrent layers of a model, or a layer, the fast loop, in place; its weights stay. Returns it."""
    kinds = {PLAIN[name]: FAST[name] for name in PLAIN} | {keras.layers.Bidirectional: Bidirectional}
    for layer in model._flatten_layers():
        if type(layer) in kinds:
            object.__setattr__(layer, "__class__", kinds[type(layer)])
    return model


def layer(
    cell: str, units: int, name: str, *, activation: str = "tanh", recurrent_dropout: float = 0.0, fast: bool = True
) -> keras.layers.Layer:
    """Returns a recurrent layer that gives its outputs at all steps and its last state.

    Called with (batch, time, features) it returns the outputs (batch, time, units) and then the states, (batch, units) each: one
    for `simple_rnn` and `gru`, two for `lstm` (hidden state, cell state).
    """
    kinds = FAST if fast else PLAIN
    return kinds[cell](
        units, activation=activation, recurrent_dropout=recurrent_dropout, return_sequences=True, return_state=True, name=name
    )


def run(recurrent: keras.layers.Layer, inputs: Any, states: list[Any] | None = None) -> tuple[Any, list[Any]]:
    """Returns the outputs at all steps and the list of last states."""
    outputs, *last = recurrent(inputs, initial_state=states)
    return outputs, last
