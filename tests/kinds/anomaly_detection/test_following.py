"""What a network expects of rows, against naive loops."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.kinds.anomaly_detection import detections
from stages.kinds.anomaly_detection.following import Followed, Follower
from stages.series import calendar
from tests.kinds.anomaly_detection.project import Task, hours

pytestmark = pytest.mark.usefixtures("stand_in")

ROWS, LOOKBACK, HORIZON = 140, 6, 3
SERIES = {"time": "time", "targets": ["y", "z"], "inputs": ["z", "y", "x"], "gaps": "interpolate"}


def table() -> pd.DataFrame:
    raw = hours(ROWS, ["y", "z", "x"])
    raw.loc[[20, 111, 112], "y"] = np.nan
    raw.loc[120, "z"] = np.nan
    return raw


def followed(task: Task, size: int, table: pd.DataFrame | None = None) -> Followed:
    """Returns what was expected of a task's rows, or those of another tidy table, which came in
    portions of a size."""
    examples, about = task.data.examples, task.data.ingested.about
    rows = detections.rows_of(task.data.ingested.read() if table is None else table, examples, 0)
    reconstructs = task.network.layers[0].name == "reconstruction"
    follower = Follower(examples, about, 0, task.network, reconstructs)
    found = [
        follower.follow(type(rows)(*(array[start : start + size] for array in rows)))
        for start in range(0, len(rows.values), size)
    ]
    return Followed(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def test_a_row_has_the_errors_of_the_forecasts_made_before_it() -> None:
    task = Task(table(), calendar_of("hour"), **SERIES)
    examples, clock = task.data.examples, task.data.ingested.read()["time"].to_numpy()
    values = np.asarray(examples.values)[:, examples.targets]
    phases = calendar.features(clock, ["hour"])[:, :1]  # of which the network adds the sine
    errors = np.full((ROWS, HORIZON, 2), np.nan)
    expected = np.full((ROWS, 2), np.nan)
    for row in range(LOOKBACK, ROWS):
        made = []
        for ahead in range(1, HORIZON + 1):
            if row - ahead < LOOKBACK - 1:  # the last row that this forecast knew
                continue
            forecast = values[row - ahead] + 0.1 * ahead + phases[row]
            made.append(forecast)
            errors[row, ahead - 1] = np.where(
                examples.observed[row], values[row] - forecast, np.nan
            )
        expected[row] = np.mean(made, axis=0)
    assert np.isnan(errors[[20, 111, 112, 120]]).any(axis=(1, 2)).all()
    assert np.isnan(errors).mean() < 0.1
    for size in (1, 2, 7, ROWS):
        found = followed(task, size)
        np.testing.assert_allclose(found.errors, errors, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.expected, expected, rtol=1e-5, atol=1e-5)


def test_a_row_has_the_errors_of_the_reconstruction_of_the_window_that_ends_with_it() -> None:
    task = Task(table(), reconstructs=True, **SERIES)
    examples = task.data.examples
    values = np.asarray(examples.values)[:, examples.targets]
    errors = np.full((ROWS, LOOKBACK, 2), np.nan)
    for row in range(LOOKBACK - 1, ROWS):
        for step in range(LOOKBACK):
            seen = examples.observed[row - LOOKBACK + 1 + step]
            errors[row, step] = np.where(seen, -0.1 * (LOOKBACK - step), np.nan)
    for size in (1, 2, 7, ROWS):
        found = followed(task, size)
        np.testing.assert_allclose(found.errors, errors, atol=1e-6)
        np.testing.assert_allclose(found.expected[LOOKBACK - 1 :], values[LOOKBACK - 1 :] + 0.1)
        assert np.isnan(found.expected[: LOOKBACK - 1]).all()


@pytest.mark.parametrize("reconstructs", [False, True])
def test_later_rows_change_nothing(reconstructs: bool) -> None:
    task = Task(table(), calendar_of("hour"), reconstructs=reconstructs, **SERIES)
    rows = task.data.ingested.read()
    known = 115
    changed = rows.assign(
        **{name: rows[name].where(np.arange(ROWS) < known, 1e3) for name in ("y", "z", "x")}
    )
    for part in (rows[:known], changed):
        for own, other in zip(followed(task, ROWS), followed(task, ROWS, part), strict=True):
            np.testing.assert_array_equal(own[:known], other[:known])


def test_times_that_are_not_yet_known_are_those_of_the_grid() -> None:
    """Where rows are steps whatever their times: those of a table say no more than those that
    come one by one."""
    raw = hours(ROWS)
    raw = raw.drop(index=[118, 119, 130]).reset_index(drop=True)
    task = Task(raw, calendar_of("hour"), time="time", targets=["y"], gaps="keep", frequency="h")
    whole = followed(task, ROWS)
    for size in (1, 7):
        for own, other in zip(whole, followed(task, size), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-6)
    clock = raw["time"].to_numpy()
    values = np.asarray(task.data.examples.values)[:, 0]
    sines = calendar.features(clock[117:118] + np.timedelta64(1, "h"), ["hour"])[0, 0]
    assert clock[118] - clock[117] == np.timedelta64(3, "h")
    assert whole.errors[118, 0, 0] == pytest.approx(
        values[118] - values[117] - 0.1 - sines, abs=1e-5
    )


def test_the_calendar_is_that_of_the_zone_where_clocks_change() -> None:
    """Those of Berlin change at row 49, in a portion or at the edge of one."""
    raw = hours(ROWS, first="2020-03-27")
    raw["time"] = raw["time"].dt.tz_localize("UTC")
    task = Task(
        raw, calendar_of("hour"), time="time", targets=["y"], zone="Europe/Berlin", frequency="h"
    )
    local = raw["time"].dt.tz_convert("Europe/Berlin").dt.tz_localize(None).to_numpy()
    assert (np.diff(local) == np.timedelta64(2, "h")).sum() == 1
    values = np.asarray(task.data.examples.values)[:, 0]
    sines = calendar.features(local, ["hour"])[:, 0]
    for size in (1, 7, ROWS):
        found = followed(task, size).errors[:, :, 0]
        for ahead in range(HORIZON):
            rows = np.arange(LOOKBACK + ahead, ROWS)
            expected = values[rows] - values[rows - ahead - 1] - 0.1 * (ahead + 1) - sines[rows]
            np.testing.assert_allclose(found[rows, ahead], expected, atol=1e-5)


def calendar_of(*names: str) -> dict[str, Any]:
    return {"calendar": list(names), "lookback": LOOKBACK, "horizon": HORIZON}
