"""A decoder whose attention is fed back: input feeding, and coverage.

Beside each token its recurrent layers get what attention gave the step before (Luong et al.,
"Effective approaches to attention-based neural machine translation", 2015), and attention may see
where it has been (See et al., "Get to the point", 2017). So its steps come one after the other, in
a loop that is not compiled.
"""

from collections.abc import Sequence
from typing import Any

from stages.networks import attention, recurrent
from stages.networks.attention import Form, Memory
from stages.networks.backend import keras, tf


def run_cell(layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Runs one step of a recurrent layer, or its cell, for several texts side by side.

    Args:
        inputs: (batch, beams, features). states: (batch, beams, units) each.
    """
    shape, cell = tf.shape(inputs), getattr(layer, "cell", layer)
    flat = [tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (inputs, *states)]
    output, after = cell(flat[0], flat[1:])
    output, *after = (
        tf.reshape(tensor, [shape[0], shape[1], tensor.shape[-1]]) for tensor in (output, *after)
    )
    return output, after


@keras.saving.register_keras_serializable(package="reprise")
class FedDecoder(keras.layers.Layer):
    """Recurrent layers one above the other, attention, and what the output is told from: tanh(W [h;
    c]) of the last layer's output and the context, which goes back to the first layer."""

    def __init__(
        self,
        cell: str,
        units: int,
        layers: int,
        width: int,
        form: Form,
        coverage: bool,
        **arguments: Any,
    ) -> None:
        """Args:
        cell, units, layers: of the recurrence. width: of the output.
        form: of attention. coverage: whether it sees where it has been.
        """
        super().__init__(**arguments)
        self.settings = {"cell": cell, "units": units, "layers": layers, "width": width}
        self.settings |= {"form": form, "coverage": coverage}
        self.width, self.coverage = width, coverage
        self.cells = [
            recurrent.layer(cell, units, f"cell_{number}").cell for number in range(1, layers + 1)
        ]
        self.attention = attention.create(form, units, coverage=coverage)
        self.attentional = keras.layers.Dense(width, activation="tanh", name="attentional")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}

    def build(self, embedded_shape: Any, memory_shape: Any, starts_shape: Any) -> None:
        outputs_shape, keys_shape, _ = memory_shape
        features = embedded_shape[-1] + self.width
        for cell in self.cells:
            cell.build((None, features))
            features = cell.units
        for name, size in (("query", features), ("energy", keys_shape[-1]), ("coverage", 1)):
            if name in self.attention:
                self.attention[name].build((None, None, None, size))
        self.attentional.build((None, None, features + outputs_shape[-1]))

    def compute_output_spec(self, embedded: Any, memory: Any, starts: Any) -> Any:
        shape = embedded.shape[:2]
        return tuple(
            keras.KerasTensor((*shape, size), embedded.dtype)
            for size in (self.width, memory[0].shape[1])
        )

    def zeros(self, starts: Sequence[Any], memory: Memory) -> list[Any]:
        """Returns the states before the first step besides those of the recurrent layers: what is
        fed back, and what attention has covered."""
        shape = tf.shape(starts[0][0])[:2]
        sizes = [self.width, *[tf.shape(memory.outputs)[1]] * self.coverage]
        return [tf.zeros(tf.concat([shape, [size]], 0)) for size in sizes]

    def call(
        self, embedded: Any, memory: Sequence[Any], starts: Sequence[Sequence[Any]]
    ) -> tuple[Any, Any]:
        """Returns the outputs at all steps (batch, steps, width), and the weights of attention
        (batch, steps, source steps).

        Args:
            embedded: (batch, steps, features) the tokens before each step.
            memory: the parts of a `Memory`.
            starts: (batch, units) the states of each recurrent layer before the first step.
        """
        memory = Memory(*memory)
        states: list[Any] = [[start[:, None] for start in own] for own in starts]
        states += self.zeros(states, memory)
        steps = tf.shape(embedded)[1]
        inputs = tf.TensorArray(tf.float32, steps).unstack(tf.transpose(embedded, [1, 0, 2]))
        written = [
            tf.TensorArray(tf.float32, steps, element_shape=(embedded.shape[0], size))
            for size in (self.width, memory.outputs.shape[1])
        ]

        def body(step: Any, states: Any, written: Any) -> Any:
            values = tf.ensure_shape(inputs.read(step), [embedded.shape[0], embedded.shape[2]])
            *found, states = self.step(values[:, None], memory, states)
            written = [
                array.write(step, value[:, 0]) for array, value in zip(written, found, strict=True)
            ]
            return step + 1, states, written

        _, _, written = tf.while_loop(
            lambda step, *_: step < steps,
            body,
            (0, states, written),
            maximum_iterations=embedded.shape[1],
        )
        hidden, weights = (tf.transpose(array.stack(), [1, 0, 2]) for array in written)
        return hidden, weights

    def step(
        self, embedded: Any, memory: Memory, states: Sequence[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """Returns the outputs of one step (batch, beams, width), the weights of attention (batch,
        beams, source steps), and the states.

        Args:
            embedded: (batch, beams, features) the tokens before the step.
        """
        fed, *covered = states[len(self.cells) :]
        hidden, after = tf.concat([embedded, fed], -1), []
        for cell, state in zip(self.cells, states, strict=False):
            hidden, last = run_cell(cell, hidden, state)
            after.append(last)
        context, weights = attention.attend(self.attention, hidden, memory, *covered)
        fed = self.attentional(tf.concat([hidden, context], -1))
        return fed, weights, [*after, fed, *(one + weights for one in covered)]
