"""The network's scores on the test windows beside the floors, and intervals fitted on
validation."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from stages.kinds import Curve
from stages.sections import Section
from stages.series import intervals, metrics, scaling
from stages.series.windows import Windows
from stages.series.windows import of_split as batches

__all__ = ["CURVE", "Parameters", "evaluate"]


CURVE = Curve("horizon", "mae", "steps ahead", "MAE", "error on the test split, by steps ahead")


class Parameters(Section):
    """score: what skill, the best baseline and the summary go by. All scores are errors: lower is
    better."""

    score: Literal["mae", "rmse", "mase", "smape", "scaled_mse", "scaled_mae", "owa"] = "mae"


def evaluate(
    arrays: dict[str, np.ndarray],
    about: dict[str, Any],
    predict: Callable[[Windows], np.ndarray],
    floors: dict[str, Any],
    floor_arrays: dict[str, np.ndarray],
    parameters: Parameters,
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, np.ndarray]]:
    """Scores the network.

    Args:
        predict: the network: windows -> (windows, horizon, targets), in the scaler's units.
        floors, floor_arrays: what the baseline stage wrote.

    Returns:
        The scores `{model, baseline, best_baseline, skill}`; the errors of all methods by step
        (`method`, `horizon`, `mae`, ...); and the array `half_widths` (levels, horizon, targets) of
        the intervals, in the scaler's units.
    """
    scaler = scaling.of(arrays, about)
    residuals, masks = _residuals(arrays, about, predict, "validation")
    widths = intervals.half_widths(residuals, masks)

    test = batches(arrays, about, "test")
    forecast = predict(test)
    indices = np.arange(len(test))
    _, series = test.locate(indices)
    batch = test.future(indices)
    mask, targets = batch["mask"], about["targets"]
    actual, restored = (
        scaler.inverse(values, series, targets) for values in (batch["targets"], forecast)
    )
    scale = floor_arrays["mase_scale"][series]
    model: dict[str, Any] = {
        **metrics.scores(actual, restored, mask, scale),
        **metrics.scaled_errors(batch["targets"], forecast, mask),
        **intervals.coverage(batch["targets"] - forecast, mask, widths),
    }
    for level, width in zip(intervals.LEVELS, widths, strict=True):
        low, high = (scaler.inverse(forecast + side * width, series, targets) for side in (-1, 1))
        model[f"width_{level}"] = (high - low).mean()

    methods = {"model": metrics.scores(actual, restored, mask, scale, by_horizon=True)}
    methods |= {name: entry["by_horizon"] for name, entry in floors.items()}
    steps = np.arange(1, test.horizon + 1)
    curves = pd.concat(
        [
            pd.DataFrame({"method": name, "horizon": steps, **curve})
            for name, curve in methods.items()
        ],
        ignore_index=True,
    )

    baseline = {
        name: {key: value for key, value in entry.items() if key != "by_horizon"}
        for name, entry in floors.items()
    }
    if "naive2" in baseline:
        model["owa"] = metrics.owa(model, baseline["naive2"])
    of_baselines = {
        name: metrics.number(entry[parameters.score]) for name, entry in baseline.items()
    }
    best = min(of_baselines, key=lambda name: np.nan_to_num(of_baselines[name], nan=np.inf))
    scores = {
        "model": model,
        "baseline": baseline,
        "best_baseline": best,
        "skill": metrics.skill(model[parameters.score], of_baselines[best]),
    }
    return scores, curves, {"half_widths": widths}


def _residuals(
    arrays: dict[str, np.ndarray],
    about: dict[str, Any],
    predict: Callable[[Windows], np.ndarray],
    split: str,
) -> tuple[np.ndarray, np.ndarray]:
    windows = batches(arrays, about, split)
    batch = windows.future(np.arange(len(windows)))
    return batch["targets"] - predict(windows), batch["mask"]
