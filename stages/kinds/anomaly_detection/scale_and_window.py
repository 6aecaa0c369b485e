"""Ingested series to scaled series, each stored once, windows as an index, and labels."""

from pathlib import Path

import numpy as np

from stages.files.task_data import IngestedTable
from stages.kinds.anomaly_detection.ingest import ANOMALY
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.kinds.data import Prepared
from stages.series.windowing import Windowing, split_boundaries, windowed


class Parameters(Windowing):
    """As for forecasting; each series has a scaler of its own unless `per_series` is false."""

    per_series: bool = True


def prepare(
    ingested: IngestedTable[IngestedLabels], parameters: Parameters, scratch: Path
) -> Prepared:
    """Scales the table with a scaler fitted on its training rows, and indexes its windows. The
    labels pass through."""
    table = ingested.read()
    examples = windowed(table, ingested.about, parameters)
    labels = table[ANOMALY].to_numpy(bool) if ingested.about.labelled else np.zeros(0, bool)
    labelled = LabelledSeries(
        **vars(examples),
        labels=labels,
        boundaries=split_boundaries(table["split"].cat.codes.to_numpy(), examples.starts),
    )
    return Prepared(labelled, f"windows {examples.windows}")
