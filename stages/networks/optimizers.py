"""Keras's Adam and SGD, which update a variable with one TensorFlow operation instead of a dozen.

The formulas, the variables and their names are Keras's. The learning rate may be a schedule, and
gradients are clipped as in Keras. Gradients must be dense tensors: convert those of an embedding,
which are `tf.IndexedSlices`, first. Once single rows of a variable have been written, TensorFlow
copies the variable each time it is read.
"""

from typing import Any

from stages.networks.backend import keras, tf


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` (Kingma and Ba, 2015), without `amsgrad`."""

    def __init__(self, learning_rate: Any = 0.001, **arguments: Any) -> None:
        super().__init__(learning_rate, amsgrad=False, **arguments)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        rate, first, second, epsilon = (
            tf.cast(value, variable.dtype)
            for value in (learning_rate, self.beta_1, self.beta_2, self.epsilon)
        )
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=first**step,
            beta2_power=second**step,
            lr=rate,
            beta1=first,
            beta2=second,
            epsilon=epsilon,
            grad=gradient,
        )


class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD`, without momentum."""

    def __init__(self, learning_rate: Any = 0.01, **arguments: Any) -> None:
        super().__init__(learning_rate, momentum=0.0, **arguments)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = tf.cast(learning_rate, variable.dtype)
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
