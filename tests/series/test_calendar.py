"""Calendar features against hand-worked angles."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.series.calendar import features


@pytest.mark.parametrize(
    ("name", "time", "fraction"),
    [
        ("minute", "2020-01-01 00:45", 0.75),
        ("hour", "2020-01-01 06:00", 0.25),
        ("hour", "2020-01-01 06:30", 6.5 / 24),
        ("weekday", "2020-01-01 12:00", 2.5 / 7),  # a Wednesday
        ("day", "2020-02-15", 14 / 29),
        ("day_of_year", "2020-12-31", 365 / 366),
        ("day_of_year", "2021-12-31", 364 / 365),
        ("month", "2020-04-30", 0.25),
        (24, 30, 0.25),
    ],
)
def test_the_angle_is_the_fraction_of_the_cycle_that_has_passed(
    name: Any, time: str | int, fraction: float
) -> None:
    times = np.array([time]) if isinstance(time, int) else pd.DatetimeIndex([time]).to_numpy()
    expected = [np.sin(2 * np.pi * fraction), np.cos(2 * np.pi * fraction)]
    np.testing.assert_allclose(features(times, [name])[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "name"), [(np.arange(3), "hour"), (pd.date_range("2020", periods=3).to_numpy(), 24)]
)
def test_a_cycle_that_the_times_do_not_have_is_an_error(times: np.ndarray, name: Any) -> None:
    with pytest.raises(InputError, match=r"scale_and_window.calendar: expected .* received"):
        features(times, [name])


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("month", pd.date_range("2020-01-01", periods=12, freq="MS")),
        ("hour", pd.date_range("2020-01-01", periods=24, freq="h")),
        ("weekday", pd.date_range("2020-01-01", periods=7)),
        ("day", pd.date_range("2021-04-01", periods=30)),
        ("minute", pd.date_range("2020-01-01", periods=60, freq="min")),
        ("day_of_year", pd.date_range("2020-01-01", periods=366)),
        (5, np.arange(10, 15)),
    ],
)
def test_the_last_step_of_a_cycle_is_as_near_to_the_first_as_to_the_one_before(
    name: Any, times: Any
) -> None:
    result = features(np.asarray(times), [name])
    ring = np.linalg.norm(result - np.roll(result, 1, axis=0), axis=1)
    np.testing.assert_allclose(ring, 2 * np.sin(np.pi / len(result)), atol=1e-6)


def test_each_cycle_has_a_pair_of_columns_in_the_order_of_names() -> None:
    result = features(np.array([0, 1, 2, 3, 4]), [4, 2])
    expected = [[0, 1, 0, 1], [1, 0, 0, -1], [0, -1, 0, 1], [-1, 0, 0, -1], [0, 1, 0, 1]]
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.dtype == np.float32
