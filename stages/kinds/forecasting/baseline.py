"""The baselines of a forecasting task, scored on the test windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator
from tqdm import tqdm

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines
from stages.scores import MethodScores, numbers
from stages.sections import Count, Positive, Section
from stages.series import baselines, metrics
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


def baseline(data: TaskData[IngestedSeries, SeriesExamples], parameters: Parameters) -> Baselines:
    """Scores each method on the test windows.

    Returns:
        `{method: {mae, rmse, mase, smape, scaled_mse, scaled_mae}}`, each with its lists
        `by_horizon`, and `owa` where Naive2 is among them; and the array `mase_scale` (series,
        targets), in raw units.
    """
    examples = data.examples
    outcomes = Outcomes(examples, "test")
    starts = examples.first_rows[outcomes.series]
    plan = _plan(parameters, examples.season)
    _check_history(outcomes.origins - starts, plan)
    scale = metrics.seasonal_scale(
        examples.raw_targets,
        examples.observed,
        examples.first_rows,
        examples.spans[2, :, 0],
        plan.season,
    )
    results: dict[str, MethodScores] = {}
    for method, forecast in _forecasts(examples, plan, parameters.alphas, outcomes, starts):
        results[method] = {
            **outcomes.scores(forecast, scale),
            "by_horizon": outcomes.scores_by_horizon(forecast, scale),
        }
    if "naive2" in results:
        reference = numbers(results["naive2"])
        results = {
            method: {**scores, "owa": metrics.owa(numbers(scores), reference)}
            for method, scores in results.items()
        }
    return Baselines(results, {"mase_scale": scale})


def _check_history(rows_before: np.ndarray, plan: Plan) -> None:
    needed = 1
    if plan.season > 1:
        needed = plan.season + ("seasonal_drift" in plan.methods)
    if rows_before.min() < needed:
        raise InputError(
            f"baseline.season: expected at least {needed} rows before every test window, received "
            f"{int(rows_before.min())}: shorten the season or leave its methods out"
        )


def _forecasts(
    examples: SeriesExamples,
    plan: Plan,
    alphas: Sequence[float],
    outcomes: Outcomes,
    starts: np.ndarray,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each method's forecasts (windows, horizon, targets), in the scaler's units.

    Args:
        starts: (windows,) first row of each window's series.
    """
    test, raw = outcomes.windows, examples.raw_targets
    for method in plan.methods:
        if method in baselines.VECTORISED:
            forecast = baselines.VECTORISED[method]
            yield method, forecast(test, outcomes.origins, starts, plan.season)
        elif method == "ridge":
            ridge = baselines.fit_ridge(
                examples.windows_of("train"),
                examples.windows_of("validation"),
                tuple(alphas),
            )
            chunks = baselines.chunks(len(test))
            yield method, np.concatenate([ridge.forecast(test, chunk) for chunk in chunks])
        else:
            out = np.empty((len(test), test.horizon, len(test.targets)))
            for index in tqdm(range(len(test)), desc=method, disable=None):
                for target in range(len(test.targets)):
                    history = raw[starts[index] : outcomes.origins[index], target]
                    out[index, :, target] = baselines.LOCAL[method](
                        history, test.horizon, plan.season
                    )
            yield method, examples.fitted_scaler.forward(out, outcomes.series, examples.targets)
