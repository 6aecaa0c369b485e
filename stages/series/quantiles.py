"""Quantile forecasts: a forecast plus the quantiles of its own residuals on validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

# The continuous ranked probability score is that of so many members, quantiles at evenly spaced
# levels: it costs as much time for each of them.
MEMBERS = 50
MEMBER_LEVELS = tuple((member - 0.5) / MEMBERS for member in range(1, MEMBERS + 1))
SCORES = ("pinball", "wql", "crps")


@dataclass(frozen=True)
class Spread:
    """The quantiles of a method's residuals, in the scaler's units; NaN where none counts.

    Attributes:
        levels: the levels that were asked for.
        offsets: (levels, horizon, targets) at these levels.
        members: (MEMBERS, horizon, targets) at `MEMBER_LEVELS`.
    """

    levels: tuple[float, ...]
    offsets: np.ndarray
    members: np.ndarray


def spread(residuals: np.ndarray, mask: np.ndarray, levels: Sequence[float]) -> Spread:
    """Returns the spread of residuals (windows, horizon, targets); those with mask 0 do not
    count."""
    both = of_residuals(residuals, mask, [*levels, *MEMBER_LEVELS])
    return Spread(tuple(levels), both[: len(levels)], both[len(levels) :])


def of_residuals(residuals: np.ndarray, mask: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Returns the quantiles of signed residuals, each the value minus its forecast.

    The quantile at level q is the ceil((n + 1) q)-th smallest of n residuals: split conformal
    prediction in its one-sided form (Vovk, Gammerman and Shafer, "Algorithmic learning in a random
    world", 2005). If the next residual is exchangeable with them, it is at most the quantile with
    a probability of at least q. Where the rank is above n or below 1, n is too small for the
    level: the quantile is then the extreme residual, and promises nothing.

    Args:
        residuals: (windows, horizon, targets) of the validation split, in the scaler's units.
        mask: of the same shape; residuals with mask 0 do not count.
        levels: between 0 and 1.

    Returns:
        (levels, horizon, targets) in the same units; NaN where no residual counts.
    """
    counted = mask > 0
    ranked = np.where(counted, residuals, np.inf)
    ranked.sort(axis=0)
    counts = counted.sum(axis=0)
    out = np.empty((len(levels), *residuals.shape[1:]))
    for index, level in enumerate(levels):
        # In whole numbers: 100 * 0.55 is above 55 in binary.
        exact = Fraction(str(float(level))).limit_denominator(10**6)
        rank = -(-(counts + 1) * exact.numerator // exact.denominator)
        place = np.clip(rank, 1, np.maximum(counts, 1)) - 1
        chosen = np.take_along_axis(ranked, place[None], axis=0)[0]
        out[index] = np.where(counts > 0, chosen, np.nan)
    return out


def pinball(actual: np.ndarray, quantile: np.ndarray, level: float) -> np.ndarray:
    """Returns the pinball loss of forecasts of a quantile: `level` times what the value lies above
    it, 1 - `level` times what it lies below (Koenker and Bassett, "Regression quantiles",
    1978)."""
    above = actual - quantile
    return np.maximum(level * above, (level - 1) * above)
