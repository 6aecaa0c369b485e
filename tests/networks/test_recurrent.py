"""The fast recurrent layers against Keras's own: results, gradients, masks and saved models."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.networks import recurrence, recurrent
from stages.networks.backend import keras, tf
from tests.networks.cases import combinations
from tests.networks.layers import (
    CELLS,
    TOLERANCE,
    compare,
    near,
    outcome,
    pair,
    random,
    right_padded,
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


@pytest.mark.parametrize(
    ("cell", "case"),
    combinations(
        CELLS,
        ARGUMENTS,
        fast=[
            *((cell, "states") for cell in CELLS),
            ("lstm", "backwards"),
            ("gru", "both dropouts, no bias"),
        ],
    ),
)
def test_equals_keras(cell: str, case: str) -> None:
    compare_with_keras(cell, case, "float64")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["states", "dropout", "recurrent dropout"])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_keras_in_single_precision(cell: str, case: str) -> None:
    compare_with_keras(cell, case, "float32")


def compare_with_keras(cell: str, case: str, dtype: str) -> None:
    rows, steps = 8, 5
    count = 2 if cell == "lstm" else 1
    states = [random(20 + index, rows, 6) for index in range(count)]
    for mask in (None, right_padded(rows, steps)):
        compare(pair(cell, dtype, **ARGUMENTS[case]), random(9, rows, steps, 3), states, mask, True)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["right", "left", "scattered"])
@pytest.mark.parametrize("cell", CELLS)
def test_masks(cell: str, padding: str) -> None:
    rows, steps = 9, 7
    mask = right_padded(rows, steps)
    mask = {"right": mask, "left": mask[:, ::-1], "scattered": random(4, rows, steps) > 0}[padding]
    for sequences in (True, False):
        layers = pair(cell, return_sequences=sequences, return_state=True)
        for built in layers:
            built.zero_output_for_mask = sequences
        compare(layers, random(9, rows, steps, 3), None, mask, True)
    compare(
        pair(cell, wrap=True, return_sequences=True), random(9, rows, steps, 3), None, mask, True
    )


MASKS: dict[str, np.ndarray] = {
    "a column": right_padded(4, 5)[:, :, None],
    "a column of integers": right_padded(4, 5)[:, :, None].astype("int32"),
    "one row for all": right_padded(4, 5)[2:3],
    "each unit its own": random(4, 4, 5, 6) > 0,
}


@pytest.mark.parametrize(
    ("cell", "case"),
    combinations(CELLS, MASKS, fast=[("gru", "a column of integers")]),
)
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


@pytest.mark.parametrize(
    ("cell", "dtype"),
    combinations(
        CELLS, ["mixed_float16", "mixed_bfloat16"], fast=[("simple_rnn", "mixed_float16")]
    ),
)
def test_mixed_precision(cell: str, dtype: str) -> None:
    compare(
        pair(cell, dtype, return_sequences=True, return_state=True),
        0.5 * random(9, 8, 5, 3),
        None,
        right_padded(8, 5),
        True,
    )
    compare(pair(cell, dtype, return_sequences=True), 0.5 * random(9, 8, 5, 3), None, None, False)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [5, recurrence.LONG])
def test_without_training(cell: str, steps: int) -> None:
    """Gradients without `training`, as for saliency, run other code."""
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
    ("training", "recurrent_dropout"),
    [
        (False, 0.0),
        *(pytest.param(True, rate, marks=pytest.mark.slow) for rate in (0.0, 0.4)),
    ],
)
def test_a_kernel_whose_rows_are_a_page(training: bool, recurrent_dropout: float) -> None:
    layers = pair(
        "lstm", "float64", units=128, return_sequences=True, recurrent_dropout=recurrent_dropout
    )
    assert layers[0].cell.recurrent_kernel.shape[1] * 8 == 4096
    compare(layers, random(9, 4, recurrence.LONG, 3), None, None, training)


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["simple_rnn"]))
def test_eager(cell: str) -> None:
    compare(
        pair(cell, return_sequences=True, return_state=True),
        random(9, 4, 5, 3),
        None,
        None,
        True,
        compiled=False,
    )


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("cell", "dtype", "policy"),
    combinations(
        CELLS,
        ["int32", "uint8", "bool"],
        ["float32", "mixed_float16", "mixed_bfloat16"],
        fast=[("gru", "int32", "float32")],
    ),
)
def test_integers_and_booleans(cell: str, dtype: str, policy: str) -> None:
    inputs = tf.cast(np.abs(2 * random(1, 4, 5, 3)), dtype)
    results = []
    for layer in pair(cell, policy, return_sequences=True):
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
            total = tf.reduce_sum(outputs)
        results.append(
            [
                tf.cast(value, tf.float64)
                for value in (outputs, *tape.gradient(total, layer.trainable_variables))
            ]
        )
    for received, expected in zip(results[1], results[0], strict=True):
        assert np.abs(received - expected).max() <= TOLERANCE[policy] * max(
            np.abs(expected).max(), 1e-3
        )


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["lstm"]))
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


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["gru"]))
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


def test_unknown_sizes_are_rounded_up_to_few() -> None:
    sizes = recurrence._whole(tf.range(1, 1001), recurrence.SHARDS).numpy().tolist()
    assert all(whole >= size for size, whole in enumerate(sizes, 1))
    assert all(whole <= 1.5 * size for size, whole in enumerate(sizes, 1) if size > 1)
    assert len(set(sizes)) <= 20


def test_sizes_that_are_known_stay_known_after_a_call_with_unknown_ones() -> None:
    """TensorFlow would use what it traced for unknown sizes for known ones too."""
    layer = pair("lstm", return_sequences=True, return_state=True)[1]
    shapes: list[tuple[int | None, ...]] = []

    def noting(inputs: Any) -> Any:
        results = layer(inputs)
        shapes.extend(tuple(result.shape) for result in results)
        return results

    for rows, steps in ((None, None), (4, None), (None, 5), (4, 5)):
        signature = [tf.TensorSpec([rows, steps, 3])]
        tf.function(noting, input_signature=signature).get_concrete_function()
        assert shapes[-3:] == [(rows, steps, 6), (rows, 6), (rows, 6)]


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["lstm"]))
def test_same_bytes(cell: str) -> None:
    layer = recurrent.FAST[cell](
        16, return_sequences=True, dropout=0.2, recurrent_dropout=0.2, seed=1
    )
    layer.build((None, None, 3))
    inputs = random(1, 32, 20, 3)
    results = []
    for _ in range(2):
        layer.cell.seed_generator.state.assign([0, 1])
        results.append([value.tobytes() for value in outcome(layer, inputs, None, None, True)])
    assert results[0] == results[1]


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
np.save("outputs.npy", model(np.load("batch.npy")))
model.save("again.keras")
"""
    subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True
    )
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, atol=1e-6)
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
