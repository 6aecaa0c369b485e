"""Columns of times, as people write them."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.series import times


def read(
    column: Any,
    time_format: str | None = None,
    zone: str | None = None,
    whole: bool = False,
    in_utc: bool | None = None,
) -> times.Times:
    return times.read_times(pd.Series(column, name="t"), time_format, zone, whole, in_utc)


def shown(result: times.Times) -> Any:
    return times.shown(result.values.to_numpy(), result.zone, result.in_utc)


def months(form: str) -> list[str]:
    return [time.strftime(form) for time in pd.date_range("2019-01-01", periods=12, freq="MS")]


@pytest.mark.parametrize(
    ("column", "time_format", "expected"),
    [
        (["2020-01-02", "2020-01-03"], None, "2020-01-02"),
        (["2020-01", "2020-02"], None, "2020-01-01"),
        (["2020-01-02T03:04:05.5", "2020-01-03T03:04:05"], None, "2020-01-02 03:04:05.5"),
        (["13/02/2020", "01/02/2020"], None, "2020-02-13"),
        (["01/02/2020", "13/02/2020"], None, "2020-02-01"),
        (["02/01/2020", "02/13/2020"], None, "2020-02-01"),
        (["31.12.2019 23:30", "01.01.2020 00:30"], None, "2019-12-31 23:30"),
        (["12/31/2019 11:30 PM", "01/01/2020 12:30 AM"], None, "2019-12-31 23:30"),
        (["2019/02/01", "2019/03/01"], None, "2019-02-01"),
        ([19580329, 19580405], "%Y%m%d", "1958-03-29"),
        (["01012003", "02012003"], "%m%d%Y", "2003-01-01"),
        (["2010Q2", "2010Q3"], None, "2010-04-01"),
        (["2010-Q2", "2010-Q3"], None, "2010-04-01"),
        (["Q2 2010", "Q3 2010"], None, "2010-04-01"),
        (["2020-W01", "2020-W02"], None, "2019-12-30"),
        (["2020W53", "2021W01"], None, "2020-12-28"),
        (["2010M03", "2010M04"], None, "2010-03-01"),
        (["Jan 2010", "Feb 2010"], None, "2010-01-01"),
        (["February 2010", "March 2010"], None, "2010-02-01"),
        (["1 Feb 2019", "2 Feb 2019"], None, "2019-02-01"),
        ([datetime.date(2019, 5, 1), datetime.date(2019, 6, 1)], None, "2019-05-01"),
        (["01.02.2019, 00:00", "13.02.2019, 00:00"], None, "2019-02-01"),
        ([1011970, 1021970], "%m%d%Y", "1970-01-01"),
        (["2019-01-02T00:00:00Z", "2019-01-03T00:00:00Z"], "%Y-%d-%mT%H:%M:%SZ", "2019-02-01"),
        (pd.period_range("2019-05", periods=2, freq="M"), None, "2019-05-01"),
        (pd.date_range("2019-05-01", periods=2), "%Y%m%d", "2019-05-01"),
        (["May 2019", "June 2019"], None, "2019-05-01"),
        (["Jan-2019", "Feb-2019"], None, "2019-01-01"),
        ([5, 6], None, "5"),
        (["5", "6"], None, "5"),
        ([5.0, 6.0], None, "5"),
        (["1990", "1991"], None, "1990"),
        ([" 2020-01-02 ", "2020-01-03"], None, "2020-01-02"),
    ],
)
def test_times_are_read_as_they_are_written(
    column: list[Any], time_format: str | None, expected: str
) -> None:
    assert str(read(column, time_format).values.iloc[0]).startswith(expected)


def test_the_format_in_the_parameters_wins_over_another_one_that_fits() -> None:
    result = read(months("%Y-%d-%m %H:%M:%S"), "%Y-%d-%m %H:%M:%S").values
    assert result.tolist() == pd.date_range("2019-01-01", periods=12, freq="MS").tolist()


@pytest.mark.parametrize("form", ["%d.%m.%Y, %H:%M", "%d %m %Y", "%d. %m. %Y", "%d/%m/%Y, %H:%M"])
def test_ambiguous_dates_in_other_forms_are_an_error_too(form: str) -> None:
    with pytest.raises(InputError, match=r"both readings are possible"):
        read(months(form))


def test_days_of_a_zone_whose_clocks_change_at_midnight_are_days() -> None:
    days = pd.date_range("2018-10-25", periods=20)  # there is no midnight on 4 November in Brazil
    result = read(list(days.strftime("%Y-%m-%d")), zone="America/Sao_Paulo")
    assert result.values.tolist() == days.tolist()
    assert str(shown(result)[-1]) == "2018-11-13 00:00:00-02:00"


def test_a_fixed_offset_of_a_column_is_its_zone() -> None:
    result = read(pd.date_range("2020-01-01", periods=3, tz="+09:00"))
    assert str(shown(result)[0]) == "2020-01-01 00:00:00+09:00"


def test_mixed_offsets_behind_names_of_months_are_days_of_the_calendar() -> None:
    result = read(["Sat, 30 Mar 2019 00:00:00 +0100", "Mon, 01 Apr 2019 00:00:00 +0200"])
    assert [str(time) for time in result.values] == ["2019-03-30 00:00:00", "2019-04-01 00:00:00"]


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%Y %H:%M"])
def test_ambiguous_dates_are_an_error_that_names_both_readings(form: str) -> None:
    with pytest.raises(
        InputError,
        match=r'both readings .* ingest.time_format to "%d.%m.%Y" \(day first\) or "%m.%d.%Y" '
        r"\(month first\)",
    ):
        read(months(form))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["2020-01-02", "soon"], "'soon' in data row 2"),
        (["2020-01-02", None], "none in data row 2"),
        (["2020-01-02", ""], "none in data row 2"),
        (["13/02/2020", "02/13/2020"], "days in one place"),
        (["01/02/19", "13/02/19"], "four digits"),
        (
            ["20230101", "20230102"],
            'if these are dates, set ingest.time_format to "%Y%m%d"; if they count steps, set '
            "ingest.frequency to 1",
        ),
        (["201001", "201002", "201003"], 'time_format to "%Y%m"'),
        (
            ["2020-01-01 00:00+01:00", "2020-01-01 01:00"],
            "an offset from UTC in every row or in none",
        ),
        (["1500-01-01", "1501-01-01"], "between the years 1678 and 2261"),
        (["2020-01-01", "9999-12-31"], "between the years 1678 and 2261"),
        (["0001-01-01", "0002-01-01"], "between the years 1678 and 2261"),
        ([str(-(2**63)), str(2**63 - 1)], "whole numbers up to"),
        (["yesterday", "today"], "set ingest.time_format"),
        (["01012019", "01022019"], 'to "%d%m%Y" or "%m%d%Y"'),
        (["190101", "190201"], 'to "%Y%m" or "%y%m%d"'),
        (["20190101000000", "20190102000000"], "%Y%m%d%H%M%S"),
        (["2019001", "2019002"], "%Y%j"),
        ([f"2020{week:02d}" for week in range(1, 54)], "write the weeks as 2020-W01"),
        (["2020-W1", "2020-W2"], "weeks as 2020-W01"),
        (["2022-01-01 24:00", "2022-01-02 24:00"], "expected ISO times such as"),
        ([1.5, 2.5], "received 1.5"),
        (pd.to_timedelta([1, 2], unit="D"), "expected times or whole numbers"),
    ],
)
def test_times_that_cannot_be_read_are_one_error(column: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(column)


def test_whole_numbers_that_look_like_dates_are_numbers_if_declared_so() -> None:
    assert read(["20230101", "20230102"], whole=True).values.tolist() == [20230101, 20230102]


def test_times_in_another_form_than_the_parameters_say_are_an_error() -> None:
    with pytest.raises(
        InputError, match="times like '%Y%m%d', received '2020-01-02' in data row 1"
    ):
        read(["2020-01-02", "2020-01-03"], "%Y%m%d")


# --- Time zones ---

# Clocks change on 31 March.
BERLIN = pd.date_range("2019-03-25", periods=14, freq="D", tz="Europe/Berlin")


@pytest.mark.parametrize(
    "column",
    [
        BERLIN,
        BERLIN.strftime("%Y-%m-%d %H:%M:%S%z"),
        pd.Index([time.isoformat() for time in BERLIN]),
    ],
)
def test_days_of_a_zone_are_days_of_its_calendar(column: Any) -> None:
    result = read(list(column) if column.dtype != BERLIN.dtype else column)
    assert result.values.tolist() == pd.date_range("2019-03-25", periods=14).tolist()
    assert not result.in_utc


def test_midnights_of_tokyo_stay_on_their_day() -> None:
    result = read(pd.date_range("2020-01-05", periods=5, tz="Asia/Tokyo"))
    assert str(result.values[0]) == "2020-01-05 00:00:00"
    assert str(shown(result)[0]) == "2020-01-05 00:00:00+09:00"


def test_one_offset_is_a_zone() -> None:
    result = read(["2020-01-02 05:00:00+02:00", "2020-01-02 06:00:00+02:00"])
    assert (str(result.values[0]), result.zone, result.in_utc) == (
        "2020-01-02 03:00:00",
        "+02:00",
        True,
    )
    assert str(shown(result)[0]) == "2020-01-02 05:00:00+02:00"


def test_no_hour_is_lost_where_a_zone_changes_its_clocks() -> None:
    hours = pd.date_range("2019-03-30 22:00", periods=8, freq="h", tz="Europe/Berlin")
    result = read(hours)
    assert result.values.diff().dropna().unique().tolist() == [pd.Timedelta(hours=1)]
    assert (
        times.local(result.values.to_numpy(), result.zone, result.in_utc).tolist()
        == hours.tz_localize(None).as_unit("ns").to_numpy().tolist()
    )
    assert list(shown(result)) == list(hours)


def test_hours_with_several_offsets_are_an_error_that_asks_for_the_zone() -> None:
    texts = list(
        pd.date_range("2019-03-30 22:00", periods=8, freq="h", tz="Europe/Berlin").strftime(
            "%Y-%m-%d %H:%M%z"
        )
    )
    with pytest.raises(InputError, match=r"received \+01:00, \+02:00: set ingest.zone"):
        read(texts)
    assert read(texts, zone="Europe/Berlin").zone == "Europe/Berlin"


def test_the_zone_in_the_parameters_holds_for_times_without_one() -> None:
    hours = pd.date_range("2019-10-26 22:00", periods=8, freq="h", tz="Europe/Berlin")
    result = read(list(hours.strftime("%Y-%m-%d %H:%M")), zone="Europe/Berlin")
    assert list(shown(result)) == list(hours)


def test_an_hour_that_a_zone_leaves_out_is_an_error() -> None:
    with pytest.raises(InputError, match="leaves out or repeats"):
        read(["2019-03-31 01:30", "2019-03-31 02:30"], zone="Europe/Berlin")


def test_offsets_in_other_forms_than_iso_are_read() -> None:
    result = read(["25.03.2019 10:00 +0100", "26.03.2019 11:00 +0100"], "%d.%m.%Y %H:%M %z")
    assert (str(result.values[0]), result.zone) == ("2019-03-25 09:00:00", "+01:00")
    days = read(["30.03.2019 10:00 +0100", "31.03.2019 10:00 +0200"], "%d.%m.%Y %H:%M %z")
    assert [str(time) for time in days.values] == ["2019-03-30 10:00:00", "2019-03-31 10:00:00"]


@pytest.mark.parametrize("zone", ["Europe/Berlim", "../etc/passwd", "+25:99x", "+99:99", ""])
def test_a_zone_that_does_not_exist_is_an_error(zone: str) -> None:
    with pytest.raises(ValueError, match="a time zone"):
        times.check_zone(zone)


def test_arrow_and_pandas_read_iso_times_alike() -> None:
    rng = np.random.default_rng(0)
    stamps = pd.to_datetime(rng.integers(-(2**62), 2**62, 200))
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S.%f"):
        texts = pd.Series(stamps.strftime(form), name="t")
        pd.testing.assert_series_equal(
            read(texts).values, pd.to_datetime(texts).astype("datetime64[ns]")
        )
