"""The baselines of a forecasting task, scored on the windows of test and validation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator
from tqdm import tqdm

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines
from stages.kinds.forecasting.evaluate import Parameters as Judgement
from stages.kinds.forecasting.evaluate import checked_bounds
from stages.sections import Count, Positive, Section
from stages.series import baselines, metrics, quantiles
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.outcomes import Outcomes

SEASONAL = ("seasonal_naive", "seasonal_drift", "naive2")


Method = Literal[
    "last_value", "drift", "seasonal_naive", "seasonal_drift", "ridge", "naive2", "theta"
]


class Parameters(Section):
    """How a forecast is made without a network.

    season: steps after which a series repeats, also for MASE; 1 is none; null: that of the
        examples.
    methods: null: `last_value`, `drift` and `ridge`, and `seasonal_naive` where there is a season.
    alphas: penalties of ridge to choose from.
    """

    season: Count | None = None
    methods: Annotated[list[Method], Field(min_length=1)] | None = None
    alphas: Annotated[list[Positive], Field(min_length=1)] = [
        0.001,
        0.01,
        0.1,
        1.0,
        10.0,
        100.0,
        1000.0,
        10000.0,
    ]

    @model_validator(mode="after")
    def _season(self) -> "Parameters":
        if self.season == 1 and self.seasonal:
            raise ValueError(f"a `season` above 1 for {', '.join(self.seasonal)}")
        return self

    @property
    def seasonal(self) -> list[str]:
        """The listed methods that need a season."""
        return sorted(set(SEASONAL) & set(self.methods or []))


@dataclass(frozen=True)
class Plan:
    """What is computed: `season` and `methods` as the parameters and the examples say."""

    season: int
    methods: list[str]

    def needed(self, method: str) -> int:
        """Returns how many known rows a method needs before a window's targets."""
        return {
            "seasonal_naive": self.season,
            "seasonal_drift": self.season + 1,
        }.get(method, 1)


def _plan(parameters: Parameters, found: int) -> Plan:
    season = parameters.season or found
    if season == 1 and parameters.seasonal:
        raise InputError(
            f"baseline.season: expected a season above 1 for {', '.join(parameters.seasonal)}, "
            "received none, as none was found in the data: set scale_and_window.season, or leave "
            "these methods out"
        )
    default = ["last_value", "drift", *(["seasonal_naive"] if season > 1 else []), "ridge"]
    return Plan(season, default if parameters.methods is None else list(parameters.methods))


def baseline(
    data: TaskData[IngestedSeries, SeriesExamples], parameters: Parameters, judged: Judgement
) -> Baselines:
    """Scores each method on the test windows, and on the validation windows.

    A method that lacks a season of known rows before some validation window has no scores there,
    and no `pinball`, `wql` and `crps`, which need its residuals.

    Returns:
        `{method: {mae, rmse, mase, smape, scaled_mse, scaled_mae, pinball, wql, crps}}`, and `owa`
        where Naive2 is among them; each with such scores of the validation windows under
        `validation`, with its lists `by_horizon`, and `by_origin` where such are judged; and the
        array `mase_scale` (series, targets),
        in raw units.
    """
    examples = data.examples
    outcomes = Outcomes(examples, "test", checked_bounds(data, judged))
    plan = _plan(parameters, examples.season)
    _check_history(_rows_before(examples, outcomes), plan)
    scale = metrics.seasonal_scale(
        examples.raw_targets,
        examples.observed,
        examples.first_rows,
        examples.spans[2, :, 0],
        plan.season,
    )
    forecaster = Forecaster(examples, plan, tuple(parameters.alphas))
    validation, spreads = _on_validation(forecaster, scale, judged)
    results: dict[str, dict[str, float]] = {}
    curves: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for method in plan.methods:
        forecast = outcomes.clipped(forecaster.forecast(method, outcomes))
        results[method] = outcomes.scores(forecast, scale) | outcomes.quantile_scores(
            forecast, spreads.get(method)
        )
        curves[method] = {"by_horizon": outcomes.scores_by_horizon(forecast, scale)}
        if judged.origins:
            by_origin = outcomes.scores_by_origin(forecast, scale, judged.origins)
            curves[method]["by_origin"] = by_origin
    return Baselines(
        {
            method: {
                **scores,
                **({"validation": validation[method]} if method in validation else {}),
                **curves[method],
            }
            for method, scores in _with_owa(results).items()
        },
        {"mase_scale": scale},
    )


def _on_validation(
    forecaster: "Forecaster", scale: np.ndarray, judged: Judgement
) -> tuple[dict[str, dict[str, float]], dict[str, quantiles.Spread]]:
    """Returns the scores of each method on the validation windows, and the spread of its residuals
    there."""
    examples, plan = forecaster.examples, forecaster.plan
    outcomes = Outcomes(examples, "validation", judged.bounds)
    rows = int(_rows_before(examples, outcomes).min())
    scores, spreads = {}, {}
    for method in plan.methods:
        if rows < plan.needed(method):
            continue
        forecast = outcomes.clipped(forecaster.forecast(method, outcomes))
        residuals = outcomes.scaled - forecast
        spreads[method] = quantiles.spread(residuals, outcomes.mask, judged.quantiles)
        scores[method] = outcomes.scores(forecast, scale) | outcomes.quantile_scores(
            forecast, spreads[method]
        )
    return _with_owa(scores), spreads


def _with_owa(results: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns the results with `owa`, where Naive2 is among them."""
    if "naive2" not in results:
        return results
    return {
        method: {**scores, "owa": metrics.owa(scores, results["naive2"])}
        for method, scores in results.items()
    }


def _rows_before(examples: SeriesExamples, outcomes: Outcomes) -> np.ndarray:
    """Returns how many rows of its series each window has before its targets, (windows,)."""
    return outcomes.origins - examples.first_rows[outcomes.series]


def _check_history(rows_before: np.ndarray, plan: Plan) -> None:
    needed = max(plan.season if plan.season > 1 else 1, *map(plan.needed, plan.methods))
    if rows_before.min() < needed:
        raise InputError(
            f"baseline.season: expected at least {needed} rows before every test window, received "
            f"{int(rows_before.min())}: shorten the season or leave its methods out"
        )


@dataclass(frozen=True)
class Forecaster:
    """Forecasts by each method of a plan. alphas: penalties of ridge to choose from."""

    examples: SeriesExamples
    plan: Plan
    alphas: tuple[float, ...]

    @cached_property
    def ridge(self) -> baselines.Ridge:
        train, validation = (self.examples.windows_of(name) for name in ("train", "validation"))
        return baselines.fit_ridge(train, validation, self.alphas)

    def forecast(self, method: str, outcomes: Outcomes) -> np.ndarray:
        """Returns a method's forecasts (windows, horizon, targets) of the windows of `outcomes`, in
        the scaler's units."""
        windows, season = outcomes.windows, self.plan.season
        starts = self.examples.first_rows[outcomes.series]
        if method in baselines.VECTORISED:
            return baselines.VECTORISED[method](windows, outcomes.origins, starts, season)
        if method == "ridge":
            chunks = baselines.chunks(len(windows))
            return np.concatenate([self.ridge.forecast(windows, chunk) for chunk in chunks])
        raw = self.examples.raw_targets
        out = np.empty((len(windows), windows.horizon, len(windows.targets)))
        for index in tqdm(range(len(windows)), desc=method, disable=None):
            for target in range(len(windows.targets)):
                history = raw[starts[index] : outcomes.origins[index], target]
                out[index, :, target] = baselines.LOCAL[method](history, windows.horizon, season)
        return self.examples.fitted_scaler.forward(out, outcomes.series, self.examples.targets)
