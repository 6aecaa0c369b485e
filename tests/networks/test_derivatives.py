"""Derivatives of the fast recurrent layers: of any order, in either mode, in any function."""

from typing import Any

import numpy as np
import pytest

from stages.networks import recurrent
from stages.networks.backend import tf
from tests.networks.cases import combinations
from tests.networks.layers import CELLS, models, near, pair, random, right_padded


def twice(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    """The gradient of the gradient, as for a penalty on gradients."""
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            results = tf.nest.flatten(layer(inputs, mask=mask, training=training))
            total = tf.add_n([tf.reduce_sum(tf.sin(value)) for value in results])
        total = tf.reduce_sum(tf.sin(inner.gradient(total, inputs)))
    return outer.gradient(
        total, [inputs, *(variable.value for variable in layer.trainable_variables)]
    )


def three_times(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(tf.sin(twice(layer, inputs, mask, training)[0]))
    return [tape.gradient(total, inputs)]


def forward(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    with tf.autodiff.ForwardAccumulator(inputs, tf.sin(inputs)) as accumulator:
        results = tf.nest.flatten(layer(inputs, mask=mask, training=training))
    return [accumulator.jvp(value) for value in results]


def forward_over_backward(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    with tf.autodiff.ForwardAccumulator(inputs, tf.sin(inputs)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(tf.sin(layer(inputs, mask=mask, training=training)[0]))
        gradient = tape.gradient(total, inputs)
    return [accumulator.jvp(gradient)]


def two_tapes(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    with tf.GradientTape(persistent=True) as one, tf.GradientTape() as other:
        one.watch(inputs)
        other.watch(inputs)
        outputs = layer(inputs, mask=mask, training=training)[0]
    return [
        one.gradient(outputs, inputs),
        one.gradient(outputs, layer.trainable_variables),
        other.gradient(outputs, inputs),
    ]


def jacobian(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = layer(inputs, mask=mask, training=training)[0]
    return [tape.jacobian(outputs, inputs), tape.batch_jacobian(outputs, inputs)]


@pytest.mark.parametrize(
    ("cell", "derivative", "masked"),
    combinations(
        CELLS,
        [twice, three_times, forward, forward_over_backward, two_tapes, jacobian],
        [False, True],
        fast=[("simple_rnn", twice, True), ("gru", two_tapes, True)],
    ),
)
def test_derivatives_of_any_order(cell: str, derivative: Any, masked: bool) -> None:
    """Without a mask in prediction, which runs other code; with a mask and recurrent dropout in
    training."""
    inputs = tf.constant(random(1, 4, 3, 3))
    mask = tf.constant(right_padded(4, 3)) if masked else None
    layers = pair(
        cell, "float64", return_sequences=True, return_state=True, recurrent_dropout=0.4 * masked
    )
    expected, received = (derivative(layer, inputs, mask, masked) for layer in layers)
    near(received, expected, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("derivative", [twice, two_tapes])
def test_derivatives_in_functions_compiled_or_not(derivative: Any) -> None:
    """What was traced for one way of compiling is not used for another."""
    inputs = tf.constant(random(1, 4, 3, 3))
    plain, fast = pair("lstm", "float64", return_sequences=True, return_state=True)
    expected = derivative(plain, inputs, None, True)
    near(derivative(fast, inputs, None, True), expected, 1e-9)
    for compiled in (False, True):
        near(
            tf.function(lambda inputs: derivative(fast, inputs, None, True), jit_compile=compiled)(
                inputs
            ),
            expected,
            1e-9,
        )
    unknown = tf.function(
        lambda inputs: derivative(fast, inputs, None, True),
        input_signature=[tf.TensorSpec([None, None, 3], tf.float64)],
    )
    near(unknown(inputs), expected, 1e-9)


@pytest.mark.slow
def test_a_forward_derivative_through_a_function_is_that_of_finite_differences() -> None:
    """Keras's own layers have none to compare with."""
    layer = pair("gru", "float64", return_sequences=True)[1]
    inputs = tf.constant(random(1, 4, 3, 3))
    function = tf.function(lambda inputs: layer(inputs, training=True))
    with tf.autodiff.ForwardAccumulator(inputs, tf.sin(inputs)) as accumulator:
        outputs = function(inputs)
    step = 1e-5 * tf.sin(inputs)
    near(accumulator.jvp(outputs), (function(inputs + step) - function(inputs - step)) / 2e-5, 1e-8)


@pytest.mark.slow
def test_a_tape_after_fit() -> None:
    inputs = random(1, 4, 5, 3).astype("float32")
    results = []
    for model in models("lstm", "both"):
        model.compile("sgd", "mse")
        model.fit(inputs, np.ones((4, 5, 1)), verbose=0)
        with tf.GradientTape(persistent=True) as tape:
            model.predict_on_batch(inputs)
            outputs = model(inputs, training=True)
        results.append(
            tape.gradient(outputs, [variable.value for variable in model.trainable_variables])
        )
    near(results[1], results[0])


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["gru"]))
def test_finite_differences(cell: str) -> None:
    """The gradients with respect to all arguments, without Keras for comparison."""
    layer = recurrent.FAST[cell](4, return_sequences=True, dtype="float64")
    inputs = random(1, 4, 6, 3)
    layer.build(inputs.shape)
    layer.set_weights(
        [random(index, *weight.shape) * 0.5 for index, weight in enumerate(layer.get_weights())]
    )
    factors = random(2, 4, 6, 4)

    @tf.function
    def total(inputs: Any) -> Any:
        return tf.reduce_sum(layer(inputs, training=True) * factors)

    point = tf.Variable(inputs)
    variables = [point, *(variable.value for variable in layer.trainable_variables)]
    with tf.GradientTape() as tape:
        value = total(point)
    for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
        start = variable.numpy()
        for position in np.random.default_rng(3).integers(0, start.size, 6):
            step = np.zeros(start.size)
            step[position] = 1e-5
            sides = []
            for sign in (1, -1):
                variable.assign(start + sign * step.reshape(start.shape))
                sides.append(float(total(point)))
            variable.assign(start)
            assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(
                gradient.numpy().reshape(-1)[position], rel=1e-6, abs=1e-8
            )
