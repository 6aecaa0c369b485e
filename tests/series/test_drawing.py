"""Pictures of forecasts: everything that is there is drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.drawing import COLOURS
from stages.files import pictures
from stages.series.drawing import draw_backtest, draw_forecast

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


def backtest(horizon: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns 8 known values, the last but one of them between two gaps, and forecasts from two
    origins."""
    known = pd.DataFrame({"time": np.arange(9), "actual": np.arange(9.0)})
    known.loc[[5, 7], "actual"] = np.nan
    known.loc[8, "actual"] = np.nan
    rows = [
        {"origin": origin, "time": origin + step, "step": step, "forecast": 10.0 * origin + step}
        for origin in (2, 5)
        for step in range(1, horizon + 1)
    ]
    forecasts = pd.DataFrame(rows)
    values = forecasts["forecast"]
    return known, forecasts.assign(lower_80=values - 1, upper_80=values + 1)


def test_the_forecast_of_each_origin_is_a_line_of_its_own() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    for axes in figure.subplots(2):
        draw_backtest(axes, *backtest(horizon=3), title="t")
    lines = [line for line in axes.lines if line.get_color() == COLOURS["network"]]
    assert [line.get_xydata().tolist() for line in lines] == [
        [[3, 21], [4, 22], [5, 23]],
        [[6, 51], [7, 52], [8, 53]],
    ]
    lonely = next(line for line in axes.lines if line.get_marker() == ".")
    assert lonely.get_xydata().tolist() == [[6, 6]]
    origins = next(lines for lines in axes.collections if lines.get_label() == "origin")
    assert [path[0][0] for path in origins.get_segments()] == [2, 5]
    assert len(figure.legends) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["actual", "forecast", "80 % interval", "origin"]


@pytest.mark.parametrize("bounded", [True, False])
def test_the_interval_of_a_single_step_is_a_bar(bounded: bool) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    known, forecasts = backtest(horizon=1)
    if not bounded:
        forecasts = forecasts.assign(lower_80=-np.inf, upper_80=np.inf)
    draw_backtest(axes, known, forecasts)
    bars = [bar.get_segments()[0].tolist() for bar in axes.collections[:-1]]
    assert bars == ([[[3, 20], [3, 22]], [[6, 50], [6, 52]]] if bounded else [])
