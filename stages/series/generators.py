"""Generated series, for the textbook example, tests and benchmarks."""

from collections.abc import Callable

import numpy as np
import pandas as pd


def sum_of_two(rows: int, seed: int) -> pd.DataFrame:
    """The textbook example of a recurrent network: `y` is the sum of the last two values of `x`.

    x counts 0, 1, 2, ...; so y is 1 in row 2, 3 in row 3, 5 in row 4. The first two rows do not
    have two rows before them: their y continues the same line backwards (-3, -1) and is never a
    target of a window of two rows. `seed` has no effect.
    """
    x = np.arange(rows)
    return pd.DataFrame({"x": x, "y": 2 * x - 3})


def seasonal(rows: int, seed: int) -> pd.DataFrame:
    """An hourly series with a trend, a daily and a weekly season, and noise, for quick trials."""
    hours = np.arange(rows)
    noise = np.random.default_rng(seed).normal(scale=0.3, size=rows)
    y = (
        20
        + 0.002 * hours
        + 3 * np.sin(2 * np.pi * hours / 24)
        + np.cos(2 * np.pi * hours / 168)
        + noise
    )
    return pd.DataFrame(
        {"time": pd.date_range("2020-01-01", periods=rows, freq="h"), "y": y.round(4)}
    )


GENERATORS: dict[str, Callable[[int, int], pd.DataFrame]] = {
    "sum_of_two": sum_of_two,
    "seasonal": seasonal,
}
