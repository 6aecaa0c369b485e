"""Nothing that is fitted or chosen knows the test rows: only rows of the test split change, and
everything before scoring stays."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import scale_and_window
from stages.kinds.forecasting import evaluate, ingest, train
from stages.networks import training
from stages.series import baselines, windows
from stages.series.generators import seasonal

ROWS, TEST = 300, 60


def everything(raw: pd.DataFrame) -> dict[str, Any]:
    """Runs a task as the stages do and returns all that was fitted or chosen before the test rows
    are scored."""
    section = ingest.Parameters.model_validate(
        {
            "file": "data/raw/x.csv", "time": "time", "targets": ["y"], "frequency": "h", "gaps": "interpolate",
            "split": {"train": 180, "validation": 60, "test": TEST},
        }
    )  # fmt: skip
    table, about = ingest.ingest([raw], section)
    given = scale_and_window.prepare(
        table, about, scale_and_window.Parameters(lookback=12, horizon=3)
    )
    about = {
        **given.about,
        "arrays": {name: {"shape": array.shape} for name, array in given.arrays.items()},
    }
    fit, check = (windows.of_split(given.arrays, about, split) for split in ("train", "validation"))
    parameters = train.Parameters(cell="gru", units=4, epochs=6, patience=2, normalise="last_value")
    training.seed_everything(0)
    network = train.build(about, parameters)
    history = training.fit(network, train.loss(parameters), fit, check, parameters, 0)
    ridge = baselines.fit_ridge(fit, check, (0.1, 10.0))
    floors = {"last_value": {"mae": 1.0, "by_horizon": {"mae": np.ones(3)}}}
    scores, _, fitted = evaluate.evaluate(
        given.arrays,
        about,
        lambda batches: training.predict(network, batches),
        floors,
        {"mase_scale": np.ones((1, 1))},
        evaluate.Parameters(),
    )
    return {
        "filled and split table": table["y"].to_numpy()[:-TEST],
        "shift_": given.arrays["shift_"],
        "scale_": given.arrays["scale_"],
        "weights": np.concatenate([weight.ravel() for weight in network.get_weights()]),
        "chosen epoch": np.array(history.best_epoch),
        "ridge": ridge.coefficients,
        "alpha": np.array(ridge.alpha),
        "half widths": fitted["half_widths"],
        "test score": np.array(float(scores["model"]["mae"])),
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
