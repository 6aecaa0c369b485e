"""What is said of the rows of a series: of all at once, or of one portion after the other, with the
same result."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.kinds.anomaly_detection import detections, detector
from stages.kinds.anomaly_detection.detector import Detector
from stages.kinds.anomaly_detection.following import Answer, Follower
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries


class Watcher:
    """Watches the rows of a series.

    Args:
        examples, about: of the task. number: of the series among them.
        fitted: its detector.
        answer, reconstructs: the network, as `stages.kinds.anomaly_detection.following.Follower`
            has it.
    """

    def __init__(
        self,
        examples: LabelledSeries,
        about: IngestedLabels,
        number: int,
        fitted: Detector,
        answer: Answer,
        *,
        reconstructs: bool,
    ) -> None:
        self._examples, self._about, self._number = examples, about, number
        self._detector = fitted
        self._follower = Follower(examples, about, number, answer, reconstructs)
        self._distances = np.zeros(0)

    @property
    def memory(self) -> int:
        """How many rows before a row decide on what is said of it."""
        examples = self._examples
        return examples.lookback + examples.horizon + self._detector.smooth

    def watch(self, table: pd.DataFrame) -> pd.DataFrame:
        """Returns what is said of the next rows of the series, of a tidy table, as
        `detections.detections` does."""
        rows = detections.rows_of(table, self._examples, self._number)
        followed = self._follower.follow(rows)
        distances = self._detector.distances(followed.errors)
        scores = detector.smoothed(distances, self._detector.smooth, self._distances)
        kept = self._detector.smooth - 1
        every = np.concatenate([self._distances, distances])
        self._distances = every[len(every) - min(kept, len(every)) :]
        return detections.detections(
            table,
            self._examples,
            self._about,
            self._number,
            scores,
            followed.expected,
            self._detector,
        )


def watchers(
    examples: LabelledSeries,
    about: IngestedLabels,
    fitted: Mapping[int, Detector],
    answer: Answer,
    *,
    reconstructs: bool,
) -> dict[str, Watcher]:
    """Returns a watcher of each series by its name."""
    return {
        examples.series[number]: Watcher(
            examples, about, number, own, answer, reconstructs=reconstructs
        )
        for number, own in fitted.items()
    }


def expect_known(names: Iterable[str], watching: Mapping[str, Watcher]) -> None:
    """Raises `InputError` for a series without a detector."""
    if unknown := [name for name in names if name not in watching]:
        raise InputError(
            f"expected series of the task, {', '.join(map(repr, list(watching)[:3]))}, received "
            f"{unknown[0]!r} ({len(unknown)} such series): a threshold is set on a series' own "
            "validation rows, so train with it"
        )
