"""Scores of every kind of task: which way they point, the best baseline, and skill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# The scores of one method by name: numbers on the test split; lists of numbers under names such
# as `by_horizon`; and, where a kind gives them, numbers on the validation split under `validation`.
MethodScores = Mapping[str, float | Mapping[str, float | Sequence[float] | np.ndarray]]


@dataclass(frozen=True)
class Score:
    """A score by which a task can be judged.

    Attributes:
        better: which values are better.
        perfect: the value of a method that makes no error.
        needs: what must hold for the score to exist, where that is not plain.
    """

    better: Literal["lower", "higher"] = "lower"
    perfect: float = 0.0
    needs: str = ""

    def skill(self, network: float, baseline: float) -> float | None:
        """Returns 1 - the network's distance from perfect / the baseline's: 1 is perfect, 0 no
        better than the baseline, negative worse. None where the baseline is perfect, or either
        score does not exist."""
        network_error, baseline_error = abs(self.perfect - network), abs(self.perfect - baseline)
        if not baseline_error > 0 or not np.isfinite(network_error):
            return None
        return float(1 - network_error / baseline_error)

    def against(self, network: float, baselines: Mapping[str, float]) -> tuple[str, float | None]:
        """Returns the best of some baselines, and the network's skill against it."""
        best = self.best(baselines)
        return best, self.skill(network, baselines[best])

    def best(self, scores: Mapping[str, float]) -> str:
        """Returns the method with the best score: the first of equal ones. NaN is worst."""
        sign = 1 if self.better == "lower" else -1
        return min(scores, key=lambda name: np.nan_to_num(sign * scores[name], nan=np.inf))


def on_validation(scores: Mapping[str, Any]) -> dict[str, float]:
    """Returns a method's scores on the validation split; none where there are none."""
    found = scores.get("validation", {})
    return numbers(found) if isinstance(found, Mapping) else {}


def numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """Returns the scores that are single numbers. One that does not exist is NaN; in a file it is
    null."""
    return {
        name: float("nan") if value is None else value
        for name, value in scores.items()
        if not isinstance(value, Mapping)
    }
