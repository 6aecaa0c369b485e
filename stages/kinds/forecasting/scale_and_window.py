"""Ingested series to scaled series, each stored once, and windows as an index."""

from pathlib import Path

from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.series.data import IngestedSeries
from stages.series.windowing import Windowing as Parameters
from stages.series.windowing import windowed

__all__ = ["Parameters", "prepare"]


def prepare(
    ingested: IngestedTable[IngestedSeries], parameters: Parameters, scratch: Path
) -> Prepared:
    """Scales the table with a scaler fitted on its training rows, and indexes its windows."""
    examples = windowed(ingested.read(), ingested.about, parameters)
    return Prepared(examples, f"windows {examples.windows}")
