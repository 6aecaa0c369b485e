"""Scores of a task: the means of those of its series, those of perfect and of random detectors, and
what is written of each row."""

import numpy as np
import pandas as pd
import pytest

from stages.kinds.anomaly_detection import baseline, evaluate
from stages.kinds.anomaly_detection.detector import Settings
from stages.kinds.anomaly_detection.judging import Judge, Outcome
from stages.kinds.anomaly_detection.series import LabelledSeries
from stages.series import detection
from tests.kinds.anomaly_detection.project import Task, hours

pytestmark = pytest.mark.usefixtures("stand_in")

SECTION = {"time": "time", "series": "name", "targets": ["y"], "labels": "label"}
FIRST = 100  # the first row of test


def labelled(*names: str, anomalies: tuple[slice, ...] = (slice(120, 126),)) -> pd.DataFrame:
    """Returns series in which the rows of anomalies are far from the others, and labelled; the last
    series has none."""
    tables = []
    for seed, name in enumerate(names):
        own = hours(160, seed=seed).assign(name=name, label=0)
        for rows in anomalies if name != names[-1] or len(names) == 1 else ():
            own.loc[own.index[rows], ["y", "label"]] = [90.0, 1]
        tables.append(own)
    return pd.concat(tables, ignore_index=True)


def judged(examples: LabelledSeries, scores: np.ndarray) -> tuple[Judge, Outcome]:
    """Returns what comes of scores (rows,) of the only series."""
    judge = Judge(examples, Settings(rate=0.05, smooth=1), window=8)
    return judge, judge.outcome(0, scores[:, None, None], smooth=1)


def test_the_scores_of_a_task_are_the_means_of_those_of_its_series() -> None:
    task = Task(labelled("a", "b", "none"), **SECTION)
    scores, parts = task.evaluation.scores, task.evaluation.parts
    assert list(parts) == ["a", "b", "none"]
    for name, mean in scores.items():
        own = [part[name] for part in parts.values()]
        if name in ("alarm_rate", "false_alarms"):
            assert mean == pytest.approx(np.mean(own))
        elif name != "vus_pr_whole":
            assert np.isnan(own[2])
            assert mean == pytest.approx(np.mean(own[:2]))
    assert scores["event_recall"] == 1


def test_scores_are_those_of_the_rows_that_are_written() -> None:
    task = Task(labelled("a", anomalies=(slice(110, 114), slice(130, 133))), **SECTION)
    rows, scores = task.detections, task.evaluation.scores
    labels, alarms = rows["anomaly"].to_numpy() > 0, rows["alarm"].to_numpy() > 0
    assert len(rows) == 60
    assert rows["time"].tolist() == [str(time) for time in hours(160)["time"][FIRST:]]
    np.testing.assert_array_equal(alarms, rows["score"] > rows["threshold"])
    assert scores["alarm_rate"] == pytest.approx(alarms.mean())
    assert scores["event_recall"] == np.mean([alarms[10:14].any(), alarms[30:33].any()]) == 1
    assert scores["delay"] == np.mean([alarms[10:14].argmax(), alarms[30:33].argmax()])
    runs = np.split(np.arange(60), np.flatnonzero(np.diff(alarms)) + 1)
    own = [labels[run].any() for run in runs if alarms[run[0]]]
    assert scores["event_precision"] == pytest.approx(np.mean(own))
    assert scores["false_alarms"] == pytest.approx(1000 * own.count(False) / 53)
    assert scores["auc_pr"] == pytest.approx(
        detection.average_precision(labels, rows["score"].to_numpy())
    )
    assert not task.evaluation.parts


def test_rows_are_written_in_raw_units() -> None:
    table = labelled("a").assign(z=lambda rows: 1e6 - 100 * rows["y"])
    table.loc[[112, 113], "y"] = np.nan
    task = Task(table, **SECTION | {"targets": ["y", "z"], "gaps": "interpolate"})
    rows = task.detections
    about = ["time", "series", "score", "threshold", "alarm", "anomaly"]
    assert list(rows) == [*about, "seen_y", "expected_y", "seen_z", "expected_z"]
    np.testing.assert_allclose(rows["seen_y"], table["y"][FIRST:])
    np.testing.assert_allclose(rows["seen_z"], table["z"][FIRST:])
    # The mean of forecasts made 1, 2 and 3 rows before, each a tenth of the scale off for each row.
    for column, name in enumerate(("y", "z")):
        values, scale = table[name].ffill().to_numpy(), task.data.examples.scale_[0, column]
        made = [values[FIRST - step : -step] + 0.1 * step * scale for step in (1, 2, 3)]
        np.testing.assert_allclose(rows[f"expected_{name}"], np.mean(made, axis=0), rtol=1e-6)


def test_labels_are_nowhere_where_there_are_none() -> None:
    table = labelled("a", "b").drop(columns="label")
    task = Task(table, judgement={"score": "alarm_rate"}, **SECTION | {"labels": None})
    scores = task.evaluation.scores
    assert list(scores) == ["alarm_rate"]
    assert scores["alarm_rate"] == pytest.approx(task.detections["alarm"].mean())
    assert "anomaly" not in task.detections
    assert task.evaluation.curve.empty
    found = baseline.baseline(
        task.data, baseline.Parameters(), evaluate.Parameters(score="alarm_rate")
    )
    for scores in found.scores.values():
        assert list(scores) == ["alarm_rate", "curve"]


def test_a_detector_that_knows_the_labels_is_perfect() -> None:
    task = Task(labelled("a", anomalies=(slice(110, 114), slice(130, 133))), **SECTION)
    rng = np.random.default_rng(0)
    examples = task.data.examples
    scores = np.where(examples.labels, 5.0, rng.random(160))
    judge, outcome = judged(examples, scores)
    found, _ = judge.scores([outcome])
    assert found["auc_pr"] == found["event_f1"] == 1
    assert found["delay"] == found["false_alarms"] == 0
    assert found["alarm_rate"] == pytest.approx(7 / 60)
    curve = judge.curve([outcome])
    # At the threshold itself all anomalies are found, and nothing else.
    at = curve[curve["threshold"] >= 1].iloc[0]
    assert at[["recall", "precision"]].tolist() == [1, 1]


def test_random_scores_have_the_precision_of_the_share_of_anomalies() -> None:
    rows, rng = 4000, np.random.default_rng(1)
    table = hours(rows).assign(name="a", label=(np.arange(rows) % 20 == 19) * 1)
    examples = Task(table, **SECTION).data.examples
    judge, outcome = judged(examples, rng.random(rows))
    found, _ = judge.scores([outcome])
    assert found["auc_pr"] == pytest.approx(0.05, abs=0.01)
    assert found["alarm_rate"] < 0.3
    curve = judge.curve([outcome])
    assert curve["precision"][curve["recall"] > 0.2].between(0.03, 0.08).all()


def test_a_series_that_does_not_move_on_validation_has_scores() -> None:
    """Its threshold is 0, and so is no divisor."""
    task = Task(labelled("a"), **SECTION)
    errors = np.where(task.data.examples.labels, 1e9, 0.0)
    judge, outcome = judged(task.data.examples, errors)
    assert outcome.detector.threshold == 0
    assert judge.scores([outcome])[0]["event_f1"] == 1
    curve = judge.curve([outcome])
    assert np.isfinite(curve.to_numpy()).all()
    assert curve[["recall", "precision"]].iloc[-1].tolist() == [1, 1]


def test_the_pictures_show_the_first_series() -> None:
    from matplotlib.figure import Figure

    for labels in ("label", None):
        table = labelled("a", "b") if labels else labelled("a", "b").drop(columns="label")
        task = Task(table, **SECTION | {"labels": labels})
        picture = task.evaluation.pictures["detections"]
        assert picture.title == "y of a on the test split, and its score"
        for draw in picture.draws:
            axes = Figure().subplots()
            draw(axes)
            shown = {text.get_text() for text in axes.get_legend().get_texts()}
            assert ("anomaly" in shown) == (labels is not None)
            assert axes.lines[0].get_xdata().size == 60
        axes = Figure().subplots()
        evaluate.draw(axes, task.evaluation.curve)
        assert [text.get_text() for text in axes.texts] == ([] if labels else ["no labels"])
        assert len(axes.lines) == (1 if labels else 0)


def test_a_value_beyond_what_a_network_takes_is_an_alarm() -> None:
    task = Task(labelled("a"), **SECTION)
    newer = hours(161)[160:].assign(name="a", y=1e60)
    said = task.of_file(newer.to_csv(index=False))
    assert said["alarm"].tolist() == [1]
