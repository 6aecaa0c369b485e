"""Scores by origin of a whole task, beside loops over its raw values."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stages.kinds.data import Baselines
from stages.kinds.forecasting import baseline, evaluate
from stages.scores import numbers
from stages.series.data import SeriesExamples
from stages.series.windows import Windows
from tests.kinds.forecasting.task import Task, csv, days
from tests.tasks import never

pytestmark = pytest.mark.usefixtures("folder")
HORIZON, AFTER, COUNT = 2, 50, 3
# Two series of 50 days: the windows of each that are tested begin with rows 40 ... 48.
EDGES = [40, 43, 46, 49]


def values() -> np.ndarray:
    """(series, days), with a missing test value, and a rise at first that misleads a drift."""
    rng = np.random.default_rng(5)
    table = np.cumsum(rng.normal(size=(2, AFTER)), axis=1) + np.array([[50.0], [500]])
    table += 3.0 * np.minimum(np.arange(AFTER), 30)
    table[1, 44] = np.nan
    return table.round(3)


def task() -> Task:
    series = {"north": values()[0], "south": values()[1]}
    content = pd.concat([days(own).assign(shop=name) for name, own in series.items()])
    split = {"train": 30, "validation": 10, "test": 10}
    section = {"time": "day", "series": "shop", "targets": ["y"], "split": split}
    return Task(csv(content), 4, HORIZON, gaps="forward_fill", **section)


def repeating(back: int) -> Callable[[Windows], np.ndarray]:
    """Returns a network that repeats the value of so many steps back."""

    def predict(windows: Windows) -> np.ndarray:
        window = windows.cut(np.arange(len(windows)))["inputs"]["window"]
        return np.repeat(window[:, -back, None], HORIZON, axis=1)

    return predict


def errors(stretch: int, back: int) -> list[float]:
    """Returns the absolute errors of such a network in a stretch."""
    filled = pd.DataFrame(values().T).ffill().to_numpy().T
    return [
        abs(own[row + step] - past[row - back])
        for own, past in zip(values(), filled, strict=True)
        for row in range(EDGES[stretch], EDGES[stretch + 1])
        for step in range(HORIZON)
        if not np.isnan(own[row + step])
    ]


def evaluated(
    example: Task, retrain: Callable[[Any, str], Any], **section: Any
) -> tuple[Baselines, Any]:
    judged = evaluate.Parameters.model_validate(section)
    methods = baseline.Parameters(methods=["last_value", "drift"], season=1)
    baselines = baseline.baseline(example.data, methods, judged)
    return baselines, evaluate.evaluate(example.data, repeating(3), baselines, judged, retrain)


def test_each_stretch_is_scored_as_by_a_loop_and_refitted_on_all_before_it() -> None:
    example, known = task(), {}

    def retrain(prepared: SeriesExamples, name: str) -> Callable[[Windows], np.ndarray]:
        windows = prepared.windows_of("train")
        known[name] = windows.locate(np.arange(len(windows)))[0] + HORIZON
        return repeating(2)

    baselines, evaluation = evaluated(example, retrain, origins=COUNT, refit=True)
    rows = pd.read_csv(io.StringIO(evaluation.files["origins.csv"]))
    assert rows["stretch"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    table = rows.set_index(["method", "stretch"])
    best = min(baselines.scores, key=lambda name: numbers(baselines.scores[name])["mae"])
    assert best == "last_value"
    for stretch in range(COUNT):
        for method, back in (("model", 3), ("refitted", 2), ("last_value", 1)):
            found = table.loc[(method, stretch + 1)]
            own = np.array(errors(stretch, back))
            assert found["windows"] == 6
            assert found["mae"] == pytest.approx(own.mean(), rel=1e-4)
            assert found["rmse"] == pytest.approx(np.sqrt((own**2).mean()), rel=1e-4)
            skill = 1 - own.mean() / np.mean(errors(stretch, 1))
            assert method == best or found["skill"] == pytest.approx(skill, rel=1e-3, abs=1e-5)
        day = pd.Timestamp("2020-01-01") + pd.Timedelta(days=EDGES[stretch] - 1)
        assert set(rows.loc[rows["stretch"] == stretch + 1, "origin"]) == {str(day.date())}
        # The windows known end before the first row of the stretch, the last of them right there.
        ends = known[f"origin_{stretch + 1}"]
        assert ends[ends <= AFTER].max() == EDGES[stretch]
        assert ends[ends > AFTER].max() == AFTER + EDGES[stretch]
    assert rows.loc[rows["method"].isin(["last_value", "drift"]), "skill"].isna().all()
    wins = [np.mean(errors(s, 3)) < np.mean(errors(s, 1)) for s in range(COUNT)]
    assert evaluation.scores["origins_won"] == pytest.approx(np.mean(wins))
    every = [error for stretch in range(COUNT) for error in errors(stretch, 2)]
    assert evaluation.refitted["mae"] == pytest.approx(np.mean(every), rel=1e-4)
    assert set(evaluation.pictures) == {"backtest", "origins"}


def test_without_refit_no_network_is_trained_and_without_origins_nothing_is_added() -> None:
    example = task()
    _, evaluation = evaluated(example, never, origins=2)
    rows = pd.read_csv(io.StringIO(evaluation.files["origins.csv"]))
    assert set(rows["method"]) == {"model", "last_value", "drift"}
    assert evaluation.refitted == {}
    baselines, evaluation = evaluated(example, never)
    assert "origins.csv" not in evaluation.files
    assert "origins_won" not in evaluation.scores
    assert "by_origin" not in baselines.scores["drift"]


def test_skill_goes_by_the_score_of_the_task_if_a_stretch_has_it() -> None:
    example = task()
    for score, name in (("rmse", "rmse"), ("crps", "mae")):
        _, evaluation = evaluated(example, never, origins=2, score=score)
        table = pd.read_csv(io.StringIO(evaluation.files["origins.csv"])).set_index("method")
        own, best = (table.loc[method, name].to_numpy() for method in ("model", "last_value"))
        np.testing.assert_allclose(table.loc["model", "skill"], 1 - own / best, rtol=1e-3)


def test_refit_without_origins_is_an_error() -> None:
    with pytest.raises(ValidationError, match="`origins` with `refit`"):
        evaluate.Parameters(refit=True)
