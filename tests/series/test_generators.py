"""Made series against their definitions."""

import math

import numpy as np
import pandas as pd
import pytest

from stages.series.generators import GENERATORS


def test_each_sum_is_of_the_two_numbers_before_it() -> None:
    made = GENERATORS["sum_of_two"](50, 0)
    x, y = made["x"].tolist(), made["y"].tolist()
    assert x == list(range(50))
    assert y[2:] == [x[row - 2] + x[row - 1] for row in range(2, 50)]
    assert y[:2] == [-3, -1]


def test_the_seasonal_series_is_trend_and_seasons_and_noise() -> None:
    made = GENERATORS["seasonal"](5000, 11)
    line = [
        20 + 0.002 * t + 3 * math.sin(math.tau * t / 24) + math.cos(math.tau * t / 168)
        for t in range(5000)
    ]
    noise = made["y"].to_numpy() - np.array(line)
    assert abs(noise.mean()) < 4 * 0.3 / math.sqrt(5000)
    assert noise.std() == pytest.approx(0.3, rel=0.05)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 4 / math.sqrt(5000)
    assert made["time"].iloc[[0, 25]].tolist() == [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-02 01:00"),
    ]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_same_seed_makes_the_same_series(name: str) -> None:
    pd.testing.assert_frame_equal(GENERATORS[name](30, 4), GENERATORS[name](30, 4))


def test_another_seed_makes_other_noise_only() -> None:
    first, second = (GENERATORS["seasonal"](30, seed) for seed in (1, 2))
    assert (first["y"] != second["y"]).all()
    assert (first["time"] == second["time"]).all()
