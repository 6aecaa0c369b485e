"""Exported forecasting networks give, from the raw rows alone, what the forecast's file says."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.files.examples import write_arrays
from stages.kinds import forecasting
from stages.kinds.forecasting import export as exporting
from stages.kinds.forecasting import ingest, predict
from stages.networks import prediction
from stages.networks.backend import tf
from stages.series import calendar
from stages.series.generators import seasonal
from stages.trained import load
from tests import tasks
from tests.kinds.forecasting.task import fitted
from tests.test_export import loaded, write_network
from tools import export

pytestmark = pytest.mark.usefixtures("folder")

SPLIT = {"train": 0.6, "validation": 0.2, "test": 0.2}
# Windowing, series and network.
TASKS: dict[str, tuple[dict[str, Any], int, dict[str, Any]]] = {
    "log": ({"log": True, "scaler": "standard"}, 1, {"cell": "lstm", "decoder": "dense"}),
    "log per series": ({"log": True, "per_series": True}, 3, {"cell": "gru", "segment": 2}),
    "per series, told to the network": (
        {"per_series": True, "calendar": ["hour", "weekday"]},
        3,
        {"cell": "simple_rnn", "embedding": True},
    ),
    "told to the network alone": ({}, 3, {"cell": "gru", "embedding": True}),
    "log and scaler per series, told of each": (
        {"log": True, "per_series": True, "mask": True, "season": 4},
        3,
        {"cell": "gru", "normalise": "season", "embedding": True},
    ),
    "not scaled": ({"scaler": "none"}, 1, {"cell": "lstm", "layers": 2}),
    "normalised by the season": (
        {"season": 4},
        2,
        {"cell": "gru", "normalise": "season", "members": 2, "shortcut": "none"},
    ),
}
FAST = "log and scaler per series, told of each"
SIZES = {"s1": 10.0, "s2": 20.0, "s3": 60.0}
REGIONS = {"s1": "south", "s2": "north", "s3": "south"}


def written(windowing: dict[str, Any], series: int, network: dict[str, Any]) -> Any:
    """Writes a task of two targets and three inputs in another order than the raw file's, and, with
    `mask`, with missing values, sizes and regions."""
    tables = [
        seasonal(120, seed).assign(
            name=f"s{seed}",
            extra=np.arange(120.0) % 7 + 1,
            z=lambda table: 1000.0 * table["y"] ** 2 + 1,
        )
        for seed in range(1, series + 1)
    ]
    table = pd.concat(tables, ignore_index=True)
    table["y"] = table["y"] - table["y"].min() + 1
    section = {
        **{"file": "data/raw/x.csv", "split": SPLIT, "time": "time", "series": "name"},
        **{"targets": ["z", "y"], "inputs": ["extra", "y", "z"]},
    }
    if windowing.get("mask"):
        table.loc[[110, 115], "extra"] = np.nan  # in the last window of the first series
        table = table.assign(size=table["name"].map(SIZES), region=table["name"].map(REGIONS))
        section |= {"gaps": "interpolate", "static": ["size"], "categories": ["region"]}
    layout = ingest.Parameters.model_validate(section)
    tidy, ingested = ingest.ingest([table], layout)
    sizes = {"lookback": 12, "horizon": 4}
    data = tasks.prepare(forecasting.__name__.split(".")[-1], tidy, ingested, sizes | windowing)
    write_network(tasks.NAME, data, "forecasting", network)
    write_arrays(Path("data/evaluations") / tasks.NAME, fitted(data.examples), {})
    return data


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case == FAST else pytest.mark.slow) for case in TASKS]
)
@pytest.mark.parametrize("form", ["savedmodel", pytest.param("onnx", marks=pytest.mark.slow)])
def test_an_exported_model_forecasts_what_the_network_does(case: str, form: str) -> None:
    if form == "onnx":
        for package in export.PACKAGES:
            pytest.importorskip(package)
    data = written(*TASKS[case])
    examples, table = data.examples, data.ingested.read()
    export.export(tasks.NAME, exporting, data, form, Path("out"))
    network, _ = load(tasks.NAME)
    expected = predict.forecast(
        table,
        data,
        fitted(examples),
        lambda last: prediction.predict(network, last),
    )
    about = exporting.about(data, network, fitted(examples))["inputs"]
    assert ("series" in about) == (
        bool(TASKS[case][0].get("per_series")) or bool(TASKS[case][2].get("embedding"))
    )
    assert about["window"]["columns"] == ["extra", "y", "z"]
    for number, name in enumerate(examples.series):
        rows = table[table["series"] == name].tail(12)
        times = pd.date_range(rows["time"].iloc[0], periods=16, freq="h")
        given = {
            "window": rows[["extra", "y", "z"]].to_numpy(np.float64)[None],
            "known": calendar.features(times.to_numpy(), examples.cycles)[None],
            "series": np.array([number], np.int32),
            "observed": rows[["observed_extra", "observed_y", "observed_z"]].to_numpy("float32")[
                None
            ],
            "static": np.array([[SIZES[name]]]),
            "categories": np.array([[["north", "south"].index(REGIONS[name])]], np.int32),
        }
        received = loaded(Path("out"))(**{key: given[key] for key in about})["forecast"]
        wanted = expected[expected["series"] == name]["mean"].to_numpy().reshape(4, 2)
        scale = wanted.std(axis=0)
        np.testing.assert_allclose(received[0] / scale, wanted / scale, rtol=2e-5, atol=2e-5)


def test_an_exported_forecast_lies_in_the_bounds() -> None:
    data = written(*TASKS[FAST])
    network, _ = load(tasks.NAME)
    free = fitted(data.examples)
    last = predict.last_windows(data.ingested.read(), data)
    scaled = prediction.predict(network, last)
    unbounded = data.examples.restored(scaled, last.inputs["series"])
    low, high = np.quantile(unbounded, [0.3, 0.6])
    bounded = free | {"bounds": np.array([low, high])}
    serve = exporting.serving(data, network, bounded)
    answers = []

    def answer(inputs: Any) -> Any:
        answers.append(serve({name: tf.constant(array) for name, array in inputs.items()}))
        return answers[-1]

    assert exporting.difference(data, network, bounded, answer) < 1e-5
    assert exporting.difference(data, network, free, answer) > 1e-2
    expected = np.clip(unbounded, low, high)
    np.testing.assert_allclose(answers[0]["forecast"], expected, rtol=1e-4)
    assert {low, high} <= set(answers[0]["forecast"].numpy().ravel().tolist())
    one_sided = free | {"bounds": np.array([low, np.inf])}
    output = exporting.about(data, network, one_sided)["outputs"]["forecast"]
    assert (output["minimum"], output["maximum"]) == (low, None)


def test_the_phases_that_are_described_are_those_of_the_calendar() -> None:
    times = pd.date_range("2023-11-20 03:20", periods=900, freq="17h20min")
    known = {
        "minute": times.minute,
        "hour": times.hour,
        "weekday": times.day_of_week,
        "day": times.day,
        "days_in_month": times.days_in_month,
        "day_of_year": times.day_of_year,
        "days_in_year": np.where(times.is_leap_year, 366, 365),
        "month": times.month,
    }
    for name, phase in exporting.PHASES.items():
        computed = np.asarray(eval(phase.partition(",")[0], known), np.float64)
        angle = 2 * np.pi * computed[:, None]
        np.testing.assert_allclose(
            np.concatenate([np.sin(angle), np.cos(angle)], axis=1),
            calendar.features(times.to_numpy(), [name]),
            atol=1e-6,
        )


OWN = """
import json, sys
import numpy as np, tensorflow as tf
about = json.load(open("out/about.json"))
assert about["inputs"].keys() == {"window", "known", "series"}, about
times = np.datetime64("2020-01-01T00", "h") + np.arange(about["lookback"] + about["horizon"])
angle = 2 * np.pi * (times.astype(int) % 24) / 24
columns = {"sine of hour": np.sin(angle), "cosine of hour": np.cos(angle)}
calendar = np.stack([columns[name] for name in about["inputs"]["known"]["columns"]], 1)
model = tf.saved_model.load("out").signatures["serving_default"]
answer = model(
    window=tf.constant(np.load("window.npy")),
    known=tf.constant(calendar[None]),
    series=tf.constant([about["series"].index("s2")]),
)["forecast"]
np.save("answer.npy", answer.numpy())
assert not {name for name in sys.modules if name.split(".")[0] == "stages"}
"""


@pytest.mark.slow
def test_a_program_without_this_project_runs_a_saved_model() -> None:
    data = written({"per_series": True, "calendar": ["hour"]}, 2, {"cell": "lstm"})
    export.export(tasks.NAME, exporting, data, "savedmodel", Path("out"))
    window = np.random.default_rng(2).uniform(1, 5, (1, 12, 3))
    np.save("window.npy", window)
    subprocess.run([sys.executable, "-I", "-c", OWN], check=True)
    network, _ = load(tasks.NAME)
    times = pd.date_range("2020-01-01", periods=16, freq="h").to_numpy()
    series = np.array([1], np.int32)
    scaled = network(
        {
            "window": data.examples.fitted_scaler.forward(
                window, series, data.examples.inputs
            ).astype(np.float32),
            "known": calendar.features(times, ["hour"])[None],
        }
    )
    expected = data.examples.restored(np.asarray(scaled), series)
    np.testing.assert_allclose(np.load("answer.npy"), expected, rtol=1e-5)
