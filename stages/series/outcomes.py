"""What the windows of a split turned out to be, and the scores of a forecast of them."""

import numpy as np

from stages.errors import InputError
from stages.series import bounds, metrics, quantiles
from stages.series.data import SeriesExamples

# So many values of a forecast, over all its steps and targets, are scored at a time.
CELLS = 2**16


class Outcomes:
    """The targets of all windows of a split.

    Attributes:
        limits: (2,) the bounds of the targets, in raw units.
        windows: the windows. origins, series: (windows,) first target row and series of each.
        scaled, actual: (windows, horizon, targets) targets, in the scaler's units and in raw ones.
        mask: likewise; 0 where a target was filled in, which is never scored.
    """

    def __init__(
        self, examples: SeriesExamples, split: str, limits: np.ndarray | None = None
    ) -> None:
        self._examples = examples
        self.limits = bounds.of(None, None) if limits is None else limits
        self.windows = examples.windows_of(split)
        indices = np.arange(len(self.windows))
        self.origins, self.series = self.windows.locate(indices)
        batch = self.windows.future(indices)
        self.scaled, self.mask = batch["targets"], batch["mask"]
        self.actual = self.restored(self.scaled)

    def restored(self, scaled: np.ndarray) -> np.ndarray:
        """Returns targets in the scaler's units in raw ones."""
        return self._examples.restored(scaled, self.series)

    def clipped(self, scaled: np.ndarray) -> np.ndarray:
        """Returns targets in the scaler's units, moved into the bounds."""
        return bounds.clip(scaled, self.limits, self._examples, self.series)

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

    def edges(self, count: int) -> np.ndarray:
        """Returns where the windows of each series are cut into `count` stretches of like length:
        (count + 1, series) the first target row of the first window of each stretch, and at the end
        the row after the last one's.

        Raises `InputError` where some stretch would have no window.
        """
        first, after = self.windows.spans.T
        if count > (longest := int((after - first).max())):
            raise InputError(
                f"evaluate.origins: expected at most {longest}, as so many windows are tested of a "
                f"series, received {count}"
            )
        return first + (after - first) * np.arange(count + 1)[:, None] // count

    def stretches(self, count: int) -> np.ndarray:
        """Returns the number of the stretch of each window, (windows,), from 0."""
        later = self.edges(count)[1:-1, self.series] <= self.origins
        return np.asarray(later.sum(axis=0))

    def scores_by_origin(
        self, forecast: np.ndarray, scale: np.ndarray, count: int
    ) -> dict[str, np.ndarray]:
        """Returns the errors in raw units for each of `count` stretches of the windows, (count,)
        each."""
        return metrics.scores_by_group(
            self.actual,
            self.restored(forecast),
            self.mask,
            scale[self.series],
            self.stretches(count),
            count,
        )

    def quantile_scores(
        self, forecast: np.ndarray, spread: quantiles.Spread | None
    ) -> dict[str, float]:
        """Returns the scores of a forecast (windows, horizon, targets) plus the spread of its
        residuals, both in the scaler's units, moved into the bounds.

        `pinball`: the mean pinball loss over the levels, in raw units. `wql`: the weighted quantile
        loss: twice the sum of the pinball loss, divided by the sum of the absolute values, as a
        mean over the levels (Salinas et al., "DeepAR", 2020; Park et al., "Learning quantile
        functions without quantile crossing", 2022). `crps`: the continuous ranked probability score
        in raw units (Gneiting and Raftery, "Strictly proper scoring rules, prediction, and
        estimation", 2007) of the ensemble of the `quantiles.MEMBERS` members, which is exactly
        twice its mean pinball loss (Bröcker, "Evaluating raw ensembles with the continuous ranked
        probability score", 2012). NaN where nothing counts, or there is no spread.
        """
        if spread is None:
            return dict.fromkeys(quantiles.SCORES, float("nan"))
        levels = (*spread.levels, *quantiles.MEMBER_LEVELS)
        offsets = np.concatenate([spread.offsets, spread.members])
        losses, count, size = np.zeros(len(levels)), 0, 0.0
        step = max(1, CELLS // offsets[0].size)
        for start in range(0, len(forecast), step):
            part = slice(start, start + step)
            actual, own, series = self.actual[part], forecast[part], self.series[part]
            counted = (self.mask[part] > 0) & np.isfinite(offsets[0])
            count += int(counted.sum())
            size += float(np.abs(actual)[counted].sum())
            for index, (level, offset) in enumerate(zip(levels, offsets, strict=True)):
                quantile = np.clip(self._examples.restored(own + offset, series), *self.limits)
                losses[index] += quantiles.pinball(actual, quantile, level)[counted].sum()
        asked, members = np.split(losses, [len(spread.levels)])
        totals = (asked.mean(), 2 * asked.mean(), 2 * members.mean())
        return {
            name: float(total / weight) if weight else float("nan")
            for name, total, weight in zip(
                quantiles.SCORES, totals, (count, size, count), strict=True
            )
        }
