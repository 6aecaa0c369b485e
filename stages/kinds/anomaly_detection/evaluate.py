"""The network's scores on the test rows, and the thresholds that validation sets.

Scores are never adjusted to the labels, as is common elsewhere: where one alarm in an anomaly
counts for all its rows ("point adjustment"), a random score wins (Kim et al., "Towards a rigorous
evaluation of time-series anomaly detection", AAAI 2022).
"""

from collections.abc import Callable
from typing import Annotated, Any

import pandas as pd

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.anomaly_detection import detections, detector
from stages.kinds.anomaly_detection.detector import Settings
from stages.kinds.anomaly_detection.following import Follower, reconstructs
from stages.kinds.anomaly_detection.judging import Judge, of_methods
from stages.kinds.anomaly_detection.scores import SCORES
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.kinds.data import Baselines, Evaluation, Judged, Picture
from stages.sections import Count, one_of


class Parameters(Judged, Settings):
    """Besides how errors become scores and alarms:

    window: the largest buffer around an anomaly for the volume under the surface; null: the period
        of each series.
    """

    score: Annotated[str, one_of(SCORES)] = "vus_pr"
    window: Count | None = None


def evaluate(
    data: TaskData[IngestedLabels, LabelledSeries],
    predict: Any,
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Any],
) -> Evaluation:
    """Scores the network on the rows of the test split; with several series, each score is the mean
    over those that have it.

    Returns:
        Without labels `alarm_rate`, the share of rows with an alarm, alone. With labels, besides:
        `vus_pr` and `vus_roc`, the volumes under the surface, and `range_auc_pr` and
        `range_auc_roc`, their slices at the largest buffer; `auc_pr`; `vus_pr_unsmoothed`, of
        scores that are not smoothed; `vus_pr_whole`, over all rows of the series, those of training
        included, as the benchmark TSB-AD has it; `event_precision`, the share of alarms (rows in a
        row) that touch an anomaly, `event_recall`, the share of anomalies that an alarm touches,
        and `event_f1`; `delay`, the rows from the start of an anomaly to its first alarm, in the
        mean over those with one; `false_alarms`, alarms that touch no anomaly, per 1,000 rows
        outside of anomalies.
        `detections.csv`, what was seen, expected and said of each test row, with a picture of the
        first series; the scores of each series as parts, where there are several; and the fitted
        detectors as arrays.
    """
    from stages.networks.serving import answering

    examples, about = data.examples, data.ingested.about
    judge = Judge(examples, parameters, parameters.window)
    answer, reconstructing = answering(predict.network), reconstructs(predict.network)
    tables = detections.by_series(data.ingested.read())
    outcomes, said = [], []
    for number in judge.numbers:
        table = tables[examples.series[number]]
        rows = detections.rows_of(table, examples, number)
        followed = Follower(examples, about, number, answer, reconstructing).follow(rows)
        smooth = judge.smooth(windows=reconstructing)
        outcome = judge.outcome(number, followed.errors, smooth)
        outcomes.append(outcome)
        test = judge.split(number, 2)
        said.append(
            detections.detections(
                table.iloc[test],
                examples,
                about,
                number,
                outcome.scores[test],
                followed.expected[test],
                outcome.detector,
            )
        )
    scores, parts = judge.scores(outcomes)
    curves = {"model": judge.curve(outcomes)}
    curves |= {method: pd.DataFrame(entry["curve"]) for method, entry in baselines.scores.items()}
    return Evaluation(
        scores,
        of_methods(curves),
        "precision over recall on the test split, by threshold",
        detector.arrays_of({one.number: one.detector for one in outcomes}),
        files={"detections.csv": detections.csv(pd.concat(said), examples.frequency)},
        pictures={"detections": _picture(said[0], examples.target_names[0])},
        parts=parts if len(parts) > 1 else {},
    )


def _picture(table: pd.DataFrame, target: str) -> Picture:
    """Returns the picture of the detections of a series."""
    shown, name = detections.of_target(table, target), table["series"].iloc[0]
    of_series = "" if name == "all" else f" of {name}"
    return Picture(
        f"{target}{of_series} on the test split, and its score",
        [
            lambda axes: detections.draw_series(axes, shown),
            lambda axes: detections.draw_scores(axes, shown),
        ],
    )


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws precision over recall for each method, where there are labels."""
    if curve.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no labels", ha="center")
        return
    drawing.draw_methods(axes, curve, "recall", "precision", "recall", "precision")
