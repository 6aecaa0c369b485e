"""A small task of forecasting, in a folder of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

DAYS = pd.date_range("2022-01-01", periods=60, freq="D")
GOOD = pd.DataFrame({"day": DAYS, "y": np.arange(60) % 7 + np.arange(60) / 10})
PARAMS: dict[str, Any] = {
    "seed": 1,
    "arithmetic": "portable",
    "sources": {},
    "scale_and_window": ["x"],
    "tokenize_text": [],
    "extract_features": [],
    "tasks": {
        "x": {
            "kind": "forecasting",
            "ingest": {
                "file": "data/raw/x.csv",
                "time": "day",
                "targets": ["y"],
                "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            },
            "scale_and_window": {"lookback": 5, "horizon": 2},
            "baseline": {"season": 7},
            "train": {},
            "evaluate": {},
            "predict": {},
        }
    },
}


def changed(keys: str, value: Any) -> dict[str, Any]:
    """Returns PARAMS with one value replaced; `keys` count from the task."""
    copy = json.loads(json.dumps(PARAMS))
    *path, last = keys.split(".")
    section = copy["tasks"]["x"]
    for key in path:
        section = section[key]
    section[last] = value
    return copy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    GOOD.to_csv("data/raw/x.csv", index=False)
    Path("params.yaml").write_text(json.dumps(PARAMS))
    return tmp_path
