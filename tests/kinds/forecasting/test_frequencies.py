"""Times from the raw table to the forecast: zones, changes of clocks, steps of every length."""

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from tests.kinds.forecasting.task import Task, csv, days

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    ("zone", "frequency", "expected"),
    [
        ("Asia/Tokyo", "D", ["2020-03-01 00:00:00+09:00", "2020-03-02 00:00:00+09:00"]),
        ("Europe/Berlin", "D", ["2020-03-01 00:00:00+01:00", "2020-03-02 00:00:00+01:00"]),
        ("Europe/Berlin", "h", ["2020-01-03 12:00:00+01:00", "2020-01-03 13:00:00+01:00"]),
    ],
)
def test_the_forecast_is_in_the_zone_of_the_data(
    zone: str, frequency: str, expected: list[str]
) -> None:
    table = days(np.arange(60.0), frequency=frequency)
    table["day"] = table["day"].dt.tz_localize(zone)
    task = Task(table, time="day", targets=["y"], calendar=("hour",))
    assert task.forecast()["time"].tolist()[:2] == expected
    hours = pd.date_range("2020-01-01", periods=60, freq=frequency).hour.to_numpy()
    expected_cycle = np.sin(2 * np.pi * hours / 24)
    np.testing.assert_allclose(task.examples.known[:, 0], expected_cycle, atol=1e-6)


@pytest.mark.parametrize(
    ("frequency", "start", "expected"),
    [
        ("D", "2019-02-01", "2019-04-02 00:00:00+02:00"),
        ("h", "2019-03-29", "2019-03-31 13:00:00+02:00"),
    ],
)
def test_days_and_hours_continue_over_a_change_of_clocks(
    frequency: str, start: str, expected: str
) -> None:
    times = pd.date_range(start, periods=60, freq=frequency, tz="Europe/Berlin")
    table = pd.DataFrame({"day": times, "y": np.arange(60.0)})
    task = Task(table, time="day", targets=["y"])
    assert task.ingested.missing_times == 0
    assert task.forecast()["time"][0] == expected


def test_hours_that_a_change_of_clocks_repeats_ask_for_the_zone() -> None:
    hours = pd.date_range("2019-10-26", periods=60, freq="h", tz="Europe/Berlin").tz_localize(None)
    table = pd.DataFrame({"day": hours, "y": np.arange(60.0)})
    with pytest.raises(
        InputError, match=r"2019-10-27 02:00:00 .* or ingest.zone where a change of clocks"
    ):
        Task(csv(table), time="day", targets=["y"])


@pytest.mark.parametrize("gaps", ["error", "keep"])
def test_months_that_are_counted_from_the_15th_continue_on_the_15th(gaps: str) -> None:
    table = days(np.arange(60.0), "2015-01-01", "MS")
    table["day"] += pd.Timedelta(days=14)
    rows = Task(csv(table), time="day", targets=["y"], gaps=gaps).forecast()
    assert rows["time"].tolist() == ["2020-01-15", "2020-02-15", "2020-03-15"]


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("YS-JAN", [f"{year}-01-01" for year in range(1960, 2020)]),
        ("QS-JAN", [f"{year}Q{quarter}" for year in range(2000, 2015) for quarter in range(1, 5)]),
        (
            "W-MON",
            [f"2019-W{week:02d}" for week in range(1, 53)]
            + [f"2020-W{week:02d}" for week in range(1, 9)],
        ),
        ("MS", [f"{year}M{month:02d}" for year in range(2010, 2015) for month in range(1, 13)]),
    ],
)
def test_years_quarters_weeks_and_months_are_regular(frequency: str, times: list[str]) -> None:
    rows = (f"{time},{number % 7}\n" for number, time in enumerate(times))
    task = Task("day,y\n" + "".join(rows), time="day", targets=["y"])
    assert task.ingested.missing_times == 0
    following = pd.Timestamp(task.ingested.last_time) + pd.tseries.frequencies.to_offset(frequency)
    assert pd.Timestamp(task.forecast()["time"][0]) == following


def test_a_gap_is_never_filled_with_more_rows_than_there_are() -> None:
    months = (
        f"{year}-{month:02d}-01,{month}\n" for year in range(2010, 2015) for month in range(1, 13)
    )
    task = Task("day,y\n" + "".join(months), time="day", targets=["y"])
    assert task.ingested.rows == 60
    irregular = "day,y\n2010-01-01,1\n2010-01-02,2\n2010-01-03,3\n2011-01-01,4\n"
    for gaps in ("error", "interpolate"):
        with pytest.raises(InputError, match="more gaps than rows") as raised:
            Task(irregular, time="day", targets=["y"], gaps=gaps)
        assert "interpolate" not in str(raised.value)
    with pytest.raises(InputError, match="missing values") as raised:
        Task(irregular, time="day", targets=["y"], frequency="D")
    assert "interpolate" not in str(raised.value)
