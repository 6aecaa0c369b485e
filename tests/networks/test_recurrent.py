"""The fast recurrent layers against Keras's own: results, gradients, saved models, shapes, and where they step aside."""

import itertools
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import recurrent_speed
from stages.networks import recurrence, recurrent
from stages.networks.backend import keras, tf

CELLS = list(recurrent.FAST)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10, "mixed_float16": 2e-2, "mixed_bfloat16": 8e-2}


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def right_padded(rows: int, steps: int) -> np.ndarray:
    lengths = np.random.default_rng(5).integers(0, steps + 1, rows)
    return np.arange(steps) < lengths[:, None]


def pair(cell: str, dtype: str = "float32", wrap: Any = None, units: int = 6, features: int = 3, **arguments: Any) -> list[Any]:
    """Returns a plain and a fast layer of the same weights (also the biases are not zero) and seeds."""
    layers = []
    for kinds, around in ((recurrent.PLAIN, keras.layers.Bidirectional), (recurrent.FAST, recurrent.Bidirectional)):
        built = kinds[cell](units, dtype=dtype, seed=3, **arguments)
        built = around(built) if wrap else built
        built.build((None, None, features))
        built.set_weights([random(index, *weight.shape) * 0.5 for index, weight in enumerate(built.get_weights())])
        layers.append(built)
    return layers


def outcome(layer: Any, inputs: np.ndarray, states: list[np.ndarray] | None, mask: Any, training: bool, compiled: bool = True) -> list[Any]:
    """Returns all outputs and states of a layer, and the gradients by inputs, weights and initial states."""
    kind = layer.compute_dtype
    given = [tf.constant(inputs, kind), *(tf.constant(state, kind) for state in states or [])]
    mask = None if mask is None else tf.constant(mask)

    def run(*given: Any) -> list[Any]:
        weights = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(given)
            found = tf.nest.flatten(layer(given[0], initial_state=list(given[1:]) or None, mask=mask, training=training))
            # Each value has a factor of its own, so that no two errors cancel.
            parts = [tf.reduce_sum(value * tf.constant(random(index, *value.shape), value.dtype)) for index, value in enumerate(found)]
            total = tf.add_n(parts)
        return [*found, *tape.gradient(total, [*given, *weights])]

    found = (tf.function(run) if compiled else run)(*given)
    return [np.asarray(tf.cast(value, tf.float64)) for value in found]


def compare(layers: list[Any], *arguments: Any, **more: Any) -> None:
    tolerance = TOLERANCE[layers[0].dtype_policy.name]
    plain, fast = (outcome(layer, *arguments, **more) for layer in layers)
    assert len(plain) == len(fast)
    for expected, received in zip(plain, fast, strict=True):
        assert expected.shape == received.shape
        assert np.abs(received - expected).max(initial=0) <= tolerance * max(np.abs(expected).max(initial=0), 1e-3)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "sequences": {"return_sequences": True},
    "last": {},
    "states": {"return_sequences": True, "return_state": True},
    "last state": {"return_state": True},
    "backwards": {"return_sequences": True, "return_state": True, "go_backwards": True},
    "no bias": {"return_sequences": True, "use_bias": False},
    "dropout": {"return_sequences": True, "return_state": True, "dropout": 0.4},
    "recurrent dropout": {"return_sequences": True, "return_state": True, "recurrent_dropout": 0.4},
    "both dropouts": {"return_sequences": True, "dropout": 0.3, "recurrent_dropout": 0.4},
    "both dropouts, no bias": {"dropout": 0.3, "recurrent_dropout": 0.4, "use_bias": False},
    "relu": {"return_sequences": True, "activation": "relu"},
    "linear": {"return_sequences": True, "activation": "linear"},
}


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("cell", CELLS)
def test_equals_keras(cell: str, case: str) -> None:
    rows, steps = 8, 5
    count = 2 if cell == "lstm" else 1
    states = [random(20 + index, rows, 6) for index in range(count)]
    dtypes = ["float64", "float32"] if case in ("states", "dropout", "recurrent dropout") else ["float64"]
    for dtype, mask in itertools.product(dtypes, (None, right_padded(rows, steps))):
        compare(pair(cell, dtype, **ARGUMENTS[case]), random(9, rows, steps, 3), states, mask, True)


@pytest.mark.parametrize("padding", ["right", "left", "holes"])
@pytest.mark.parametrize("cell", CELLS)
def test_masks(cell: str, padding: str) -> None:
    rows, steps = 9, 7
    mask = right_padded(rows, steps)
    mask = {"right": mask, "left": mask[:, ::-1], "holes": random(4, rows, steps) > 0}[padding]
    for sequences in (True, False):
        layers = pair(cell, return_sequences=sequences, return_state=True)
        for built in layers:
            built.zero_output_for_mask = sequences
        compare(layers, random(9, rows, steps, 3), None, mask, True)
    compare(pair(cell, wrap=True, return_sequences=True), random(9, rows, steps, 3), None, mask, True)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(cell: str, dtype: str) -> None:
    compare(pair(cell, dtype, return_sequences=True, return_state=True), 0.5 * random(9, 8, 5, 3), None, right_padded(8, 5), True)
    compare(pair(cell, dtype, return_sequences=True), 0.5 * random(9, 8, 5, 3), None, None, False)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [5, recurrence.LONG])
def test_without_training(cell: str, steps: int) -> None:
    """Gradients without `training`, as for saliency, take another way through the code."""
    compare(pair(cell, "float64", return_sequences=True, return_state=True), random(9, 8, steps, 3), None, None, False)
    compare(pair(cell, "float64"), random(9, 8, steps, 3), None, right_padded(8, steps), False)
    compare(pair(cell, "float64", use_bias=False), random(9, 8, steps, 3), None, None, False)


@pytest.mark.parametrize(("training", "recurrent_dropout"), [(True, 0.0), (True, 0.4), (False, 0.0)])
def test_a_kernel_whose_rows_are_a_page(training: bool, recurrent_dropout: float) -> None:
    layers = pair("lstm", "float64", units=128, return_sequences=True, recurrent_dropout=recurrent_dropout)
    assert layers[0].cell.recurrent_kernel.shape[1] * 8 == 4096
    compare(layers, random(9, 4, recurrence.LONG, 3), None, None, training)


@pytest.mark.parametrize("cell", CELLS)
def test_eager(cell: str) -> None:
    compare(pair(cell, return_sequences=True, return_state=True), random(9, 4, 5, 3), None, None, True, compiled=False)


@settings(max_examples=12, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9)),
    masked=st.booleans(),
    both=st.booleans(),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_shape(cell: str, shape: tuple[int, ...], masked: bool, both: bool, training: bool, seed: int) -> None:
    rows, steps, features, units = shape
    mask = random(seed, rows, steps) > 0 if masked else None
    layers = pair(cell, "float64", wrap=both, units=units, features=features, return_sequences=True)
    compare(layers, random(seed, rows, steps, features), None, mask, training)


@pytest.mark.parametrize("cell", CELLS)
def test_finite_differences(cell: str) -> None:
    """The gradients by all that a layer is given, without Keras as the judge."""
    layer = recurrent.FAST[cell](4, return_sequences=True, dtype="float64")
    inputs = random(1, 4, 6, 3)
    layer.build(inputs.shape)
    layer.set_weights([random(index, *weight.shape) * 0.5 for index, weight in enumerate(layer.get_weights())])
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
            assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(gradient.numpy().reshape(-1)[position], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("cell", CELLS)
def test_carried_state(cell: str) -> None:
    """Two halves of a sequence with the state carried over are the whole; a stateful layer carries its own."""
    layer = recurrent.FAST[cell](5, return_sequences=True, return_state=True)
    inputs = random(1, 6, 8, 3).astype("float32")
    whole = layer(inputs)
    first, *states = layer(inputs[:, :5])
    second, *states = layer(inputs[:, 5:], initial_state=states)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole[0], atol=1e-6)
    np.testing.assert_allclose(states[0], whole[1], atol=1e-6)
    stateful = recurrent.FAST[cell](5, return_sequences=True, stateful=True)
    stateful.build((6, 4, 3))
    stateful.set_weights(layer.get_weights())
    np.testing.assert_allclose(np.concatenate([stateful(inputs[:, :4]), stateful(inputs[:, 4:])], 1), whole[0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_unknown_sizes(cell: str) -> None:
    """Rows and steps that are known only at run time: right for all, and few shapes are compiled."""
    plain, fast = pair(cell, return_sequences=True, return_state=True)
    unknown = tf.function(lambda inputs: fast(inputs), input_signature=[tf.TensorSpec([None, None, 3])])
    for rows, steps in ((1, 1), (3, 5), (20, 7), (33, 2)):
        inputs = random(rows, rows, steps, 3).astype("float32")
        for expected, received in zip(plain(inputs), unknown(inputs), strict=True):
            assert received.shape == expected.shape
            np.testing.assert_allclose(received, expected, atol=1e-5)
    one = tf.function(lambda inputs: fast(inputs), input_signature=[tf.TensorSpec([1, None, 3])])
    inputs = random(2, 1, 5, 3).astype("float32")
    np.testing.assert_allclose(one(inputs)[0], plain(inputs)[0], atol=1e-5)
    sizes = [int(recurrence._whole(tf.constant(size), recurrence.PARTS)) for size in range(1, 1001)]
    assert all(whole >= size for size, whole in enumerate(sizes, 1))
    assert all(whole <= 1.5 * size for size, whole in enumerate(sizes, 1) if size > 1)
    assert len(set(sizes)) <= 20


@pytest.mark.parametrize("fast", [True, False])
def test_the_benchmark_runs(fast: bool) -> None:
    for function in recurrent_speed.tensorflow_steps(fast, "gru", [4, 3, 2, 2, 2, True]).values():
        function(2)
    recurrent_speed.language_steps(fast)["train"](2)


@pytest.mark.parametrize("cell", CELLS)
def test_same_bytes(cell: str) -> None:
    layer = recurrent.FAST[cell](16, return_sequences=True, dropout=0.2, recurrent_dropout=0.2, seed=1)
    layer.build((None, None, 3))
    inputs = random(1, 32, 20, 3)
    found = []
    for _ in range(2):
        layer.cell.seed_generator.state.assign([0, 1])
        found.append([value.tobytes() for value in outcome(layer, inputs, None, None, True)])
    assert found[0] == found[1]


def test_saved_model_is_plain_keras(tmp_path: Path) -> None:
    """A process that cannot import this package loads the model and predicts the same; weights move both ways."""
    inputs = keras.Input((7, 3))
    hidden = recurrent.Bidirectional(recurrent.GRU(4, return_sequences=True))(inputs)
    model = keras.Model(inputs, recurrent.LSTM(5)(recurrent.SimpleRNN(6, return_sequences=True)(hidden)))
    assert all(type(layer) not in recurrent.PLAIN.values() for layer in model._flatten_layers())
    batch = random(1, 6, 7, 3).astype("float32")
    expected = np.asarray(model(batch))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "batch.npy", batch)
    code = """
import sys
import numpy as np, keras
model = keras.saving.load_model("model.keras")
assert not any(name.startswith("stages") for name in sys.modules)
np.save("found.npy", model(np.load("batch.npy")))
model.save("again.keras")
"""
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)
    again = recurrent.accelerate(keras.saving.load_model(tmp_path / "again.keras"))
    assert all(type(layer) not in (*recurrent.PLAIN.values(), keras.layers.Bidirectional) for layer in again._flatten_layers())
    assert [type(layer) for layer in again._flatten_layers()][-4:] == [type(layer) for layer in model._flatten_layers()][-4:]
    np.testing.assert_array_equal(again(batch), expected)
    again.set_weights(model.get_weights())


def test_steps_aside(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fast loop does not cover takes Keras's way and says so; everything else is silent."""
    inputs = random(1, 4, 5, 3).astype("float32")
    cases = {
        "unrolled": {"unroll": True},
        "activation is elu": {"activation": "elu"},
        "activation is <lambda>": {"activation": lambda values: values},
    }
    with caplog.at_level(logging.DEBUG, "reprise"):
        recurrent.LSTM(4)(inputs)
        assert not caplog.messages
        for reason, arguments in cases.items():
            caplog.clear()
            plain, fast = pair("gru", return_sequences=True, **arguments)
            np.testing.assert_allclose(fast(inputs), plain(inputs), atol=1e-6)
            assert [message for message in caplog.messages if reason in message]
        caplog.clear()
        recurrent.GRU(4, reset_after=False)(inputs)
        assert "its reset gate stands before the product" in caplog.text
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] if kind == "GPU" else ["CPU:0"])
        recurrent.GRU(4)(inputs)
        assert "there is a GPU" in caplog.text


def test_can_be_turned_off() -> None:
    assert type(recurrent.layer("lstm", 4, "layer", fast=False)) is keras.layers.LSTM
    assert type(recurrent.layer("lstm", 4, "layer")) is recurrent.LSTM
