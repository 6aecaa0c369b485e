"""Plain and fast recurrent layers and models of the same weights, and what compares them."""

from typing import Any

import numpy as np

from stages.networks import recurrent
from stages.networks.backend import keras, tf

CELLS = list(recurrent.FAST)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10, "mixed_float16": 2e-2, "mixed_bfloat16": 8e-2}


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def right_padded(rows: int, steps: int) -> np.ndarray:
    lengths = np.random.default_rng(5).integers(0, steps + 1, rows)
    return np.arange(steps) < lengths[:, None]


def pair(
    cell: str,
    dtype: str = "float32",
    wrap: Any = None,
    units: int = 6,
    features: int = 3,
    batch: int | None = None,
    **arguments: Any,
) -> list[Any]:
    """Returns a plain and a fast layer of the same weights (biases are not zero either) and
    seeds."""
    layers = []
    for classes, around in (
        (recurrent.PLAIN, keras.layers.Bidirectional),
        (recurrent.FAST, recurrent.Bidirectional),
    ):
        built = classes[cell](units, dtype=dtype, seed=3, **arguments)
        built = around(built) if wrap else built
        built.build((batch, None, features))
        built.set_weights(
            [random(index, *weight.shape) * 0.5 for index, weight in enumerate(built.get_weights())]
        )
        layers.append(built)
    return layers


def outcome(
    layer: Any,
    inputs: np.ndarray,
    states: list[np.ndarray] | None,
    mask: Any,
    training: bool,
    compiled: bool = True,
) -> list[Any]:
    """Returns all outputs and states of a layer, and the gradients with respect to the
    inputs, the weights and the initial states."""
    dtype = layer.compute_dtype
    primals = [tf.constant(inputs, dtype), *(tf.constant(state, dtype) for state in states or [])]
    mask = None if mask is None else tf.constant(mask)

    def derive(*primals: Any) -> list[Any]:
        weights = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(primals)
            results = tf.nest.flatten(
                layer(
                    primals[0],
                    initial_state=list(primals[1:]) or None,
                    mask=mask,
                    training=training,
                )
            )
            # Each value has a factor of its own, so that no two errors cancel.
            terms = [
                tf.reduce_sum(value * tf.constant(random(index, *value.shape), value.dtype))
                for index, value in enumerate(results)
            ]
            total = tf.add_n(terms)
        return [*results, *tape.gradient(total, [*primals, *weights])]

    results = (tf.function(derive) if compiled else derive)(*primals)
    return [np.asarray(tf.cast(value, tf.float64)) for value in results]


def compare(layers: list[Any], *arguments: Any, **more: Any) -> None:
    tolerance = TOLERANCE[layers[0].dtype_policy.name]
    plain, fast = (outcome(layer, *arguments, **more) for layer in layers)
    assert len(plain) == len(fast)
    for expected, received in zip(plain, fast, strict=True):
        assert expected.shape == received.shape
        assert np.abs(received - expected).max(initial=0) <= tolerance * max(
            np.abs(expected).max(initial=0), 1e-3
        )


def models(
    cell: str, *layers: str, batch: int | None = None, steps: int | None = 5, dtype: str = "float32"
) -> list[Any]:
    """Returns a model of Keras's own layers and a fast one, of the same weights. Layers: stateful,
    both (directions), accelerated."""
    built = []
    for fast in (False, True):
        accelerated = "accelerated" in layers
        classes = recurrent.FAST if fast and not accelerated else recurrent.PLAIN
        around = recurrent.Bidirectional if fast and not accelerated else keras.layers.Bidirectional
        layer = classes[cell](6, return_sequences=True, stateful="stateful" in layers)
        inputs = keras.Input(batch_shape=(batch, steps, 3), dtype=dtype)
        model = keras.Sequential(
            [inputs, around(layer) if "both" in layers else layer, keras.layers.Dense(1)]
        )
        model.set_weights(
            [random(index, *weight.shape) * 0.5 for index, weight in enumerate(model.get_weights())]
        )
        built.append(recurrent.accelerate(model) if fast and accelerated else model)
    return built


def near(received: Any, expected: Any, tolerance: float = 1e-4) -> None:
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(
            np.asarray(one, "float64"), np.asarray(other, "float64"), rtol=tolerance, atol=tolerance
        )
