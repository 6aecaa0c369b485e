"""Forecasts of series that training never saw, from their own rows."""

import argparse
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from stages.errors import InputError
from stages.files.joining import join
from stages.kinds.data import Answer, Request
from stages.kinds.forecasting import ingest, newcomers, predict, train
from stages.kinds.forecasting.newcomers import admit
from tests.kinds.forecasting.task import Task, csv, days
from tests.kinds.forecasting.test_told import SECTION, shops
from tests.tasks import never

pytestmark = pytest.mark.usefixtures("folder")


def named(table: pd.DataFrame, old: str, new: str) -> pd.DataFrame:
    """Returns the rows of one series, under another name."""
    return table[table["shop"] == old].assign(shop=new)


def admitted(task: Task, newer: pd.DataFrame, inputs: tuple[str, ...] = ("window",)) -> Any:
    """Returns the table and the data from which `newer` rows are forecast."""
    Path("newer.csv").write_text(csv(newer))
    tables = ingest.read(Path("newer.csv"), task.layout, newer=True)
    table = join(task.data.ingested.read(), tables, task.data, task.layout)
    return table, admit(table, tables, task.data, task.layout, inputs)


def test_a_new_series_is_forecast_as_the_same_rows_under_a_known_name_are() -> None:
    whole = shops()
    task = Task(csv(whole), windowing={"mask": True, "scaler": "standard"}, **SECTION)
    parameters = train.Parameters.model_validate({"units": 4})
    network = train.build(task.examples, parameters, "network")
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=array.shape) for array in network.get_weights()])

    def answer(newer: pd.DataFrame) -> str:
        Path("newer.csv").write_text(csv(newer))
        options = argparse.Namespace(input=Path("newer.csv"), output=Path("out.csv"))
        request = Request(task.data, task.fitted, task.layout, options, lambda *_: None, never)
        result = predict.predict(request, network, predict.Parameters())
        assert isinstance(result, Answer)
        return result.content

    known = answer(whole[whole["shop"] == "c"])
    assert known.count(",c,") == 3
    assert answer(named(whole, "c", "new")) == known.replace(",c,", ",new,")
    both = answer(pd.concat([named(whole, "c", "new"), whole[whole["shop"] == "c"]]))
    rows, alone = (pd.read_csv(io.StringIO(content)) for content in (both, known))
    assert rows["series"].tolist() == ["new"] * 3 + ["c"] * 3
    for name in ("new", "c"):
        own = rows.loc[rows["series"] == name, "mean"]
        np.testing.assert_allclose(own, alone["mean"], rtol=1e-5)
    # What is the same in all rows of a known series needs no column.
    assert answer(whole[whole["shop"] == "c"].drop(columns=["size", "region"])) == known
    other = named(whole, "c", "new").assign(region="north")
    assert answer(other) != known.replace(",c,", ",new,")


def test_other_static_values_of_a_known_series_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = shops()
    task, own = Task(csv(whole), **SECTION), whole[whole["shop"] == "c"]
    with caplog.at_level(logging.WARNING, logger="reprise"):
        _, before = admitted(task, own)
        admitted(task, own.assign(size=np.nan, region=""))
        assert caplog.text == ""
        _, after = admitted(task, own.assign(size=77, region="nowhere"))
    assert before is after is task.data
    region, size = own["region"].iloc[0], float(own["size"].iloc[0])
    assert len(caplog.records) == 1
    assert (
        f"received 'size' 77 for 'c', not {size!r}; 'region' 'nowhere' for 'c', not {region!r}: "
        in (caplog.text)
    )


@pytest.mark.parametrize(
    ("name", "own", "log"),
    [("minmax", MinMaxScaler, False), ("standard", StandardScaler, True)],
)
def test_a_new_series_has_a_scaler_of_its_own_where_each_has(
    name: str, own: Any, log: bool, caplog: pytest.LogCaptureFixture
) -> None:
    whole = shops()
    whole["y"] = np.exp(whole["y"])
    whole["price"] = np.exp(whole["price"])
    windowing = {"per_series": True, "scaler": name, "log": log}
    task = Task(csv(whole), windowing=windowing, **SECTION)
    rows = named(whole, "c", "new").assign(y=whole["y"] * 1000)
    with caplog.at_level(logging.INFO, logger="reprise"):
        table, data = admitted(task, pd.concat([whole[whole["shop"] == "a"], rows]))
    assert "scaled by their own rows alone" in caplog.text
    known = rows[["y", "price"]].to_numpy()  # with NaN, which scikit-learn leaves out
    scaler = own().fit(np.log(known) if log else known)
    last = predict.last_windows(table, data)
    assert last.names == ["a", "new"]
    own_rows = table[table["series"] == "new"][["y", "price"]].to_numpy()[-6:]
    expected = scaler.transform(np.log(own_rows) if log else own_rows)
    np.testing.assert_allclose(last.inputs["window"][1], expected[:, ::-1], rtol=1e-5, atol=1e-6)
    restored = data.examples.restored(last.inputs["window"][:, -1:, 1:], last.inputs["series"])
    assert restored[1, 0, 0] == pytest.approx(own_rows[-1, 0], rel=1e-5)
    alone = predict.last_windows(task.data.ingested.read(), task.data)
    np.testing.assert_array_equal(last.inputs["window"][0], alone.inputs["window"][1])


def test_the_only_series_of_a_task_with_scalers_per_series_does_not_scale_a_new_one() -> None:
    whole = days(np.arange(60.0)).assign(shop="a")
    section = {"time": "day", "series": "shop", "targets": ["y"]}
    task = Task(csv(whole), windowing={"per_series": True}, **section)
    table, data = admitted(task, whole.assign(shop="new", y=whole["y"] + 1000))
    np.testing.assert_allclose(
        predict.last_windows(table, data).inputs["window"][0, :, 0], np.arange(54, 60) / 59
    )


@pytest.mark.parametrize("per_series", [False, True])
def test_a_series_that_was_too_short_for_training_can_be_forecast(per_series: bool) -> None:
    whole = shops().drop(columns="price").ffill()
    short = named(whole, "c", "short")[:9]
    section = SECTION | {"inputs": None}
    windowing = {"short_series": "drop", "per_series": per_series}
    task = Task(csv(pd.concat([short, whole])), windowing=windowing, **section)
    assert task.examples.dropped_series == ["short"]
    assert "short" not in set(task.forecast()["series"])
    later = short.assign(day=short["day"] + pd.Timedelta(days=9), y=np.arange(9.0))
    table, data = admitted(task, later.drop(columns=["size", "region"]))
    last = predict.last_windows(table, data)
    assert last.names == ["short"]
    assert last.inputs["static"] == data.examples.static[3]
    rows = np.concatenate([short["y"], later["y"]])
    restored = last.inputs["window"] * data.examples.scale_[-1] + data.examples.shift_[-1]
    np.testing.assert_allclose(restored[0, :, 0], np.arange(3.0, 9.0), atol=1e-5)
    if per_series:
        assert data.examples.shift_[-1] == rows.min()
        assert data.examples.scale_[-1] == pytest.approx(np.ptp(rows))


def test_new_series_are_logged_with_the_known_name_that_is_near(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = days(np.arange(60.0)).assign(shop="north")
    task = Task(csv(whole), time="day", series="shop", targets=["y"])
    newer = [whole.assign(shop=name) for name in ("nroth", "x", *(f"{n}" for n in range(30)))]
    with caplog.at_level(logging.WARNING, logger="reprise"):
        admitted(task, pd.concat(newer))
    assert caplog.text.count("WARNING") == 1
    assert (
        "series that training never saw, forecast from their own rows: "
        "'nroth' (is it 'north'?), 'x', '0', "
    ) in caplog.text
    assert caplog.text.endswith("'17' and 12 more\n")


def test_names_are_compared_only_as_far_as_it_takes_no_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = days(np.arange(60.0))
    known = [whole.assign(shop=name) for name in ("north", "south")]
    task = Task(csv(pd.concat(known)), time="day", series="shop", targets=["y"])
    monkeypatch.setattr(newcomers, "PAIRS", 3)
    with caplog.at_level(logging.WARNING, logger="reprise"):
        admitted(task, pd.concat([whole.assign(shop=name) for name in ("nroth", "suoth")]))
    assert caplog.text.endswith("'nroth' (is it 'north'?), 'suoth'\n")


@pytest.mark.parametrize("first", [0, 40])
def test_rows_without_times_are_steps_of_the_new_series_alone(first: int) -> None:
    content = "shop,y\n" + "".join(f"{shop},{n}\n" for shop in "ab" for n in range(60))
    task = Task(content, series="shop", targets=["y"])
    newer = "shop,y\n" + "".join(f"new,{n}\n" for n in range(first, 60)) + "b,7\n"
    rows = task.forecast(newer)
    assert rows["series"].tolist() == ["b"] * 3 + ["new"] * 3
    assert rows["time"].astype(int).tolist() == [61, 62, 63, *range(60 - first, 63 - first)]
    assert rows["mean"].astype(float).tolist() == pytest.approx([7] * 3 + [59] * 3, rel=1e-5)


def test_a_new_column_is_a_new_series_where_all_columns_are_series() -> None:
    wide = days(np.arange(60.0)).rename(columns={"y": "a"}).assign(b=lambda rows: rows["a"] + 100)
    task = Task(csv(wide), time="day", targets="all", layout="columns")
    rows = task.forecast(csv(wide.assign(c=wide["a"] + 50)))
    assert rows["series"].tolist() == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert rows["mean"].astype(float).tolist()[-3:] == pytest.approx([109] * 3, rel=1e-5)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a level that training never saw": (
        {},
        {"region": "mars"},
        r"^column 'region': expected one of the 2 values that training saw, such as 'north', "
        r"received 'mars' for the series 'new', .* leave the series out",
    ),
    "too few rows": (
        {},
        {"day": pd.to_datetime("2020-02-01")},
        r"^series 'new': expected at least 6 rows \(the lookback\), received 1",
    ),
    "no size": ({}, {"size": np.nan}, "^column 'size': .* none in 70 rows of 'new'"),
    "two regions": ({}, {"region": ["north", "south"] * 35}, "^column 'region': .* for 'new'"),
    "no logarithm": ({"log": True}, {"y": -1.0}, "^expected positive values for .* received -1.0"),
    "gaps": ({}, {"price": np.nan}, "^column 'price': expected a value up to 2020-03-10"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_series_of_which_nothing_is_known_is_refused_in_a_line(case: str) -> None:
    windowing, changes, message = REFUSED[case]
    whole = shops().assign(
        y=lambda rows: np.exp(rows["y"]), price=lambda rows: np.exp(rows["price"])
    )
    task = Task(csv(whole), windowing=windowing, **SECTION, duplicates="mean")
    newer = named(whole, "c", "new").assign(**changes)
    with pytest.raises(InputError, match=message) as error:
        predict.last_windows(*admitted(task, newer))
    assert "\n" not in str(error.value)


def test_a_column_that_new_series_lack_is_named() -> None:
    task = Task(csv(shops()), **SECTION)
    with pytest.raises(InputError, match=r"expected the column 'region', .* found 'day', 'y'"):
        admitted(task, named(shops(), "c", "new").drop(columns="region"))


def test_a_network_that_knows_series_by_their_names_forecasts_no_new_one() -> None:
    task = Task(csv(shops()), **SECTION)
    with pytest.raises(InputError, match=r"^train.embedding: .* received 'new': leave it out, or"):
        admitted(task, named(shops(), "c", "new"), ("window", "series"))
    admitted(task, shops(), ("window", "series"))


def test_a_target_that_is_no_input_gives_a_new_series_no_scaler() -> None:
    section = SECTION | {"inputs": ["price"]}
    task = Task(csv(shops()), windowing={"per_series": True}, **section)
    with pytest.raises(InputError, match=r"expected the target 'y' among ingest.inputs .* 'new'"):
        admitted(task, named(shops(), "c", "new"))


def test_a_new_series_without_a_known_value_has_no_scaler() -> None:
    section = SECTION | {"gaps": "zero"}
    task = Task(csv(shops()), windowing={"per_series": True}, **section)
    with pytest.raises(InputError, match=r"column 'price': expected a known value .* 'new'"):
        admitted(task, named(shops(), "c", "new").assign(price=np.nan))
