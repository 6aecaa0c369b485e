"""The conditional random field against all paths, a plain loop, and python-crfsuite."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.networks import crf
from stages.networks.backend import keras, tf

# Few shapes: the compiled functions are compiled for each.
ROWS, STEPS, TAGS = 5, 4, 3
LENGTHS = np.array([4, 1, 0, 3, 2])
MASK = (np.arange(STEPS) < LENGTHS[:, None]).astype("float32")
RNG = np.random.default_rng(0)
POTENTIALS = RNG.normal(scale=2, size=(ROWS, STEPS, TAGS, TAGS)).astype("float32")
TARGETS = RNG.integers(0, TAGS, (ROWS, STEPS)).astype("int32")
EVERY = np.ones((TAGS + 1, TAGS), bool)


def pairs(path: tuple[int, ...], start: int = crf.OUTSIDE) -> list[tuple[int, int]]:
    """Returns the tag before each step, and its own."""
    return list(zip((start, *path), path, strict=False))


def score(potentials: np.ndarray, path: tuple[int, ...]) -> float:
    return sum(float(potentials[t, i, j]) for t, (i, j) in enumerate(pairs(path)))


def losses_and_gradients(
    potentials: Any, targets: Any = TARGETS, mask: Any = MASK
) -> tuple[np.ndarray, float, np.ndarray]:
    potentials = tf.constant(potentials)
    with tf.GradientTape() as tape:
        tape.watch(potentials)
        total, weight = crf.loss(potentials, {"targets": targets, "mask": mask})
    return total.numpy(), float(weight), tape.gradient(total, potentials).numpy()


def test_loss_and_gradient_are_those_of_all_paths() -> None:
    expected, gradient = 0.0, np.zeros_like(POTENTIALS)
    for row, length in enumerate(LENGTHS):
        paths = list(itertools.product(range(TAGS), repeat=length))
        scores = np.array([score(POTENTIALS[row], path) for path in paths])
        right = tuple(TARGETS[row, :length].tolist())
        log_z = np.log(np.exp(scores).sum())
        expected += log_z - score(POTENTIALS[row], right)
        chances = np.exp(scores - log_z) - [path == right for path in paths]
        for path, chance in zip(paths, chances, strict=True):
            for t, (i, j) in enumerate(pairs(path)):
                gradient[row, t, i, j] += chance
    total, weight, computed = losses_and_gradients(POTENTIALS)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert weight == LENGTHS.sum()
    np.testing.assert_allclose(computed, gradient, atol=1e-5)


def plain_loss(potentials: Any) -> Any:
    """The forward algorithm step by step, for TensorFlow to differentiate."""
    alpha = tf.where(tf.range(TAGS) == crf.OUTSIDE, 0.0, -1e9)[None] + tf.zeros((ROWS, 1))
    before = np.pad(TARGETS[:, :-1], [(0, 0), (1, 0)])
    right = 0.0
    for t in range(STEPS):
        after = tf.reduce_logsumexp(alpha[:, :, None] + potentials[:, t], 1)
        alpha = tf.where(MASK[:, t, None] > 0, after, alpha)
        entries = np.stack([before[:, t], TARGETS[:, t]], -1)
        right += tf.gather_nd(potentials[:, t], entries, batch_dims=1) * MASK[:, t]
    return tf.reduce_sum(tf.reduce_logsumexp(alpha, 1) - right)


@pytest.mark.parametrize("scale", [1, 30, 1000])
def test_it_is_a_plain_loop_with_its_derivative_for_scores_of_any_size(scale: float) -> None:
    potentials = tf.constant(POTENTIALS * scale)
    with tf.GradientTape() as tape:
        tape.watch(potentials)
        expected = plain_loss(potentials)
    total, _, gradient = losses_and_gradients(potentials)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, tape.gradient(expected, potentials), atol=1e-4)


def test_the_gradient_is_how_fast_the_loss_changes() -> None:
    _, _, gradient = losses_and_gradients(POTENTIALS)
    for seed in range(5):
        direction = np.random.default_rng(seed).normal(size=POTENTIALS.shape).astype("float32")
        up, down = (
            losses_and_gradients(POTENTIALS + step * direction)[0] for step in (0.01, -0.01)
        )
        np.testing.assert_allclose((up - down) / 0.02, (gradient * direction).sum(), rtol=5e-3)


def test_what_does_not_count_changes_nothing_to_the_byte() -> None:
    wrong = MASK == 0
    targets = np.where(wrong, 2 - TARGETS, TARGETS)
    huge = np.where(wrong[:, :, None, None], np.float32(1e30), POTENTIALS)
    expected = losses_and_gradients(POTENTIALS)
    for computed in (
        losses_and_gradients(POTENTIALS, targets),
        losses_and_gradients(huge, targets),
        losses_and_gradients(POTENTIALS),
    ):
        for array, other in zip(computed, expected, strict=True):
            np.testing.assert_array_equal(array, other)
    assert not expected[2][wrong].any()


def test_padding_changes_nothing() -> None:
    longer = np.pad(POTENTIALS, [(0, 0), (0, 3), (0, 0), (0, 0)])
    targets, mask = (np.pad(array, [(0, 0), (0, 3)]) for array in (TARGETS, MASK))
    expected = losses_and_gradients(POTENTIALS)
    computed = losses_and_gradients(longer, targets, mask)
    np.testing.assert_allclose(computed[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(computed[2][:, :STEPS], expected[2], atol=1e-6)
    assert not computed[2][:, STEPS:].any()
    tags, chances = crf.decode(longer, mask, EVERY)
    alone = crf.decode(POTENTIALS, MASK, EVERY)
    np.testing.assert_array_equal(tags[:, :STEPS], alone[0])
    np.testing.assert_allclose(chances[:, :STEPS], alone[1], atol=1e-6)
    assert not np.any(tags[:, STEPS:])


def test_a_gradient_of_the_gradient_is_an_error_and_no_number() -> None:
    potentials = tf.constant(POTENTIALS)
    with tf.GradientTape() as outer:
        outer.watch(potentials)
        with tf.GradientTape() as inner:
            inner.watch(potentials)
            total, _ = crf.loss(potentials, {"targets": TARGETS, "mask": MASK})
        size = tf.reduce_sum(tf.square(inner.gradient(total, potentials)))
    with pytest.raises(NotImplementedError, match="first gradients only"):
        outer.gradient(size, potentials)


# Tag 2 goes on only behind 1 or itself, and a text may not end with 1.
CONSTRAINED = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 0]], bool)


@pytest.mark.parametrize(
    ("allowed", "ends"),
    [(EVERY, None), (CONSTRAINED, None), (CONSTRAINED, np.array([True, False, True]))],
)
def test_decoding_is_the_best_of_all_allowed_paths(allowed: Any, ends: Any) -> None:
    tags, chances = crf.decode(POTENTIALS, MASK, allowed, ends)
    assert (tags.dtype, chances.dtype) == (tf.int32, tf.float32)
    for row, length in enumerate(LENGTHS):
        paths = [
            path
            for path in itertools.product(range(TAGS), repeat=length)
            if all(allowed[i, j] for i, j in pairs(path, TAGS))
            and (ends is None or not path or ends[path[-1]])
        ]
        scores = np.array([score(POTENTIALS[row], path) for path in paths])
        best = paths[int(scores.argmax())]
        assert tuple(tags[row, :length].numpy().tolist()) == best
        share = np.exp(scores) / np.exp(scores).sum()
        for t, tag in enumerate(best):
            expected = share[[path[t] == tag for path in paths]].sum()
            np.testing.assert_allclose(chances[row, t], expected, rtol=1e-5)
        assert not np.any(tags[row, length:])
        assert not np.any(chances[row, length:])


def test_it_is_the_model_of_crfsuite(tmp_path: Path) -> None:
    crfsuite = pytest.importorskip("pycrfsuite")
    names, rng = ["O", "B", "I"], np.random.default_rng(1)
    trainer = crfsuite.Trainer(verbose=False)
    for _ in range(30):
        words, tags = rng.integers(0, 4, STEPS), rng.integers(0, TAGS, STEPS)
        trainer.append([{f"w{word}": 1.0} for word in words], [names[tag] for tag in tags])
    trainer.train(str(tmp_path / "model"))
    tagger = crfsuite.Tagger()
    tagger.open(str(tmp_path / "model"))
    info = tagger.info()
    words = rng.integers(0, 4, (ROWS, STEPS))
    emissions = np.array(
        [
            [[info.state_features.get((f"w{w}", n), 0.0) for n in names] for w in row]
            for row in words
        ]
    )
    transitions = np.array([[info.transitions.get((i, j), 0.0) for j in names] for i in names])
    assert np.abs(transitions).max() > 0.01
    potentials = emissions[:, :, None, :] + transitions
    # crfsuite has no transition to the first tag.
    potentials[:, 0] = emissions[:, 0, None, :]
    potentials = potentials.astype("float32")
    total, _, _ = losses_and_gradients(potentials, TARGETS, np.ones_like(MASK))
    tags, chances = crf.decode(potentials, np.ones_like(MASK), EVERY)
    expected = 0.0
    for row in range(ROWS):
        tagger.set([{f"w{word}": 1.0} for word in words[row]])
        expected -= np.log(tagger.probability([names[tag] for tag in TARGETS[row]]))
        best = tagger.tag()
        assert [names[tag] for tag in tags[row].numpy()] == best
        # Its marginals are wrong behind `tag`.
        tagger.set([{f"w{word}": 1.0} for word in words[row]])
        marginals = [tagger.marginal(tag, t) for t, tag in enumerate(best)]
        np.testing.assert_allclose(chances[row], marginals, rtol=1e-4)
    np.testing.assert_allclose(total, expected, rtol=1e-4)


def saved(folder: Path) -> tuple[keras.Model, Path]:
    """Returns a model that has potentials, and where it is saved."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    emissions = keras.layers.Embedding(9, TAGS, name="emissions")(tokens)
    model = keras.Model({"tokens": tokens}, crf.potentials(emissions, tokens))
    numbers = np.arange(TAGS * TAGS, dtype="float32").reshape(TAGS, TAGS)
    model.get_layer("transitions").set_weights([numbers])
    model.save(folder / "model.keras")
    return model, folder / "model.keras"


def test_potentials_are_emissions_and_transitions_whatever_the_sizes(tmp_path: Path) -> None:
    model, path = saved(tmp_path)
    weights = {
        name: model.get_layer(name).get_weights()[0] for name in ("emissions", "transitions")
    }
    for network in (model, keras.saving.load_model(path)):
        # Also where a batch is as large as another axis.
        for rows, steps in itertools.product((1, 2, 3, 4), (1, 2, 3)):
            tokens = RNG.integers(0, 9, (rows, steps)).astype("int32")
            expected = weights["emissions"][tokens][:, :, None, :] + weights["transitions"]
            np.testing.assert_allclose(network({"tokens": tokens}), expected, rtol=1e-6)


def test_transitions_are_trained() -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    emissions = keras.layers.Embedding(9, TAGS)(tokens)
    model = keras.Model({"tokens": tokens}, crf.potentials(emissions, tokens))
    words = tf.constant(RNG.integers(0, 9, (ROWS, STEPS)), tf.int32)
    with tf.GradientTape() as tape:
        outputs = model({"tokens": words})
        tape.watch(outputs)
        total, _ = crf.loss(outputs, {"targets": TARGETS, "mask": MASK})
    table = model.get_layer("transitions").trainable_variables[0]
    expected, gradient = tape.gradient(total, [outputs, table])
    summed = tf.reduce_sum(expected, [0, 1])
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), summed, rtol=1e-4, atol=1e-5)
    assert np.abs(summed).min() > 0


@pytest.mark.slow
def test_a_saved_model_loads_without_this_project(tmp_path: Path) -> None:
    model, _ = saved(tmp_path)
    tokens = RNG.integers(0, 9, (2, 3)).astype("int32")
    np.save(tmp_path / "tokens.npy", tokens)
    program = (
        "import keras, numpy as np, sys\n"
        "model = keras.saving.load_model('model.keras')\n"
        "np.save('outputs.npy', model({'tokens': np.load('tokens.npy')}))\n"
        "assert not any(name.split('.')[0] == 'stages' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "outputs.npy"), model({"tokens": tokens}), rtol=1e-6
    )
