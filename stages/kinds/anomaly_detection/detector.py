"""From how far rows are from what was expected of them to scores, and to alarms.

All of it is fitted on the validation rows of a series, whatever the errors come from; no label is
seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from stages.errors import InputError
from stages.sections import Count, Section

Distance = Literal["mean", "mahalanobis"]
Threshold = Literal["tail", "quantile"]
# The scale of errors is at least this, in the scaler's units: a series that did not move on
# validation has no error there to scale by.
LEAST = 1e-4
# Rows that are computed at once.
CHUNK = 8192
# The share of scores, and the least number of them, that the tail is fitted to.
TAIL, LEAST_TAIL = 0.1, 10


class Settings(Section):
    """How errors become scores and alarms.

    distance: `mean`: the mean of the absolute errors of a row, each divided by the root mean square
        of its like on validation; `mahalanobis`: the distance of a row's errors from their mean on
        validation, by their covariance (Malhotra et al., "Long short term memory networks for
        anomaly detection in time series", 2015), which is shrunk (Ledoit and Wolf, 2004); divided
        by the root of their number.
    smooth: the score of a row is the mean over so many rows, up to it; null: as many as the
        horizon, or 1, which is none, where scores are of whole windows.
    threshold: `tail`: a generalised Pareto distribution is fitted to the highest tenth of the
        scores on validation, and the threshold is where it leaves the share `rate` above; so it
        can be above all of them. `quantile`: that share of them is above.
    rate: the share of normal rows that may raise an alarm.
    """

    distance: Distance = "mean"
    smooth: Count | None = None
    threshold: Threshold = "tail"
    rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.001


@dataclass(frozen=True)
class Detector:
    """What is fitted on the validation rows of a series.

    Attributes:
        scale: (steps, columns) the root mean square of the errors.
        centre: (steps * columns,) their mean; precision: the inverse of their covariance. Both are
            empty where they are not needed.
        smooth: over how many rows scores are smoothed.
        threshold: a score above it raises an alarm.
    """

    scale: np.ndarray
    centre: np.ndarray
    precision: np.ndarray
    smooth: int
    threshold: float

    def distances(self, errors: np.ndarray) -> np.ndarray:
        """Returns how far each row is from what was expected, (rows,); NaN where nothing was.

        Args:
            errors: (rows, steps, columns); NaN where there is none.
        """
        parts = range(0, max(len(errors), 1), CHUNK)
        return np.concatenate([self._distances(errors[start : start + CHUNK]) for start in parts])

    def _distances(self, errors: np.ndarray) -> np.ndarray:
        known = np.isfinite(errors)
        count = known.sum(axis=(1, 2))
        if len(self.centre):
            flat = self._completed(errors.reshape(len(errors), -1) - self.centre)
            squares = np.einsum("rd,de,re->r", flat, self.precision, flat, optimize=True)
            found = np.sqrt(np.maximum(squares, 0) / np.maximum(count, 1))
        else:
            scaled = np.where(known, np.abs(errors), 0) / self.scale
            found = scaled.sum(axis=(1, 2)) / np.maximum(count, 1)
        return np.where(count > 0, found, np.nan)

    def _completed(self, flat: np.ndarray) -> np.ndarray:
        """Returns deviations (rows, steps * columns) with what is expected given the others of its
        row in place of NaN: their distance is then that of the known ones by their covariance."""
        incomplete = np.flatnonzero(np.isnan(flat).any(axis=1))
        patterns, which = np.unique(np.isnan(flat[incomplete]), axis=0, return_inverse=True)
        for index, lacking in enumerate(patterns):
            rows = incomplete[which == index]
            among = self.precision[np.ix_(lacking, lacking)]
            across = self.precision[np.ix_(lacking, ~lacking)]
            given = flat[np.ix_(rows, ~lacking)]
            flat[np.ix_(rows, lacking)] = -given @ np.linalg.solve(among, across).T
        return flat


def smoothed(distances: np.ndarray, rows: int, before: np.ndarray | None = None) -> np.ndarray:
    """Returns the mean of each distance and those before it, of `rows` in all, (rows,). NaN counts
    for nothing and stays NaN: a row that was not seen has no score.

    Args:
        before: the distances before the first one, as many as there are.
    """
    past = np.full(rows - 1, np.nan)
    if before is not None and rows > 1:
        own = before[-(rows - 1) :]
        past[len(past) - len(own) :] = own
    whole = np.concatenate([past, distances])
    known = np.isfinite(whole)
    # Sums of views, each by itself: a stream and a table have the same to the last digit.
    total = sliding_window_view(np.where(known, whole, 0.0), rows).sum(axis=1)
    count = sliding_window_view(known.astype(float), rows).sum(axis=1)
    return np.where(known[rows - 1 :], total / np.maximum(count, 1), np.nan)


def fit(errors: np.ndarray, settings: Settings, smooth: int) -> Detector:
    """Fits a detector on the errors of the validation rows, (rows, steps, columns).

    Args:
        smooth: over how many rows scores are smoothed.
    """
    errors = errors.astype(np.float64)
    known = np.isfinite(errors)
    if not known.any():
        raise InputError(
            "expected validation rows with known values to set the threshold by, received none: "
            "move ingest.split"
        )
    squares = np.where(known, errors, 0.0) ** 2
    scale = np.sqrt(squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    centre, precision = np.zeros(0), np.zeros((0, 0))
    if settings.distance == "mahalanobis":
        centre, precision = _gaussian(errors, known)
    detector = Detector(np.maximum(scale, LEAST), centre, precision, smooth, np.inf)
    scores = smoothed(detector.distances(errors), smooth)
    # The first ones are means of fewer rows, and vary more.
    full = scores[smooth - 1 :] if len(scores) >= 2 * smooth else scores
    threshold = threshold_of(full[np.isfinite(full)], settings)
    return Detector(detector.scale, centre, precision, smooth, threshold)


def _gaussian(errors: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of the rows of errors, and the inverse of their covariance."""
    from sklearn.covariance import LedoitWolf

    complete = errors.reshape(len(errors), -1)[known.all(axis=(1, 2))]
    if len(complete) < 2:
        raise InputError(
            "evaluate.distance: expected at least 2 validation rows without missing values for "
            f"mahalanobis, received {len(complete)}: choose mean, or move ingest.split"
        )
    spread = np.maximum(complete.std(axis=0), LEAST)
    fitted = LedoitWolf().fit(complete / spread)
    return complete.mean(axis=0), fitted.precision_ / np.outer(spread, spread)


def threshold_of(scores: np.ndarray, settings: Settings) -> float:
    """Returns the threshold that the share `settings.rate` of scores like these is above.

    The tail is that of peaks over a threshold (Siffer et al., "Anomaly detection in streams with
    extreme value theory", 2017), by probability-weighted moments (Hosking and Wallis, "Parameter
    and quantile estimation for the generalized Pareto distribution", 1987).

    Args:
        scores: (scores,) those of validation.
    """
    scores, count = np.sort(scores), len(scores)
    if settings.threshold == "quantile":
        return float(np.quantile(scores, 1 - settings.rate, method="higher"))
    peaks = min(max(round(TAIL * count), LEAST_TAIL), count - 1)
    if peaks < 2:
        return float(scores[-1])
    start = scores[-peaks - 1]
    excesses = scores[-peaks:] - start
    mean = excesses.mean()
    weighted = (np.arange(peaks - 1, -1, -1) / (peaks - 1) * excesses).mean()
    if not mean - 2 * weighted > 1e-12 * max(mean, 1e-300):  # all excesses are the same
        return float(scores[-1])
    # The estimates hold for shapes below one half.
    shape = float(np.clip(2 - mean / (mean - 2 * weighted), -0.5, 0.5))
    spread = mean * (1 - shape)
    beyond = settings.rate * count / peaks
    if beyond >= 1:
        return float(np.quantile(scores, 1 - settings.rate, method="higher"))
    grown = -np.log(beyond) if abs(shape) < 1e-9 else (beyond**-shape - 1) / shape
    return float(start + spread * grown)


def arrays_of(detectors: Mapping[int, Detector]) -> dict[str, np.ndarray]:
    """Returns the detectors of series by their numbers as arrays: `series`, the numbers, and those
    of the fields, (series, ...) each."""
    names = [entry.name for entry in fields(Detector)]
    arrays = {name: np.stack([getattr(one, name) for one in detectors.values()]) for name in names}
    return {"series": np.array(list(detectors)), **arrays}


def of_arrays(arrays: Mapping[str, np.ndarray]) -> dict[int, Detector]:
    """The inverse of `arrays_of`."""
    return {
        int(number): Detector(
            arrays["scale"][index],
            arrays["centre"][index],
            arrays["precision"][index],
            int(arrays["smooth"][index]),
            float(arrays["threshold"][index]),
        )
        for index, number in enumerate(arrays["series"])
    }
