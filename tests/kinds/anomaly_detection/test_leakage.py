"""Nothing that is fitted or chosen sees labels, or rows of the test split."""

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from stages import baseline, evaluate, ingest, scale_and_window, train
from stages.files.examples import read_arrays
from stages.files.task_data import TaskData
from stages.files.writing import read_json
from stages.kinds.anomaly_detection import judging
from stages.kinds.anomaly_detection import train as training
from stages.kinds.anomaly_detection.detector import Settings, arrays_of
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.series import detectors
from tests import tasks

pytestmark = pytest.mark.usefixtures("folder")

ROWS, TEST = 120, 80
ENTRY: dict[str, Any] = {
    "kind": "anomaly_detection",
    "ingest": {
        "file": "data/raw/d",
        "parts": ["a.csv"],
        "windows": "windows.csv",
        "targets": ["y", "z"],
        "gaps": "interpolate",
        "split": {"until": TEST, "validation": 0.25},
    },
    "scale_and_window": {"lookback": 6, "horizon": 2},
    "baseline": {"methods": ["random", "ridge"]},
    "train": {"cell": "simple_rnn", "units": 4, "epochs": 2, "fast": False},
    "evaluate": {},
    "predict": {},
}


def table() -> pd.DataFrame:
    """Returns rows with gaps, also at the ends of training and validation."""
    rng, steps = np.random.default_rng(1), np.arange(ROWS)
    values = pd.DataFrame({"y": np.sin(steps / 2), "z": np.cos(steps / 3)})
    values += 0.1 * rng.normal(size=values.shape)
    values.loc[[20, 58, 59, 79, 90], "y"] = np.nan
    return values


def other_test_rows() -> pd.DataFrame:
    values = table()
    values.loc[TEST:] = 50 - 9 * values.loc[TEST:]
    return values


def write(values: pd.DataFrame, windows: list[tuple[int, int]]) -> None:
    """Writes the task with these rows and anomalies."""
    tasks.write_raw("d/a.csv", values.to_csv(index=False))
    lines = [f"{start},{end}" for start, end in windows]
    tasks.write_raw("d/windows.csv", "\n".join(["start,end", *lines, ""]))
    tasks.write_task(ENTRY)
    code = Path("data/code/train/anomaly_detection.txt")
    code.parent.mkdir(parents=True, exist_ok=True)
    code.write_text("")


def weights() -> list[bytes]:
    """Returns the weights of the trained network, in the order of its file, which names layers by
    how many of their like the process has made."""
    found: list[bytes] = []

    def add(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            found.append(entry[()].tobytes())

    with zipfile.ZipFile("data/models/x/model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(add)
    return found


def run() -> dict[str, Any]:
    """Runs the stages, and returns what they leave."""
    for stage in (ingest, scale_and_window, baseline, train, evaluate):
        stage.main(["x"])
    found = pd.read_csv("data/evaluations/x/detections.csv", dtype=str)
    scores = read_json(Path("data/evaluations/x/scores.json"))
    return {
        "weights": weights(),
        "learning curve": Path("data/plots/x/learning_curve.csv").read_bytes(),
        "arrays": {
            name: array.tobytes()
            for name, array in read_arrays(Path("data/evaluations/x"))[0].items()
        },
        "detections": found.drop(columns="anomaly").to_csv(),
        "labels": found["anomaly"].astype(int).to_numpy(),
        "scores": {**scores["baseline"], "model": scores["model"]},
    }


# What depends on no label.
UNLABELLED = ("alarm_rate", "parameters", "epochs")


def test_labels_change_nothing_but_scores() -> None:
    write(table(), [(100, 109)])
    first = run()
    write(table(), [(83, 84), (115, 118)])
    second = run()
    assert np.flatnonzero(first["labels"]).tolist() == list(range(20, 30))
    assert np.flatnonzero(second["labels"]).tolist() == [3, 4, 35, 36, 37, 38]
    assert len(first["weights"]) > 4
    for name in ("weights", "learning curve", "arrays", "detections"):
        assert first[name] == second[name], name
    for method, scores in first["scores"].items():
        for name in UNLABELLED:
            assert scores.get(name) == second["scores"][method].get(name), (method, name)
        assert scores["vus_pr"] != second["scores"][method]["vus_pr"], method


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forecast", "reconstruct"])
def test_test_rows_change_no_weight_and_no_threshold(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRY, "train", ENTRY["train"] | {"method": method})
    write(table(), [(100, 109)])
    first = run()
    write(other_test_rows(), [(100, 109)])
    second = run()
    for name in ("weights", "learning curve", "arrays", "labels"):
        np.testing.assert_equal(first[name], second[name], err_msg=name)
    assert first["detections"] != second["detections"]


def fitted(values: pd.DataFrame) -> dict[str, Any]:
    """Returns what is fitted before a network, and all that a network is trained on."""
    write(values, [(100, 109)])
    for stage in (ingest, scale_and_window):
        stage.main(["x"])
    data = TaskData("x", IngestedLabels, LabelledSeries)
    examples, found = data.examples, {}
    for name in ("shift_", "scale_", "known_shift_", "known_scale_"):
        found[name] = np.array(getattr(examples, name))
    found["season"] = examples.season
    for method in ("forecast", "reconstruct"):
        for split in ("train", "validation"):
            batches = training.batches(examples, split, training.Parameters(method=method))
            found[f"{method}, {split}"] = batches.cut(np.arange(len(batches)))
    rows = np.asarray(examples.values, np.float64)[:, examples.targets]
    for distance in ("mean", "mahalanobis"):
        judge = judging.Judge(examples, Settings(distance=distance))
        for method, detect in detectors.DETECTORS.items():
            errors = detect(rows, judge.split(0, 0).stop, 6, 2, np.random.default_rng(0))
            found[f"{distance}, {method}"] = arrays_of({0: judge.outcome(0, errors, 4).detector})
    return found


def test_test_rows_change_nothing_that_is_fitted() -> None:
    first, second = fitted(table()), fitted(other_test_rows())
    assert len(first) == 5 + 4 + 2 * len(detectors.DETECTORS)
    for name, content in first.items():
        np.testing.assert_equal(content, second[name], err_msg=name)
