"""The baselines of a forecasting task, scored on the test windows."""

from collections.abc import Iterator
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

    season: steps after which a series repeats, also for MASE; 1 is none.
    methods: null: `last_value`, `drift` and `ridge`, and `seasonal_naive` where there is a season.
    alphas: penalties of ridge to choose from.
    """

    season: Count = 1
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
        if self.season == 1 and set(SEASONAL) & set(self.all_methods):
            raise ValueError(
                f"a `season` above 1 for {', '.join(sorted(set(SEASONAL) & set(self.all_methods)))}"
            )
        return self

    @property
    def all_methods(self) -> list[str]:
        if self.methods is not None:
            return list(self.methods)
        return ["last_value", "drift", *(["seasonal_naive"] if self.season > 1 else []), "ridge"]


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
    _check_history(outcomes.origins - starts, parameters)
    scale = metrics.seasonal_scale(
        examples.raw_targets,
        examples.observed,
        examples.first_rows,
        examples.spans[2, :, 0],
        parameters.season,
    )
    results: dict[str, MethodScores] = {}
    for method, forecast in _forecasts(examples, parameters, outcomes, starts):
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


def _check_history(rows_before: np.ndarray, parameters: Parameters) -> None:
    needed = 1
    if parameters.season > 1:
        needed = parameters.season + ("seasonal_drift" in parameters.all_methods)
    if rows_before.min() < needed:
        raise InputError(
            f"baseline.season: expected at least {needed} rows before every test window, received "
            f"{int(rows_before.min())}: shorten the season or leave its methods out"
        )


def _forecasts(
    examples: SeriesExamples, parameters: Parameters, outcomes: Outcomes, starts: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each method's forecasts (windows, horizon, targets), in the scaler's units.

    Args:
        starts: (windows,) first row of each window's series.
    """
    test, raw = outcomes.windows, examples.raw_targets
    for method in parameters.all_methods:
        if method in baselines.VECTORISED:
            forecast = baselines.VECTORISED[method]
            yield method, forecast(test, outcomes.origins, starts, parameters.season)
        elif method == "ridge":
            ridge = baselines.fit_ridge(
                examples.windows_of("train"),
                examples.windows_of("validation"),
                tuple(parameters.alphas),
            )
            chunks = baselines.chunks(len(test))
            yield method, np.concatenate([ridge.forecast(test, chunk) for chunk in chunks])
        else:
            out = np.empty((len(test), test.horizon, len(test.targets)))
            for index in tqdm(range(len(test)), desc=method, disable=None):
                for target in range(len(test.targets)):
                    history = raw[starts[index] : outcomes.origins[index], target]
                    out[index, :, target] = baselines.LOCAL[method](
                        history, test.horizon, parameters.season
                    )
            yield method, examples.fitted_scaler.forward(out, outcomes.series, examples.targets)
