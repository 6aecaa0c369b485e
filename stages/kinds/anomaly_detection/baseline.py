"""Detectors without a network, scored on the test split."""

from typing import Annotated

import numpy as np
from pydantic import Field

from stages.files.task_data import TaskData
from stages.kinds.anomaly_detection.evaluate import Parameters as Judgement
from stages.kinds.anomaly_detection.judging import Judge
from stages.kinds.anomaly_detection.series import IngestedLabels, LabelledSeries
from stages.kinds.data import Baselines
from stages.scores import MethodScores
from stages.sections import Count, Section, Seed, one_of
from stages.series.detectors import DETECTORS

# Those whose scores are of whole windows.
OF_WINDOWS = ("sub_pca", "isolation_forest")


class Parameters(Section):
    """Which detectors the network is compared with: see `stages.series.detectors`. Each is fitted
    on the training rows of a series, and its errors become scores and alarms as the network's do.
    The scores of `random` are never smoothed; those of `sub_pca` and `isolation_forest` are of
    whole windows.

    window: rows that a detector sees; null: the lookback.
    seed: of `random` and `isolation_forest`.
    """

    methods: Annotated[list[Annotated[str, one_of(DETECTORS)]], Field(min_length=1)] = list(
        DETECTORS
    )
    window: Count | None = None
    seed: Seed = 0


def baseline(
    data: TaskData[IngestedLabels, LabelledSeries], parameters: Parameters, judged: Judgement
) -> Baselines:
    """Scores each method.

    Returns:
        `{method: {vus_pr, ...}}`, each with its curve: lists `threshold`, `recall` and `precision`
        under `curve`.
    """
    examples = data.examples
    judge = Judge(examples, judged, judged.window)
    window = parameters.window or examples.lookback
    scores: dict[str, MethodScores] = {}
    for method in parameters.methods:
        outcomes = []
        for number in judge.numbers:
            rows = judge.rows(number)
            errors = DETECTORS[method](
                np.asarray(examples.values[rows], np.float64)[:, examples.targets],
                judge.split(number, 0).stop,
                window,
                examples.horizon,
                np.random.default_rng([parameters.seed, number]),
            )
            smooth = 1 if method == "random" else judge.smooth(windows=method in OF_WINDOWS)
            outcomes.append(judge.outcome(number, errors, smooth))
        curve = judge.curve(outcomes)
        scores[method] = {
            **judge.scores(outcomes)[0],
            "curve": {name: curve[name].to_numpy() for name in curve},
        }
    return Baselines(scores)
