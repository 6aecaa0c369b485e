"""The parts of the recogniser that are this kind's own, and what it learns."""

from typing import Any

import numpy as np
import pytest

from stages.kinds.speech_recognition import train
from stages.kinds.speech_recognition.decoding import Decoding, hear
from stages.kinds.speech_recognition.judging import judge
from stages.networks import prediction, training
from stages.networks.backend import keras
from tests.kinds.speech_recognition.examples import PITCHES, prepared, table

BANDS, FRAMES, BATCH = 7, 24, 400
RNG = np.random.default_rng(0)


def masked(masks: dict[str, Any] | None, stride: int = 2) -> Any:
    parameters = train.Parameters(masks=None if masks is None else train.Masks(**masks))
    frames = keras.Input((None, BANDS))
    return keras.Model(frames, train._masked(frames, parameters, stride))


def test_masks_hide_groups_of_bands_by_their_share() -> None:
    ones = np.ones((BATCH, FRAMES, BANDS), np.float32)
    training.seed_everything(0)
    kept = np.asarray(masked({"bands": 0.3, "band_width": 3, "times": 0.0})(ones, training=True))
    assert set(np.unique(kept)) == {0, 1}
    assert (kept == kept[:, :1]).all()
    # Of seven bands the last one is a group of its own.
    for first, after in ((0, 3), (3, 6), (6, 7)):
        group = kept[:, 0, first:after]
        assert (group == group[:, :1]).all()
        assert 1 - group[:, 0].mean() == pytest.approx(0.3, abs=0.07)
    assert np.corrcoef(kept[:, 0, 0], kept[:, 0, 3])[0, 1] == pytest.approx(0, abs=0.15)


def test_masks_hide_stretches_of_steps_by_their_share() -> None:
    ones = np.ones((BATCH, FRAMES, BANDS), np.float32)
    model = masked({"bands": 0.0, "times": 0.2, "time_width": 5}, stride=2)
    training.seed_everything(0)
    kept = np.asarray(model(ones, training=True))
    assert set(np.unique(kept)) == {0, 1}
    assert (kept == kept[:, :, :1]).all()
    for first, after in ((0, 10), (10, 20), (20, 24)):
        stretch = kept[:, first:after, 0]
        assert (stretch == stretch[:, :1]).all()
        assert 1 - stretch[:, 0].mean() == pytest.approx(0.2, abs=0.06)


def test_masks_are_seeded_and_of_training_alone() -> None:
    frames = RNG.normal(size=(BATCH, FRAMES, BANDS)).astype(np.float32)
    both = {"bands": 0.3, "band_width": 2, "times": 0.3, "time_width": 2}
    runs = []
    for seed in (1, 1, 2):
        training.seed_everything(seed)
        model = masked(both)
        np.testing.assert_array_equal(model(frames), frames)
        np.testing.assert_array_equal(model(frames, training=False), frames)
        runs.append([np.asarray(model(frames, training=True)) for _ in range(2)])
    for first, second in zip(runs[0], runs[1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert (runs[0][0] != runs[0][1]).any()
    assert (runs[0][0] != runs[2][0]).any()
    shown = runs[0][0] != 0
    np.testing.assert_array_equal(runs[0][0][shown], frames[shown])
    assert shown.mean() == pytest.approx(0.7 * 0.7, abs=0.04)
    for off in (None, {"bands": 0.0, "times": 0.0}):
        np.testing.assert_array_equal(masked(off)(frames, training=True), frames)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 9])
def test_neighbours_and_a_matrix_are_a_convolution(width: int) -> None:
    steps = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    kernel = RNG.normal(size=(width, 3, 4)).astype(np.float32)
    layer = keras.layers.Conv1D(4, width, padding="same", use_bias=False)
    layer.build(steps.shape)
    layer.set_weights([kernel])
    found = np.asarray(train._neighbours(steps, width))
    assert found.shape == (2, 6, 3 * width)
    np.testing.assert_allclose(found @ kernel.reshape(-1, 4), layer(steps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_frames_are_joined_in_their_order(stride: int) -> None:
    frames = RNG.normal(size=(2, 12, 5)).astype(np.float32)
    joined = np.asarray(train._joined(frames, stride))
    np.testing.assert_array_equal(joined, frames.reshape(2, 12 // stride, 5 * stride))


@pytest.fixture
def examples(folder: Any) -> Any:
    return prepared(stride=2).examples


def built(examples: Any, **settings: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Returns a network with random weights, and a batch of all training recordings."""
    settings = {"cell": "gru", "units": 4, "filters": 5, "convolutions": 2, **settings}
    parameters = train.Parameters.model_validate(settings)
    network = train.build(examples, parameters, "network")
    network.set_weights([RNG.normal(size=weight.shape) for weight in network.get_weights()])
    batches = train.batches(examples, "train", parameters)
    batch = batches.cut(np.arange(len(batches)), int(batches.lengths.max()) + 3)
    return network, batch["inputs"]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_nothing_comes_from_behind_the_end(examples: Any, bidirectional: bool) -> None:
    network, inputs = built(examples, bidirectional=bidirectional, width=4)
    own = np.arange(inputs["features"].shape[1] // 2) < inputs["steps"][:, None]
    scores = np.asarray(network(inputs))
    assert scores.shape == (*own.shape, examples.blank + 1)
    assert not scores[~own].any()
    assert scores[own].all()
    frames = inputs["features"].copy()
    frames[~own.repeat(2, axis=1)] = 1000
    changed = np.asarray(network({**inputs, "features": frames}))
    np.testing.assert_array_equal(changed, scores)


@pytest.mark.parametrize(("bidirectional", "first"), [(True, 4), (False, 15 - 2 * 2)])
def test_a_step_sees_as_far_ahead_as_its_layers(
    examples: Any, bidirectional: bool, first: int
) -> None:
    # Two convolutions of four steps see two steps ahead each.
    network, inputs = built(examples, bidirectional=bidirectional, width=4)
    frames = inputs["features"].copy()
    frames[:, 30:32] += 1
    before, after = (
        np.asarray(network({**inputs, "features": features}))
        for features in (inputs["features"], frames)
    )
    longest = int(inputs["steps"].argmax())
    assert inputs["steps"][longest] > 20
    differs = (before != after)[longest].any(1)
    if bidirectional:  # all of them, but for what rounding takes away far from the change
        assert int(differs.argmax()) <= first
    else:
        assert int(differs.argmax()) == first


def test_features_in_half_precision_change_little(examples: Any) -> None:
    network, inputs = built(examples)
    exact = inputs["features"]
    # As far off as rounding to float16 may be.
    rounded = exact * (1 + RNG.uniform(-1, 1, exact.shape) * 2**-11).astype(np.float32)
    before, after = (
        np.asarray(network({**inputs, "features": features})) for features in (exact, rounded)
    )
    assert 0 < np.abs(before - after).max() < 0.02 * before.std()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("unit", ["words", "characters"])
def test_it_learns_to_tell_tones(unit: str) -> None:
    rng, words = np.random.default_rng(5), list(PITCHES)
    texts = [" ".join(rng.choice(words, rng.integers(1, 5))) for _ in range(100)]
    data = prepared(table(texts[:80], texts[80:95], texts[95:]), unit=unit)
    parameters = train.Parameters(
        cell="gru", units=24, filters=32, dropout=0.1, epochs=30, batch_size=8, learning_rate=0.01
    )
    training.seed_everything(1)
    network = train.build(data.examples, parameters, "network")
    train_batches, validation = (
        train.batches(data.examples, split, parameters) for split in ("train", "validation")
    )
    training.fit(network, train.loss(parameters), train_batches, validation, parameters, 1)
    numbers = data.examples.numbers_of("validation")
    for decoding in (Decoding(beams=1), Decoding(), Decoding(language_weight=0.3, bonus=0.5)):
        heard = hear(prediction.Predictor(network), data.examples, numbers, decoding)
        judged = judge(data, "validation")(heard.texts)
        assert judged.scores()["wer"] < 0.2
