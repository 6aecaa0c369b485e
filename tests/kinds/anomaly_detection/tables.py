"""Small tables with anomalies, ingested in the current folder from files as people have them."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.files import parameters
from stages.kinds.anomaly_detection import ingest
from stages.kinds.anomaly_detection.series import IngestedLabels

ROWS, UNTIL = 40, 20
FOLDER = Path("data/raw/d")
HOURS = pd.date_range("2020-01-01", periods=ROWS, freq="h")
# Two anomalies: the rows 30 to 32, and the row 36.
ANOMALIES = [30, 31, 32, 36]
LABELS = np.isin(np.arange(ROWS), ANOMALIES).astype(int)
PAIRS = [["2020-01-02 06:00:00", "2020-01-02 08:00:00"], ["2020-01-02 12:00:00"] * 2]
WINDOWS = "start,end\n" + "".join(",".join(pair) + "\n" for pair in PAIRS)

BY_COLUMN = {"parts": ["a.csv"], "time": "t", "labels": "label"}
BY_WINDOWS = {"parts": ["a.csv"], "time": "t", "windows": "windows.csv"}
BY_JSON = {"parts": ["a.csv"], "time": "t", "windows": "windows.json"}


def rows(times: Any = HOURS, **columns: Any) -> pd.DataFrame:
    """Returns rows with a time `t`, a value `y`, and other columns."""
    y = np.sin(np.arange(len(times)) / 3).round(3)
    return pd.DataFrame({"t": times, "y": y, **columns})


def ingested(files: dict[str, Any], **section: Any) -> tuple[pd.DataFrame, IngestedLabels]:
    """Writes files, each a table, a text, bytes or what becomes JSON, and ingests them."""
    for name, content in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pd.DataFrame):
            write = content.to_parquet if path.suffix == ".parquet" else content.to_csv
            write(path, index=False)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    task = {"file": str(FOLDER), "targets": ["y"], "split": {"until": UNTIL}, **section}
    checked = parameters.validated(task, ingest.Parameters, "tasks.x.ingest")
    return ingest.ingest(ingest.read(Path(checked.file), checked), checked)


def marked(files: dict[str, Any], **section: Any) -> Any:
    """Returns which rows of the ingested table are anomalies: their numbers, or for several series
    a dictionary of these."""
    table, _ = ingested(files, **section)
    found = {
        str(name): np.flatnonzero(own["anomaly"]).tolist()
        for name, own in table.groupby("series", observed=True)
    }
    return found["all"] if list(found) == ["all"] else found


def gzipped(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)
