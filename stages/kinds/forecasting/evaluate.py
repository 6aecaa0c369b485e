"""The network's scores on the test windows, and intervals fitted on validation."""

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.kinds.forecasting import origins
from stages.kinds.forecasting.backtest import backtest
from stages.kinds.forecasting.scores import SCORES
from stages.scores import numbers, on_validation
from stages.sections import Count, one_of
from stages.series import bounds, intervals, metrics, quantiles
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.outcomes import Outcomes
from stages.series.windows import Windows

log = logging.getLogger("reprise")


def _expect_levels(levels: list[float]) -> list[float]:
    inside = all(0 < level < 1 for level in levels)
    if not inside or not all(low < high for low, high in pairwise(levels)):
        raise ValueError("levels above 0 and below 1, each once, from the lowest to the highest")
    return levels


class Parameters(Judged):
    """quantiles: the levels of the quantile forecasts.
    minimum, maximum: bounds of the targets, in raw units, such as 0 for counts: forecasts,
        intervals and quantiles, and those of the baselines, are moved into them. null: none.
    origins: the test split is also scored in so many stretches, one after the other (rolling-origin
        evaluation: Tashman, "Out-of-sample tests of forecasting accuracy", 2000); null: it is not.
    refit: whether, besides the network, one is scored that is retrained before each stretch, on all
        rows before it, for as many epochs as validation chose.
    """

    score: Annotated[str, one_of(SCORES)] = "mae"
    quantiles: Annotated[
        list[float], Field(min_length=1, max_length=100), AfterValidator(_expect_levels)
    ] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    minimum: float | None = None
    maximum: float | None = None
    origins: Count | None = None
    refit: bool = False

    @model_validator(mode="after")
    def _order(self) -> "Parameters":
        if self.bounds[0] >= self.bounds[1]:
            raise ValueError("a `minimum` below `maximum`")
        return self

    @model_validator(mode="after")
    def _stretches(self) -> "Parameters":
        if self.refit and self.origins is None:
            raise ValueError("`origins` with `refit`: the number of stretches to train for")
        return self

    @property
    def bounds(self) -> np.ndarray:
        """As `stages.series.bounds` takes them."""
        return bounds.of(self.minimum, self.maximum)


def checked_bounds(
    data: TaskData[IngestedSeries, SeriesExamples], parameters: Parameters
) -> np.ndarray:
    """Returns the bounds. Raises `InputError` where training values are outside."""
    limits = parameters.bounds
    if np.isfinite(limits).any():
        targets = data.ingested.about.targets
        columns = ["split", *targets, *(f"observed_{name}" for name in targets)]
        bounds.check(limits, data.ingested.read(columns), targets)
    return limits


def evaluate(
    data: TaskData[IngestedSeries, SeriesExamples],
    predict: Callable[[Windows], np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: origins.Retrain,
) -> Evaluation:
    """Scores the network.

    Args:
        predict: the network: windows -> (windows, horizon, targets), in the scaler's units.
        retrain: examples and a name -> as `predict`, of a network that is trained on them.

    Returns:
        The scores; the errors of all methods by step (`method`, `horizon`, `mae`, ...); the scores
        on validation, where the residuals are those that the quantiles are made of; and the arrays
        `half_widths` (levels, horizon, targets) of the intervals and `offsets` (quantiles, horizon,
        targets) of the quantiles from the forecast, in the scaler's units, `quantiles`, their
        levels, and `bounds` (2,), in raw units; `backtest.csv`; and where they are asked for,
        `origins.csv` and the scores of the refitted networks. Both files have pictures.
    """
    limits = checked_bounds(data, parameters)
    validation, test = (Outcomes(data.examples, split, limits) for split in ("validation", "test"))
    known = validation.clipped(predict(validation.windows))
    residuals = validation.scaled - known
    widths = intervals.half_widths(residuals, validation.mask)
    spread = quantiles.spread(residuals, validation.mask, parameters.quantiles)
    if lacking := intervals.shortage(validation.mask):
        log.info("%s", lacking)
    forecast, scale = test.clipped(predict(test.windows)), baselines.arrays["mase_scale"]
    scores = {
        **test.scores(forecast, scale),
        **test.quantile_scores(forecast, spread),
        **_interval_scores(test, forecast, widths),
    }
    in_sample = validation.scores(known, scale) | validation.quantile_scores(known, spread)
    if naive2 := baselines.scores.get("naive2"):
        scores["owa"] = metrics.owa(scores, numbers(naive2))
        if reference := on_validation(naive2):
            in_sample["owa"] = metrics.owa(in_sample, reference)
    fitted = {"half_widths": widths, "offsets": spread.offsets, "bounds": limits}
    content, picture = backtest(data, test, forecast, widths, scale)
    evaluation = Evaluation(
        scores,
        _curve(test.scores_by_horizon(forecast, scale), baselines, data.examples.horizon),
        "error on the test split, by steps ahead",
        {**fitted, "quantiles": np.array(spread.levels)},
        files={"backtest.csv": content},
        pictures={"backtest": picture},
        validation=in_sample,
    )
    if parameters.origins is None:
        return evaluation
    return _by_origin(evaluation, data, test, forecast, baselines, parameters, retrain)


def _by_origin(
    evaluation: Evaluation,
    data: TaskData[IngestedSeries, SeriesExamples],
    test: Outcomes,
    forecast: np.ndarray,
    baselines: Baselines,
    parameters: Parameters,
    retrain: origins.Retrain,
) -> Evaluation:
    """Returns the evaluation with what the scores by origin add to it."""
    count, forecasts, refitted = parameters.origins or 1, {origins.MODEL: forecast}, {}
    if parameters.refit:
        again = origins.refitted(data.examples, test, count, retrain)
        forecasts[origins.REFITTED] = again
        refitted = test.scores(again, baselines.arrays["mase_scale"])
    scored = origins.scored(data, test, forecasts, baselines, count, parameters.score)
    log.info("better than %s in %.0f %% of %d stretches", scored.baseline, 100 * scored.won, count)
    return replace(
        evaluation,
        scores={**evaluation.scores, "origins_won": scored.won},
        files={**evaluation.files, "origins.csv": scored.csv},
        pictures={**evaluation.pictures, "origins": scored.picture},
        refitted=refitted,
    )


def _interval_scores(test: Outcomes, forecast: np.ndarray, widths: np.ndarray) -> dict[str, float]:
    """Returns how many values lie in the intervals, and how wide these are in raw units, inside of
    the bounds."""
    possible = test.clipped(test.scaled) == test.scaled
    residuals = np.where(possible, test.scaled - forecast, np.nan)
    scores = intervals.coverage(residuals, test.mask, widths)
    for level, width in zip(intervals.LEVELS, widths, strict=True):
        low, high = (
            np.clip(test.restored(forecast + side * width), *test.limits) for side in (-1, 1)
        )
        scores[f"width_{level}"] = float((high - low).mean())
    return scores


def _curve(model: dict[str, np.ndarray], baselines: Baselines, horizon: int) -> pd.DataFrame:
    curves: dict[str, Any] = {"model": model}
    curves |= {method: entry["by_horizon"] for method, entry in baselines.scores.items()}
    steps = np.arange(1, horizon + 1)
    return pd.concat(
        [
            pd.DataFrame({"method": method, "horizon": steps, **errors})
            for method, errors in curves.items()
        ],
        ignore_index=True,
    )


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the mean absolute error of each method over the steps ahead."""
    drawing.draw_methods(axes, curve, "horizon", "mae", "steps ahead", "MAE", logarithmic=True)
