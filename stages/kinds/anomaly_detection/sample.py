"""Small tasks of anomaly detection, for the tests that every kind has to pass."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stages.kinds.data import Sample
from stages.series.generators import seasonal

ROWS, SEASON = 160, 4


def _csv(series: int) -> str:
    """Returns series of two columns that are watched, and labels: in the last quarter of each, a
    few rows are not as their past."""
    tables = []
    for seed in range(1, series + 1):
        table = seasonal(ROWS, seed).assign(
            name=f"series {seed}", extra=np.arange(float(ROWS)) % 7, label=0
        )
        rows = slice(ROWS - 20 - seed, ROWS - 12)
        table.loc[table.index[rows], "y"] += 3 * table["y"].std()
        table.loc[table.index[rows], "label"] = 1
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.loc[40:42, "y"] = np.nan
    return str(table.to_csv(index=False, lineterminator="\n"))


def _resized(rng: np.random.Generator, variant: dict[str, Any]) -> Sample:
    segment = variant.get("segment", 1)
    sizes = {
        "lookback": segment * int(rng.integers(2, 5)),
        "horizon": segment * int(rng.integers(1, 5)),
    }
    windowing = SAMPLE.entry["scale_and_window"] | sizes
    return replace(
        SAMPLE,
        files={"series.csv": _csv(int(rng.integers(1, 4)))},
        entry=SAMPLE.entry | {"scale_and_window": windowing},
    )


SAMPLE = Sample(
    files={"series.csv": _csv(2)},
    entry={
        "kind": "anomaly_detection",
        "ingest": {
            "file": "data/raw/series.csv",
            "time": "time",
            "series": "name",
            "targets": ["y", "extra"],
            "labels": "label",
            "gaps": "interpolate",
            "split": {"until": 100, "validation": 0.25},
        },
        "scale_and_window": {"lookback": 12, "horizon": 4, "season": SEASON, "calendar": ["hour"]},
        "baseline": {"methods": ["random", "ridge", "differences"]},
        "train": {},
        "evaluate": {},
        "predict": {"history": 20},
    },
    variants=[
        {"cell": "simple_rnn", "method": "reconstruct", "normalise": "instance"},
        {"cell": "lstm", "method": "reconstruct", "layers": 2, "segment": 3},
        {"cell": "gru", "embedding": True},
    ],
    resized=_resized,
)
SAMPLES = [SAMPLE]
