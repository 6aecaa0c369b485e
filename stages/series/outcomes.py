"""What the windows of a split turned out to be, and the scores of a forecast of them."""

import numpy as np

from stages.series import metrics
from stages.series.data import SeriesExamples


class Outcomes:
    """The targets of all windows of a split.

    Attributes:
        windows: the windows. origins, series: (windows,) first target row and series of each.
        scaled, actual: (windows, horizon, targets) targets, in the scaler's units and in raw ones.
        mask: likewise; 0 where a target was filled in, which is never scored.
    """

    def __init__(self, examples: SeriesExamples, split: str) -> None:
        self._examples = examples
        self.windows = examples.windows_of(split)
        indices = np.arange(len(self.windows))
        self.origins, self.series = self.windows.locate(indices)
        batch = self.windows.future(indices)
        self.scaled, self.mask = batch["targets"], batch["mask"]
        self.actual = self.restored(self.scaled)

    def restored(self, scaled: np.ndarray) -> np.ndarray:
        """Returns targets in the scaler's units in raw ones."""
        return self._examples.restored(scaled, self.series)

    def scores(self, forecast: np.ndarray, scale: np.ndarray) -> dict[str, float]:
        """Returns all errors of a forecast.

        Args:
            forecast: (windows, horizon, targets) in the scaler's units.
            scale: (series, targets) of `stages.series.metrics.seasonal_scale`.
        """
        return {
            **metrics.scores(self.actual, self.restored(forecast), self.mask, scale[self.series]),
            **metrics.scaled_errors(self.scaled, forecast, self.mask),
        }

    def scores_by_horizon(self, forecast: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the errors in raw units for each step ahead, (horizon,) each."""
        return metrics.scores_by_horizon(
            self.actual, self.restored(forecast), self.mask, scale[self.series]
        )
