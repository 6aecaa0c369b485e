"""Quantile forecasts and bounds of a whole task: worked by hand, and as they are written."""

import logging
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.kinds.data import Baselines, Evaluation
from stages.kinds.forecasting import baseline, evaluate, predict
from stages.series.windows import Windows
from tests.kinds.forecasting.task import Task, csv, days
from tests.tasks import never

pytestmark = pytest.mark.usefixtures("folder")
VALUES = [0.0, 10, 0, 10, 12, 11, 14, 20, 19]
SPLIT = {"train": 4, "validation": 3, "test": 2}
LEVELS = {"quantiles": [0.25, 0.5, 0.75]}


def small(values: list[float] = VALUES) -> Task:
    split = {"train": len(values) - 5, "validation": 3, "test": 2}
    return Task(csv(days(values)), 1, 1, time="day", targets=["y"], split=split)


def scored(task: Task, judged: dict[str, Any], *methods: str, season: int = 1) -> Baselines:
    parameters = baseline.Parameters.model_validate({"methods": list(methods), "season": season})
    section = evaluate.Parameters.model_validate(judged)
    return baseline.baseline(task.data, parameters, section)


def last_value(windows: Windows) -> np.ndarray:
    """A network that repeats the last value, one step ahead."""
    return windows.cut(np.arange(len(windows)))["inputs"]["window"][:, -1:]


def evaluated(task: Task, judged: dict[str, Any], baselines: Baselines) -> Evaluation:
    section = evaluate.Parameters.model_validate(judged)
    return evaluate.evaluate(task.data, last_value, baselines, section, never)


def test_the_scores_of_the_last_value_are_those_worked_by_hand() -> None:
    """On validation its residuals are 2, -1 and 3, so the offsets of the quartiles are -1, 2 and 3.
    On test it forecasts 14 and 20, of 20 and 19: quartiles 13, 16, 17 and 19, 22, 23."""
    scores: dict[str, Any] = dict(scored(small(), LEVELS, "last_value").scores["last_value"])
    losses = (0.25 * 7, 0.5 * 4, 0.75 * 3, 0, 0.5 * 3, 0.25 * 4)
    # 13 members lie at -1, 12 at 2 and 25 at 3, as the 0.25 and the 0.5 quantile are the 13th and
    # the 25th of 50: their mean distance from 6 and from -1, minus half of that from each other.
    apart = (13 * 12 * 3 + 13 * 25 * 4 + 12 * 25 * 1) / 2500
    distances = ((13 * 7 + 12 * 4 + 25 * 3) / 50, (12 * 3 + 25 * 4) / 50)
    assert scores["mae"] == pytest.approx(3.5)
    assert scores["pinball"] == pytest.approx(sum(losses) / 6)
    assert scores["wql"] == pytest.approx(2 * sum(losses) / 3 / 39)
    assert scores["crps"] == pytest.approx(sum(distances) / 2 - apart)
    # In validation the values lie 2, -1 and 3 above the forecast.
    losses = (0.25 * 3, 0, 0.25 * 4, 0, 0.5 * 3, 0.5 * 1, 0.25 * 1, 0.25 * 4, 0)
    assert scores["validation"]["mae"] == pytest.approx(2)
    assert scores["validation"]["rmse"] == pytest.approx(math.sqrt(14 / 3))
    assert scores["validation"]["pinball"] == pytest.approx(sum(losses) / 9)
    assert scores["validation"]["wql"] == pytest.approx(2 * sum(losses) / 3 / 37)
    assert set(scores["validation"]) == set(scores) - {"validation", "by_horizon"}


def test_a_network_is_scored_as_a_baseline_that_forecasts_the_same() -> None:
    task, judged = small(), {**LEVELS, "minimum": 0, "maximum": 21}
    baselines = scored(task, judged, "last_value", "drift")
    expected: dict[str, Any] = dict(baselines.scores["last_value"])
    evaluation = evaluated(task, judged, baselines)
    assert evaluation.validation == pytest.approx(expected.pop("validation"))
    del expected["by_horizon"]
    assert {name: evaluation.scores[name] for name in expected} == pytest.approx(expected)


def test_unbounded_intervals_are_told_with_the_number_of_windows_that_would_bound_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = small()
    with caplog.at_level(logging.INFO, logger="reprise"):
        evaluation = evaluated(task, {}, scored(task, {}, "last_value"))
    (line,) = [text for text in caplog.messages if "intervals" in text]
    assert "80 and 95 %: expected at least 4 and 19 validation windows" in line
    assert "received 3" in line
    assert np.isinf(evaluation.arrays["half_widths"]).all()


def test_a_seasonal_baseline_without_a_season_before_validation_has_no_scores_there() -> None:
    baselines = scored(small(), {}, "last_value", "seasonal_naive", season=5)
    seasonal: dict[str, Any] = dict(baselines.scores["seasonal_naive"])
    assert seasonal["mae"] == pytest.approx((abs(20 - 0) + abs(19 - 10)) / 2)
    assert "validation" not in seasonal
    assert all(math.isnan(seasonal[name]) for name in ("pinball", "wql", "crps"))
    assert "validation" in baselines.scores["last_value"]


def test_owa_is_scored_on_validation_too() -> None:
    baselines = scored(small(), {}, "naive2", "drift", season=2)
    validation: Any = baselines.scores["naive2"]["validation"]
    assert validation["owa"] == 1
    evaluation = evaluated(small(), {}, baselines)
    # Without a season that is significant, Naive2 is the last value as well.
    assert evaluation.validation["owa"] == pytest.approx(1)


def test_the_forecast_has_a_column_for_each_quantile() -> None:
    task = small()
    evaluation = evaluated(task, LEVELS, scored(task, LEVELS, "last_value"))
    rows = predict.forecast(
        task.data.ingested.read(), task.data, evaluation.arrays, task._repeat_last_value
    )
    assert list(rows)[-5:] == ["lower_95", "upper_95", "q_0.25", "q_0.5", "q_0.75"]
    found = rows[["mean", "lower_80", "upper_80", "q_0.25", "q_0.5", "q_0.75"]].to_numpy()
    np.testing.assert_allclose(found, [[19, -math.inf, math.inf, 18, 21, 22]], rtol=1e-6)
    _, plot = predict.plot(task.data.ingested.read(), rows, history=2)
    assert list(plot) == [
        *("time", "actual", "mean", "lower_80", "upper_80", "lower_95", "upper_95")
    ]


def test_forecast_intervals_and_quantiles_stay_inside_of_the_bounds() -> None:
    task = small()
    judged = {**LEVELS, "minimum": 0, "maximum": 20.5}
    evaluation = evaluated(task, judged, scored(task, judged, "last_value"))
    rows = predict.forecast(
        task.data.ingested.read(), task.data, evaluation.arrays, task._repeat_last_value
    )
    columns = ["mean", "lower_80", "upper_80", "lower_95", "upper_95", "q_0.25", "q_0.75"]
    np.testing.assert_allclose(
        rows[columns].to_numpy(), [[19, 0, 20.5, 0, 20.5, 18, 20.5]], rtol=1e-6
    )
    assert rows[["lower_80", "upper_80"]].to_numpy().tolist() == [[0, 20.5]]
    assert evaluation.scores["width_95"] == pytest.approx(20.5)
    assert evaluation.scores["coverage_95"] == 1

    # A forecast that lies outside is moved by itself, and its residuals follow.
    judged = {**LEVELS, "maximum": 13}
    evaluation = evaluated(task, judged, scored(task, judged, "last_value"))
    assert evaluation.scores["mae"] == pytest.approx((7 + 6) / 2)  # 13 and 13, of 20 and 19
    assert evaluation.scores["coverage_95"] == 0
    rows = predict.forecast(
        task.data.ingested.read(), task.data, evaluation.arrays, task._repeat_last_value
    )
    assert rows["mean"].tolist() == [13]  # not only nearly


def test_bounds_that_training_violates_are_one_error() -> None:
    task = small()
    baselines = scored(task, {}, "last_value")
    for judged in ({"minimum": 1}, {"maximum": 9}):
        for work in (
            lambda judged=judged: scored(task, judged, "last_value"),
            lambda judged=judged: evaluated(task, judged, baselines),
        ):
            with pytest.raises(
                InputError, match=r"expected training values of at .* in column 'y'"
            ):
                work()


def test_missing_values_are_no_residuals() -> None:
    values = pd.Series(VALUES)
    values[5], values[6] = np.nan, 13  # behind 12: filled in by 12, of which no residual counts
    task = Task(csv(days(values)), 1, 1, time="day", targets=["y"], split=SPLIT, gaps="interpolate")
    evaluation = evaluated(task, LEVELS, scored(task, LEVELS, "last_value"))
    # The residuals are 2 and 1: ranks 1, 2 and 3, of which there are two.
    offsets = evaluation.arrays["offsets"].ravel() * task.examples.scale_[0, 0]
    np.testing.assert_allclose(offsets, [1, 2, 2], rtol=1e-5)
