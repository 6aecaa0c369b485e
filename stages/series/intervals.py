"""Prediction intervals by split conformal prediction."""

import numpy as np

LEVELS = (80, 95)


def half_widths(residuals: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns how far each interval reaches above and below the forecast.

    The half width at level p is the ceil((n + 1) p)-th smallest of n absolute residuals: Vovk,
    Gammerman and Shafer, "Algorithmic learning in a random world", 2005; Lei et al.,
    "Distribution-free predictive inference for regression", 2018. Where n is too small for a level
    the interval is unbounded, which is the only honest answer.

    Args:
        residuals: (windows, horizon, targets) of the validation split, in the scaler's units.
        mask: of the same shape; residuals with mask 0 do not count.

    Returns:
        (levels, horizon, targets) in the same units.
    """
    absolute = np.where(mask > 0, np.abs(residuals), np.inf)
    ranked = np.sort(absolute, axis=0)
    counts = (mask > 0).sum(axis=0)
    out = np.empty((len(LEVELS), *residuals.shape[1:]))
    for index, level in enumerate(LEVELS):
        # In whole numbers: 0.95 * 100 is not 95 in binary.
        rank = -(-(counts + 1) * level // 100)
        chosen = np.take_along_axis(ranked, np.minimum(rank, len(ranked))[None] - 1, axis=0)[0]
        out[index] = np.where(rank <= counts, chosen, np.inf)
    return out


def needed(level: int) -> int:
    """Returns the least number n of residuals for which a level is bounded, with
    ceil((n + 1) level / 100) <= n."""
    return -(-level // (100 - level))


def shortage(mask: np.ndarray) -> str:
    """Returns which intervals are unbounded at some step of some target, and what would bound them;
    nothing where all are bounded.

    Args:
        mask: (windows, horizon, targets) of the residuals that the intervals are made of.
    """
    received = int((mask > 0).sum(axis=0).min())
    lacking = {level: number for level in LEVELS if (number := needed(level)) > received}
    if not lacking:
        return ""
    levels, numbers = (" and ".join(map(str, values)) for values in (lacking, lacking.values()))
    return (
        f"intervals of {levels} %: expected at least {numbers} validation windows for each step, "
        f"received {received}: unbounded; give validation more rows in ingest.split"
    )


def coverage(residuals: np.ndarray, mask: np.ndarray, widths: np.ndarray) -> dict[str, float]:
    """Returns for each level the part of the values that lie in the interval. A residual that is
    NaN lies in none."""
    inside = np.abs(residuals)[None] <= widths[:, None]
    return {
        f"coverage_{level}": float((inside[index] * mask).sum() / mask.sum())
        for index, level in enumerate(LEVELS)
    }
