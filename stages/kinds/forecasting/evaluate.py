"""The network's scores on the test windows, and intervals fitted on validation."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.kinds.forecasting.backtest import backtest
from stages.kinds.forecasting.scores import SCORES
from stages.scores import numbers
from stages.sections import one_of
from stages.series import intervals, metrics
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.outcomes import Outcomes
from stages.series.windows import Windows


class Parameters(Judged):
    score: Annotated[str, one_of(SCORES)] = "mae"


def evaluate(
    data: TaskData[IngestedSeries, SeriesExamples],
    predict: Callable[[Windows], np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
) -> Evaluation:
    """Scores the network.

    Args:
        predict: the network: windows -> (windows, horizon, targets), in the scaler's units.

    Returns:
        The scores; the errors of all methods by step (`method`, `horizon`, `mae`, ...); the array
        `half_widths` (levels, horizon, targets) of the intervals, in the scaler's units; and
        `backtest.csv` with its picture.
    """
    validation, test = (Outcomes(data.examples, split) for split in ("validation", "test"))
    widths = intervals.half_widths(validation.scaled - predict(validation.windows), validation.mask)
    forecast, scale = predict(test.windows), baselines.arrays["mase_scale"]
    scores = {
        **test.scores(forecast, scale),
        **intervals.coverage(test.scaled - forecast, test.mask, widths),
    }
    for level, width in zip(intervals.LEVELS, widths, strict=True):
        low, high = (test.restored(forecast + side * width) for side in (-1, 1))
        scores[f"width_{level}"] = float((high - low).mean())
    if "naive2" in baselines.scores:
        scores["owa"] = metrics.owa(scores, numbers(baselines.scores["naive2"]))

    curves: dict[str, Any] = {"model": test.scores_by_horizon(forecast, scale)}
    curves |= {method: entry["by_horizon"] for method, entry in baselines.scores.items()}
    steps = np.arange(1, data.examples.horizon + 1)
    curve = pd.concat(
        [
            pd.DataFrame({"method": method, "horizon": steps, **errors})
            for method, errors in curves.items()
        ],
        ignore_index=True,
    )
    title = "error on the test split, by steps ahead"
    content, picture = backtest(data, test, forecast, widths, scale)
    return Evaluation(
        scores,
        curve,
        title,
        {"half_widths": widths},
        files={"backtest.csv": content},
        pictures={"backtest": picture},
    )


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the mean absolute error of each method over the steps ahead."""
    drawing.draw_methods(axes, curve, "horizon", "mae", "steps ahead", "MAE", logarithmic=True)
