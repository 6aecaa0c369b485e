"""Anomaly detection: the rows of series that are not as their past lets expect."""

from stages.kinds.anomaly_detection.series import IngestedLabels as Ingested
from stages.kinds.anomaly_detection.series import LabelledSeries as Examples

__all__ = ["Examples", "Ingested"]
