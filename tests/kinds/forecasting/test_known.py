"""Inputs whose future is known, and holidays: what they say of the future is seen, and nothing
else is."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.files.joining import join
from stages.kinds.forecasting import ingest, newcomers, predict, train
from stages.series import ahead
from stages.series.data import SeriesExamples
from stages.series.windowing import Windowing, windowed
from tests.kinds.forecasting.task import Task, csv, days

pytestmark = pytest.mark.usefixtures("folder")

SECTION: dict[str, Any] = {"time": "day", "targets": ["y"], "known": ["price"]}


def priced(rows: int = 60, coming: int = 0) -> pd.DataFrame:
    """Returns days with a price, and so many more of which the price alone is known."""
    prices = 10.0 + np.arange(rows + coming) % 7
    values = np.arange(rows) ** 1.5 - prices[:rows]
    table = days([*values, *[np.nan] * coming])
    return table.assign(price=prices)


def prices_seen(task: Task, table: pd.DataFrame, *, assume: bool = False) -> list[float]:
    """Returns the prices of the window and of the horizon that the network is told."""
    last = predict.last_windows(table, task.data, assume=assume)
    scaler = task.examples.known_scaler
    return scaler.inverse(last.inputs["known"], np.array([0]), [0])[0, :, 0].tolist()


def test_rows_ahead_of_the_targets_are_the_future_that_is_forecast() -> None:
    known = Task(csv(priced(60, 3)), **SECTION)
    assert known.ingested.rows_ahead == 3
    assert (known.ingested.rows, known.ingested.raw_rows) == (60, 63)
    assert known.ingested.last_time == "2020-02-29 00:00:00"
    rows = known.forecast()
    assert rows["time"].tolist() == ["2020-03-01", "2020-03-02", "2020-03-03"]
    table = known.data.ingested.read()
    assert table["split"].isna().sum() == 3
    assert prices_seen(known, table) == pytest.approx(priced(60, 3)["price"][-9:].tolist())


def test_rows_ahead_change_no_window_and_no_scaler() -> None:
    alone, known = (Task(csv(priced(60, coming)), **SECTION).examples for coming in (0, 3))
    assert known.windows == alone.windows
    assert (len(known.values), known.stops.tolist()) == (63, [60])
    assert known.imputed_targets == alone.imputed_targets == 0
    for name in ("spans", "training", "shift_", "scale_", "known_shift_", "known_scale_", "stops"):
        np.testing.assert_array_equal(getattr(known, name), getattr(alone, name), err_msg=name)
    for split in ("train", "validation", "test"):
        one, other = (examples.windows_of(split) for examples in (known, alone))
        indices = np.arange(len(one))
        cut, expected = one.cut(indices), other.cut(indices)
        np.testing.assert_array_equal(cut["targets"], expected["targets"])
        for name, array in expected["inputs"].items():
            np.testing.assert_array_equal(cut["inputs"][name], array, err_msg=name)


def test_a_known_future_that_is_lacking_is_taken_to_stay_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = Task(csv(priced(60, 1)), **SECTION)
    with caplog.at_level(logging.WARNING, logger="reprise"):
        seen = prices_seen(task, task.data.ingested.read(), assume=True)
    assert "expected price for the 3 steps of the forecast, received 1" in caplog.text
    assert seen[-3:] == pytest.approx([14.0, 14.0, 14.0])


def test_series_that_lack_a_known_future_are_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = pd.concat([priced(60, 1).assign(shop="a"), priced(50, 2).assign(shop="b")])
    task = Task(csv(both), series="shop", **SECTION)
    with caplog.at_level(logging.WARNING, logger="reprise"):
        predict.last_windows(task.data.ingested.read(), task.data, assume=True)
    assert caplog.text.count("the others are taken to stay") == 1
    assert (
        "series 'a': expected price for the 3 steps of the forecast, received 1 (2" in caplog.text
    )


@pytest.mark.parametrize("gaps", ["error", "keep"])
def test_rows_ahead_that_are_there_twice_are_duplicates(gaps: str) -> None:
    table = priced(60, 3)
    twice = csv(pd.concat([table, table.iloc[[61]].assign(price=20.0)]))
    section = SECTION | {"gaps": gaps}
    with pytest.raises(InputError, match=r"one row for each time, received 2020-03-02 .* again"):
        Task(twice, **section)
    for rule, price in (("first", 15.0), ("last", 20.0), ("mean", 17.5)):
        task = Task(twice, **section, duplicates=rule)
        about = task.ingested
        assert (about.raw_rows, about.rows, about.rows_ahead, about.duplicates) == (64, 60, 3, 1)
        seen = prices_seen(task, task.data.ingested.read())
        assert seen[-3:] == pytest.approx([14.0, price, 16.0])
    alone = Task(csv(table), **section)
    newer = "day,y,price\n2020-03-01,,1\n2020-03-01,,2\n2020-03-02,,3\n2020-03-03,,4\n"
    with pytest.raises(InputError, match="one row for each time, received 2020-03-01"):
        alone.forecast(newer)


@pytest.mark.parametrize("gaps", ["error", "keep", "zero", "interpolate"])
def test_a_series_whose_rows_are_all_ahead_is_one_error(gaps: str) -> None:
    whole = pd.concat([priced(60, 3).assign(shop="a"), priced(60, 3).assign(shop="b", y=np.nan)])
    section = SECTION | {"series": "shop", "gaps": gaps}
    expected = "series 'b': expected rows with values of y before .* received none"
    with pytest.raises(InputError, match=expected):
        Task(csv(whole), **section)
    task = Task(csv(whole[whole["shop"] == "a"]), **section)
    with pytest.raises(InputError, match=expected):
        task.forecast(csv(whole[whole["shop"] == "b"]))


def test_inputs_that_seem_to_be_known_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    table = priced(60, 3).assign(wind=np.arange(63) % 5)
    section = SECTION | {"inputs": ["y", "wind"], "gaps": "interpolate"}
    with caplog.at_level(logging.WARNING, logger="reprise"):
        assert Task(csv(table), **section).ingested.missing_values == 3
    assert "3 rows behind the last values of y have values of wind, so" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="reprise"):
        table.loc[60:, "wind"] = np.nan
        assert Task(csv(table), **section).ingested.rows_ahead == 3
    assert "behind the last values" not in caplog.text


def test_rows_ahead_do_not_count_as_filled_in_ones(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="reprise"):
        Task(csv(priced(60, 3)), windowing={"mask": True}, **SECTION)
    assert "scale_and_window.mask: no value of the inputs was filled in" in caplog.text


def test_a_known_input_that_changes_in_some_series_alone_is_scaled_as_in_all() -> None:
    other = priced(60).assign(shop="b", price=[100.0] * 50 + [90.0] * 10)
    table = pd.concat([priced(60).assign(shop="a"), other])
    section = SECTION | {"series": "shop"}
    task = Task(csv(table), windowing={"per_series": True}, **section)
    np.testing.assert_allclose(task.examples.known_shift_, [[10], [100]])
    np.testing.assert_allclose(task.examples.known_scale_, [[6], [90]])
    # A new one as well.
    new = priced(20, 3).assign(shop="c", price=7.0)
    Path("newer.csv").write_text(csv(new))
    tables = ingest.read(Path("newer.csv"), task.layout, newer=True)
    joined = join(task.data.ingested.read(), tables, task.data, task.layout)
    examples = newcomers.admit(joined, tables, task.data, task.layout, ["window"]).examples
    np.testing.assert_allclose(examples.known_shift_, [[10], [100], [7]])
    np.testing.assert_allclose(examples.known_scale_, [[6], [90], [90]])


@pytest.mark.parametrize("scaler", ["minmax", "standard"])
def test_a_series_without_a_known_input_scales_none_of_the_others(scaler: str) -> None:
    first, other = priced(60).assign(shop="a"), priced(60).assign(shop="b", price=np.nan)
    section = SECTION | {"series": "shop", "gaps": "zero"}
    table = csv(pd.concat([first, other]))
    known = Task(table, windowing={"scaler": scaler}, **section).examples
    alone = Task(csv(first), windowing={"scaler": scaler}, **section).examples
    np.testing.assert_array_equal(known.known_scale_, alone.known_scale_)
    np.testing.assert_array_equal(known.known[:60], alone.known)
    with pytest.raises(InputError, match=r"'price': .* training rows of the series 'b' to scale"):
        Task(table, windowing={"scaler": scaler, "per_series": True}, **section)


def test_a_new_series_alone_is_forecast_where_times_are_whole_numbers() -> None:
    table = pd.concat([priced(60).assign(shop=name, day=range(60)) for name in "ab"])
    task = Task(csv(table), series="shop", **SECTION)
    new = priced(20, 3).assign(shop="c", day=range(23))
    assert task.forecast(csv(new))["time"].tolist() == ["20", "21", "22"]


def test_newer_rows_bring_the_known_future() -> None:
    task = Task(csv(priced(60)), **SECTION)
    newer = "day,y,price\n2020-03-01,400,20\n2020-03-02,,21\n2020-03-03,,22\n2020-03-04,,23\n"
    rows = task.forecast(newer)
    assert rows["time"].tolist() == ["2020-03-02", "2020-03-03", "2020-03-04"]
    assert task.window[-1, 0] == pytest.approx(400)
    # The same rows without a new target: what the price of the days after the table may do.
    rows = task.forecast(newer.replace(",400,", ",,"))
    assert rows["time"].tolist() == ["2020-03-01", "2020-03-02", "2020-03-03"]
    assert task.window[-1, 0] == pytest.approx(59**1.5 - 13, rel=1e-5)


def test_what_the_table_knows_of_later_days_is_known_before_them_too() -> None:
    whole = priced(60)
    task = Task(csv(whole), **SECTION)
    joined = join(
        task.data.ingested.read(), task._read(csv(whole[20:31]), newer=True), task.data, task.layout
    )
    happened, future = ahead.divide(joined, ["y"])
    assert happened["time"].iloc[-1] == pd.Timestamp("2020-01-31")
    assert len(future) == 29
    assert future["y"].isna().all()
    assert prices_seen(task, joined)[-3:] == pytest.approx(whole["price"][31:34].tolist())


@pytest.mark.parametrize(
    ("newer", "message"),
    [
        ("2020-03-01,400,20\n", "expected price for the 3 steps .* received 0: give rows"),
        ("2020-03-01,,20\n2020-03-02,,21\n", "expected price for the 3 steps .* received 2"),
        ("2020-03-01,,20\n2020-03-03,,21\n", "expected a row at 2020-03-02 .* received 2020-03-03"),
        ("2020-03-01,,20\n2020-03-02,,\n", "column 'price': .* found none at 2020-03-02"),
    ],
)
def test_a_known_future_that_cannot_be_used_is_one_error(newer: str, message: str) -> None:
    task = Task(csv(priced(60)), **SECTION)
    with pytest.raises(InputError, match=message):
        task.forecast(f"day,y,price\n{newer}")


@pytest.mark.parametrize("known", [["y"], ["price", "price"], ["time"], ["day"], ["observed_y"]])
def test_known_inputs_are_columns_of_their_own(known: list[str]) -> None:
    with pytest.raises(ValueError, match="each column once among"):
        Task(csv(priced(60)), **(SECTION | {"known": known}))


def test_a_known_input_that_never_changes_in_training_is_one_error() -> None:
    with pytest.raises(InputError, match="column 'price': expected values that vary"):
        Task(csv(priced(60).assign(price=1.0)), **SECTION)


def examples_of(table: pd.DataFrame, **windowing: Any) -> SeriesExamples:
    layout = ingest.Parameters.model_validate(
        {"file": "data/raw/x.csv", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}}
        | SECTION
    )
    tidy, ingested = ingest.ingest([table], layout)
    section = {"lookback": 6, "horizon": 3, "season": 3} | windowing
    parameters = Windowing.model_validate(section)
    return windowed(tidy, ingested, parameters)


@pytest.mark.parametrize(
    "network",
    [
        {"shortcut": "anchor", "decoder": "dense"},
        {"shortcut": "none", "decoder": "parallel", "normalise": "last_value"},
    ],
)
def test_nothing_of_the_future_is_seen_but_the_known_inputs_of_the_horizon(
    network: dict[str, Any],
) -> None:
    from keras import utils

    from stages.networks import prediction

    examples = examples_of(priced(60), holidays="DE")
    utils.set_random_seed(1)
    model = train.build(examples, train.Parameters.model_validate({"units": 4, **network}), "x")
    if network["shortcut"] == "anchor":  # the correction starts from zero
        head = model.get_layer("head")
        head.set_weights([array + 0.1 for array in head.get_weights()])
    windows = examples.windows_of("test")
    middle = 2
    origin = int(windows.locate(np.array([middle]))[0][0])

    def forecast(**changed: Any) -> np.ndarray:
        return prediction.predict(model, replace(windows, **changed))[middle]

    expected = forecast()
    values, known = windows.values.copy(), windows.known.copy()
    values[origin:] += 1
    known[origin + examples.horizon :] += 1
    np.testing.assert_array_equal(forecast(values=values, known=known), expected)
    for step in range(examples.horizon):
        known = windows.known.copy()
        known[origin + step] += 1
        assert (forecast(known=known) != expected).any()


def test_holidays_are_those_of_the_place_on_its_own_calendar() -> None:
    table = days(np.arange(60) ** 1.5, "2019-12-20").assign(price=np.arange(60) % 7)
    for place, expected in (
        ("DE", ["2019-12-25", "2019-12-26", "2020-01-01"]),
        ("DE-BY", ["2019-12-25", "2019-12-26", "2020-01-01", "2020-01-06"]),
        ("US", ["2019-12-25", "2020-01-01", "2020-01-20", "2020-02-17"]),
    ):
        examples = examples_of(table, holidays=place, calendar=["weekday"])
        assert examples.known.shape[1] == 4
        holiday = examples.known[:, 2] == 1
        assert set(np.unique(examples.known[:, 2])) == {0, 1}
        assert table["day"][holiday].dt.strftime("%Y-%m-%d").tolist() == expected


def test_holidays_of_which_training_has_none_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = days(np.arange(60) ** 1.5, "2019-11-18").assign(price=np.arange(60) % 7)
    with caplog.at_level(logging.WARNING, logger="reprise"):
        examples_of(table, holidays="US")  # Thanksgiving
        assert "holidays" not in caplog.text
        examples_of(table, holidays="DE")  # Christmas is the 38th of 36 training rows
    assert caplog.text.count("none of DE is in the training rows") == 1


@pytest.mark.parametrize(
    ("table", "windowing", "message"),
    [
        (days(range(60), frequency="W"), {"holidays": "DE"}, "steps of a day or less, received 'W"),
        (days(range(60)).assign(day=range(60)), {"holidays": "DE"}, "expected dates, received"),
        (days(range(60)), {"holidays": "XX"}, "two letters of a country"),
        (days(range(60)), {"holidays": "DE-XX"}, "behind DE-: BB, BE"),
    ],
)
def test_holidays_that_cannot_be_found_are_one_error(
    table: pd.DataFrame, windowing: dict[str, Any], message: str
) -> None:
    table = table.assign(price=np.arange(60) % 7)
    with pytest.raises((InputError, ValueError), match=message):
        examples_of(table, **windowing)
