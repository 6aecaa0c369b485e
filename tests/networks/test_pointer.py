"""Copied tokens, and the loss of coverage, against loops over their definitions."""

import numpy as np
import pytest

from stages.networks import pointer
from stages.networks.backend import tf

BATCH, STEPS, SOURCE, IDS, EXTENDED = 2, 3, 4, 6, 2
# The second source has padding; ids from 6 on are of tokens that cannot be written.
COPIES = np.array([[3, 6, 3, 7], [5, 6, -1, -1]], np.int32)
TARGETS = np.array([[3, 7, 2], [6, 4, 5]], np.int32)


@pytest.fixture(scope="module")
def outputs() -> np.ndarray:
    rng = np.random.default_rng(1)
    weights = rng.random((BATCH, STEPS, SOURCE)) * (COPIES >= 0)[:, None]
    weights /= weights.sum(-1, keepdims=True)
    logits = rng.normal(size=(BATCH, STEPS, IDS + 1))
    return np.concatenate([logits, weights], -1).astype(np.float32)


def softmax(values: np.ndarray) -> np.ndarray:
    return np.exp(values) / np.exp(values).sum()


def mixture(outputs: np.ndarray, row: int, step: int) -> np.ndarray:
    """Returns the probability of each id, (IDS + EXTENDED,), by the definition."""
    one = outputs[row, step].astype(np.float64)
    share = 1 / (1 + np.exp(-one[IDS]))
    found = np.zeros(IDS + EXTENDED)
    found[:IDS] = share * softmax(one[:IDS])
    for place, number in enumerate(COPIES[row]):
        if number >= 0:
            found[number] += (1 - share) * one[IDS + 1 + place]
    return found


def test_a_token_is_written_or_copied(outputs: np.ndarray) -> None:
    logs = pointer.log_probabilities(
        tf.constant(outputs), IDS, tf.constant(COPIES), tf.constant(EXTENDED)
    ).numpy()
    for row in range(BATCH):
        for step in range(STEPS):
            expected = mixture(outputs, row, step)
            assert expected.sum() == pytest.approx(1)
            np.testing.assert_allclose(np.exp(logs[row, step]), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_minus_log_p_of_the_targets(outputs: np.ndarray, smoothing: float) -> None:
    found = pointer.nats(
        tf.constant(TARGETS), tf.constant(outputs), IDS, tf.constant(COPIES), smoothing
    ).numpy()
    for row in range(BATCH):
        for step in range(STEPS):
            own = -np.log(mixture(outputs, row, step)[TARGETS[row, step]])
            others = -np.log(softmax(outputs[row, step, :IDS].astype(np.float64))).mean()
            expected = (1 - smoothing) * own + smoothing * others
            assert found[row, step] == pytest.approx(expected, rel=1e-4)


def test_a_target_that_can_neither_be_written_nor_copied_has_a_finite_gradient() -> None:
    outputs = tf.zeros((1, 1, IDS + 1 + SOURCE))
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        nats = pointer.nats(tf.constant([[7]]), outputs, IDS, tf.constant([[3, 4, 5, -1]]), 0.0)
    assert np.isfinite(nats).all()
    assert np.isfinite(tape.gradient(nats, outputs)).all()


def test_coverage_is_what_attention_gives_again() -> None:
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(SOURCE), (BATCH, STEPS)).astype(np.float32)
    mask = np.array([[1, 1, 1], [1, 1, 0]], np.float32)
    found = pointer.coverage(tf.constant(weights), tf.constant(mask)).numpy()
    for row in range(BATCH):
        for step in range(int(mask[row].sum())):
            before = weights[row, :step].sum(0)
            expected = sum(
                min(one, two) for one, two in zip(weights[row, step], before, strict=True)
            )
            assert found[row, step] == pytest.approx(expected, abs=1e-6)
