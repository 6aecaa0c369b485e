"""Values that are missing: how they are recognised, and that filled-in ones count nowhere."""

import logging

import numpy as np
import pytest

from stages.errors import InputError
from stages.kinds.forecasting import baseline, evaluate
from stages.series import baselines, windowing
from tests.kinds.forecasting.task import Task, csv, days

pytestmark = pytest.mark.usefixtures("folder")


def test_values_that_may_stand_for_missing_ones_are_reported_and_can_be_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = csv(days(np.where(np.arange(60) % 9 == 4, -9999, np.arange(60.0))))
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task = Task(content, time="day", targets=["y"])
    assert "-9999 (7 times)" in caplog.text
    assert task.ingested.reading["possible_missing_values"] == {"y": {"-9999": 7}}
    task = Task(content, time="day", targets=["y"], missing=[-9999], gaps="interpolate")
    assert task.ingested.missing_values == 7


def task_with_gaps() -> tuple[Task, np.ndarray]:
    """Returns a task whose gaps are filled in, and its known values, (rows,), NaN in the gaps."""
    rng, rows = np.random.default_rng(3), 160
    values = np.sin(np.arange(rows) / 3) * 5 + rng.normal(size=rows)
    missing = rng.random(rows) < 0.2
    missing[0] = False
    known = np.where(missing, np.nan, values)
    return Task(csv(days(known)), time="day", targets=["y"], gaps="interpolate"), known


def test_the_scale_of_mase_is_that_of_known_values() -> None:
    task, known = task_with_gaps()
    parameters = baseline.Parameters(season=7, methods=["seasonal_naive"])
    judged = evaluate.Parameters()
    scale = baseline.baseline(task.data, parameters, judged).arrays["mase_scale"]
    before = known[: task.examples.spans[2, 0, 0]]
    expected = np.nanmean(np.abs(before[7:] - before[:-7]))
    np.testing.assert_allclose(scale, [[expected]], rtol=1e-5)


def test_ridge_is_fitted_on_known_targets() -> None:
    task, _ = task_with_gaps()
    train, validation = (task.examples.windows_of(split) for split in ("train", "validation"))
    ridge = baselines.fit_ridge(train, validation, (0.01, 0.1, 1.0))
    batch, intercepts = train.cut(np.arange(len(train))), []
    last = batch["inputs"]["window"][:, -1:]
    x = (batch["inputs"]["window"] - last).reshape(len(train), -1).astype(float)
    for step in range(train.horizon):
        y = (batch["targets"][:, step, 0] - last[:, 0, 0]).astype(float)
        known = batch["mask"][:, step, 0] > 0
        assert 0 < known.sum() < len(known)
        centred, target = x[known] - x[known].mean(axis=0), y[known] - y[known].mean()
        penalised = centred.T @ centred + ridge.alpha * np.eye(x.shape[1])
        expected = np.linalg.solve(penalised, centred.T @ target)
        np.testing.assert_allclose(ridge.coefficients[:, step], expected, rtol=1e-6, atol=1e-9)
        intercepts.append(y[known].mean() - x[known].mean(axis=0) @ expected)
    np.testing.assert_allclose(ridge.intercept, intercepts, rtol=1e-6, atol=1e-9)


def test_the_scaler_and_the_check_for_constants_see_known_values_alone() -> None:
    task, known = task_with_gaps()
    table = task.data.ingested.read()
    parameters = windowing.Windowing(lookback=6, horizon=3)
    table.loc[~table["observed_y"], "y"] = 1000.0
    examples = windowing.windowed(table, task.ingested, parameters)
    training = known[: int(len(known) * 0.6)]
    np.testing.assert_allclose(examples.scale_, [[np.nanmax(training) - np.nanmin(training)]])
    table.loc[table["observed_y"], "y"] = 3.0
    with pytest.raises(InputError, match=r"values that vary, received 3.0"):
        windowing.windowed(table, task.ingested, parameters)
