"""Adam and SGD, beside Keras's."""

from typing import Any

import numpy as np
import pytest

from stages.networks import optimizers
from stages.networks.backend import keras, tf


@pytest.mark.parametrize("name", ["Adam", "SGD"])
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("schedule", [False, True])
def test_the_updates_are_those_of_keras(name: str, clip: float | None, schedule: bool) -> None:
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (5,), ()]
    starts = [rng.normal(size=shape).astype("float32") for shape in shapes]
    gradients = [[rng.normal(size=shape).astype("float32") for shape in shapes] for _ in range(6)]

    def updated(module: Any) -> list[np.ndarray]:
        rate = keras.optimizers.schedules.CosineDecay(0.1, 8) if schedule else 0.1
        optimizer = getattr(module, name)(rate, global_clipnorm=clip)
        variables = [keras.Variable(start) for start in starts]
        optimizer.build(variables)
        step = tf.function(lambda gradients: optimizer.apply(gradients, variables))
        for of in gradients:
            step([tf.constant(array) for array in of])
        return [variable.numpy() for variable in (*variables, *optimizer.variables)]

    found, expected = updated(optimizers), updated(keras.optimizers)
    assert len(found) == len(expected)
    for array, wanted in zip(found, expected, strict=True):
        # TensorFlow takes 1 - beta of numbers that are rounded already: 1e-5 of a step.
        np.testing.assert_allclose(array, wanted, rtol=2e-5, atol=1e-5)
    assert not np.allclose(found[0], starts[0], atol=1e-3)
