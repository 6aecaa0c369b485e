"""Columns of raw tables to numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.formats import NumberFormat, Reading
from stages.series.numbers import sentinels, to_numbers


def read(cells: list[Any], separator: str = ",", **options: Any) -> list[float]:
    number_format = NumberFormat(file="data/raw/x.csv", **options)
    reading = Reading(separator=separator)
    return to_numbers(pd.DataFrame({"y": cells}), number_format, reading)[:, 0].tolist()


@pytest.mark.parametrize(
    ("cells", "separator", "options", "expected"),
    [
        (["1", "-2.5", " 3 ", "1e3", "+4", ".5"], ",", {}, [1, -2.5, 3, 1000, 4, 0.5]),
        (["1,5", "2", "-0,25"], ";", {}, [1.5, 2, -0.25]),
        (["0,123", "0,500"], ";", {}, [0.123, 0.5]),
        (["1,234", "5,678"], ";", {"decimal": ","}, [1.234, 5.678]),
        (["1,234", "5,678"], ",", {"thousands": ","}, [1234, 5678]),
        (
            ["1.234,5", "12.345.678,25"],
            ";",
            {"thousands": ".", "decimal": ","},
            [1234.5, 12345678.25],
        ),
        (
            ["1 234,5", "1\u00a0234", "1\u202f234"],
            ";",
            {"thousands": " ", "decimal": ","},
            [1234.5, 1234, 1234],
        ),
        (["1'234.5", "7"], ",", {"thousands": "'"}, [1234.5, 7]),
        (["1.234", "5.678"], ",", {}, [1.234, 5.678]),
        (["1.234", "5.678"], ";", {"decimal": "."}, [1.234, 5.678]),
        (["1.234", "5.67"], ";", {}, [1.234, 5.67]),
        (["true", "False", "TRUE"], ",", {}, [1, 0, 1]),
        ([True, False, True], ",", {}, [1, 0, 1]),
        ([1, 2.5, "3"], ",", {}, [1, 2.5, 3]),
    ],
)
def test_numbers_are_read_as_they_are_written(
    cells: list[Any], separator: str, options: dict[str, Any], expected: list[float]
) -> None:
    assert read(cells, separator, **options) == expected


def test_codes_of_missing_values_become_nan() -> None:
    numbers = read(
        ["1", "", "NA", "nan", "null", "-9999", "-9999.0", "n.a.", "2"], missing=[-9999, "n.a."]
    )
    np.testing.assert_array_equal(numbers, [1, *[np.nan] * 7, 2])
    np.testing.assert_array_equal(read([1.0, None, -9999.0], missing=[-9999]), [1, np.nan, np.nan])


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("1,5", {"thousands": ","}),
        ("12.5", {"thousands": ".", "decimal": ","}),
        ("1 5", {"thousands": " "}),
    ],
)
def test_the_mark_between_thousands_is_not_a_decimal_mark(
    cell: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="between groups of three digits, received"):
        read(["7", cell], **options)


def test_codes_of_missing_values_may_be_text() -> None:
    np.testing.assert_array_equal(read([1.0, -1.0, 2.0], missing=["-1"]), [1, np.nan, 2])


def test_times_are_not_numbers() -> None:
    with pytest.raises(InputError, match="expected numbers, received times"):
        to_numbers(
            pd.DataFrame({"y": pd.date_range("2020-01-01", periods=3)}),
            NumberFormat(file="data/raw/x.csv"),
        )


@pytest.mark.parametrize(("mark", "separator"), [(",", ";"), (",", ","), (".", ";")])
def test_ambiguous_numbers_are_an_error_that_names_both_readings(mark: str, separator: str) -> None:
    with pytest.raises(
        InputError, match=r"one possible reading, .* set ingest.decimal to .* ingest.thousands to"
    ):
        read([f"1{mark}234", f"56{mark}789", "12"], separator)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("twelve", "'twelve'"),
        (np.inf, "inf"),
        ("inf", "'?inf'?"),
        ("1.234,5", "'1.234,5'.*thousands"),
    ],
)
def test_a_cell_that_is_not_a_finite_number_is_named(cell: Any, shown: str) -> None:
    with pytest.raises(InputError, match=rf"column 'y': .*received {shown}"):
        read([1, None, cell])


def test_a_column_of_text_is_told_from_a_code_of_missing_values() -> None:
    with pytest.raises(InputError, match=r"ingest.missing$"):
        read([1, 2, 3, "closed"])
    with pytest.raises(InputError, match=r"ingest.missing; if not, write it as a number"):
        read(["yes", "no", "no", 1])


def test_a_detected_decimal_comma_is_reported() -> None:
    reading = Reading(separator=";")
    to_numbers(pd.DataFrame({"y": ["1,5", "2,25"]}), NumberFormat(file="data/raw/x.csv"), reading)
    assert reading["decimal"] == ","


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, -9999, 2, -9999], {"-9999": 2}),
        ([1, 2, 3, 999, 2], {"999": 1}),
        ([1, 2, 3, 2.0**63], {"9.22337203685478e+18": 1}),
        ([1, 2, 3, 2.0**63, -999, -999, 2], {"9.22337203685478e+18": 1, "-999": 2}),
        ([990, 995, 999, 1005], {}),
        ([-9999, -10000, -9998, -5000], {}),
        ([1, 2, 3, 700], {}),
        ([np.nan, np.nan], {}),
    ],
)
def test_probable_codes_of_missing_values_are_found(
    values: list[float], expected: dict[str, int]
) -> None:
    assert sentinels(np.array(values, float)) == expected
