"""The forecasting network, trained on windows."""

from stages.networks.forecaster import Architecture as Parameters
from stages.networks.forecaster import build, loss, settle
from stages.series.data import SeriesExamples
from stages.series.windows import Windows

__all__ = ["Parameters", "batches", "build", "loss", "settle"]


def batches(examples: SeriesExamples, split: str, parameters: Parameters) -> Windows:
    """Returns the windows of a split."""
    return examples.windows_of(split)
