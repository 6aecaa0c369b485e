"""One temperature by which a trained network's logits are divided."""

import numpy as np

# What a temperature can be. If all of validation is right, the best one would be 0.
LOWEST, HIGHEST = 0.1, 10.0
_GOLDEN = (np.sqrt(5) - 1) / 2


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature with the smallest log loss (Guo et al., "On calibration of modern
    neural networks", 2017), by golden-section search over its logarithm: the loss has one minimum,
    as it is convex in the inverse.

    Args:
        logits: (texts, classes). labels: (texts,) int.
    """
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(1, keepdims=True)
    own = logits[np.arange(len(labels)), labels]

    def loss(logarithm: float) -> float:
        scale = np.exp(-logarithm)
        return float((np.log(np.exp(logits * scale).sum(1)) - own * scale).mean())

    low, high = np.log(LOWEST), np.log(HIGHEST)
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    losses = [loss(inner[0]), loss(inner[1])]
    while high - low > 1e-6:
        if losses[0] <= losses[1]:
            high, inner[1], losses[1] = inner[1], inner[0], losses[0]
            inner[0] = high - _GOLDEN * (high - low)
            losses[0] = loss(inner[0])
        else:
            low, inner[0], losses[0] = inner[0], inner[1], losses[1]
            inner[1] = low + _GOLDEN * (high - low)
            losses[1] = loss(inner[1])
    # More digits would say nothing.
    return round(float(np.exp((low + high) / 2)), 4)
