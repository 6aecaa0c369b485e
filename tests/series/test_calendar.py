"""Calendar features against hand-worked angles."""

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.series.calendar import features


@pytest.mark.parametrize(
    ("name", "time", "part"),
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
def test_the_angle_is_the_part_of_the_cycle_that_has_passed(
    name: object, time: object, part: float
) -> None:
    times = np.array([time]) if isinstance(time, int) else pd.DatetimeIndex([time]).to_numpy()
    expected = [np.sin(2 * np.pi * part), np.cos(2 * np.pi * part)]
    np.testing.assert_allclose(features(times, [name])[0], expected, atol=1e-6)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("times", "name"), [(np.arange(3), "hour"), (pd.date_range("2020", periods=3).to_numpy(), 24)]
)
def test_a_cycle_that_the_times_do_not_have_is_an_error(times: np.ndarray, name: object) -> None:
    with pytest.raises(InputError, match=r"scale_and_window.calendar: expected .* received"):
        features(times, [name])  # type: ignore[list-item]


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
def test_the_last_step_of_a_cycle_lies_beside_the_first_as_near_as_any_other(
    name: object, times: object
) -> None:
    found = features(np.asarray(times), [name])  # type: ignore[list-item]
    ring = np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1)
    np.testing.assert_allclose(ring, 2 * np.sin(np.pi / len(found)), atol=1e-6)


def test_each_cycle_has_its_own_pair_of_columns_in_the_order_given() -> None:
    found = features(np.array([0, 1, 2, 3, 4]), [4, 2])
    expected = [[0, 1, 0, 1], [1, 0, 0, -1], [0, -1, 0, 1], [-1, 0, 0, -1], [0, 1, 0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
