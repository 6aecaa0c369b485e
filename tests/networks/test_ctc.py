"""CTC against all paths, the forward algorithm in float64, and TensorFlow's own."""

import itertools
from typing import Any

import numpy as np
import pytest

from stages.networks import ctc
from stages.networks.backend import tf

# Few shapes: the compiled functions are compiled for each.
EXAMPLES, STEPS, CLASSES, LABELS = 7, 6, 4, 3
BLANK = CLASSES - 1
RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(scale=2, size=(EXAMPLES, STEPS, CLASSES)).astype("float32")
# Repeated labels, some that just fit their steps, an example of none, and one of neither.
SEQUENCES = [[0, 1, 2], [1, 1, 1], [2, 2], [], [0, 0, 2], [1], []]
OWN_STEPS = np.array([6, 5, 3, 4, 6, 1, 0], "int32")
COUNTS = np.array([len(sequence) for sequence in SEQUENCES], "int32")


def padded(sequences: list[list[int]], length: int, filler: int = 0) -> np.ndarray:
    rows = [sequence + [filler] * (length - len(sequence)) for sequence in sequences]
    return np.array(rows, "int32")


def computed(
    outputs: Any = OUTPUTS,
    labels: Any = None,
    counts: Any = COUNTS,
    steps: Any = OWN_STEPS,
    mask: Any = None,
) -> tuple[float, float, np.ndarray]:
    """Returns the loss, its weight and its gradient."""
    outputs = tf.constant(outputs)
    batch = {
        "targets": tf.constant(counts),
        "mask": tf.ones(len(counts)) if mask is None else tf.constant(mask, tf.float32),
        "given": {
            "labels": tf.constant(padded(SEQUENCES, LABELS) if labels is None else labels),
            "steps": tf.constant(steps),
        },
    }
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        total, weight = ctc.loss(outputs, batch)
    return float(total), float(weight), tape.gradient(total, outputs).numpy()


def log_softmax(scores: np.ndarray) -> np.ndarray:
    scores = scores.astype(float) - scores.max(-1, keepdims=True).astype(float)
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def merged(path: tuple[int, ...], blank: int = BLANK) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != blank]


def of_all_paths(scores: np.ndarray, labels: list[int]) -> tuple[float, np.ndarray]:
    """Returns -log p of the labels, and its gradient with respect to the scores."""
    logs, share = log_softmax(scores), np.zeros(scores.shape)
    steps = range(len(scores))
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        if merged(path, scores.shape[1] - 1) == labels:
            share[steps, path] += np.exp(logs[steps, path].sum())
    total = share.sum(1).mean() if len(scores) else 1.0
    return -np.log(total), np.exp(logs) - share / total


def forward(scores: np.ndarray, labels: list[int]) -> float:
    """Returns -log p of the labels by the recursion of the paper, state by state."""
    blank = scores.shape[1] - 1
    states = [blank, *itertools.chain.from_iterable((label, blank) for label in labels)]
    alpha = np.array([1.0] + [0.0] * (len(states) - 1))
    nats = 0.0
    for step, logs in enumerate(log_softmax(scores)):
        before = alpha
        alpha = np.zeros(len(states))
        for s, label in enumerate(states):
            alpha[s] = before[s] + (before[s - 1] if s else 0)
            if s > 1 and label not in (blank, states[s - 2]):
                alpha[s] += before[s - 2]
            if not step:
                alpha[s] = s < 2
            alpha[s] *= np.exp(logs[label])
        nats -= np.log(alpha.sum())
        alpha /= alpha.sum()
    return float(nats - np.log(alpha[-2:].sum()))


def test_loss_and_gradient_are_those_of_all_paths() -> None:
    total, weight, gradient = computed()
    expected = 0.0
    for example, (labels, steps) in enumerate(zip(SEQUENCES, OWN_STEPS, strict=True)):
        nats, slopes = of_all_paths(OUTPUTS[example, :steps], labels)
        expected += nats
        np.testing.assert_allclose(gradient[example, :steps], slopes, atol=2e-6)
        assert not gradient[example, steps:].any()
    assert total == pytest.approx(expected, rel=1e-6)
    assert weight == EXAMPLES


def long(scale: float) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    outputs = rng.normal(scale=scale, size=(4, 90, 9)).astype("float32")
    labels = rng.integers(0, 8, (4, 30)).astype("int32")
    labels[0, 3:6] = 2
    return outputs, labels, np.array([30, 12, 1, 0], "int32"), np.array([90, 61, 90, 33], "int32")


@pytest.mark.parametrize("scale", [1, 30, pytest.param(0.1, marks=pytest.mark.slow)])
def test_long_sequences_are_those_of_the_forward_algorithm(scale: float) -> None:
    outputs, labels, counts, steps = long(scale)

    def expected(outputs: np.ndarray) -> float:
        rows = zip(outputs, labels.tolist(), counts, steps, strict=True)
        return sum(forward(row[:own], of_row[:count]) for row, of_row, count, own in rows)

    total, _, gradient = computed(outputs, labels, counts, steps)
    assert total == pytest.approx(expected(outputs), rel=1e-6)
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=outputs.shape)
        up, down = (expected(outputs + step * direction) for step in (1e-5, -1e-5))
        assert (up - down) / 2e-5 == pytest.approx((gradient * direction).sum(), 1e-4, 5e-3)


@pytest.mark.parametrize("scale", [1, pytest.param(0.1, marks=pytest.mark.slow)])
def test_it_is_the_loss_of_tensorflow(scale: float) -> None:
    # TensorFlow's refuses examples without labels.
    outputs, labels, counts, steps = (array[:3] for array in long(scale))
    scores = tf.constant(outputs)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        sparse = tf.RaggedTensor.from_tensor(labels, lengths=counts).to_sparse()
        by_time = tf.transpose(scores, [1, 0, 2])
        expected = tf.reduce_sum(tf.nn.ctc_loss(sparse, by_time, None, steps, blank_index=-1))
    total, _, gradient = computed(outputs, labels, counts, steps)
    assert total == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradient, tape.gradient(expected, scores), atol=2e-4)


def test_padding_changes_nothing_to_the_byte() -> None:
    expected = computed()
    behind = np.arange(STEPS) >= OWN_STEPS[:, None]
    for filler in (np.float32(1e30), np.float32(np.nan)):
        other = computed(
            np.where(behind[:, :, None], filler, OUTPUTS), padded(SEQUENCES, LABELS, filler=2)
        )
        for array, like in zip(other, expected, strict=True):
            np.testing.assert_array_equal(array, like)
    longer = np.pad(OUTPUTS, [(0, 0), (0, 5), (0, 0)])
    other = computed(longer, padded(SEQUENCES, LABELS + 4))
    assert other[:2] == expected[:2]
    np.testing.assert_array_equal(other[2][:, :STEPS], expected[2])
    assert not other[2][:, STEPS:].any()


def test_masked_examples_count_in_nothing_even_if_they_are_impossible() -> None:
    mask = np.array([1, 0, 1, 1, 0, 1, 1], "float32")
    outputs = OUTPUTS.copy()
    outputs[1] = np.nan
    steps = np.where(mask, OWN_STEPS, 1).astype("int32")
    total, weight, gradient = computed(outputs, steps=steps, mask=mask)
    of_each = [computed(mask=np.arange(EXAMPLES) == i)[0] for i in np.flatnonzero(mask)]
    assert total == pytest.approx(sum(of_each), rel=1e-6)
    assert weight == 5
    np.testing.assert_array_equal(gradient[mask > 0], computed()[2][mask > 0])
    assert not gradient[mask == 0].any()


def test_what_cannot_be_aligned_has_a_large_loss_and_no_gradient() -> None:
    # Labels 1 1 1 need five steps, 2 2 need three, and without a step there can be no label.
    steps = np.array([6, 4, 2, 4, 6, 0, 0], "int32")
    of_each = [computed(steps=steps, mask=np.arange(EXAMPLES) == i) for i in range(EXAMPLES)]
    impossible = [1e8 < loss < np.inf for loss, _, _ in of_each]
    assert impossible == [False, True, True, False, False, True, False]
    assert of_each[3][0] > 0
    assert of_each[6][0] == 0
    gradient = computed(steps=steps)[2]
    assert np.isfinite(gradient).all()
    assert not gradient[[1, 2, 5, 6]].any()
    np.testing.assert_array_equal(gradient[[0, 3, 4]], computed()[2][[0, 3, 4]])


def test_no_labels_at_all_is_the_probability_of_blanks() -> None:
    none = np.zeros(EXAMPLES, "int32")
    logs = log_softmax(OUTPUTS)[:, :, BLANK]
    expected = -sum(logs[i, :steps].sum() for i, steps in enumerate(OWN_STEPS))
    for labels in (np.zeros((EXAMPLES, 0), "int32"), np.zeros((EXAMPLES, 1), "int32")):
        total, _, gradient = computed(labels=labels, counts=none)
        assert total == pytest.approx(expected, rel=1e-6)
        assert not np.isnan(gradient).any()


def test_sizes_may_be_unknown_when_the_graph_is_made() -> None:
    @tf.function(
        input_signature=[
            tf.TensorSpec([EXAMPLES, None, CLASSES]),
            tf.TensorSpec([EXAMPLES, None], tf.int32),
        ]
    )
    def graph(outputs: Any, labels: Any) -> Any:
        given = {"labels": labels, "steps": tf.constant(OWN_STEPS)}
        batch = {"targets": tf.constant(COUNTS), "mask": tf.ones(EXAMPLES), "given": given}
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            total, _ = ctc.loss(outputs, batch)
        return total, tape.gradient(total, outputs)

    expected = computed()
    for more in (0, 5):
        total, gradient = graph(
            np.pad(OUTPUTS, [(0, 0), (0, more), (0, 0)]), padded(SEQUENCES, LABELS + more)
        )
        assert float(total) == expected[0]
        np.testing.assert_array_equal(gradient[:, :STEPS], expected[2])


def test_the_same_bytes_twice() -> None:
    arguments = long(1)
    one, other = computed(*arguments), computed(*arguments)
    assert one[0] == other[0]
    assert one[2].tobytes() == other[2].tobytes()


def test_a_gradient_of_the_gradient_is_an_error_and_no_number() -> None:
    outputs = tf.constant(OUTPUTS)
    given = {"labels": padded(SEQUENCES, LABELS), "steps": OWN_STEPS}
    batch = {"targets": COUNTS, "mask": np.ones(EXAMPLES, "float32"), "given": given}
    with tf.GradientTape() as outer:
        outer.watch(outputs)
        with tf.GradientTape() as inner:
            inner.watch(outputs)
            total, _ = ctc.loss(outputs, batch)
        size = tf.reduce_sum(tf.square(inner.gradient(total, outputs)))
    with pytest.raises(NotImplementedError, match="first gradients only"):
        outer.gradient(size, outputs)
