"""Seasons of series whose season is known."""

import numpy as np
import pytest

from stages.series import seasons

RNG = np.random.default_rng(0)


def wave(rows: int, *periods: float, noise: float = 0.3) -> np.ndarray:
    steps = np.arange(rows)
    waves = sum(np.sin(2 * np.pi * steps / period) * (4 / period) ** 0.5 for period in periods)
    return waves + RNG.normal(scale=noise, size=rows) * (4 / max(periods)) ** 0.5


@pytest.mark.parametrize(
    ("frequency", "values", "season"),
    [
        ("MS", wave(144, 12) + 0.02 * np.arange(144), 12),
        ("QS", wave(80, 4), 4),
        ("h", wave(1000, 24), 24),
        ("h", np.tile(RNG.normal(size=168), 8) + RNG.normal(scale=0.3, size=8 * 168), 168),
        ("30min", wave(2000, 48), 48),
        ("D", np.tile([1.0, 2, 2, 2, 2, 5, 0], 40) + RNG.normal(scale=0.3, size=280), 7),
        ("B", np.tile([1.0, 2, 3, 2, 5], 40), 5),
        ("W-SAT", wave(520, 52, noise=0.1), 52),
        ("1", np.tile([1.0, 5, 2, 7, 3, 1], 20), 6),
        ("MS", np.cumsum(RNG.normal(size=200)), 1),
        ("D", RNG.normal(size=400), 1),
        ("B", np.cumsum(RNG.normal(size=2000)), 1),
        ("YS", np.cumsum(RNG.normal(size=200)), 1),
        ("1", np.cumsum(RNG.normal(size=300)), 1),
        ("MS", wave(30, 12), 1),
        ("MS", np.full(100, 3.0), 1),
        ("D", np.array([1.0]), 1),
    ],
)
def test_a_season_is_found_where_there_is_one(
    frequency: str, values: np.ndarray, season: int
) -> None:
    assert seasons.find([values], frequency) == season


def test_values_that_were_filled_in_do_not_count() -> None:
    values = np.tile([1.0, 5, 2, 7, 3, 1, 4, 0, 2, 9, 3, 3], 20)
    values[RNG.random(240) < 0.2] = np.nan
    assert seasons.find([values, np.full(240, np.nan)], "MS") == 12
    assert seasons.find([], "MS") == 1
