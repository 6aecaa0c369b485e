"""Forecasting tasks from their raw tables to the forecast, with a network that repeats the window's
last value."""

import io
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import kinds, scale_and_window
from stages.errors import InputError
from stages.files import raw_tables
from stages.kinds.forecasting import baseline, ingest, predict
from stages.series import baselines, windows

THIRDS = {"train": 0.6, "validation": 0.2, "test": 0.2}


def parts(
    content: str | pd.DataFrame, section: ingest.Parameters, folder: Path, newer: bool = False
) -> list[pd.DataFrame]:
    if isinstance(content, pd.DataFrame):
        return [content]
    (folder / "x.csv").write_text(content)
    return raw_tables.read_parts(
        folder / "x.csv", None, ingest.columns_to_read(section, newer=newer), section
    )


class Task:
    """A task whose data was ingested, scaled and windowed."""

    def __init__(
        self,
        content: str | pd.DataFrame,
        folder: Path,
        lookback: int = 6,
        horizon: int = 3,
        calendar: Any = (),
        **section: Any,
    ) -> None:
        self.folder = folder
        self.section = ingest.Parameters.model_validate(
            {"file": "data/raw/x.csv", "split": THIRDS, **section}
        )
        self.table, self.ingested = ingest.ingest(
            parts(content, self.section, folder), self.section
        )
        windowing = scale_and_window.Parameters(
            lookback=lookback, horizon=horizon, calendar=list(calendar)
        )
        self.examples = scale_and_window.prepare(self.table, self.ingested, windowing)

    def known(self) -> kinds.Known:
        widths = np.zeros((2, self.examples.about["horizon"], len(self.examples.about["targets"])))
        read = lambda path: parts(path.read_text(), self.section, self.folder, newer=True)  # noqa: E731
        return kinds.Known(
            self.examples,
            {"half_widths": widths},
            self.ingested,
            self.section,
            lambda: self.table,
            read,
            None,
            None,
        )  # type: ignore[arg-type]

    def forecast(self, newer: str | None = None) -> pd.DataFrame:
        """Returns `forecast.csv`, all of it text."""
        table = self.table
        if newer is not None:
            (self.folder / "newer.csv").write_text(newer)
            table = predict.join(table, self.known().raw(self.folder / "newer.csv"), self.known())
        horizon, targets = self.examples.about["horizon"], self.examples.about["targets"]

        def run(last: predict.Last) -> np.ndarray:
            self.windows = last.inputs["window"]
            return np.repeat(
                last.inputs["window"][
                    :, -1:, [self.examples.about["inputs"].index(target) for target in targets]
                ],
                horizon,
                axis=1,
            )

        content = predict.forecast(table, self.known(), run).to_csv(
            index=False, float_format="%.7g"
        )
        return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)


def days(values: Any, start: str = "2020-01-01", frequency: str = "D") -> pd.DataFrame:
    values = list(values)
    return pd.DataFrame(
        {"day": pd.date_range(start, periods=len(values), freq=frequency), "y": values}
    )


def csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False)


def test_a_forecast_from_earlier_rows_knows_nothing_of_later_ones(tmp_path: Path) -> None:
    whole = days(np.arange(60) ** 1.5)
    task = Task(csv(whole), tmp_path, time="day", targets=["y"])
    for first in (0, 28):  # all rows up to row 30, or three of them behind those of the table
        found = task.forecast(csv(whole[first:31]))
        assert found["time"].tolist() == ["2020-02-01", "2020-02-02", "2020-02-03"]
        assert float(found["mean"][0]) == pytest.approx(30**1.5, rel=1e-5)
        scale, shift = task.examples.arrays["scale_"][0], task.examples.arrays["shift_"][0]
        np.testing.assert_allclose(
            task.windows[0, :, 0] * scale + shift, np.arange(25, 31) ** 1.5, rtol=1e-5
        )


def test_rows_far_behind_the_known_ones_are_refused_with_how_many_are_lacking(
    tmp_path: Path,
) -> None:
    task = Task(csv(days(np.arange(60.0))), tmp_path, time="day", targets=["y"], gaps="interpolate")
    with pytest.raises(
        InputError, match=r"most of the 6 steps .* received 1, the others missing from 2020-03-27"
    ):
        task.forecast(csv(days([5.0], "2020-04-01")))
    with pytest.raises(InputError, match=r"more gaps than rows|most of the 6 steps"):
        task.forecast(csv(days([5.0], "2030-04-01")))


def test_rows_that_are_filled_in_before_a_forecast_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(csv(days(np.arange(60.0))), tmp_path, time="day", targets=["y"], gaps="interpolate")
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task.forecast(csv(days([61.0, 62.0], "2020-03-02")))
    assert "1 of the 6 rows that the network sees were filled in" in caplog.text


def test_newer_rows_without_times_go_on_behind_the_table(tmp_path: Path) -> None:
    task = Task("y\n" + "\n".join(map(str, range(60))), tmp_path, targets=["y"])
    found = task.forecast("y\n100\n101\n")
    assert found["time"].tolist() == ["62", "63", "64"]
    scale, shift = task.examples.arrays["scale_"][0], task.examples.arrays["shift_"][0]
    np.testing.assert_allclose(
        task.windows[0, :, 0] * scale + shift, [56, 57, 58, 59, 100, 101], rtol=1e-5
    )


def test_a_single_newer_day_is_read_as_the_training_days_were(tmp_path: Path) -> None:
    whole = days(np.arange(60.0)).assign(day=lambda table: table["day"].dt.strftime("%d/%m/%Y"))
    found = Task(csv(whole), tmp_path, time="day", targets=["y"]).forecast("day,y\n01/03/2020,1\n")
    assert found["time"][0] == "2020-03-02"


def test_newer_rows_of_another_sort_are_one_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(
        csv(days(np.arange(60.0)).assign(day=np.arange(60))), tmp_path, time="day", targets=["y"]
    )
    with pytest.raises(InputError, match="expected whole numbers, as in training, received dates"):
        task.forecast(csv(days([1.0])))
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task.forecast("day,y\n60,5\n61,-9999\n")
    assert "-9999" in caplog.text
    wide = days(np.arange(60.0)).rename(columns={"y": "a"}).assign(b=lambda table: table["a"] + 100)
    task = Task(csv(wide), tmp_path, time="day", targets="all", layout="columns")
    with pytest.raises(InputError, match="expected the column 'b', found 'day', 'a'"):
        task.forecast(csv(wide[["day", "a"]]))


@pytest.mark.parametrize(
    ("zone", "frequency", "expected"),
    [
        ("Asia/Tokyo", "D", ["2020-03-01 00:00:00+09:00", "2020-03-02 00:00:00+09:00"]),
        ("Europe/Berlin", "D", ["2020-03-01 00:00:00+01:00", "2020-03-02 00:00:00+01:00"]),
        ("Europe/Berlin", "h", ["2020-01-03 12:00:00+01:00", "2020-01-03 13:00:00+01:00"]),
    ],
)
def test_the_forecast_is_in_the_zone_of_the_data(
    zone: str, frequency: str, expected: list[str], tmp_path: Path
) -> None:
    table = days(np.arange(60.0), frequency=frequency)
    table["day"] = table["day"].dt.tz_localize(zone)
    task = Task(table, tmp_path, time="day", targets=["y"], calendar=["hour"])
    assert task.forecast()["time"].tolist()[:2] == expected
    hours = pd.date_range("2020-01-01", periods=60, freq=frequency).hour.to_numpy()
    np.testing.assert_allclose(
        task.examples.arrays["calendar"][:, 0], np.sin(2 * np.pi * hours / 24), atol=1e-6
    )


def test_days_and_hours_go_on_over_a_change_of_clocks(tmp_path: Path) -> None:
    for frequency, start, expected in (
        ("D", "2019-02-01", "2019-04-02 00:00:00+02:00"),
        ("h", "2019-03-29", "2019-03-31 13:00:00+02:00"),
    ):
        times = pd.date_range(start, periods=60, freq=frequency, tz="Europe/Berlin")
        task = Task(
            pd.DataFrame({"day": times, "y": np.arange(60.0)}), tmp_path, time="day", targets=["y"]
        )
        assert task.ingested["missing_times"] == 0
        assert task.forecast()["time"][0] == expected


def test_months_that_are_counted_from_the_15th_go_on_on_the_15th(tmp_path: Path) -> None:
    for gaps in ("error", "keep"):
        table = days(np.arange(60.0), "2015-01-01", "MS").assign(
            day=lambda table: table["day"] + pd.Timedelta(days=14)
        )
        found = Task(csv(table), tmp_path, time="day", targets=["y"], gaps=gaps).forecast()
        assert found["time"].tolist() == ["2020-01-15", "2020-02-15", "2020-03-15"]


def test_years_quarters_and_weeks_are_regular(tmp_path: Path) -> None:
    forms = {
        "YS-JAN": [f"{year}-01-01" for year in range(1960, 2020)],
        "QS-JAN": [f"{year}Q{quarter}" for year in range(2000, 2015) for quarter in range(1, 5)],
        "W-MON": [f"2019-W{week:02d}" for week in range(1, 53)]
        + [f"2020-W{week:02d}" for week in range(1, 9)],
        "MS": [f"{year}M{month:02d}" for year in range(2010, 2015) for month in range(1, 13)],
    }
    for frequency, texts in forms.items():
        content = "day,y\n" + "".join(f"{text},{number % 7}\n" for number, text in enumerate(texts))
        task = Task(content, tmp_path, time="day", targets=["y"])
        assert task.ingested["missing_times"] == 0
        step, found = pd.tseries.frequencies.to_offset(frequency), task.ingested["frequency"]
        assert (pd.Timestamp(task.ingested["last_time"]) + step) == pd.Timestamp(
            task.forecast()["time"][0]
        ), (frequency, found)


@pytest.mark.parametrize(
    "names",
    [
        ["001", "002", "010"],
        ["1", "01", "1.0"],
        ["NA", "null", "nan"],
        ["1E5", "true", "12345678901234567890"],
    ],
)
def test_names_of_series_are_what_is_written(names: list[str], tmp_path: Path) -> None:
    content = "day,shop,y\n" + "".join(
        f"2020-{1 + day // 28:02d}-{1 + day % 28:02d},{name},{day % 5}\n"
        for name in names
        for day in range(28)
    )
    task = Task(content, tmp_path, time="day", series="shop", targets=["y"])
    assert task.examples.about["series"] == names
    assert list(dict.fromkeys(task.forecast()["series"])) == names


def test_a_row_without_a_name_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="column 'shop': expected a name in every row, found none in data row 2"
    ):
        Task(
            "day,shop,y\n2020-01-01,a,1\n2020-01-02,,2\n",
            tmp_path,
            time="day",
            series="shop",
            targets=["y"],
        )


def test_a_list_is_no_name(tmp_path: Path) -> None:
    table = days(np.arange(60.0)).assign(shop=[["a"]] * 60)
    with pytest.raises(
        InputError, match=r"column 'shop': expected names, received \['a'\] in data row 1"
    ):
        Task(table, tmp_path, time="day", series="shop", targets=["y"])


def test_hours_that_a_change_of_clocks_repeats_ask_for_the_zone(tmp_path: Path) -> None:
    hours = pd.date_range("2019-10-26", periods=60, freq="h", tz="Europe/Berlin").tz_localize(None)
    with pytest.raises(
        InputError, match=r"2019-10-27 02:00:00 .* or ingest.zone where a change of clocks"
    ):
        Task(
            csv(pd.DataFrame({"day": hours, "y": np.arange(60.0)})),
            tmp_path,
            time="day",
            targets=["y"],
        )


def test_a_gap_is_never_filled_with_more_rows_than_there_are(tmp_path: Path) -> None:
    content = "day,y\n" + "".join(
        f"{year}-{month:02d}-01,{month}\n" for year in range(2010, 2015) for month in range(1, 13)
    )
    task = Task(content, tmp_path, time="day", targets=["y"])
    assert task.ingested["rows"] == 60
    irregular = "day,y\n2010-01-01,1\n2010-01-02,2\n2010-01-03,3\n2011-01-01,4\n"
    for gaps in ("error", "interpolate"):
        with pytest.raises(InputError, match="more gaps than rows") as caught:
            Task(irregular, tmp_path, time="day", targets=["y"], gaps=gaps)
        assert "interpolate" not in str(caught.value)
    with pytest.raises(InputError, match="missing values") as caught:
        Task(irregular, tmp_path, time="day", targets=["y"], frequency="D")
    assert "interpolate" not in str(caught.value)


def test_values_that_may_stand_for_missing_ones_are_told_and_can_be_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = csv(days(np.where(np.arange(60) % 9 == 4, -9999, np.arange(60.0))))
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task = Task(content, tmp_path, time="day", targets=["y"])
    assert "-9999 (7 times)" in caplog.text
    assert task.ingested["reading"]["possible_missing_values"] == {"y": {"-9999": 7}}
    task = Task(content, tmp_path, time="day", targets=["y"], missing=[-9999], gaps="interpolate")
    assert task.ingested["missing_values"] == 7


@pytest.mark.parametrize(
    ("targets", "expected"), [("all", ["a", "b1", "b2"]), (r"b\d", ["b1", "b2"])]
)
@pytest.mark.parametrize("layout", ["table", "columns"])
def test_targets_can_be_all_columns_or_those_of_a_pattern(
    targets: str, expected: list[str], layout: str, tmp_path: Path
) -> None:
    table = (
        days(np.arange(60.0))
        .rename(columns={"y": "a"})
        .assign(b1=lambda t: t["a"] + 100, b2=lambda t: t["a"] + 200)
    )
    task = Task(csv(table), tmp_path, time="day", targets=targets, layout=layout)
    found = task.forecast(csv(table[-8:]))
    assert list(dict.fromkeys(found["target" if layout == "table" else "series"])) == expected
    with pytest.raises(InputError, match="expected columns that match 'z'"):
        Task(csv(table), tmp_path, time="day", targets="z")


# --- What was filled in counts nowhere ---


def gappy(tmp_path: Path, rows: int = 160, **section: Any) -> tuple[Task, np.ndarray]:
    rng = np.random.default_rng(3)
    values = np.sin(np.arange(rows) / 3) * 5 + rng.normal(size=rows)
    missing = rng.random(rows) < 0.2
    missing[0] = False
    content = "day,y\n" + "".join(
        f"{day.date()},{'' if gap else value}\n"
        for day, value, gap in zip(
            pd.date_range("2020-01-01", periods=rows), values, missing, strict=True
        )
    )
    return Task(
        content, tmp_path, time="day", targets=["y"], gaps="interpolate", **section
    ), np.where(missing, np.nan, values)


def test_the_scale_of_mase_is_that_of_known_values(tmp_path: Path) -> None:
    task, values = gappy(tmp_path)
    about = {**task.examples.about, "arrays": {}}
    _, arrays = baseline.baseline(
        task.examples.arrays, about, baseline.Parameters(season=7, methods=["seasonal_naive"])
    )
    before = values[: task.examples.arrays["spans"][2, 0, 0]]
    expected = np.nanmean(np.abs(before[7:] - before[:-7]))
    np.testing.assert_allclose(arrays["mase_scale"], [[expected]], rtol=1e-5)


def test_ridge_is_fitted_on_known_targets(tmp_path: Path) -> None:
    task, _ = gappy(tmp_path)
    train, validation = (
        windows.of_split(task.examples.arrays, task.examples.about, split)
        for split in ("train", "validation")
    )
    found = baselines.fit_ridge(train, validation, (0.01, 0.1, 1.0))
    batch, errors = train.cut(np.arange(len(train))), []
    x = (
        (batch["inputs"]["window"] - batch["inputs"]["window"][:, -1:])
        .reshape(len(train), -1)
        .astype(float)
    )
    for step in range(train.horizon):
        y = (batch["targets"][:, step, 0] - batch["inputs"]["window"][:, -1, 0]).astype(float)
        known = batch["mask"][:, step, 0] > 0
        assert 0 < known.sum() < len(known)
        own, target = x[known] - x[known].mean(axis=0), y[known] - y[known].mean()
        expected = np.linalg.solve(own.T @ own + found.alpha * np.eye(x.shape[1]), own.T @ target)
        np.testing.assert_allclose(found.coefficients[:, step], expected, rtol=1e-6, atol=1e-9)
        errors.append(y[known].mean() - x[known].mean(axis=0) @ expected)
    np.testing.assert_allclose(found.intercept, errors, rtol=1e-6, atol=1e-9)


def test_the_scaler_and_the_check_for_constants_see_known_values_alone(tmp_path: Path) -> None:
    task, values = gappy(tmp_path)
    table = task.table.copy()
    table.loc[~table["observed_y"], "y"] = 1000.0
    windowing = scale_and_window.Parameters(lookback=6, horizon=3)
    found = scale_and_window.prepare(table, task.ingested, windowing)
    training = values[: int(len(values) * 0.6)]
    np.testing.assert_allclose(
        found.arrays["scale_"], [[np.nanmax(training) - np.nanmin(training)]]
    )
    table.loc[table["observed_y"], "y"] = 3.0
    with pytest.raises(InputError, match=r"values that vary, received 3.0"):
        scale_and_window.prepare(table, task.ingested, windowing)


def test_command_line_arguments_come_in_pairs() -> None:
    with pytest.raises(InputError, match="both --input and --output"):
        predict.predict(
            None, None, predict.Parameters(), SimpleNamespace(input=Path("x"), output=None)
        )  # type: ignore[arg-type]
