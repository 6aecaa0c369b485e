"""Scores of classes and probabilities, against scikit-learn, SciPy and loops."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn import metrics

from stages.kinds.text_classification import calibrating, measuring


def random_case(classes: int, texts: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, texts)
    logits = np.round(8 * rng.normal(size=(texts, classes))) / 8  # exact, with ties
    logits[np.arange(texts), labels] += 0.75
    return logits, labels


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_are_those_of_scikit_learn(classes: int) -> None:
    logits, labels = random_case(classes)
    if classes == 7:  # one that is never right, never predicted, and never there
        labels[labels == 6], logits[:, 6] = 5, -9
    scores = measuring.scores(logits, labels)
    probabilities = np.exp(measuring.log_probabilities(logits))
    predicted, all_classes = logits.argmax(1), list(range(classes))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert scores["macro_f1"] == pytest.approx(
        metrics.f1_score(labels, predicted, average="macro", labels=all_classes, zero_division=0)
    )
    assert scores["log_loss"] == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=all_classes)
    )
    assert ("auc" in scores) == (classes == 2)
    if classes == 2:
        expected = metrics.roc_auc_score(labels, logits[:, 1] - logits[:, 0])
        assert scores["auc"] == pytest.approx(expected)
    counts = measuring.confusion(logits, labels)
    np.testing.assert_array_equal(
        counts, metrics.confusion_matrix(labels, predicted, labels=all_classes)
    )
    by_class = measuring.class_scores(counts)
    expected = metrics.precision_recall_fscore_support(
        labels, predicted, labels=all_classes, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1", "count"), expected, strict=True):
        np.testing.assert_allclose(by_class[name], values)


def test_the_area_does_not_exist_for_texts_of_one_class() -> None:
    assert np.isnan(measuring.scores(np.ones((4, 2)), np.ones(4, int))["auc"])


@pytest.mark.parametrize("classes", [2, 5])
def test_the_calibration_error_is_that_of_a_loop_over_the_bins(classes: int) -> None:
    logits, labels = random_case(classes)
    probabilities = np.exp(measuring.log_probabilities(logits))
    surest, right = probabilities.max(1), probabilities.argmax(1) == labels
    error = 0.0
    for number in range(15):
        inside = (surest > number / 15) & (surest <= (number + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(surest[inside].mean() - right[inside].mean())
    assert measuring.scores(logits, labels)["ece"] == pytest.approx(error)


def test_the_interval_is_that_of_resampled_texts() -> None:
    right = np.arange(500) < 430
    rng = np.random.default_rng(1)
    resampled = [rng.choice(right, len(right)).mean() for _ in range(4000)]
    expected = np.quantile(resampled, [0.025, 0.975])
    np.testing.assert_allclose(measuring.interval(430, 500), expected, atol=0.003)
    exact = stats.binom.ppf([0.025, 0.975], 500, 0.86) / 500
    np.testing.assert_allclose(measuring.interval(430, 500), exact, atol=0.0021)
    assert measuring.interval(430, 500) == measuring.interval(430, 500)
    assert measuring.interval(10, 10) == (1, 1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_has_the_smallest_log_loss(scale: float) -> None:
    logits, labels = random_case(3)
    logits = scale * logits

    def loss(temperature: float) -> float:
        return measuring.scores(logits / temperature, labels)["log_loss"]

    found = optimize.minimize_scalar(
        loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6}
    )
    assert calibrating.temperature(logits, labels) == pytest.approx(found.x, rel=1e-3)


def test_the_temperature_stays_in_its_bounds() -> None:
    labels = np.array([0, 1, 1])
    assert calibrating.temperature(np.eye(2)[labels], labels) == calibrating.LOWEST
    assert calibrating.temperature(-9 * np.eye(2)[labels], labels) == calibrating.HIGHEST
