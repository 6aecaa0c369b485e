"""Splits by fraction, count, date and prefix, against hand-worked cases."""

import datetime
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stages.errors import InputError
from stages.series.splits import ByDate, ByPrefix, boundaries
from stages.splits import SPLITS, ByCount, ByFraction

STARTS = np.array([0, 20, 30])
STEPS = pd.Series(list(range(20)) + list(range(10)))
DAYS = pd.Series(
    [*pd.date_range("2020-01-01", periods=20), *pd.date_range("2020-01-05", periods=10)]
)


def test_fractions_are_of_each_series_and_rounding_does_not_lose_a_row() -> None:
    ends = boundaries(ByFraction(train=0.7, validation=0.15, test=0.15), STARTS, STEPS)
    assert ends.tolist() == [[0, 14, 17, 20], [20, 27, 28, 30]]


def test_rows_behind_the_counts_are_in_no_split() -> None:
    assert boundaries(ByCount(train=5, validation=2, test=1), STARTS, STEPS).tolist() == [
        [0, 5, 7, 8],
        [20, 25, 27, 28],
    ]


def test_the_rest_goes_to_one_split() -> None:
    ends = boundaries(ByCount(train="rest", validation=2, test=3), STARTS, STEPS)
    assert ends.tolist() == [[0, 15, 17, 20], [20, 25, 27, 30]]


def test_dates_cut_all_series_at_the_same_day() -> None:
    split = ByDate(
        validation=datetime.date(2020, 1, 8),
        test=datetime.date(2020, 1, 10),
        end=datetime.date(2020, 1, 13),
    )
    assert boundaries(split, STARTS, DAYS).tolist() == [[0, 7, 9, 12], [20, 23, 25, 28]]
    split = ByDate(validation=datetime.date(2020, 1, 8), test=datetime.date(2020, 1, 10))
    assert boundaries(split, STARTS, DAYS)[:, 3].tolist() == [20, 30]


@pytest.mark.parametrize(
    "split",
    [
        ByFraction(train=0.9, validation=0.05, test=0.05),
        ByCount(train=8, validation=1, test="rest"),
        ByCount(train=9, validation=1, test=1),
    ],
)
def test_a_split_without_rows_is_an_error_that_counts_them(split: object) -> None:
    with pytest.raises(
        InputError,
        match=r"at least one row in each split, received train \d+, validation \d+, test",
    ):
        boundaries(split, np.array([0, 9]), STEPS[:9])  # type: ignore[arg-type]


def test_dates_for_a_table_without_dates_are_an_error() -> None:
    with pytest.raises(InputError, match="no dates"):
        boundaries(
            ByDate(validation=datetime.date(2020, 1, 1), test=datetime.date(2020, 2, 1)),
            STARTS,
            STEPS,
        )


@pytest.mark.parametrize(
    "fractions",
    [
        ("0.7", "0.15", "0.15"),
        ("0.6", "0.2", "0.2"),
        ("0.1", "0.2", "0.7"),
        ("0.34", "0.33", "0.3"),
    ],
)
def test_fractions_cut_where_exact_arithmetic_cuts(fractions: tuple[str, str, str]) -> None:
    split = ByFraction(**dict(zip(SPLITS, map(float, fractions), strict=True)))
    for rows in range(20, 400):
        exact = [rows * sum(map(Fraction, fractions[: k + 1])) // 1 for k in range(3)]
        ends = boundaries(split, np.array([0, rows]), pd.Series(range(rows)))
        assert ends.tolist() == [[0, *exact]]


def test_a_time_cuts_within_a_day_and_belongs_to_the_later_split() -> None:
    hours = pd.Series(pd.date_range("2020-01-01", periods=48, freq="h"))
    split = ByDate(
        validation=datetime.datetime(2020, 1, 1, 6),
        test=datetime.datetime(2020, 1, 1, 8, 30),
        end=datetime.date(2020, 1, 2),
    )
    assert boundaries(split, np.array([0, 48]), hours).tolist() == [[0, 6, 9, 24]]


@pytest.mark.parametrize(
    ("validation", "test"),
    [("2020-01-01", "2020-01-10"), ("2020-01-10", "2020-01-10"), ("2020-01-10", "2020-02-01")],
)
def test_dates_that_leave_a_split_without_rows_are_an_error(validation: str, test: str) -> None:
    split = ByDate(
        validation=datetime.date.fromisoformat(validation), test=datetime.date.fromisoformat(test)
    )
    with pytest.raises(
        InputError,
        match=r"at least one row in each split, received .*\b0\b.* of the 20 rows of series 1 of 1",
    ):
        boundaries(split, np.array([0, 20]), DAYS[:20])


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (ByFraction, {"train": 0.7, "validation": 0.2, "test": 0.2}, "sum is at most 1"),
        (ByCount, {"train": "rest", "validation": 3, "test": "rest"}, "at most one `rest`"),
        (ByCount, {"train": 0, "validation": 3, "test": 1}, "greater than or equal to 1"),
    ],
)
def test_splits_that_cannot_be_are_refused(
    model: type, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(values)


NAMES = ["a", "b"]
DATE = datetime.date(2020, 1, 9)


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (8, [[0, 6, 8, 20], [20, 26, 28, 30]]),
        ({"b": 4, "a": 16}, [[0, 12, 16, 20], [20, 23, 24, 30]]),
        (DATE, [[0, 6, 8, 20], [20, 23, 24, 30]]),
        (datetime.datetime(2020, 1, 8, 0, 1), [[0, 6, 8, 20], [20, 23, 24, 30]]),
        ({"a": 12, "b": DATE}, [[0, 9, 12, 20], [20, 23, 24, 30]]),
    ],
)
def test_a_prefix_is_training_and_validation_and_all_else_is_test(
    until: object, expected: list[list[int]]
) -> None:
    split = ByPrefix.model_validate({"until": until, "validation": 0.25})
    assert boundaries(split, STARTS, DAYS, NAMES).tolist() == expected


def test_the_last_fifth_of_a_prefix_is_validation() -> None:
    for rows in range(3, 60):
        ends = boundaries(ByPrefix(until=rows), np.array([0, 60]), pd.Series(range(60)))
        size = ends[0, 2] - ends[0, 1]
        assert ends[0, [0, 2, 3]].tolist() == [0, rows, 60]
        assert abs(size - rows / 5) <= 0.5


def test_a_prefix_ends_at_a_time_of_its_own_zone() -> None:
    split = ByPrefix(until={"a": datetime.datetime(2020, 1, 9, 5), "b": 4})
    moved = split.on_clock(lambda time: time - pd.Timedelta("5h"))
    assert moved.until == {"a": pd.Timestamp("2020-01-09"), "b": 4}
    assert ByPrefix(until=DATE).on_clock(lambda time: time).until == pd.Timestamp("2020-01-09")
    assert ByPrefix(until=8).on_clock(lambda time: time).until == 8


@pytest.mark.parametrize(
    ("until", "message"),
    [
        (10, "test 0 of the 10 rows of series 2 of 2, 'b' "),
        (99, "train 16, validation 4, test 0 of the 20 rows of series 1 of 2, 'a' "),
        ({"a": 8, "b": 1}, "train 1, validation 0, test 9 of the 10 rows of series 2 of 2, 'b' "),
        (datetime.date(2030, 1, 1), "test 0 of the 20 rows of series 1 of 2, 'a' "),
        (datetime.date(2020, 1, 1), "train 0, validation 0, test 20 .* \\(2 such series\\)"),
        ({"a": 8}, "`until` of each series, received none of 'b' \\(1 wrong"),
        ({"a": 8, "b": 8, "c": 8}, "received one of 'c', which is not in the data \\(1 wrong"),
        ({"a": 8, "c": 8}, "received none of 'b' and one of 'c', which is not in the data"),
    ],
)
def test_a_prefix_that_cannot_be_is_an_error(until: object, message: str) -> None:
    split = ByPrefix.model_validate({"until": until})
    with pytest.raises(InputError, match=message):
        boundaries(split, STARTS, DAYS, NAMES)


def test_a_prefix_until_a_date_needs_dates() -> None:
    with pytest.raises(InputError, match="no dates"):
        boundaries(ByPrefix(until=DATE), STARTS, STEPS, NAMES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"until": 0}, "greater than or equal to 1"),
        ({"until": "9 January"}, "a time in quotes"),
        ({"until": 8, "validation": 1.0}, "less than 1"),
        ({"until": 8, "validation": 0.0}, "greater than 0"),
        ({"until": 8, "test": 2}, "Extra inputs"),
    ],
)
def test_prefixes_are_checked(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ByPrefix.model_validate(values)
