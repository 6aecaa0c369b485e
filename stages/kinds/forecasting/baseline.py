"""The floors of a forecasting task, scored on the test windows."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator
from tqdm import tqdm

from stages.errors import InputError
from stages.sections import Count, Positive, Section
from stages.series import baselines, metrics, scaling, windows

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


def baseline(
    arrays: dict[str, np.ndarray], about: dict[str, Any], parameters: Parameters
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores each method on the test windows.

    Returns:
        `{method: {mae, rmse, mase, smape, scaled_mse, scaled_mae}}`, each with its lists
        `by_horizon`, and `owa` where Naive2 is among them; and the array `mase_scale` (series,
        targets), in raw units.
    """
    scaler = scaling.of(arrays, about)
    test = windows.of_split(arrays, about, "test")
    indices = np.arange(len(test))
    origins, series = test.locate(indices)
    starts = np.asarray(arrays["starts"])[:-1][series]
    needed = (
        parameters.season + ("seasonal_drift" in parameters.all_methods)
        if parameters.season > 1
        else 1
    )
    if (origins - starts).min() < needed:
        raise InputError(
            f"baseline.season: expected at least {needed} rows before every test window, received "
            f"{int((origins - starts).min())}: "
            "shorten the season or leave its methods out"
        )
    raw = _raw(arrays, about, scaler)
    first_test = arrays["spans"][2, :, 0]
    scale = metrics.seasonal_scale(
        raw, arrays["observed"], np.asarray(arrays["starts"])[:-1], first_test, parameters.season
    )
    batch = test.future(indices)
    actual = scaler.inverse(batch["targets"], series, about["targets"])
    mask = batch["mask"]
    results: dict[str, Any] = {}
    for method, forecast in _forecasts(arrays, about, parameters, test, indices, raw, scaler):
        restored = scaler.inverse(forecast, series, about["targets"])
        results[method] = {
            **metrics.scores(actual, restored, mask, scale[series]),
            **metrics.scaled_errors(batch["targets"], forecast, mask),
            "by_horizon": metrics.scores(actual, restored, mask, scale[series], by_horizon=True),
        }
    for entry in results.values() if "naive2" in results else ():
        entry["owa"] = metrics.owa(entry, results["naive2"])
    return results, {"mase_scale": scale}


def _raw(
    arrays: dict[str, np.ndarray], about: dict[str, Any], scaler: scaling.Scaler
) -> np.ndarray:
    """Returns the targets of all rows in raw units, (rows, targets) float64."""
    starts = np.asarray(arrays["starts"])
    series = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return scaler.inverse(
        np.asarray(arrays["values"])[:, None, about["targets"]], series, about["targets"]
    )[:, 0]


def _forecasts(
    arrays: dict[str, np.ndarray],
    about: dict[str, Any],
    parameters: Parameters,
    test: windows.Windows,
    indices: np.ndarray,
    raw: np.ndarray,
    scaler: scaling.Scaler,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each method's forecasts (windows, horizon, targets), in the scaler's units."""
    origins, series = test.locate(indices)
    starts = np.asarray(arrays["starts"])[:-1][series]
    for method in parameters.all_methods:
        if method in baselines.VECTORISED:
            yield method, baselines.VECTORISED[method](test, origins, starts, parameters.season)
        elif method == "ridge":
            validation = windows.of_split(arrays, about, "validation")
            ridge = baselines.fit_ridge(
                windows.of_split(arrays, about, "train"), validation, tuple(parameters.alphas)
            )
            yield (
                method,
                np.concatenate(
                    [ridge.forecast(test, some) for some in baselines.chunks(len(test))]
                ),
            )
        else:
            out = np.empty((len(indices), test.horizon, len(test.targets)))
            for index in tqdm(range(len(indices)), desc=method, disable=None):
                for target in range(len(test.targets)):
                    history = raw[starts[index] : origins[index], target]
                    out[index, :, target] = baselines.LOCAL[method](
                        history, test.horizon, parameters.season
                    )
            yield method, scaler.forward(out, series, about["targets"])
