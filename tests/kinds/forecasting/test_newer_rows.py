"""Forecasts from the task's table, and from newer rows that are joined to it."""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.kinds.data import Request
from stages.kinds.forecasting import predict
from tests.kinds.forecasting.task import Task, csv, days
from tests.tasks import never

pytestmark = pytest.mark.usefixtures("folder")


def test_a_forecast_from_earlier_rows_knows_nothing_of_later_ones() -> None:
    whole = days(np.arange(60) ** 1.5)
    task = Task(csv(whole), time="day", targets=["y"])
    for first in (0, 28):  # all rows up to row 30, or three of them behind those of the table
        rows = task.forecast(csv(whole[first:31]))
        assert rows["time"].tolist() == ["2020-02-01", "2020-02-02", "2020-02-03"]
        assert float(rows["mean"][0]) == pytest.approx(30**1.5, rel=1e-5)
        np.testing.assert_allclose(task.window[:, 0], np.arange(25, 31) ** 1.5, rtol=1e-5)


def test_rows_far_behind_the_known_ones_are_refused_with_how_many_are_lacking() -> None:
    task = Task(csv(days(np.arange(60.0))), time="day", targets=["y"], gaps="interpolate")
    with pytest.raises(
        InputError, match=r"most of the 6 steps .* received 1, the others missing from 2020-03-27"
    ):
        task.forecast(csv(days([5.0], "2020-04-01")))
    with pytest.raises(InputError, match=r"more gaps than rows|most of the 6 steps"):
        task.forecast(csv(days([5.0], "2030-04-01")))


def test_filled_rows_before_a_forecast_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    task = Task(csv(days(np.arange(60.0))), time="day", targets=["y"], gaps="interpolate")
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task.forecast(csv(days([61.0, 62.0], "2020-03-02")))
    assert "1 of the 6 rows that the network sees were filled in" in caplog.text


def test_newer_rows_without_times_follow_the_table() -> None:
    task = Task("y\n" + "\n".join(map(str, range(60))), targets=["y"])
    rows = task.forecast("y\n100\n101\n")
    assert rows["time"].tolist() == ["62", "63", "64"]
    np.testing.assert_allclose(task.window[:, 0], [56, 57, 58, 59, 100, 101], rtol=1e-5)


def test_a_single_newer_day_is_read_as_the_training_days_were() -> None:
    whole = days(np.arange(60.0)).assign(day=lambda table: table["day"].dt.strftime("%d/%m/%Y"))
    rows = Task(csv(whole), time="day", targets=["y"]).forecast("day,y\n01/03/2020,1\n")
    assert rows["time"][0] == "2020-03-02"


def test_dates_after_training_on_whole_numbers_are_an_error() -> None:
    task = Task(csv(days(np.arange(60.0)).assign(day=np.arange(60))), time="day", targets=["y"])
    with pytest.raises(InputError, match="expected whole numbers, as in training, received dates"):
        task.forecast(csv(days([1.0])))


def test_newer_values_that_may_stand_for_missing_ones_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = Task(csv(days(np.arange(60.0)).assign(day=np.arange(60))), time="day", targets=["y"])
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task.forecast("day,y\n60,5\n61,-9999\n")
    assert "-9999" in caplog.text


def test_newer_rows_that_lack_a_series_are_an_error() -> None:
    wide = days(np.arange(60.0)).rename(columns={"y": "a"}).assign(b=lambda table: table["a"] + 100)
    task = Task(csv(wide), time="day", targets="all", layout="columns")
    with pytest.raises(InputError, match="expected the column 'b', found 'day', 'a'"):
        task.forecast(csv(wide[["day", "a"]]))


@pytest.mark.parametrize(
    ("targets", "expected"), [("all", ["a", "b1", "b2"]), (r"b\d", ["b1", "b2"])]
)
@pytest.mark.parametrize("layout", ["table", "columns"])
def test_targets_can_be_all_columns_or_those_that_match_a_pattern(
    targets: str, expected: list[str], layout: str
) -> None:
    table = days(np.arange(60.0)).rename(columns={"y": "a"})
    table = table.assign(b1=table["a"] + 100, b2=table["a"] + 200)
    rows = Task(csv(table), time="day", targets=targets, layout=layout).forecast(csv(table[-8:]))
    assert list(dict.fromkeys(rows["target" if layout == "table" else "series"])) == expected
    with pytest.raises(InputError, match="expected columns that match 'z'"):
        Task(csv(table), time="day", targets="z")


def request(task: Task, **arguments: Any) -> Request:
    options = argparse.Namespace(**arguments)
    return Request(task.data, task.fitted, task.layout, options, lambda *_: None, never)


@pytest.mark.parametrize(
    ("source", "target"), [(Path("newer.csv"), None), (None, Path("forecast.csv"))]
)
def test_command_line_arguments_come_in_pairs(source: Path | None, target: Path | None) -> None:
    task = Task(csv(days(np.arange(60.0))), time="day", targets=["y"])
    with pytest.raises(InputError, match="both --input and --output"):
        predict.predict(request(task, input=source, output=target), None, predict.Parameters())


def test_errors_in_newer_rows_name_their_file() -> None:
    task = Task(csv(days(np.arange(60.0))), time="day", targets=["y"])
    Path("newer.csv").write_text("day,y\nsoon,1\n")
    with pytest.raises(InputError, match=r"^newer\.csv: "):
        predict.predict(
            request(task, input=Path("newer.csv"), output=Path("out.csv")),
            None,
            predict.Parameters(),
        )


def test_a_plot_shows_the_known_rows_and_then_the_forecast_of_the_first_series() -> None:
    table = pd.concat(
        [days(np.arange(60.0)).assign(shop=name) for name in ("north", "south")], ignore_index=True
    )
    task = Task(csv(table), time="day", series="shop", targets=["y"])
    rows = task.forecast().assign(mean=lambda forecast: forecast["mean"].astype(float))
    title, plot = predict.plot(task.data.ingested.read(), rows, history=4)
    assert title == "y of north"
    assert plot["actual"].dropna().tolist() == [56, 57, 58, 59]
    assert plot["mean"].dropna().tolist() == [59, 59, 59]
