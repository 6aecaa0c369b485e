"""The parts of the network that are this kind's own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages import train as stage
from stages.kinds.sequence_tagging import decoding, train
from stages.networks.backend import keras, tf
from stages.text import entities
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


@pytest.mark.usefixtures("project")
def test_the_balance_is_the_one_with_the_best_f1_on_validation() -> None:
    """As a loop finds it that scores the tags of each."""
    examples = prepared()
    place, offsets = examples.tokens_of("validation")
    lengths, tags = np.diff(offsets), examples.tags[place]
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.float32)
    size = examples.tags_known
    outputs = np.random.default_rng(4).normal(size=(*mask.shape, size, size)).astype(np.float32)
    # What a network says that finds some entities, and fewer than there are.
    outputs[mask > 0] += 3 * np.eye(size)[tags][:, None]
    outputs[..., 0] += 2

    def said(taken: float) -> Callable[..., np.ndarray]:
        scores = outputs - taken * np.eye(size, dtype=np.float32)[0]
        return lambda _, reduce: np.asarray(reduce(tf.constant(scores), {"mask": mask}))

    gold, f1 = entities.find(tags, examples.tag_names, offsets), {}
    for taken in decoding.BALANCES:
        found, _ = decoding.decode(said(taken), examples, examples.numbers_of("validation"))
        predicted = entities.find(found, examples.tag_names, offsets)
        f1[taken] = entities.count(gold, predicted).f1
    best = max(f1, key=lambda taken: f1[taken])
    assert f1[0] < f1[best] > f1[max(f1)]
    assert decoding.balance(said(0), examples) == best


@pytest.mark.usefixtures("project")
def test_a_balance_is_taken_off_the_scores_of_one_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, parameters = prepared(), train.Parameters(**{**TRAIN, "balance": True})
    network = train.build(examples, parameters, "tagger")
    batch = train.batches(examples, "validation", parameters).cut(np.arange(3))
    before = np.asarray(network(batch["inputs"]))
    assert train.settle(network, examples, train.Parameters()) == {}
    np.testing.assert_array_equal(network(batch["inputs"]), before)
    monkeypatch.setattr(decoding, "balance", lambda predict, examples: 0.75)
    assert train.settle(network, examples, parameters) == {"balance": 0.75}
    outside = np.array(examples.tag_names[: examples.tags_known]) == "O"
    after = np.asarray(network(batch["inputs"]))
    np.testing.assert_allclose(after, before - 0.75 * outside, atol=1e-5)
    assert train.settle(network, examples, parameters, {"balance": 0.5}) == {"balance": 0.5}
    after = np.asarray(network(batch["inputs"]))
    np.testing.assert_allclose(after, before - 1.25 * outside, atol=1e-5)


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
