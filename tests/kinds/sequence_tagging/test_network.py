"""The parts of the network that are this kind's own."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import train as stage
from stages.kinds.sequence_tagging import train
from stages.networks.backend import keras
from tests.kinds.sequence_tagging.project import TRAIN, prepared, write_parameters
from tests.tasks import die_at_checkpoint


def test_the_convolution_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(2, 3, 5, 4)).astype(np.float32)
    lengths = np.array([[5, 1, 0], [3, 4, 2]])
    own = np.arange(5) < lengths[..., None]
    for width in (1, 2, 3):
        spelled = train.Spelled(units=6, width=width)
        inputs = keras.Input((None, 5, 4)), keras.Input((None, 5), dtype="bool")
        model = keras.Model(inputs, train._convolved(*inputs, spelled))
        weights = [rng.normal(size=weight.shape) for weight in model.get_weights()]
        model.set_weights(weights)
        kernel, bias = weights
        expected = np.zeros((2, 3, 6))
        for row, step in np.ndindex(2, 3):
            letters = steps[row, step, : lengths[row, step]]
            for place in range(len(letters)):
                window = np.zeros((width, 4))
                for shift in range(width):
                    other = place + shift - (width - 1) // 2
                    if 0 <= other < len(letters):
                        window[shift] = letters[other]
                value = np.maximum(window.ravel() @ kernel + bias, 0)
                expected[row, step] = np.maximum(expected[row, step], value)
        np.testing.assert_allclose(model([steps, own]), expected, rtol=1e-4, atol=1e-5)


def test_steps_are_numbered_through_the_rows() -> None:
    steps = keras.Input((None,), dtype="int32")
    model = keras.Model(steps, train._numbers(steps))
    for shape in ((1, 1), (3, 4), (4, 1), (1, 5)):
        numbers = np.asarray(model(np.zeros(shape, np.int32)))
        np.testing.assert_array_equal(numbers, np.arange(np.prod(shape)).reshape(shape))


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_a_killed_training_ends_with_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {**TRAIN, "epochs": 2, "steps_per_call": 2, "checkpoint_seconds": 0}
    write_parameters(train=short)
    prepared()

    def run() -> None:
        # As a process of its own would name layers.
        keras.backend.clear_session()
        stage.main(["x"])

    run()
    model = Path("data/models/x/model.keras")
    expected = model.read_bytes()
    model.unlink()
    shutil.rmtree("data/checkpoints")
    with monkeypatch.context() as patch:
        saved = die_at_checkpoint(3, patch)
        with pytest.raises(KeyboardInterrupt):
            run()
        assert saved() == 3
    run()
    assert model.read_bytes() == expected
