"""How good predicted classes and their probabilities are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# Of the probabilities' range, for the calibration error.
BINS = 15
RESAMPLES, INTERVAL = 10_000, (0.025, 0.975)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the softmax of logits (texts, classes), float64."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns the scores of some texts.

    Args:
        logits: (texts, classes), up to a number that is added to all of a text.
        labels: (texts,) int, the actual classes.

    Returns:
        `accuracy`, with the 95 % interval `accuracy_low`, `accuracy_high`; `macro_f1`, the mean F1
        of the classes; `log_loss`, the mean of -log p in nats; `ece`, the expected calibration
        error; and `auc`, the area under the ROC curve, for two classes.
    """
    logs = log_probabilities(logits)
    right = logs.argmax(1) == labels
    low, high = interval(int(right.sum()), len(right))
    by_class = class_scores(confusion(logs, labels))
    found = {
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": float(np.mean(by_class["f1"])),
        "log_loss": float(-logs[np.arange(len(labels)), labels].mean()),
        "ece": calibration_error(logs, labels),
    }
    if logs.shape[1] == 2:
        margins = np.asarray(logits, np.float64) @ [-1, 1]
        found["auc"] = area_under_roc(margins, labels == 1)
    return found


def interval(right: int, texts: int) -> tuple[float, float]:
    """Returns the 95 % interval of the accuracy by the bootstrap over texts (Efron and Tibshirani,
    1993, percentiles), from a fixed seed.

    The number of right texts in a resample of as many texts as there are is binomial, so that it is
    drawn directly.
    """
    drawn = np.random.default_rng(0).binomial(texts, right / texts, RESAMPLES) / texts
    low, high = np.quantile(drawn, INTERVAL, method="inverted_cdf")
    return float(low), float(high)


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns how many texts of each class (rows) were taken for each (columns)."""
    classes = logits.shape[1]
    return np.bincount(labels * classes + logits.argmax(1), minlength=classes**2).reshape(
        classes, classes
    )


def class_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `precision`, `recall`, `f1` and `count` of each class, (classes,), from a confusion
    matrix; a ratio of nothing to nothing is 0."""
    right, actual, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    return {
        "precision": right / np.maximum(predicted, 1),
        "recall": right / np.maximum(actual, 1),
        "f1": 2 * right / np.maximum(actual + predicted, 1),
        "count": actual,
    }


def area_under_roc(margins: np.ndarray, positive: np.ndarray) -> float:
    """Returns the share of pairs of a positive and another text of which the positive one has the
    larger margin, equal ones counted half (Mann and Whitney, 1947); NaN without such pairs."""
    positives, others = int(positive.sum()), int((~positive).sum())
    if not positives or not others:
        return float("nan")
    _, inverse, counts = np.unique(margins, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    above = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * others))


def calibration(logs: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Returns the reliability diagram: for each of 15 bins of equal width of the probability of the
    predicted class, its mean `probability`, the `accuracy` and the `texts` in it. Bins without a
    text are left out; a bin holds its upper end."""
    probabilities = np.exp(logs.max(1))
    bins = np.clip(np.ceil(probabilities * BINS).astype(int) - 1, 0, BINS - 1)
    right = logs.argmax(1) == labels
    table = pd.DataFrame({"bin": bins, "probability": probabilities, "accuracy": right * 1.0})
    grouped = table.groupby("bin")
    return grouped.mean().assign(texts=grouped.size()).reset_index(drop=True)


def calibration_error(logs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean distance between the probability of the predicted class and the accuracy,
    bin by bin of `calibration` (Guo et al., "On calibration of modern neural networks", 2017)."""
    bins = calibration(logs, labels)
    distance = (bins["probability"] - bins["accuracy"]).abs()
    return float((distance * bins["texts"]).sum() / bins["texts"].sum())


def parts(logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, dict]:
    """Returns precision, recall, F1 and count of each class by its label."""
    by_class = class_scores(confusion(logits, labels))
    return {
        label: {name: values[number].item() for name, values in by_class.items()}
        for number, label in enumerate(classes)
    }
