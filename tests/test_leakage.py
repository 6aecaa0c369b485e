"""Nothing that is fitted or chosen knows the test rows: only rows of the test split change, and
everything before scoring stays."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.kinds.data import Baselines
from stages.kinds.forecasting import evaluate, ingest, train
from stages.networks import prediction, training
from stages.series import baselines
from stages.series.generators import seasonal
from tests import tasks

ROWS, TEST = 300, 60
LAYOUT = {
    "file": "data/raw/x.csv",
    "time": "time",
    "targets": ["y"],
    "frequency": "h",
    "gaps": "interpolate",
    "split": {"train": 180, "validation": 60, "test": TEST},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def everything(raw: pd.DataFrame) -> dict[str, Any]:
    """Does what the stages do, and returns all that was fitted or chosen before the test rows are
    scored, and their score."""
    table, ingested = ingest.ingest([raw], ingest.Parameters.model_validate(LAYOUT))
    data = tasks.prepare("forecasting", table, ingested, {"lookback": 12, "horizon": 3})
    examples = data.examples
    train_windows, validation = (examples.windows_of(split) for split in ("train", "validation"))
    parameters = train.Parameters(cell="gru", units=4, epochs=6, patience=2, normalise="last_value")
    training.seed_everything(0)
    network = train.build(examples, parameters, "network")
    loss = train.loss(parameters)
    history = training.fit(network, loss, train_windows, validation, parameters, 0)
    ridge = baselines.fit_ridge(train_windows, validation, (0.1, 10.0))
    evaluation = evaluate.evaluate(
        data,
        partial(prediction.predict, network),
        Baselines({}, {"mase_scale": np.ones((1, 1))}),
        evaluate.Parameters(),
        tasks.never,
    )
    return {
        "filled and split table": table["y"].to_numpy()[:-TEST],
        "shift_": np.array(examples.shift_),
        "scale_": np.array(examples.scale_),
        "weights": np.concatenate([weight.ravel() for weight in network.get_weights()]),
        "chosen epoch": np.array(history.best_epoch),
        "ridge": ridge.coefficients,
        "alpha": np.array(ridge.alpha),
        "half widths": evaluation.arrays["half_widths"],
        "test score": np.array(evaluation.scores["mae"]),
    }


def test_test_rows_change_nothing_but_their_score() -> None:
    raw = seasonal(ROWS, 1)
    raw.loc[[50, 178, 179, 239], "y"] = np.nan  # gaps, also at the ends of training and validation
    changed = raw.copy()
    changed.loc[ROWS - TEST :, "y"] = 1000 + 50 * changed.loc[ROWS - TEST :, "y"]
    first, second = everything(raw), everything(changed)
    for name in first:
        if name != "test score":
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert first["test score"] != second["test score"]


@pytest.mark.parametrize("row", [180, 239])
def test_validation_rows_do_not_reach_what_is_fitted_on_training(row: int) -> None:
    raw = seasonal(ROWS, 1)
    raw.loc[[178, 179], "y"] = np.nan
    changed = raw.copy()
    changed.loc[row, "y"] = 500.0
    first, second = everything(raw), everything(changed)
    for name in ("shift_", "scale_"):
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(
        first["filled and split table"][:180], second["filled and split table"][:180]
    )
