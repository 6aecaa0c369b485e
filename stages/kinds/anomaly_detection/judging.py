"""Errors of a detector to its scores on the test split, the same way whatever the errors come
from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from stages.kinds.anomaly_detection import detector
from stages.kinds.anomaly_detection.detector import Detector, Settings
from stages.kinds.anomaly_detection.series import LabelledSeries
from stages.series import detection

# Points of the curve of precision over recall.
POINTS = 200


@dataclass(frozen=True)
class Outcome:
    """What a detector says of the rows of a series.

    Attributes:
        number: of the series.
        distances: (rows,) how far each row is from what was expected; NaN where nothing was.
        scores: (rows,) the distances, smoothed.
        detector: what was fitted on validation.
    """

    number: int
    distances: np.ndarray
    scores: np.ndarray
    detector: Detector

    @property
    def alarms(self) -> np.ndarray:
        """(rows,) bool."""
        return self.scores > self.detector.threshold


@dataclass(frozen=True)
class Judge:
    """Judges detectors.

    Attributes:
        settings: how errors become scores and alarms.
        window: the largest buffer of the volume under the surface; None: the period of each series.
    """

    examples: LabelledSeries
    settings: Settings
    window: int | None = None

    @cached_property
    def labelled(self) -> bool:
        """Whether some test row is in an anomaly."""
        labels, boundaries = self.examples.labels, self.examples.boundaries
        return len(labels) > 0 and any(
            labels[first:last].any() for first, last in boundaries[:, 2:]
        )

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of the series that are judged."""
        dropped = set(self.examples.dropped_series)
        return [k for k, name in enumerate(self.examples.series) if name not in dropped]

    def rows(self, number: int) -> slice:
        """Returns the rows of a series."""
        return slice(int(self.examples.starts[number]), int(self.examples.stops[number]))

    def split(self, number: int, code: int) -> slice:
        """Returns where a split lies among the rows of a series."""
        first, last = self.examples.boundaries[number, code : code + 2] - self.rows(number).start
        return slice(int(first), int(last))

    def smooth(self, *, windows: bool) -> int:
        """Returns over how many rows scores are smoothed.

        Args:
            windows: whether a score is of a whole window, and so joins its rows already.
        """
        return self.settings.smooth or (1 if windows else self.examples.horizon)

    def outcome(self, number: int, errors: np.ndarray, smooth: int) -> Outcome:
        """Returns what comes of errors (rows, steps, columns) of all rows of a series, smoothed
        over so many rows."""
        fitted = detector.fit(errors[self.split(number, 1)], self.settings, smooth)
        distances = fitted.distances(errors)
        return Outcome(number, distances, detector.smoothed(distances, smooth), fitted)

    def scores(self, outcomes: Sequence[Outcome]) -> tuple[dict[str, float], dict[str, dict]]:
        """Returns the means of all scores over the series that have them, and those of each
        series, by its name. `evaluate` says what they are."""
        parts = {self.examples.series[one.number]: self._of_series(one) for one in outcomes}
        names = next(iter(parts.values()))
        means = {}
        for name in names:
            values = np.array([part[name] for part in parts.values()])
            known = values[np.isfinite(values)]
            means[name] = float(known.mean()) if len(known) else float("nan")
        return means, parts

    def curve(self, outcomes: Sequence[Outcome]) -> pd.DataFrame:
        """Returns precision over recall of the test rows of all series, as multiples of the
        threshold: columns `threshold`, `recall` and `precision`; without labels no rows."""
        from sklearn.metrics import precision_recall_curve

        labels, ratios = [], []
        for one in outcomes:
            test = self.split(one.number, 2)
            labels.append(self._labels(one.number)[test])
            # A series without any error on validation has the threshold 0.
            ratios.append(_known(one.scores[test]) / max(one.detector.threshold, 1e-12))
        every = np.concatenate(labels)
        if not self.labelled:
            return pd.DataFrame({"threshold": [], "recall": [], "precision": []})
        precision, recall, ratio = precision_recall_curve(every, np.concatenate(ratios))
        chosen = np.unique(np.linspace(0, len(ratio) - 1, POINTS).astype(int))
        return pd.DataFrame(
            {
                "threshold": ratio[chosen],
                "recall": recall[chosen],
                "precision": precision[chosen],
            }
        )

    def _labels(self, number: int) -> np.ndarray:
        """Returns the labels of the rows of a series; False in all without any."""
        rows = self.rows(number)
        if not self.labelled:
            return np.zeros(rows.stop - rows.start, bool)
        return np.asarray(self.examples.labels[rows])

    def _of_series(self, one: Outcome) -> dict[str, float]:
        test, labels = self.split(one.number, 2), self._labels(one.number)
        if not self.labelled:
            return detection.of_alarms(None, one.alarms[test])
        window = self._window(one.number)
        scores, distances = _known(one.scores), _known(one.distances)
        volumes = detection.volumes(labels[test], scores[test], window)
        return {
            "vus_pr": volumes.vus_pr,
            "vus_roc": volumes.vus_roc,
            "range_auc_pr": volumes.range_auc_pr,
            "range_auc_roc": volumes.range_auc_roc,
            "auc_pr": detection.average_precision(labels[test], scores[test]),
            "vus_pr_unsmoothed": detection.volumes(labels[test], distances[test], window).vus_pr,
            "vus_pr_whole": detection.volumes(labels, scores, window).vus_pr,
            **detection.of_alarms(labels[test], one.alarms[test]),
        }

    def _window(self, number: int) -> int:
        if self.window is not None:
            return self.window
        if number not in self._periods:
            column = self.examples.targets[0]
            values = self.examples.values[self.rows(number), column].astype(np.float64)
            self._periods[number] = detection.period(values)
        return self._periods[number]

    @cached_property
    def _periods(self) -> dict[int, int]:
        return {}


def _known(scores: np.ndarray) -> np.ndarray:
    """Returns scores with the least one in place of those that do not exist."""
    known = np.isfinite(scores)
    return np.where(known, scores, scores[known].min() if known.any() else 0.0)


def of_methods(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Returns the curves of all methods as one table, with a column `method`."""
    tables = [curve.assign(method=method) for method, curve in curves.items()]
    return pd.concat(tables, ignore_index=True)[["method", "threshold", "recall", "precision"]]
