"""The fast recurrent layers against Keras's own: results, gradients, saved models, shapes, and
where they step aside."""

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


def slow(parameter: Any) -> Any:
    return pytest.param(parameter, marks=pytest.mark.slow)


CELLS = list(recurrent.FAST)
# Where each takes many seconds, the cell with the most of its own is in the fast run.
MOSTLY_SLOW = ["gru", slow("lstm"), slow("simple_rnn")]
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
    """Returns a plain and a fast layer of the same weights (also the biases are not zero) and
    seeds."""
    layers = []
    for kinds, around in (
        (recurrent.PLAIN, keras.layers.Bidirectional),
        (recurrent.FAST, recurrent.Bidirectional),
    ):
        built = kinds[cell](units, dtype=dtype, seed=3, **arguments)
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
    """Returns all outputs and states of a layer, and the gradients by inputs, weights and initial
    states."""
    kind = layer.compute_dtype
    given = [tf.constant(inputs, kind), *(tf.constant(state, kind) for state in states or [])]
    mask = None if mask is None else tf.constant(mask)

    def run(*given: Any) -> list[Any]:
        weights = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(given)
            found = tf.nest.flatten(
                layer(given[0], initial_state=list(given[1:]) or None, mask=mask, training=training)
            )
            # Each value has a factor of its own, so that no two errors cancel.
            parts = [
                tf.reduce_sum(value * tf.constant(random(index, *value.shape), value.dtype))
                for index, value in enumerate(found)
            ]
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
        assert np.abs(received - expected).max(initial=0) <= tolerance * max(
            np.abs(expected).max(initial=0), 1e-3
        )


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
    dtypes = (
        ["float64", "float32"]
        if case in ("states", "dropout", "recurrent dropout")
        else ["float64"]
    )
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
    compare(
        pair(cell, wrap=True, return_sequences=True), random(9, rows, steps, 3), None, mask, True
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(cell: str, dtype: str) -> None:
    compare(
        pair(cell, dtype, return_sequences=True, return_state=True),
        0.5 * random(9, 8, 5, 3),
        None,
        right_padded(8, 5),
        True,
    )
    compare(pair(cell, dtype, return_sequences=True), 0.5 * random(9, 8, 5, 3), None, None, False)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [5, recurrence.LONG])
def test_without_training(cell: str, steps: int) -> None:
    """Gradients without `training`, as for saliency, take another way through the code."""
    compare(
        pair(cell, "float64", return_sequences=True, return_state=True),
        random(9, 8, steps, 3),
        None,
        None,
        False,
    )
    compare(pair(cell, "float64"), random(9, 8, steps, 3), None, right_padded(8, steps), False)
    compare(pair(cell, "float64", use_bias=False), random(9, 8, steps, 3), None, None, False)


@pytest.mark.parametrize(
    ("training", "recurrent_dropout"), [(True, 0.0), (True, 0.4), (False, 0.0)]
)
def test_a_kernel_whose_rows_are_a_page(training: bool, recurrent_dropout: float) -> None:
    layers = pair(
        "lstm", "float64", units=128, return_sequences=True, recurrent_dropout=recurrent_dropout
    )
    assert layers[0].cell.recurrent_kernel.shape[1] * 8 == 4096
    compare(layers, random(9, 4, recurrence.LONG, 3), None, None, training)


@pytest.mark.parametrize("cell", CELLS)
def test_eager(cell: str) -> None:
    compare(
        pair(cell, return_sequences=True, return_state=True),
        random(9, 4, 5, 3),
        None,
        None,
        True,
        compiled=False,
    )


@settings(max_examples=12, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9)),
    masked=st.booleans(),
    both=st.booleans(),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_shape(
    cell: str, shape: tuple[int, ...], masked: bool, both: bool, training: bool, seed: int
) -> None:
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


@pytest.mark.parametrize("cell", CELLS)
def test_carried_state(cell: str) -> None:
    """Two halves of a sequence with the state carried over are the whole; a stateful layer carries
    its own."""
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
    np.testing.assert_allclose(
        np.concatenate([stateful(inputs[:, :4]), stateful(inputs[:, 4:])], 1), whole[0], atol=1e-6
    )


@pytest.mark.parametrize("cell", CELLS)
def test_unknown_sizes(cell: str) -> None:
    """Rows and steps that are known only at run time: right for all, and few shapes are
    compiled."""
    plain, fast = pair(cell, return_sequences=True, return_state=True)
    unknown = tf.function(
        lambda inputs: fast(inputs), input_signature=[tf.TensorSpec([None, None, 3])]
    )
    for rows, steps in ((1, 1), (3, 5), (20, 7), (33, 2)):
        inputs = random(rows, rows, steps, 3).astype("float32")
        for expected, received in zip(plain(inputs), unknown(inputs), strict=True):
            assert received.shape == expected.shape
            np.testing.assert_allclose(received, expected, atol=1e-5)
    one = tf.function(lambda inputs: fast(inputs), input_signature=[tf.TensorSpec([1, None, 3])])
    inputs = random(2, 1, 5, 3).astype("float32")
    np.testing.assert_allclose(one(inputs)[0], plain(inputs)[0], atol=1e-5)
    sizes = [int(recurrence._whole(tf.constant(size), recurrence.SHARDS)) for size in range(1, 1001)]
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
    layer = recurrent.FAST[cell](
        16, return_sequences=True, dropout=0.2, recurrent_dropout=0.2, seed=1
    )
    layer.build((None, None, 3))
    inputs = random(1, 32, 20, 3)
    found = []
    for _ in range(2):
        layer.cell.seed_generator.state.assign([0, 1])
        found.append([value.tobytes() for value in outcome(layer, inputs, None, None, True)])
    assert found[0] == found[1]


def test_saved_model_is_plain_keras(tmp_path: Path) -> None:
    """A process that cannot import this package loads the model and predicts the same; weights move
    both ways."""
    inputs = keras.Input((7, 3))
    hidden = recurrent.Bidirectional(recurrent.GRU(4, return_sequences=True))(inputs)
    model = keras.Model(
        inputs, recurrent.LSTM(5)(recurrent.SimpleRNN(6, return_sequences=True)(hidden))
    )
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
    subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True
    )
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)
    again = recurrent.accelerate(keras.saving.load_model(tmp_path / "again.keras"))
    assert all(
        type(layer) not in (*recurrent.PLAIN.values(), keras.layers.Bidirectional)
        for layer in again._flatten_layers()
    )
    assert [type(layer) for layer in again._flatten_layers()][-4:] == [
        type(layer) for layer in model._flatten_layers()
    ][-4:]
    np.testing.assert_array_equal(again(batch), expected)
    again.set_weights(model.get_weights())


def test_steps_aside(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fast loop does not cover takes Keras's way and says so; everything else is
    silent."""
    inputs = random(1, 4, 5, 3).astype("float32")
    cases = {
        "it drops everything": {"dropout": 1.0},
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
        assert "its reset gate comes before the product" in caplog.text
        caplog.clear()
        recurrent.GRU(4)(inputs, initial_state=np.zeros((1, 4), "float32"))
        assert "several batch sizes" in caplog.text
        recurrent.GRU(4)(inputs, mask=np.ones((4, 5, 4), bool))
        assert "its mask has the shape (4, 5, 4)" in caplog.text
        recurrent.GRU(4, dtype="mixed_float16", autocast=False)(inputs)
        assert "several dtypes" in caplog.text
        monkeypatch.setattr(tf.config, "functions_run_eagerly", lambda: True)
        recurrent.GRU(4)(inputs)
        assert "functions run eagerly" in caplog.text
        monkeypatch.undo()
        caplog.clear()
        monkeypatch.setattr(
            tf.config,
            "list_logical_devices",
            lambda kind: ["GPU:0"] if kind == "GPU" else ["CPU:0"],
        )
        recurrent.GRU(4)(inputs)
        assert "there is a GPU" in caplog.text


def models(
    cell: str, *layers: str, batch: int | None = None, steps: int | None = 5, dtype: str = "float32"
) -> list[Any]:
    """Returns a model of Keras's own layers and a fast one, of the same weights. Layers: stateful,
    both (directions), accelerated."""
    built = []
    for fast in (False, True):
        accelerated = "accelerated" in layers
        kinds = recurrent.FAST if fast and not accelerated else recurrent.PLAIN
        around = recurrent.Bidirectional if fast and not accelerated else keras.layers.Bidirectional
        layer = kinds[cell](6, return_sequences=True, stateful="stateful" in layers)
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


@pytest.mark.parametrize("kind", [slow(()), ("accelerated", "both")])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stateful_model_is_fitted_and_predicts_as_in_keras(
    cell: str, kind: tuple[str, ...]
) -> None:
    inputs = random(1, 8, 5, 3).astype("float32")
    found = []
    for model in models(cell, "stateful", *kind, batch=4):
        model.compile("sgd", "mse")
        losses = model.fit(
            inputs, np.ones((8, 5, 1)), batch_size=4, epochs=2, shuffle=False, verbose=0
        ).history["loss"]
        carried = model.predict(inputs, batch_size=4, verbose=0)
        for layer in model.layers[:-1]:
            layer.reset_states() if hasattr(layer, "reset_states") else layer.reset_state()
        found.append(
            [
                losses,
                carried,
                model.predict(inputs, batch_size=4, verbose=0),
                model.predict_on_batch(inputs[:4]),
            ]
        )
    near(found[1], found[0])
    assert np.abs(found[0][1] - found[0][2]).max() > 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_a_stateful_layer_carries_its_state_in_a_function_whose_batch_is_unknown(cell: str) -> None:
    inputs = random(1, 4, 5, 3).astype("float32")
    found = []
    for layer in pair(cell, batch=4, stateful=True):
        function = tf.function(
            lambda inputs, layer=layer: layer(inputs),
            input_signature=[tf.TensorSpec([None, None, 3])],
        )
        found.append([function(inputs), function(inputs), layer(inputs), *layer.states])
    near(found[1], found[0])


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
@pytest.mark.parametrize("cell", CELLS)
def test_whole_numbers_and_truth_values(cell: str, dtype: str, policy: str) -> None:
    inputs = tf.cast(np.abs(2 * random(1, 4, 5, 3)), dtype)
    found = []
    for layer in pair(cell, policy, return_sequences=True):
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
            total = tf.reduce_sum(outputs)
        found.append(
            [
                tf.cast(value, tf.float64)
                for value in (outputs, *tape.gradient(total, layer.trainable_variables))
            ]
        )
    for received, expected in zip(found[1], found[0], strict=True):
        assert np.abs(received - expected).max() <= TOLERANCE[policy] * max(
            np.abs(expected).max(), 1e-3
        )


def test_a_model_of_whole_numbers_and_unknown_length_is_fitted() -> None:
    inputs = (3 * random(1, 8, 5, 3)).astype("int32")
    found = []
    for model in models("lstm", "both", steps=None, dtype="int32"):
        model.compile("sgd", "mse")
        found.append(
            [
                model.fit(inputs, np.ones((8, 5, 1)), verbose=0).history["loss"],
                model.predict(inputs, verbose=0),
            ]
        )
    near(found[1], found[0])


MASKS: dict[str, np.ndarray] = {
    "a column": right_padded(4, 5)[:, :, None],
    "a column of whole numbers": right_padded(4, 5)[:, :, None].astype("int32"),
    "one row for all": right_padded(4, 5)[2:3],
    "each unit its own": random(4, 4, 5, 6) > 0,
}


@pytest.mark.parametrize("case", MASKS)
@pytest.mark.parametrize("cell", CELLS)
def test_masks_of_any_shape_that_keras_takes(cell: str, case: str) -> None:
    inputs, mask = random(1, 4, 5, 3).astype("float32"), MASKS[case]
    signature = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None] * mask.ndim, mask.dtype)]
    for sequences, zeros, backwards in itertools.product((True, False), repeat=3):
        arguments = {
            "return_sequences": sequences,
            "zero_output_for_mask": zeros,
            "go_backwards": backwards,
            "return_state": True,
        }
        plain, fast = pair(cell, **arguments)
        expected = plain(inputs, mask=mask)
        near(fast(inputs, mask=mask), expected)
        if sequences and zeros:
            near(
                tf.function(
                    lambda inputs, mask, layer=fast: layer(inputs, mask=mask),
                    input_signature=signature,
                )(inputs, mask),
                expected,
            )


def test_a_state_of_one_row_is_the_state_of_all() -> None:
    inputs, state = random(1, 4, 5, 3).astype("float32"), random(2, 1, 6).astype("float32")
    plain, fast = pair("gru")
    expected = plain(inputs, initial_state=state)
    near(fast(inputs, initial_state=state), expected)
    function = tf.function(
        lambda inputs, state: fast(inputs, initial_state=state),
        input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 6])],
    )
    near(function(inputs, state), expected)


def twice(layer: Any, inputs: Any, mask: Any, training: bool) -> list[Any]:
    """The gradient of the gradient, by inputs and weights, as for a penalty on gradients."""
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            found = tf.nest.flatten(layer(inputs, mask=mask, training=training))
            total = tf.add_n([tf.reduce_sum(tf.sin(value)) for value in found])
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
        found = tf.nest.flatten(layer(inputs, mask=mask, training=training))
    return [accumulator.jvp(value) for value in found]


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


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "derivative",
    [twice, slow(three_times), forward, slow(forward_over_backward), two_tapes, jacobian],
)
@pytest.mark.parametrize("cell", MOSTLY_SLOW)
def test_derivatives_of_every_kind(cell: str, derivative: Any, masked: bool) -> None:
    """In prediction, which takes another way, without a mask; with one in training, with recurrent
    dropout."""
    inputs = tf.constant(random(1, 4, 3, 3))
    mask = tf.constant(right_padded(4, 3)) if masked else None
    layers = pair(
        cell, "float64", return_sequences=True, return_state=True, recurrent_dropout=0.4 * masked
    )
    expected, received = (derivative(layer, inputs, mask, masked) for layer in layers)
    near(received, expected, 1e-9)


@pytest.mark.parametrize("derivative", [twice, two_tapes])
def test_derivatives_in_functions_compiled_or_not(derivative: Any) -> None:
    """What was traced before for one kind of function does for none of the others."""
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


def test_a_forward_derivative_through_a_function_is_that_of_finite_differences() -> None:
    """Keras's own layers cannot be the judge: they have none."""
    layer = pair("gru", "float64", return_sequences=True)[1]
    inputs = tf.constant(random(1, 4, 3, 3))
    function = tf.function(lambda inputs: layer(inputs, training=True))
    with tf.autodiff.ForwardAccumulator(inputs, tf.sin(inputs)) as accumulator:
        outputs = function(inputs)
    step = 1e-5 * tf.sin(inputs)
    near(accumulator.jvp(outputs), (function(inputs + step) - function(inputs - step)) / 2e-5, 1e-8)


def test_a_tape_after_fit() -> None:
    inputs = random(1, 4, 5, 3).astype("float32")
    found = []
    for model in models("lstm", "both"):
        model.compile("sgd", "mse")
        model.fit(inputs, np.ones((4, 5, 1)), verbose=0)
        with tf.GradientTape(persistent=True) as tape:
            model.predict_on_batch(inputs)
            outputs = model(inputs, training=True)
        found.append(
            tape.gradient(outputs, [variable.value for variable in model.trainable_variables])
        )
    near(found[1], found[0])


@pytest.mark.parametrize("cell", MOSTLY_SLOW)
def test_fitted_with_xla(cell: str) -> None:
    inputs = random(1, 8, 5, 3).astype("float32")
    found = []
    for model in models(cell, "both", "stateful", batch=4):
        model.compile("sgd", "mse", jit_compile=True)
        found.append(
            [
                model.fit(
                    inputs, np.ones((8, 5, 1)), batch_size=4, shuffle=False, verbose=0
                ).history["loss"],
                *model.get_weights(),
            ]
        )
    near(found[1], found[0])


@pytest.mark.parametrize("steps", [4, None])
def test_within_time_distributed_and_beside_other_recurrent_layers(steps: int | None) -> None:
    inputs = random(1, 2, 4, 5, 3).astype("float32")
    found = []
    for fast in (False, True):
        others = [
            keras.layers.RNN(keras.layers.LSTMCell(3), return_sequences=True),
            keras.layers.RNN([keras.layers.GRUCell(3)] * 1),
        ]
        model = keras.Sequential(
            [keras.Input((steps, 5, 3)), keras.layers.TimeDistributed(keras.layers.GRU(4)), *others]
        )
        model.set_weights(
            [random(index, *weight.shape) * 0.5 for index, weight in enumerate(model.get_weights())]
        )
        found.append((recurrent.accelerate(model) if fast else model).predict(inputs, verbose=0))
    near(found[1], found[0])


@pytest.mark.parametrize("format", ["tf_saved_model", "onnx"])
@pytest.mark.parametrize("cell", MOSTLY_SLOW)
def test_an_exported_model_is_keras_own(cell: str, format: str, tmp_path: Path) -> None:
    """Without anything that XLA has to compile, also where the model has predicted before."""
    inputs = random(1, 4, 5, 3).astype("float32")
    model = models(cell, "both", "accelerated", steps=None)[1]
    expected = model.predict(inputs, verbose=0)
    if format == "onnx":
        pytest.importorskip("tf2onnx")
        runtime = pytest.importorskip("onnxruntime")
        model.export(tmp_path / "model.onnx", format=format, verbose=False)
        session = runtime.InferenceSession(tmp_path / "model.onnx")
        near(session.run(None, {session.get_inputs()[0].name: inputs})[0], expected)
        return
    model.export(tmp_path / "exported", format=format, verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    near(loaded.serve(inputs), expected)
    tf.saved_model.save(model, tmp_path / "saved")
    for name in ("exported", "saved"):
        assert b"_XlaMustCompile" not in (tmp_path / name / "saved_model.pb").read_bytes()
    near(model.predict(inputs, verbose=0), expected)


class OwnLayer(recurrent.GRU):
    """A subclass, as users write them."""


def test_copies_and_subclasses() -> None:
    """Keras builds plain layers of copies and configurations; a subclass stays what it is."""
    model = models("lstm", "both")[1]
    inputs = random(1, 4, 5, 3).astype("float32")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    near(copy(inputs), model(inputs))
    assert type(copy.layers[0]) is keras.layers.Bidirectional
    configuration = recurrent.LSTM(4, go_backwards=True).get_config()
    for kind in (recurrent.LSTM, keras.layers.LSTM):
        assert kind.from_config(configuration).get_config() == configuration
    assert OwnLayer(4).__class__ is OwnLayer
    assert (
        type(
            keras.models.clone_model(keras.Sequential([keras.Input((5, 3)), OwnLayer(4)])).layers[0]
        )
        is OwnLayer
    )


def test_can_be_turned_off() -> None:
    assert type(recurrent.layer("lstm", 4, "layer", fast=False)) is keras.layers.LSTM
    assert type(recurrent.layer("lstm", 4, "layer")) is recurrent.LSTM
