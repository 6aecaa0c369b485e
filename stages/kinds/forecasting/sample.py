"""A small forecasting task, for the tests that every kind has to pass."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stages.kinds.data import Sample
from stages.series.generators import seasonal

SEASON = 4


def _csv(series: int) -> str:
    """Returns series of two columns, the second of which is no target, with missing values; and of
    two that are the same in all rows of a series."""
    tables = [
        seasonal(120, seed).assign(
            name=f"series {seed}",
            extra=np.arange(120.0) % 7,
            size=10.0 * seed,
            region="south" if seed == 1 else "north",
        )
        for seed in range(1, series + 1)
    ]
    table = pd.concat(tables, ignore_index=True)
    table.loc[40:42, "y"] = np.nan
    return str(table.to_csv(index=False, lineterminator="\n"))


def _resized(rng: np.random.Generator, variant: dict[str, Any]) -> Sample:
    segment = variant.get("segment", 1)
    least = SEASON if variant.get("normalise") == "season" else 0
    sizes = {
        "lookback": least + segment * int(rng.integers(1, 4)),
        "horizon": segment * int(rng.integers(1, 7)),
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
        "kind": "forecasting",
        "ingest": {
            "file": "data/raw/series.csv",
            "time": "time",
            "series": "name",
            "targets": ["y"],
            "inputs": ["y", "extra"],
            "static": ["size"],
            "categories": ["region"],
            "gaps": "interpolate",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        },
        "scale_and_window": {
            "lookback": 12,
            "horizon": 6,
            "season": SEASON,
            "calendar": ["hour"],
            "per_series": True,
            "mask": True,
        },
        "baseline": {"methods": ["last_value", "ridge"]},
        "train": {},
        "evaluate": {},
        "predict": {"history": 20},
    },
    variants=[
        {
            "cell": "simple_rnn",
            "activation": "relu",
            "loss": "mse",
            "normalise": "season",
            "weight_decay": 0.01,
            "embedding": True,
        },
        {
            "cell": "lstm",
            "layers": 2,
            "decoder": "parallel",
            "embedding": True,
            "normalise": "none",
            "shortcut": "none",
        },
        {
            "cell": "gru",
            "segment": 3,
            "decoder": "parallel",
            "normalise": "instance",
            "shortcut": "trained",
            "loss": "huber",
            "average": 0.9,
        },
    ],
    resized=_resized,
)
SAMPLES = [SAMPLE]
