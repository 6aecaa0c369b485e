"""The numbers by which logits are multiplied so that probabilities hold."""

from collections.abc import Sequence

import numpy as np

# What a temperature can be. If all of validation is right, the best one would be 0.
LOWEST, HIGHEST = 0.1, 10.0


def multipliers(logits: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Returns the multipliers, (models,), with which the sum of several models' logits has the
    smallest log loss, which has one minimum, as it is convex. That of a single model is the inverse
    of its temperature (Guo et al., "On calibration of modern neural networks", 2017).

    Args:
        logits: of each model, (texts, classes). Models after the first may count for nothing.
        labels: (texts,) int.
    """
    from scipy.optimize import minimize

    stacked = np.stack([np.asarray(own, np.float64) for own in logits], axis=-1)
    rows = np.arange(len(labels))
    margins = stacked - stacked[rows, labels][:, None]

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        total = margins @ numbers
        highest = total.max(1, keepdims=True)
        shares = np.exp(total - highest)
        sums = shares.sum(1, keepdims=True)
        gradient = ((shares / sums)[..., None] * margins).sum(1).mean(0)
        return float((np.log(sums) + highest).mean()), gradient

    bounds = [(1 / HIGHEST, 1 / LOWEST), *[(0, 1 / LOWEST)] * (len(logits) - 1)]
    start = np.where(np.arange(len(logits)) == 0, 1.0, 0.5)
    found = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14}
    )
    return np.asarray(found.x)
