"""What `ingest` and `scale_and_window` say of series with labels."""

from dataclasses import dataclass

import numpy as np

from stages.series.data import IngestedSeries, SeriesExamples


@dataclass(frozen=True)
class IngestedLabels(IngestedSeries):
    """What `ingest` says of a table of series.

    Attributes:
        labelled: whether there are labels: the column `anomaly` of the table.
        anomalies, anomalous_rows: how many stretches of anomalies, and rows in them, begin in each
            split.
    """

    labelled: bool
    anomalies: dict[str, int]
    anomalous_rows: dict[str, int]


@dataclass(frozen=True)
class LabelledSeries(SeriesExamples):
    """Scaled series, their windows, and labels that nothing is fitted on.

    Attributes:
        labels: (rows,) bool, True in an anomaly; (0,) without labels.
        boundaries: (series, 4) split k of series s has the rows from `[s, k]` to `[s, k + 1]`.
    """

    labels: np.ndarray
    boundaries: np.ndarray
