"""The forecast against what happened: which series and origins are shown, and every row of the
table against a loop over the raw table."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.files import pictures
from stages.kinds.data import Baselines, Evaluation
from stages.kinds.forecasting import backtest, evaluate
from stages.series.outcomes import Outcomes
from tests.kinds.forecasting.task import Task, csv, days
from tests.tasks import never

pytestmark = pytest.mark.usefixtures("folder")
COLUMNS = (
    *("series", "target", "origin", "time", "step", "actual", "forecast"),
    *("lower_80", "upper_80", "lower_95", "upper_95"),
)


def repeat_last_value(task: Task, windows: Any) -> np.ndarray:
    """The network: (windows, horizon, targets), in the scaler's units."""
    examples = task.examples
    seen = [examples.inputs.index(target) for target in examples.targets]
    last = windows.cut(np.arange(len(windows)))["inputs"]["window"][:, -1:, seen]
    return np.repeat(last, examples.horizon, axis=1)


def evaluated(task: Task, scale: np.ndarray) -> tuple[Evaluation, pd.DataFrame]:
    """Returns the evaluation of a network that repeats the last value, and its table."""
    evaluation = evaluate.evaluate(
        task.data,
        partial(repeat_last_value, task),
        Baselines({}, {"mase_scale": scale}),
        evaluate.Parameters(),
        never,
    )
    return evaluation, pd.read_csv(io.StringIO(evaluation.files["backtest.csv"]))


@pytest.mark.parametrize(
    ("windows", "horizon", "most", "expected"),
    [
        (8, 3, 12, [0, 3, 6]),
        (1, 5, 12, [0]),
        (9, 1, 3, [0, 4, 8]),
        (25, 5, 5, [0, 5, 10, 15, 20]),
        (26, 5, 2, [0, 25]),
        (26, 5, 1, [0]),
    ],
)
def test_origins_are_a_horizon_apart_and_evenly_spread(
    windows: int, horizon: int, most: int, expected: list[int]
) -> None:
    assert backtest.origins(windows, horizon, most).tolist() == expected


def test_no_horizons_of_origins_overlap_and_the_ends_are_among_them() -> None:
    for windows in range(1, 60):
        for horizon in (1, 2, 7):
            found = backtest.origins(windows, horizon, 12)
            last = (windows - 1) // horizon * horizon
            assert (found[0], found[-1], len(found)) == (0, last, min(12, last // horizon + 1))
            assert (np.diff(found) >= horizon).all()
            assert np.ptp(np.diff(found)) <= horizon if len(found) > 1 else True


NAN = float("nan")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([2.0], {0: "easiest"}),
        ([2.0, 3.0], {1: "hardest", 0: "easiest"}),
        ([2.0, 3.0, 1.0], {1: "hardest", 0: "median", 2: "easiest"}),
        ([1.0, 5.0, 3.0, 2.0, 4.0], {1: "hardest", 2: "median", 0: "easiest"}),
        ([1.0, 1.0, 1.0, 1.0], {0: "hardest", 2: "median", 3: "easiest"}),
        ([NAN, 3.0, NAN, 4.0], {3: "hardest", 1: "easiest"}),
        ([NAN, NAN], {0: "hardest", 1: "easiest"}),
    ],
)
def test_the_hardest_the_median_and_the_easiest_series_are_selected(
    errors: list[float], expected: dict[int, str]
) -> None:
    found = backtest.selected(np.arange(len(errors)), np.array(errors))
    assert list(found.items()) == list(expected.items())


def several() -> pd.DataFrame:
    """Five series of two targets with a missing value in the test split of the third, whose
    last-value forecast is the worse the steeper they are."""
    tables = []
    for number, slope in enumerate([2.0, 5.0, 1.0, 4.0, 3.0]):
        table = days(slope * np.arange(60.0)).assign(name=f"s{number}", z=np.arange(60.0) % 4)
        table.loc[[50, 52], "y"] = np.nan
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_every_row_is_what_a_loop_over_the_raw_table_finds() -> None:
    raw = several()
    task = Task(raw, horizon=3, time="day", series="name", targets=["y", "z"], gaps="interpolate")
    evaluation, table = evaluated(task, np.ones((5, 2)))
    assert tuple(table.columns) == COLUMNS
    filled = raw.assign(y=raw.groupby("name")["y"].transform(lambda values: values.ffill()))
    expected = []
    for name in ("s1", "s4", "s2"):
        known, seen = (of[of["name"] == name].reset_index(drop=True) for of in (raw, filled))
        for first in (48, 51, 54, 57):
            for step in (1, 2, 3):
                for target in ("y", "z"):
                    row = first + step - 1
                    expected.append(
                        {
                            "series": name,
                            "target": target,
                            "origin": str(known["day"][first - 1].date()),
                            "time": str(known["day"][row].date()),
                            "step": step,
                            "actual": known[target][row],
                            "forecast": seen[target][first - 1],
                        }
                    )
    compared = table[list(COLUMNS[:7])]
    pd.testing.assert_frame_equal(compared, pd.DataFrame(expected), check_dtype=False, rtol=1e-6)
    widths = task.examples.scale_[0, :2] * evaluation.arrays["half_widths"][:, [0, 1, 2]]
    for level, width in zip((80, 95), widths, strict=True):
        offset = np.tile(width.ravel(), len(table) // 6)
        for side, sign in (("lower", -1), ("upper", 1)):
            bound = table["forecast"] + sign * offset
            np.testing.assert_allclose(table[f"{side}_{level}"], bound, rtol=1e-5, atol=1e-5)


def test_errors_by_series_are_what_a_loop_finds() -> None:
    task = Task(several(), time="day", series="name", targets=["y", "z"], gaps="interpolate")
    test = Outcomes(task.examples, "test")
    forecast = repeat_last_value(task, test.windows)
    scale = np.arange(1.0, 11.0).reshape(5, 2)
    scale[3], scale[4, 0] = np.nan, np.nan
    restored = test.restored(forecast)
    for series, error in enumerate(backtest.errors_by_series(test, forecast, scale)):
        found = [
            abs(test.actual[index] - restored[index]) / scale[series, index[2]]
            for index in np.ndindex(*test.mask.shape)
            if test.series[index[0]] == series and test.mask[index] > 0
        ]
        found = [value for value in found if np.isfinite(value)]
        np.testing.assert_allclose(error, np.mean(found) if found else np.nan)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (None, ["2020-02-17", "2020-02-18"]),
        ("Asia/Tokyo", ["2020-02-17 00:00:00+09:00", "2020-02-18 00:00:00+09:00"]),
    ],
)
def test_times_are_those_of_the_forecast(zone: str | None, expected: list[str]) -> None:
    table = days(np.arange(60.0))
    table["day"] = table["day"].dt.tz_localize(zone)
    _, rows = evaluated(Task(table, time="day", targets=["y"]), np.ones((1, 1)))
    assert rows.loc[0, ["origin", "time"]].tolist() == expected


def test_the_truth_begins_a_lookback_before_the_first_forecast() -> None:
    for lookback, first in ((6, 42), (30, 24)):  # the test split has 12 rows, from row 48 on
        task = Task(days(np.arange(60.0)), lookback, horizon=2, time="day", targets=["y"])
        truth = task.data.ingested.read(["time", "y"])
        rows = backtest.history_of(task.data, truth, 0)
        assert rows["actual"].tolist() == list(range(first, 60))


@pytest.mark.parametrize(("horizon", "series"), [(3, True), (1, False)])
def test_the_picture_has_a_row_for_each_series(horizon: int, series: bool, tmp_path: Path) -> None:
    raw = several() if series else days(np.arange(60.0) % 7)
    names = {"series": "name"} if series else {}
    task = Task(raw, horizon=horizon, time="day", targets=["y"], gaps="interpolate", **names)
    evaluation, _ = evaluated(task, np.ones((5 if series else 1, 1)))
    picture = evaluation.pictures["backtest"]
    assert len(picture.draws) == (3 if series else 1)
    pictures.write(tmp_path / "x.png", picture.title, *picture.draws)
    titles = [draw.keywords["title"] for draw in picture.draws]
    if series:
        assert picture.title == "y, forecasts of the test split"
        assert [title.split(" (MASE ")[0] for title in titles] == [
            *("hardest: s1", "median: s4", "easiest: s2")
        ]
    else:
        assert titles == [None]
        assert picture.title.startswith("y, forecasts of the test split (MASE ")


def test_a_series_of_whole_numbers_as_times_is_drawn(tmp_path: Path) -> None:
    task = Task(csv(days(np.arange(60.0))[["y"]]), targets=["y"])
    evaluation, rows = evaluated(task, np.full((1, 1), np.nan))
    assert rows["origin"].tolist()[:2] == [47, 47]
    picture = evaluation.pictures["backtest"]
    assert picture.title == "y, forecasts of the test split"
    pictures.write(tmp_path / "x.png", picture.title, *picture.draws)
