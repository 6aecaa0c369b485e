"""Series that are made: for the textbook example, for tests and for benchmarks."""

from collections.abc import Callable

import numpy as np
import pandas as pd


def sum_of_two(rows: int, seed: int) -> pd.DataFrame:
    """The textbook example of a recurrent network: `y` is the sum of the two numbers of `x` before
    it.

    x counts 0, 1, 2, ...; so y is 1 at row 2, 3 at row 3, 5 at row 4. The first two rows have no
    two numbers before them: their y follows the same line backwards (-3, -1) and is never a target
    of a window of two rows. `seed` changes nothing.
    """
    x = np.arange(rows)
    return pd.DataFrame({"x": x, "y": 2 * x - 3})


def seasonal(rows: int, seed: int) -> pd.DataFrame:
    """An hourly series with a trend, a day's and a week's season, and noise: a quick task for
    trying things out."""
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
