"""A network that is asked again and again."""

from typing import Any

import numpy as np
import pytest

from stages.networks import recurrent, serving
from stages.networks.backend import keras
from stages.networks.prediction import predict
from tests.networks.toys import Numbers, line


@pytest.mark.parametrize("count", [1, 127, 128, 129, 513, 1030])
def test_any_number_of_examples_has_the_outputs_of_a_prediction(count: int) -> None:
    network, source = line(), Numbers(count)
    inputs = source.cut(np.arange(count))["inputs"]
    assert "unused" in inputs
    found = serving.answering(network)(inputs)
    np.testing.assert_allclose(found, predict(network, source), rtol=1e-6)


@pytest.mark.parametrize(
    "cell",
    ["gru", *(pytest.param(cell, marks=pytest.mark.slow) for cell in ("lstm", "simple_rnn"))],
)
def test_a_window_has_the_same_outputs_alone_and_among_others(cell: str) -> None:
    """To the last digit: what is near a threshold is not above it at one time and below it at
    another."""
    window = keras.Input((8, 2), name="window")
    other = keras.Input((3,), name="known")
    steps, _ = recurrent.apply(recurrent.layer(cell, 40, "cell"), window)
    outputs = keras.layers.Dense(20)(keras.layers.Concatenate()([steps[:, -1], other]))
    network = keras.Model({"window": window, "known": other}, outputs)
    series = np.random.default_rng(0).normal(size=(760, 2)).astype(np.float32)
    # Views of one series, of which no step is copied before it is needed.
    windows = np.lib.stride_tricks.sliding_window_view(series, 8, axis=0).transpose(0, 2, 1)
    inputs = {"known": np.ones((753, 3), np.float32), "window": windows, "unused": windows}
    answer = serving.answering(network)
    whole = answer(inputs)
    expected = network({"window": windows, "known": inputs["known"]})
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-5)
    for first, after in ((0, 1), (7, 9), (500, 628), (752, 753)):
        part = answer({name: array[first:after] for name, array in inputs.items()})
        np.testing.assert_array_equal(part, whole[first:after])


def test_each_size_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    network = line()

    class Counting:
        input = network.input

        def __call__(self, inputs: dict[str, Any], training: bool) -> Any:
            sizes.append(int(inputs["x"].shape[0]))
            return network(inputs)

    answer = serving.answering(Counting())
    for count in (1, 2, 140, 128, 1, 700, 3):
        assert answer({"x": np.zeros((count, 1), np.float32)}).shape == (count, 1)
    assert sorted(sizes) == [128, 512]
