"""Keras's Adam and SGD, which update a variable with one TensorFlow operation instead of a dozen.

The formulas, the variables and their names are Keras's. The learning rate may be a schedule, and
gradients are clipped as in Keras. Gradients must be dense tensors: convert those of an embedding,
which are `tf.IndexedSlices`, first. Once single rows of a variable have been written, TensorFlow
copies the variable each time it is read.
"""

from collections.abc import Sequence
from typing import Any

from stages.networks.backend import keras, tf


class _Rated:
    """Variables with learning rates of their own; mixed into a Keras optimizer.

    A multiplier applies to all that an update takes off its variable, weight decay included. With 0
    the variable keeps its bytes, while its gradient still counts in clipping and in Adam's moments:
    when it is released its first steps have the right size. Moments that start from zero in the
    middle of a training would make them several times too large, as the correction of their start
    goes by the number of all steps.
    """

    # Not one of the optimizer's own variables, as it follows from the epoch's number.
    multipliers: Any = None

    def rate(self, multipliers: Sequence[float]) -> None:
        """Sets the multiplier of each variable's learning rate. It is called once before a function
        is compiled that applies gradients; without it there are none, and they cost nothing."""
        if self.multipliers is None:
            self.multipliers = tf.Variable(multipliers, trainable=False, dtype=tf.float32)
        self.multipliers.assign(multipliers)

    def _rate_of(self, variable: Any, learning_rate: Any) -> Any:
        rate = tf.cast(learning_rate, variable.dtype)
        if self.multipliers is None:
            return rate
        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        return rate * tf.cast(self.multipliers[index], variable.dtype)

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if self.multipliers is None or self.weight_decay is None:  # type: ignore[attr-defined]
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        for variable in variables:
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                rate = self._rate_of(variable, self.learning_rate)  # type: ignore[attr-defined]
                variable.value.assign_sub(variable.value * self.weight_decay * rate)  # type: ignore[attr-defined]


class Adam(_Rated, keras.optimizers.Adam):
    """`keras.optimizers.Adam` (Kingma and Ba, 2015), without `amsgrad`."""

    def __init__(self, learning_rate: Any = 0.001, **arguments: Any) -> None:
        super().__init__(learning_rate, amsgrad=False, **arguments)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        first, second, epsilon = (
            tf.cast(value, variable.dtype) for value in (self.beta_1, self.beta_2, self.epsilon)
        )
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=first**step,
            beta2_power=second**step,
            lr=self._rate_of(variable, learning_rate),
            beta1=first,
            beta2=second,
            epsilon=epsilon,
            grad=gradient,
        )


class SGD(_Rated, keras.optimizers.SGD):
    """`keras.optimizers.SGD`, without momentum."""

    def __init__(self, learning_rate: Any = 0.01, **arguments: Any) -> None:
        super().__init__(learning_rate, momentum=0.0, **arguments)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        tf.raw_ops.ResourceApplyGradientDescent(
            var=variable.handle, alpha=self._rate_of(variable, learning_rate), delta=gradient
        )
