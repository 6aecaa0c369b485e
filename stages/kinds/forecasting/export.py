"""A trained network for use without this project: windows in raw units in, forecasts in raw units
out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stages.files.task_data import TaskData
from stages.kinds.data import Arrays
from stages.kinds.forecasting.predict import last_windows
from stages.series import ahead, bounds, statics
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.scaling import Scaler

Data = TaskData[IngestedSeries, SeriesExamples]

# How far through a cycle a time is: what `stages.series.calendar` computes, in words.
PHASES = {
    "minute": "minute / 60",
    "hour": "(hour + minute / 60) / 24",
    "weekday": "(weekday + hour / 24) / 7, Monday is 0",
    "day": "(day - 1) / days_in_month",
    "day_of_year": "(day_of_year - 1) / days_in_year",
    "month": "(month - 1) / 12",
}

__all__ = ["about", "difference", "serving"]


def serving(data: Data, network: Any, fitted: Arrays) -> Any:
    """Returns a TensorFlow function of a dictionary of the inputs that `about` describes, for
    batches of any size, to a dictionary of `forecast`.

    Scaling, and the logarithm where the task takes it, are computed as float64. The forecast is
    moved into the bounds.
    """
    from stages.networks.backend import tf

    examples = data.examples
    types = {"float64": tf.float64, "float32": tf.float32, "int32": tf.int32}
    signature = {
        name: tf.TensorSpec([None, *entry["shape"][1:]], types[entry["dtype"]], name=name)
        for name, entry in _inputs(data, network).items()
    }
    low, high = fitted["bounds"].tolist()

    def of(scaler: Scaler, inputs: dict[str, Any], columns: list[int]) -> list[Any]:
        """Returns shift and scale, (batch or 1, 1, columns) each."""
        rows = [tf.constant(array[:, columns]) for array in (scaler.shift_, scaler.scale_)]
        if len(scaler.shift_) > 1:
            rows = [tf.gather(array, inputs["series"]) for array in rows]
        return [array[:, None] for array in rows]

    @tf.function(input_signature=[signature])
    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        raw = inputs["window"]
        level, size = of(examples.fitted_scaler, inputs, examples.inputs)
        window = ((_logarithm(raw) if examples.log else raw) - level) / size
        given = {**inputs, "window": tf.cast(window, tf.float32)}
        if "known" in inputs:
            level, size = of(examples.known_scaler, inputs, list(range(examples.known.shape[1])))
            given["known"] = tf.cast((inputs["known"] - level) / size, tf.float32)
        if "static" in inputs:
            mean, deviation = np.array(list(examples.standardisation.values())).T
            given["static"] = tf.cast((inputs["static"] - mean) / deviation, tf.float32)
        outputs = network({name: given[name] for name in network.input}, training=False)
        level, size = of(examples.fitted_scaler, inputs, examples.targets)
        restored = tf.cast(outputs, tf.float64) * size + level
        forecast = tf.exp(restored) if examples.log else restored
        forecast = tf.maximum(forecast, low) if np.isfinite(low) else forecast
        return {"forecast": tf.minimum(forecast, high) if np.isfinite(high) else forecast}

    return serve


def about(data: Data, network: Any, fitted: Arrays) -> dict[str, Any]:
    """Returns what a caller has to know of the inputs and outputs, and of the task."""
    examples, ingested = data.examples, data.ingested.about
    minimum, maximum = (
        bound if np.isfinite(bound) else None for bound in fitted["bounds"].tolist()
    )
    return {
        "inputs": _inputs(data, network),
        "outputs": {
            "forecast": {
                "shape": ["batch", examples.horizon, len(examples.targets)],
                "dtype": "float64",
                "columns": examples.target_names,
                "meaning": "the steps after the window, in the units of the raw data",
                "minimum": minimum,
                "maximum": maximum,
            }
        },
        "frequency": examples.frequency,
        "lookback": examples.lookback,
        "horizon": examples.horizon,
        "zone": ingested.zone,
        "series": examples.series,
        "series_not_trained_on": examples.dropped_series,
    }


def difference(
    data: Data,
    network: Any,
    fitted: Arrays,
    answer: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]],
) -> float:
    """Returns how far an exported model is at most from what the trained network forecasts after
    the last row of each series: the absolute difference in the scaler's units, divided by the size
    of the forecast where that is above 1. NaN where either of them is.

    Args:
        answer: the exported model: its inputs to its outputs.
    """
    from stages.networks import prediction

    examples, table = data.examples, data.ingested.read()
    last = last_windows(table, data, assume=True)
    happened, _ = ahead.divide(table, examples.input_names)
    rows = dict(iter(happened.groupby("series", sort=False, observed=True)[examples.input_names]))
    raw = np.stack([rows[name].to_numpy(np.float64)[-examples.lookback :] for name in last.names])
    # The scaled ones restored are the raw ones, but for rounding.
    every = list(range(examples.known.shape[1]))
    known = examples.known_scaler.inverse(last.inputs["known"], last.inputs["series"], every)
    series = last.inputs["series"]
    static = statics.matrix(data.ingested.about.static, len(examples.series))[series]
    given = {**last.inputs, "window": raw, "known": known, "static": static}
    received = answer({name: given[name] for name in _inputs(data, network)})["forecast"]
    scaled = examples.fitted_scaler.forward(received, series, examples.targets)
    expected = bounds.clip(prediction.predict(network, last), fitted["bounds"], examples, series)
    return float(np.max(np.abs(scaled - expected) / np.maximum(np.abs(expected), 1)))


def _logarithm(raw: Any) -> Any:
    """Returns the logarithm as float64, also where it is computed as float32, as tf2onnx writes it:
    the step of Newton's that follows squares the error."""
    from stages.networks.backend import tf

    estimate = tf.math.log(raw)
    return estimate + (raw * tf.exp(-estimate) - 1)


def _inputs(data: Data, network: Any) -> dict[str, dict[str, Any]]:
    examples = data.examples
    sign = ", all of them positive" if examples.log else ""
    inputs: dict[str, dict[str, Any]] = {
        "window": {
            "shape": ["batch", examples.lookback, len(examples.inputs)],
            "dtype": "float64",
            "columns": examples.input_names,
            "meaning": f"consecutive steps, the oldest first, in the units of the raw data{sign}",
        }
    }
    if "known" in network.input:
        cycles = [f"{f} of {cycle}" for cycle in examples.cycles for f in ("sine", "cosine")]
        holidays = [] if examples.holidays is None else [f"holiday in {examples.holidays}"]
        inputs["known"] = {
            "shape": ["batch", examples.lookback + examples.horizon, examples.known.shape[1]],
            "dtype": "float64",
            "columns": [*cycles, *holidays, *examples.known_inputs],
            "meaning": "for the steps of the window and of the forecast: sin(2 pi phase) and "
            "cos(2 pi phase) of their times, as the clocks of `zone` show them; 1 on holidays and "
            "else 0; known inputs in the units of the raw data",
            "phases": {str(cycle): _phase(cycle) for cycle in examples.cycles},
        }
    inputs |= {name: entry for name, entry in _told(examples).items() if name in network.input}
    if "series" in network.input or len(examples.shift_) > 1:
        inputs["series"] = {
            "shape": ["batch"],
            "dtype": "int32",
            "meaning": "the number of the series in the list `series`, from 0",
        }
    return inputs


def _told(examples: SeriesExamples) -> dict[str, dict[str, Any]]:
    """Returns the inputs that say more of a window or of its series."""
    return {
        "observed": {
            "shape": ["batch", examples.lookback, len(examples.inputs)],
            "dtype": "float32",
            "columns": examples.input_names,
            "meaning": "for each value of the window 1, or 0 if it was missing and was filled in",
        },
        "static": {
            "shape": ["batch", len(examples.standardisation)],
            "dtype": "float64",
            "columns": list(examples.standardisation),
            "meaning": "what is the same in all rows of a series, in the units of the raw data",
        },
        "categories": {
            "shape": ["batch", len(examples.levels)],
            "dtype": "int32",
            "columns": list(examples.levels),
            "meaning": "likewise, as the number of a value in the list of its column, from 0",
            "levels": examples.levels,
        },
    }


def _phase(cycle: str | int) -> str:
    return PHASES[cycle] if isinstance(cycle, str) else f"time / {cycle}"
