"""Raw tables to tidy series."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import InputError
from stages.formats import NumberFormat
from stages.series import tidying
from stages.splits import ByCount

FORM = NumberFormat(file="data/raw/x.csv")
SPLIT = ByCount(train="rest", validation=2, test=2)


def table(values: list[float], times: Any = None, names: Any = "all") -> pd.DataFrame:
    times = pd.date_range("2021-03-01", periods=len(values), freq="D") if times is None else times
    return pd.DataFrame({"series": names, "time": times, "y": np.array(values, float)})


def tidy(
    source: pd.DataFrame,
    frequency: str | None = None,
    duplicates: str = "error",
    gaps: str = "error",
    split: Any = SPLIT,
) -> Any:
    return tidying.tidy(source, ["y"], frequency, duplicates, gaps, split)


def test_the_order_of_rows_changes_nothing_but_the_order_of_series() -> None:
    whole = pd.concat(
        [table(list(range(8)), names="b"), table(list(range(10, 20)), names="a")], ignore_index=True
    )
    expected, counts = tidy(whole)
    assert counts["was_sorted"]
    shuffled = pd.concat([whole.iloc[[0]], whole.iloc[1:].sample(frac=1, random_state=1)])
    result, counts = tidy(shuffled)
    assert not counts["was_sorted"]
    pd.testing.assert_frame_equal(result, expected)
    assert list(expected["series"].unique()) == ["b", "a"]
    assert counts["split_rows"] == {"train": 10, "validation": 4, "test": 4}


@pytest.mark.parametrize(("rule", "value"), [("first", 1.0), ("last", 5.0), ("mean", 3.0)])
def test_duplicates_are_kept_as_the_rule_says_and_counted(rule: str, value: float) -> None:
    source = table([0, 1, 2, 3, 4, 5, 6])
    source = pd.concat([source, source.iloc[[1]].assign(y=5.0)])
    result, counts = tidy(source, duplicates=rule)
    assert result["y"].tolist() == [0, value, 2, 3, 4, 5, 6]
    assert counts["duplicates"] == 1


def test_duplicates_are_an_error_that_names_the_time() -> None:
    source = table([0, 1, 2, 3, 4, 5])
    with pytest.raises(
        InputError,
        match=r"received 2021-03-02 00:00:00 of series 'all' again \(1 such rows\).*set "
        r"ingest.duplicates",
    ):
        tidy(pd.concat([source, source.iloc[[1]]]))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("interpolate", [0, 1, 1, 1, 4, 5, 6]),  # training ends with row 2
        ("forward_fill", [0, 1, 1, 1, 4, 5, 6]),
        ("zero", [0, 1, 0, 0, 4, 5, 6]),
    ],
)
def test_missing_times_and_values_are_filled_as_the_rule_says_and_marked(
    rule: str, expected: list[float]
) -> None:
    source = table([0, 1, np.nan, 3, 4, 5, 6]).drop(index=3)
    result, counts = tidy(source, gaps=rule)
    assert result["y"].tolist() == expected
    assert result["observed_y"].tolist() == [True, True, False, False, True, True, True]
    assert (counts["missing_times"], counts["missing_values"]) == (1, 2)


def test_gaps_are_an_error_that_names_the_first() -> None:
    with pytest.raises(InputError, match=r"found none at 2021-03-04 .*set ingest.gaps"):
        tidy(table([0, 1, 2, 3, 4, 5, 6]).drop(index=3))


def test_rows_count_as_steps_where_gaps_are_kept() -> None:
    source = table([0, 1, 2, 3, 4, 5, 6]).drop(index=3)
    result, counts = tidy(source, frequency="D", gaps="keep")
    assert result["y"].tolist() == [0, 1, 2, 4, 5, 6]
    assert counts["missing_times"] == 0


@pytest.mark.parametrize("rule", ["interpolate", "forward_fill"])
def test_filled_values_do_not_depend_on_later_splits(rule: str) -> None:
    values = [
        0.0,
        1,
        2,
        np.nan,
        np.nan,
        np.nan,
        6,
        7,
        8,
        9,
    ]  # rows 3 to 5 are missing: training ends with row 5
    later = [*values[:6], 60.0, 70, 80, 90]
    first, second = (tidy(table(source), gaps=rule)[0]["y"].tolist() for source in (values, later))
    assert first[:6] == second[:6] == [0, 1, 2, 2, 2, 2]


def test_a_series_that_begins_with_a_gap_cannot_be_filled_forward() -> None:
    with pytest.raises(InputError, match="fill it forward from"):
        tidy(table([np.nan, 1, 2, 3, 4, 5]), gaps="forward_fill")


def test_times_off_the_grid_are_an_error() -> None:
    times = [*pd.date_range("2021-03-01", periods=6, freq="h"), pd.Timestamp("2021-03-01 06:30")]
    with pytest.raises(InputError, match=r"'h' apart, received 2021-03-01 06:30:00"):
        tidy(table([0, 1, 2, 3, 4, 5, 6], times), frequency="h")


@pytest.mark.parametrize(
    ("times", "frequency"), [(list(range(7)), "D"), (pd.date_range("2020", periods=7), "1")]
)
def test_a_frequency_of_the_other_type_is_an_error(times: Any, frequency: str) -> None:
    with pytest.raises(InputError, match=rf"ingest.frequency: expected .* received '{frequency}'"):
        tidy(table([0, 1, 2, 3, 4, 5, 6], times), frequency)


def test_a_gap_that_would_fill_the_disk_is_an_error() -> None:
    times = [*pd.date_range("2021-03-01", periods=6, freq="s"), pd.Timestamp("2031-03-01")]
    with pytest.raises(InputError, match="more gaps than rows"):
        tidy(table([0, 1, 2, 3, 4, 5, 6], times), frequency="s", gaps="interpolate")


def test_rows_of_different_lengths_lose_only_the_blanks_at_their_end() -> None:
    first = pd.DataFrame({"id": ["a", "b"], "1": [1.0, 4], "2": [2.0, np.nan], "3": [3.0, np.nan]})
    second = pd.DataFrame({"id": ["a", "b"], "1": [10.0, np.nan], "2": [np.nan, 41]})
    result = tidying.stack_rows([first, second], "id", "y", FORM)
    expected = [
        ("a", 0, 1),
        ("a", 1, 2),
        ("a", 2, 3),
        ("a", 3, 10),
        ("b", 0, 4),
        ("b", 1, np.nan),
        ("b", 2, 41),
    ]
    pd.testing.assert_frame_equal(
        result, pd.DataFrame(expected, columns=["series", "time", "y"]), check_dtype=False
    )


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["a", "a"], "the series 'a' twice"), (["b", "a"], "same series in the same order")],
)
def test_rows_that_do_not_fit_are_an_error(ids: list[str], message: str) -> None:
    first = pd.DataFrame({"id": ["a", ids[1]], "1": [1.0, 2.0]})
    second = pd.DataFrame({"id": ids, "1": [1.0, 2.0]})
    with pytest.raises(InputError, match=message):
        tidying.stack_rows([first, second], "id", "y", FORM)


def test_a_row_without_values_is_named() -> None:
    with pytest.raises(InputError, match="found none for the series 'b'"):
        tidying.stack_rows([pd.DataFrame({"id": ["a", "b"], "1": [1.0, np.nan]})], "id", "y", FORM)


def test_columns_become_series() -> None:
    result = tidying.stack_columns(
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}), pd.Series([7, 8]), ["a", "b"], "y", FORM
    )
    assert result.to_numpy().tolist() == [["a", 7, 1], ["a", 8, 2], ["b", 7, 3], ["b", 8, 4]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_shuffled_rows_with_gaps_give_the_table_of_sorted_rows(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    tables = []
    for name in range(number):
        values = np.where(rng.random(14) < 0.2, np.nan, rng.normal(size=14))
        values[0] = 1.0
        inner = np.flatnonzero(rng.random(14) < 0.2)
        tables.append(
            table(values.tolist(), names=f"s{name}").drop(
                index=[row for row in inner if 0 < row < 13]
            )
        )
    whole = pd.concat(tables, ignore_index=True)
    heads = np.flatnonzero(~whole["series"].duplicated())
    rest = np.setdiff1d(np.arange(len(whole)), heads)
    expected, _ = tidy(whole, frequency="D", gaps="interpolate")
    result, _ = tidy(
        whole.iloc[[*heads, *rng.permutation(rest)]], frequency="D", gaps="interpolate"
    )
    pd.testing.assert_frame_equal(result, expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["interpolate", "forward_fill", "zero"]))
def test_filled_values_equal_a_loop_over_rows_up_to_the_end_of_the_split(
    seed: int, rule: str
) -> None:
    rng = np.random.default_rng(seed)
    split = ByCount(train=6, validation=4, test=3)
    raw = {name: np.where(rng.random(15) < 0.4, np.nan, rng.normal(size=15)) for name in ("a", "b")}
    for values in raw.values():
        values[0] = rng.normal()
    result, _ = tidy(
        pd.concat([table(values.tolist(), names=name) for name, values in raw.items()]),
        "D",
        gaps=rule,
        split=split,
    )
    for name, values in raw.items():
        expected = []
        for row, value in enumerate(values):
            end = next(stop for stop in (6, 10, 13, 15) if row < stop)
            left = max((k for k in range(row) if not np.isnan(values[k])), default=None)
            right = min((k for k in range(row + 1, end) if not np.isnan(values[k])), default=None)
            if not np.isnan(value):
                expected.append(value)
            elif rule == "zero":
                expected.append(0.0)
            elif rule == "forward_fill" or right is None or row >= 6:
                expected.append(values[left])
            else:
                expected.append(
                    values[left] + (values[right] - values[left]) * (row - left) / (right - left)
                )
        own = result[result["series"] == name]
        np.testing.assert_allclose(own["y"], expected, rtol=1e-12, atol=1e-12)
        assert own["observed_y"].tolist() == (~np.isnan(values)).tolist()


@pytest.mark.parametrize("rule", ["interpolate", "forward_fill", "zero"])
@pytest.mark.parametrize("end", [6, 10, 13])
def test_other_values_in_later_splits_change_no_earlier_filled_value(rule: str, end: int) -> None:
    values = np.array(
        [0, 1, np.nan, 3, np.nan, np.nan, np.nan, 7, np.nan, np.nan, np.nan, 11, np.nan, 13, 14]
    )
    changed = np.where(np.arange(15) < end, values, 1000 - 3 * values)
    split = ByCount(train=6, validation=4, test=3)
    first, second = (
        tidy(table(source.tolist()), gaps=rule, split=split)[0]["y"] for source in (values, changed)
    )
    assert first[:end].tolist() == second[:end].tolist()
    assert first[end:].tolist() != second[end:].tolist()


@pytest.mark.parametrize("rule", ["interpolate", "forward_fill", "zero"])
def test_no_window_of_validation_or_test_sees_what_comes_after_it(rule: str) -> None:
    values = np.array([0, 1, np.nan, 3, 4, 5, 6, np.nan, 8, np.nan, 10, np.nan, np.nan, 13, 14])
    split = ByCount(train=6, validation=4, test=5)
    for origin in range(6, 15):
        changed = np.where(np.arange(15) < origin, values, 1000 - 3 * values)
        first, second = (
            tidy(table(source.tolist()), gaps=rule, split=split)[0]["y"]
            for source in (values, changed)
        )
        assert first[:origin].tolist() == second[:origin].tolist()


def test_where_gaps_are_kept_empty_rows_are_dropped_and_half_empty_ones_refused() -> None:
    source = table([0, 1, 2, 3, 4, 5, 6, 7]).assign(z=1.0)
    source.loc[3, ["y", "z"]] = np.nan
    result, counts = tidying.tidy(source, ["y", "z"], "D", "error", "keep", SPLIT)
    assert result["y"].tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert (counts["raw_rows"], counts["rows"]) == (8, 7)
    source.loc[5, "z"] = np.nan
    with pytest.raises(
        InputError,
        match=r"column 'z': expected a value at every step, found none at 2021-03-06 .*1 missing "
        r"values",
    ):
        tidying.tidy(source, ["y", "z"], "D", "error", "keep", SPLIT)


def test_rows_after_the_splits_are_kept_without_a_split() -> None:
    result, counts = tidy(table(list(range(9))), split=ByCount(train=4, validation=2, test=1))
    assert result["split"].astype(object).where(result["split"].notna(), None).tolist() == (
        ["train"] * 4 + ["validation"] * 2 + ["test"] + [None] * 2
    )
    assert (counts["split_rows"], counts["rows_in_no_split"]) == (
        {"train": 4, "validation": 2, "test": 1},
        2,
    )


def test_series_may_begin_and_end_at_different_times() -> None:
    late = table([10, 11, 12, 13, 14], pd.date_range("2021-03-20", periods=5), names="late")
    result, counts = tidy(
        pd.concat([table([0, 1, 2, 3, 4, 5], names="early"), late]), frequency="D"
    )
    assert counts["missing_times"] == 0
    assert result["y"].tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert result["time"].iloc[[0, 5, 6, 10]].dt.day.tolist() == [1, 6, 20, 24]


def test_whole_numbers_off_the_grid_are_an_error_and_missing_ones_are_filled() -> None:
    with pytest.raises(
        InputError, match=r"'2' apart, received 7 which is off that grid \(1 such rows\)"
    ):
        tidy(table([0, 1, 2, 3, 4, 5], [0, 2, 4, 7, 8, 10]), frequency="2")
    result, _ = tidy(table([0, 1, 2, 4, 5, 6], [10, 12, 14, 18, 20, 22]), gaps="interpolate")
    assert result["time"].tolist() == [10, 12, 14, 16, 18, 20, 22]
    assert result["y"].tolist() == [0, 1, 2, 2, 4, 5, 6]  # training ends with the third row


def test_the_mean_of_duplicates_leaves_out_missing_values() -> None:
    source = table([0, np.nan, 2, 3, 4, 5])
    result, counts = tidy(
        pd.concat([source, source.iloc[[1, 1, 1]].assign(y=[7.0, 8.0, 12.0])]), duplicates="mean"
    )
    assert result["y"].tolist() == [0, 9, 2, 3, 4, 5]
    assert (counts["duplicates"], counts["missing_values"]) == (3, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4))
def test_stacked_rows_equal_those_of_a_loop(seed: int, number: int, names: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = [
        np.where(rng.random((names, width)) < 0.4, np.nan, rng.normal(size=(names, width)))
        for width in rng.integers(1, 6, number)
    ]
    blocks[0][:, 0] = 0  # a row without any value is an error
    tables = [
        pd.DataFrame(block, columns=[f"V{k}" for k in range(block.shape[1])]).assign(
            id=range(names)
        )
        for block in blocks
    ]
    expected = []
    for name in range(names):
        values: list[float] = []
        for block in blocks:
            row = block[name].tolist()
            while row and np.isnan(row[-1]):
                row.pop()
            values += row
        expected += [(str(name), time, value) for time, value in enumerate(values)]
    result = tidying.stack_rows(tables, "id", "y", FORM)
    assert result["series"].tolist() == [name for name, _, _ in expected]
    assert result["time"].tolist() == [time for _, time, _ in expected]
    np.testing.assert_array_equal(result["y"], [value for _, _, value in expected])
