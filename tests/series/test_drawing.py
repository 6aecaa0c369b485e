"""Pictures of forecasts: everything that is there is drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.files import pictures
from stages.series.drawing import draw_forecast

NAN = [np.nan] * 3
ROWS = pd.DataFrame(
    {
        "time": np.arange(6),
        "actual": [1.0, 2.0, 3.0, *NAN],
        "mean": [*NAN, 4.0, 5.0, 6.0],
        "lower_80": [*NAN, 2.0, 2.0, 2.0],
        "upper_80": [*NAN, 6.0, 6.0, 6.0],
        "lower_95": [*NAN, 1.0, 1.0, 1.0],
        "upper_95": [*NAN, 7.0, 7.0, 7.0],
    }
)


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[[pd.DataFrame], bytes]:
    """Returns the picture of a forecast's rows."""

    def draw(rows: pd.DataFrame) -> bytes:
        pictures.write(tmp_path / "x.png", "a forecast", lambda axes: draw_forecast(axes, rows))
        return (tmp_path / "x.png").read_bytes()

    return draw


def unbounded(*levels: int) -> pd.DataFrame:
    """Returns the rows without bounds of these intervals."""
    lower = {f"lower_{level}": -np.inf for level in levels}
    return ROWS.assign(**lower, **{f"upper_{level}": np.inf for level in levels})


def test_each_interval_that_is_bounded_is_drawn(drawn: Callable[[pd.DataFrame], bytes]) -> None:
    in_parts = ROWS.assign(upper_95=[*ROWS["upper_95"][:5], np.inf])
    tables = [ROWS, unbounded(95), unbounded(80), unbounded(80, 95), in_parts]
    assert len(set(map(drawn, tables))) == len(tables)


def test_a_forecast_of_a_single_step_is_drawn(drawn: Callable[[pd.DataFrame], bytes]) -> None:
    known = ROWS.iloc[:3]
    only_step = unbounded(80, 95).iloc[:4]
    assert drawn(only_step) != drawn(known)


def test_a_long_series_is_drawn(drawn: Callable[[pd.DataFrame], bytes]) -> None:
    count = 300_000
    values = np.random.default_rng(0).normal(size=count)
    known = pd.DataFrame({"time": np.arange(count), "actual": values, "mean": np.nan})
    coming = ROWS.iloc[3:].assign(time=[count, count + 1, count + 2])
    assert drawn(pd.concat([known, coming], ignore_index=True))
