"""The fast recurrent layers in Keras models, and where they leave the work to Keras."""

import logging
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recurrent_speed
from stages.networks import recurrent
from stages.networks.backend import keras, tf
from tests.networks.cases import combinations
from tests.networks.layers import CELLS, models, near, pair, random


@pytest.mark.slow
@pytest.mark.parametrize("fast", [True, False])
def test_the_benchmark_runs(fast: bool) -> None:
    for function in recurrent_speed.tensorflow_steps(fast, "gru", [4, 3, 2, 2, 2, True]).values():
        function(2)
    recurrent_speed.language_steps(fast)["train"](2)


def test_what_is_not_covered_runs_in_keras_own_loop(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the fast loop does not cover runs Keras's own and logs why; nothing else is logged."""
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
            lambda device: ["GPU:0"] if device == "GPU" else ["CPU:0"],
        )
        recurrent.GRU(4)(inputs)
        assert "there is a GPU" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("layers", [(), ("accelerated", "both")])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stateful_model_is_fitted_and_predicts_as_in_keras(
    cell: str, layers: tuple[str, ...]
) -> None:
    inputs = random(1, 8, 5, 3).astype("float32")
    results = []
    for model in models(cell, "stateful", *layers, batch=4):
        model.compile("sgd", "mse")
        losses = model.fit(
            inputs, np.ones((8, 5, 1)), batch_size=4, epochs=2, shuffle=False, verbose=0
        ).history["loss"]
        carried = model.predict(inputs, batch_size=4, verbose=0)
        for layer in model.layers[:-1]:
            layer.reset_states() if hasattr(layer, "reset_states") else layer.reset_state()
        results.append(
            [
                losses,
                carried,
                model.predict(inputs, batch_size=4, verbose=0),
                model.predict_on_batch(inputs[:4]),
            ]
        )
    near(results[1], results[0])
    assert np.abs(results[0][1] - results[0][2]).max() > 1e-3


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["lstm"]))
def test_a_stateful_layer_carries_its_state_in_a_function_whose_batch_is_unknown(cell: str) -> None:
    inputs = random(1, 4, 5, 3).astype("float32")
    results = []
    for layer in pair(cell, batch=4, stateful=True):
        function = tf.function(
            lambda inputs, layer=layer: layer(inputs),
            input_signature=[tf.TensorSpec([None, None, 3])],
        )
        results.append([function(inputs), function(inputs), layer(inputs), *layer.states])
    near(results[1], results[0])


@pytest.mark.slow
def test_a_model_of_integers_and_unknown_length_is_fitted() -> None:
    inputs = (3 * random(1, 8, 5, 3)).astype("int32")
    results = []
    for model in models("lstm", "both", steps=None, dtype="int32"):
        model.compile("sgd", "mse")
        results.append(
            [
                model.fit(inputs, np.ones((8, 5, 1)), verbose=0).history["loss"],
                model.predict(inputs, verbose=0),
            ]
        )
    near(results[1], results[0])


@pytest.mark.parametrize("cell", combinations(CELLS, fast=["gru"]))
def test_fitted_with_xla(cell: str) -> None:
    inputs = random(1, 8, 5, 3).astype("float32")
    results = []
    for model in models(cell, "both", "stateful", batch=4):
        model.compile("sgd", "mse", jit_compile=True)
        results.append(
            [
                model.fit(
                    inputs, np.ones((8, 5, 1)), batch_size=4, shuffle=False, verbose=0
                ).history["loss"],
                *model.get_weights(),
            ]
        )
    near(results[1], results[0])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [4, None])
def test_within_time_distributed_and_beside_other_recurrent_layers(steps: int | None) -> None:
    inputs = random(1, 2, 4, 5, 3).astype("float32")
    results = []
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
        results.append((recurrent.accelerate(model) if fast else model).predict(inputs, verbose=0))
    near(results[1], results[0])


@pytest.mark.slow
@pytest.mark.parametrize("format", ["tf_saved_model", "onnx"])
@pytest.mark.parametrize("cell", CELLS)
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
    for layer in (recurrent.LSTM, keras.layers.LSTM):
        assert layer.from_config(configuration).get_config() == configuration
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
