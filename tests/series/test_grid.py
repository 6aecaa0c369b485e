"""The step between times: found, counted, and continued."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import InputError
from stages.series import grid

FREQUENCIES = [
    "15min",
    "h",
    "D",
    "3D",
    "B",
    "W-WED",
    "2W-SUN",
    "MS",
    "ME",
    "BMS",
    "6MS",
    "4MS",
    "2QS",
    "QE-NOV",
    "YE",
    "YS-APR",
    "2YS",
]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pd.date_range("2020-01-01", periods=30, freq="h").delete([4, 9]), "h"),
        (pd.date_range("2020-01-01", periods=30, freq="15min").delete([4]), "15min"),
        (pd.date_range("2020-01-01", periods=30, freq="D").delete([4]), "1D"),
        (pd.date_range("2020-01-01", periods=40, freq="B").delete([4, 20]), "B"),
        (pd.date_range("2020-01-01", periods=30, freq="W-WED").delete([4]), "W-WED"),
        (pd.date_range("2020-01-01", periods=30, freq="MS").delete([4]), "MS"),
        (pd.date_range("2020-01-31", periods=30, freq="ME").delete([4]), "ME"),
        (pd.date_range("2020-01-01", periods=30, freq="MS"), "MS"),
        (pd.date_range("2020-01-01", periods=24, freq="BME").delete([7]), "BME"),
        (pd.date_range("2020-01-01", periods=24, freq="QS").delete([7]), "QS-JAN"),
        (pd.date_range("2000-01-01", periods=24, freq="YE").delete([7]), "YE-DEC"),
        (pd.date_range("1990-01-01", periods=30, freq="YS"), "YS-JAN"),
        (pd.date_range("1900-01-01", periods=30, freq="2YS"), "2YS-JAN"),
        (pd.date_range("1900-06-30", periods=30, freq="YE-JUN"), "YE-JUN"),
        (pd.date_range("1990-01-01", periods=30, freq="6MS"), "6MS"),
        (pd.date_range("1990-01-01", periods=30, freq="4MS"), "4MS"),
        (pd.date_range("2020-01-01", periods=24, freq="30D").delete([7]), "30D"),
        (pd.date_range("2020-01-01", periods=24, freq="28D").delete([7]), "28D"),
        (pd.date_range("2020-01-01", periods=20, freq="MS") + pd.Timedelta(days=14), "MS-15"),
        (pd.to_datetime(["2020-01-30", "2020-02-29", "2020-03-30", "2020-05-30"]), "MS-30"),
        (pd.to_datetime(["2000-02-29", "2001-02-28", "2002-02-28", "2004-02-29"]), "YE-FEB"),
        (pd.to_datetime(["2020-06-15", "2021-06-15", "2022-06-15"]), "12MS-15"),
        (pd.date_range("2010-01-01", periods=24, freq="BQE-DEC"), "BQE-MAR"),
        (pd.date_range("2000-01-01", periods=24, freq="BYE-DEC"), "BYE-DEC"),
        ([0, 2, 4, 8, 10], "2"),
    ],
)
def test_the_frequency_is_found_despite_gaps(times: Any, expected: str) -> None:
    assert grid.find(pd.Series(times)) == expected


def test_two_times_have_no_frequency() -> None:
    with pytest.raises(InputError, match=r"at least 3 different times .* received 2"):
        grid.find(pd.Series([0, 1, 1, 0]))


@pytest.mark.parametrize(
    ("last", "frequency", "expected"),
    [
        ("2020-02-28", "D", ["2020-02-29", "2020-03-01"]),
        ("2020-01-31", "ME", ["2020-02-29", "2020-03-31"]),
        ("2020-01-03", "B", ["2020-01-06", "2020-01-07"]),
        ("2020-01-04", "B", ["2020-01-06", "2020-01-07"]),  # a Saturday, off the grid
        ("2020-01-04", "W-MON", ["2020-01-06", "2020-01-13"]),
        ("2020-12-15", "MS-15", ["2021-01-15", "2021-02-15"]),
        ("2020-12-18", "MS-15", ["2021-01-15", "2021-02-15"]),
        ("2021-01-30", "MS-30", ["2021-02-28", "2021-03-30"]),
        ("2020-02-10", "QS", ["2020-04-01", "2020-07-01"]),
        ("2020-02-10", "YE", ["2020-12-31", "2021-12-31"]),
        ("2020-03-01", "6MS", ["2020-09-01", "2021-03-01"]),
    ],
)
def test_the_future_continues_in_steps_of_the_frequency(
    last: str, frequency: str, expected: list[str]
) -> None:
    result = grid.parse(frequency).following(pd.Timestamp(last), 2)
    assert [str(time)[:10] for time in result] == expected


def test_the_future_of_whole_numbers() -> None:
    assert grid.parse("5").following(np.int64(10), 3).tolist() == [15, 20, 25]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FREQUENCIES), st.integers(0, 20_000), st.integers(2, 60))
def test_a_grid_equals_the_one_of_pandas(frequency: str, day: int, periods: int) -> None:
    times = pd.date_range(
        pd.Timestamp("1970-01-01 06:00") + pd.Timedelta(days=day), periods=periods, freq=frequency
    ).as_unit("ns")
    step = grid.parse(frequency)
    steps, off = step.count(times)
    assert steps.tolist() == list(range(periods))
    assert not off.any()
    np.testing.assert_array_equal(step.times(times[0], steps), times.to_numpy())
    np.testing.assert_array_equal(step.following(times[0], periods - 1), times[1:].to_numpy())


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("MS", ["2020-01-01", "2020-02-02"]),
        ("QS", ["2020-02-01", "2020-05-01"]),
        ("MS-15", ["2020-01-15", "2020-02-14"]),
        ("YE", ["2020-12-31", "2021-12-30"]),
        ("W-MON", ["2020-01-07", "2020-01-14"]),
        ("MS", ["2020-01-01 00:00", "2020-02-01 01:00"]),
    ],
)
def test_a_time_off_the_grid_is_marked(frequency: str, times: list[str]) -> None:
    assert grid.parse(frequency).count(pd.to_datetime(times))[1].any()


def test_three_hundred_years_of_days_are_a_grid() -> None:
    times = pd.date_range("1750-01-01", "2049-12-31", freq="D").as_unit("ns")
    step = grid.parse("D")
    steps, off = step.count(times)
    assert steps.tolist() == list(range(len(times)))
    assert not off.any()
    np.testing.assert_array_equal(step.times(times[0], steps), times.to_numpy())


@pytest.mark.parametrize(
    "frequency",
    ["fortnight", "0D", "0h", "-1D", "0MS-3", "MS-32", "MS-0", "M", "0", "-5", "9" * 30, ""],
)
def test_an_invalid_step_is_an_error(frequency: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parameter's own error says what is expected
        grid.parse(frequency)


@pytest.mark.parametrize(
    ("frequency", "in_days"),
    [("1", False), ("h", False), ("15min", False), ("36h", False), ("24h", True), ("D", True)]
    + [(name, True) for name in ("B", "W-SAT", "MS", "MS-15", "QE-DEC", "YS-JAN")],
)
def test_steps_of_days_are_told_from_others(frequency: str, in_days: bool) -> None:
    assert grid.in_days(frequency) == in_days
