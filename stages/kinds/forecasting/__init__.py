"""Forecasting: the next steps of one series or of many, from their past."""

from stages.series.data import IngestedSeries as Ingested
from stages.series.data import SeriesExamples as Examples

__all__ = ["Examples", "Ingested"]
