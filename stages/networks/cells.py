"""The equations of SimpleRNN, LSTM and GRU for one step, and their derivatives.

B rows of a batch, U units, G gates (1, 4, 3). A cell takes z (B, G U), what its gates take from the
inputs, and `inner` (B, G U), what they take from the last state: h R, with a bias in GRU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.networks.backend import tf

# An activation, and its derivative as a function of the activation's value.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "linear": (lambda a: a, tf.ones_like),
    "relu": (tf.nn.relu, lambda y: tf.cast(y > 0, y.dtype)),
    "sigmoid": (tf.sigmoid, lambda y: y * (1 - y)),
    "tanh": (tf.tanh, lambda y: 1 - y * y),
}

States = tuple[Any, ...]


@dataclass(frozen=True)
class SimpleRNN:
    """h' = activation(z + h R), z = x W + b (Elman, 1990)."""

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 1
    states = 1

    def step(self, z: Any, inner: Any, states: States) -> tuple[Any, States, States]:
        """Returns the values of the gates (B, G U), the new states, and what else `back` needs."""
        h = ACTIVATIONS[self.activation][0](z + inner)
        return h, (h,), ()

    def back(
        self, gates: list[Any], before: States, kept: States, d: States
    ) -> tuple[Any, Any, States]:
        """Returns the gradients of the loss with respect to `inner` (B, G U); to z in the last
        gate (B, U), or None where it is the same as to `inner`; and to the states before the step
        other than through `inner`, each None where it is zero.

        Args:
            gates: their values, (B, U) each.
            before: the states before the step.
            kept: what else `step` returned.
            d: the gradients with respect to the states after the step.
        """
        return d[0] * ACTIVATIONS[self.activation][1](gates[0]), None, (None,)


@dataclass(frozen=True)
class LSTM:
    """i, f, o = sigmoid and g = tanh of the four blocks of z + h R; c' = f c + i g;
    h' = o tanh(c') (Hochreiter and Schmidhuber, 1997)."""

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 4
    states = 2

    def step(self, z: Any, inner: Any, states: States) -> tuple[Any, States, States]:
        activate = ACTIVATIONS[self.activation][0]
        squash = ACTIVATIONS[self.recurrent_activation][0]
        total = z + inner
        if (self.activation, self.recurrent_activation) == ("tanh", "sigmoid"):
            # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2, so all four gates are one kernel that writes
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
        self, gates: list[Any], before: States, kept: States, d: States
    ) -> tuple[Any, Any, States]:
        slope = ACTIVATIONS[self.activation][1]
        squashed = ACTIVATIONS[self.recurrent_activation][1]
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
    """u, r = sigmoid of the first two blocks of z + inner; n = tanh(z_n + r inner_n);
    h' = u h + (1 - u) n; inner = h R + b' (Cho et al., 2014).

    The reset gate r comes after the product (`reset_after`), as in cuDNN.
    """

    activation: str
    recurrent_activation: str = "sigmoid"
    gates = 3
    states = 1

    def step(self, z: Any, inner: Any, states: States) -> tuple[Any, States, States]:
        units = states[0].shape[1]
        both = ACTIVATIONS[self.recurrent_activation][0](z[:, : 2 * units] + inner[:, : 2 * units])
        u, r = tf.split(both, 2, 1)
        n = ACTIVATIONS[self.activation][0](z[:, 2 * units :] + r * inner[:, 2 * units :])
        return tf.concat([both, n], 1), (u * states[0] + (1 - u) * n,), (inner[:, 2 * units :],)

    def back(
        self, gates: list[Any], before: States, kept: States, d: States
    ) -> tuple[Any, Any, States]:
        squashed = ACTIVATIONS[self.recurrent_activation][1]
        u, r, n = gates
        dn = d[0] * (1 - u) * ACTIVATIONS[self.activation][1](n)
        du, dr = d[0] * (before[0] - n) * squashed(u), dn * kept[0] * squashed(r)
        return tf.concat([du, dr, dn * r], 1), dn, (d[0] * u,)


Cell = SimpleRNN | LSTM | GRU
