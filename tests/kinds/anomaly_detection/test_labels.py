"""Labels from a column and from windows: whatever they are written in, the same rows are marked."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from tests.kinds.anomaly_detection.tables import (
    ANOMALIES,
    BY_COLUMN,
    BY_JSON,
    BY_WINDOWS,
    HOURS,
    LABELS,
    PAIRS,
    ROWS,
    UNTIL,
    WINDOWS,
    gzipped,
    ingested,
    marked,
    rows,
)

pytestmark = pytest.mark.usefixtures("folder")

DAYS = pd.date_range("2020-01-01", periods=ROWS)
BERLIN = pd.date_range("2020-10-24 20:00", periods=ROWS, freq="h", tz="Europe/Berlin")


def test_a_column_and_windows_of_the_same_anomalies_give_the_same_table() -> None:
    by_column, about = ingested({"a.csv": rows(label=LABELS)}, **BY_COLUMN)
    by_windows, same = ingested({"a.csv": rows(), "windows.csv": WINDOWS}, **BY_WINDOWS)
    pd.testing.assert_frame_equal(by_column, by_windows)
    assert about == same
    assert about.labelled
    assert about.anomalies == {"train": 0, "validation": 0, "test": 2}
    assert about.anomalous_rows == {"train": 0, "validation": 0, "test": 4}
    assert np.flatnonzero(by_column["anomaly"]).tolist() == ANOMALIES


@pytest.mark.parametrize(
    ("zero", "one"),
    [
        ("0", "1"),
        ("false", "true"),
        ("False", "TRUE"),
        ("0.0", "1.0"),
        ("0.000", " 1"),
        ("-0", "1"),
    ],
)
def test_a_column_of_text(zero: str, one: str) -> None:
    column = [one if label else zero for label in LABELS]
    assert marked({"a.csv": rows(label=column)}, **BY_COLUMN) == ANOMALIES


@pytest.mark.parametrize("kind", ["int64", "bool", "float32", "Int8", "category"])
def test_a_column_with_a_type(kind: str) -> None:
    section = BY_COLUMN | {"parts": ["a.parquet"]}
    table = rows(label=pd.Series(LABELS).astype(kind))
    assert marked({"a.parquet": table}, **section) == ANOMALIES


def test_a_column_of_json() -> None:
    lines = rows(HOURS.astype(str), label=LABELS > 0).to_json(orient="records", lines=True)
    assert marked({"a.jsonl": lines}, **BY_COLUMN | {"parts": ["a.jsonl"]}) == ANOMALIES


@pytest.mark.parametrize(
    "content",
    [
        WINDOWS.replace(",", ";"),
        "note,end,start\n" + "".join(f'"a\nb",{end},{start}\n' for start, end in PAIRS[::-1]),
        "# windows\n" + WINDOWS,
        ("\ufeff" + WINDOWS.replace("\n", "\r\n")).encode(),
        WINDOWS.encode("utf-16"),
        WINDOWS.replace(":00:00", ":00"),
        WINDOWS.replace("06:00:00", "05:00:01").replace("08:00:00", "08:59"),
        WINDOWS.replace("end\n", "end,series\n").replace(":00\n", ":00,all\n"),
        WINDOWS.replace("end\n", "end,series\n").replace(":00\n", ":00,d/a.csv\n"),
    ],
)
def test_windows_as_a_table(content: str | bytes) -> None:
    files = {"a.csv": rows(), "windows.csv": content}
    assert marked(files, **BY_WINDOWS) == ANOMALIES


@pytest.mark.parametrize("fraction", ["", ".000000", ".5"])
@pytest.mark.parametrize("path", ["a", "a.csv", "real/a.csv", "real/a.csv.gz"])
def test_windows_as_nab_has_them(path: str, fraction: str) -> None:
    pairs = [[start, end + fraction] for start, end in PAIRS]
    files = {"a.csv": rows(), "windows.json": {path: pairs, "real/b.csv": [["2014-04-10", "x"]]}}
    assert marked(files, **BY_JSON) == ANOMALIES


def test_windows_in_a_gzipped_file_and_as_json_records() -> None:
    text = gzipped(json.dumps({"a": PAIRS}))
    section = BY_JSON | {"windows": "windows.json.gz"}
    assert marked({"a.csv": rows(), "windows.json.gz": text}, **section) == ANOMALIES
    records = [dict(zip(("start", "end"), pair, strict=True)) for pair in PAIRS]
    assert marked({"a.csv": rows(), "windows.json": records}, **BY_JSON) == ANOMALIES
    table = pd.DataFrame(PAIRS, columns=["start", "end"]).apply(pd.to_datetime)
    section = BY_JSON | {"windows": "windows.parquet"}
    assert marked({"a.csv": rows(), "windows.parquet": table}, **section) == ANOMALIES


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        (DAYS, "2020-01-31", "2020-02-02"),
        (DAYS.strftime("%d/%m/%Y"), "31/01/2020", "02/02/2020"),
        (DAYS.strftime("%d/%m/%Y"), "2020-01-31", "2020-02-02"),
        (HOURS.tz_localize("+02:00"), "2020-01-02T04:00Z", "2020-01-02T06:00Z"),
        (HOURS.tz_localize("+02:00"), "2020-01-02 06:00", "2020-01-02 08:00"),
        (range(ROWS), "30", "32"),
        (range(ROWS), "30.0", "32.0"),
        # These look like dates, but the data's times are known to be numbers.
        (range(20200000, 20200000 + 101 * ROWS, 101), "20203030", "20203232"),
        ([f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(ROWS)], "2007Q3", "2008Q1"),
    ],
)
def test_times_are_read_as_those_of_the_data(times: Any, start: str, end: str) -> None:
    files = {"a.csv": rows(times), "windows.csv": f"start,end\n{start},{end}\n"}
    assert marked(files, **BY_WINDOWS) == [30, 31, 32]


def test_times_of_a_zone() -> None:
    section = BY_JSON | {"zone": "Europe/Berlin"}
    table = rows(BERLIN)  # The hours from two to three are the rows 6 and 7.
    clock = {"a": [["2020-10-25 01:00", "2020-10-25 03:00"]]}
    assert marked({"a.csv": table, "windows.json": clock}, **section) == [5, 6, 7, 8]
    second = {"a": [["2020-10-25T02:00+01:00", "2020-10-25T02:00+01:00"]]}
    assert marked({"a.csv": table, "windows.json": second}, **section) == [7]
    unclear = {"a": [["2020-10-25 02:00", "2020-10-25 02:00"]]}
    with pytest.raises(InputError, match=r"change of its clocks .*: give times with their offset"):
        ingested({"a.csv": table, "windows.json": unclear}, **section)


def test_rows_without_times_are_steps() -> None:
    by_steps = BY_WINDOWS | {"time": None}
    windows = "start,end\n30,32\n36,36\n"
    assert marked({"a.csv": rows(), "windows.csv": windows}, **by_steps) == ANOMALIES
    halves = rows(label=LABELS)
    files = {"a.csv": halves[:25], "b.csv": halves[25:]}
    section = BY_COLUMN | {"time": None, "parts": ["a.csv", "b.csv"]}
    assert marked(files, **section) == ANOMALIES


SHOPS = {"01": ANOMALIES, "1": []}


def shops(**columns: dict[str, Any]) -> pd.DataFrame:
    """Returns the rows of two series, mixed."""
    tables = [
        rows(shop=shop, **{name: values[shop] for name, values in columns.items()})
        for shop in SHOPS
    ]
    return pd.concat(tables, ignore_index=True).sample(frac=1, random_state=1)


def test_several_series_in_a_table() -> None:
    table = shops(label={"01": LABELS, "1": 0})
    section = BY_COLUMN | {"series": "shop"}
    assert marked({"a.csv": table}, **section) == SHOPS
    windows = "series,start,end\n" + "".join(f"01,{start},{end}\n" for start, end in PAIRS)
    files = {"a.csv": table, "windows.csv": windows}
    assert marked(files, **BY_WINDOWS | {"series": "shop"}) == SHOPS


def test_the_same_anomaly_in_two_series_stays_in_each() -> None:
    section = BY_COLUMN | {"series": "shop"}
    _, about = ingested({"a.csv": shops(label={"01": 1, "1": 1})}, **section)
    assert about.anomalies == {"train": 2, "validation": 0, "test": 0}
    assert about.anomalous_rows == {"train": 32, "validation": 8, "test": 40}


@pytest.mark.parametrize("parts", [None, ["p/a.csv", "q/b.csv"]])
def test_files_are_series(parts: list[str] | None) -> None:
    a, b = parts or ("a.csv", "b.csv")
    section = {"layout": "files", "time": "t", "parts": parts}
    files = {a: rows(label=LABELS), b: rows(label=LABELS[::-1])}
    expected = {"a": ANOMALIES, "b": [3, 7, 8, 9]}
    assert marked(files, **section, labels="label") == expected
    windows = {a: PAIRS, "b": [[str(HOURS[3]), str(HOURS[3])], [str(HOURS[7]), str(HOURS[9])]]}
    files = {a: rows(), b: rows(), "windows.json": windows}
    assert marked(files, **section, windows="windows.json") == expected


def test_columns_are_series() -> None:
    wide = rows(z=range(ROWS)).rename(columns={"y": "a", "z": "b"})
    windows = "series,start,end\n" + "".join(f"a,{start},{end}\n" for start, end in PAIRS)
    section = BY_WINDOWS | {"layout": "columns", "targets": "all"}
    expected = {"a": ANOMALIES, "b": []}
    assert marked({"a.csv": wide, "windows.csv": windows}, **section) == expected
    steps = "series,start,end\na,30,32\na,36,36\n"
    section |= {"time": None, "targets": ["a", "b"]}
    assert marked({"a.csv": wide, "windows.csv": steps}, **section) == expected


def test_windows_of_the_parts_of_one_series() -> None:
    windows = {"x/a.csv": [PAIRS[0]], "x/b.csv": [PAIRS[1]]}
    files = {"a.csv": rows()[:35], "b.csv": rows()[35:], "windows.json": windows}
    assert marked(files, **BY_JSON | {"parts": ["a.csv", "b.csv"]}) == ANOMALIES


def test_a_path_is_that_of_another_file_where_the_series_has_its_own() -> None:
    windows = {"y/a.csv": [[str(HOURS[25]), str(HOURS[26])]], "x/a.csv": PAIRS}
    files = {"x/a.csv": rows(), "windows.json": windows}
    section = {"layout": "files", "time": "t", "parts": ["x/a.csv"], "windows": "windows.json"}
    assert marked(files, **section) == {"a": ANOMALIES}


def test_labels_follow_rows_that_are_sorted() -> None:
    mixed = rows(label=LABELS).sample(frac=1, random_state=1)
    assert marked({"a.csv": mixed}, **BY_COLUMN) == ANOMALIES


def again(numbers: list[int], labels: list[int]) -> pd.DataFrame:
    """Returns the table with some rows again behind it, which have other labels."""
    table = rows(label=LABELS)
    return pd.concat([table, table.iloc[numbers].assign(label=labels)])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", ANOMALIES),
        ("last", [25, 31, 32, 33]),
        ("mean", [25, 30, 31, 32, 33, 36]),
    ],
)
def test_labels_of_duplicates_are_those_of_the_rows_that_are_kept(
    rule: str, expected: list[int]
) -> None:
    table = again([30, 36, 25, 33, 33, 33, 32, 32], [0, 0, 1, 1, 0, 1, 0, 1])
    assert marked({"a.csv": table}, **BY_COLUMN, duplicates=rule) == expected
    # A time may come between others in a table that is not sorted.
    assert (
        marked({"a.csv": table.sort_values("t", kind="stable")}, **BY_COLUMN, duplicates=rule)
        == expected
    )


def test_missing_times_within_an_anomaly_are_of_it() -> None:
    table = rows(label=LABELS).drop([25, 31, 35])
    assert marked({"a.csv": table}, **BY_COLUMN, gaps="interpolate") == ANOMALIES
    files = {"a.csv": table, "windows.csv": WINDOWS}
    assert marked(files, **BY_WINDOWS, gaps="interpolate") == ANOMALIES


def test_missing_values_keep_their_labels() -> None:
    table = rows(label=LABELS)
    table.loc[[25, 32, 36], "y"] = np.nan
    assert marked({"a.csv": table}, **BY_COLUMN, gaps="forward_fill") == ANOMALIES


def test_rows_that_are_steps_keep_their_labels(caplog: pytest.LogCaptureFixture) -> None:
    table = rows(label=LABELS)
    table.loc[[10, 31], "y"] = np.nan
    section = BY_COLUMN | {"gaps": "keep"}
    assert marked({"a.csv": table}, **section) == [29, 30, 34]
    assert "left out" not in caplog.text
    table.loc[36, "y"] = np.nan
    assert marked({"a.csv": table}, **section) == [29, 30]
    assert "1 anomalies are left out" in caplog.text
    files = {"a.csv": table.drop(columns="label"), "windows.csv": WINDOWS}
    with pytest.raises(InputError, match=r"a row of 'all' in each window, .* 12:00:00 to"):
        ingested(files, **BY_WINDOWS, gaps="keep")


def test_rows_in_no_split_have_labels_that_count_nowhere() -> None:
    split = {"train": UNTIL, "validation": 5, "test": 6}
    _, about = ingested({"a.csv": rows(label=LABELS)}, **BY_COLUMN, split=split)
    assert about.anomalies == {"train": 0, "validation": 0, "test": 1}
    assert about.anomalous_rows == {"train": 0, "validation": 0, "test": 1}


def test_a_column_of_labels_is_no_target() -> None:
    table = rows(z=np.arange(ROWS), label=LABELS)
    _, about = ingested({"a.csv": table}, **BY_COLUMN | {"targets": "all"})
    assert about.targets == about.inputs == ["y", "z"]


def test_a_title_like_the_column_of_labels_is_no_header() -> None:
    text = "label\n" + rows(label=LABELS).to_csv(index=False)
    assert marked({"a.csv": text}, **BY_COLUMN) == ANOMALIES


def test_random_labels_against_a_loop() -> None:
    rng = np.random.default_rng(1)
    for rule, chosen in (("first", min), ("last", max), ("mean", None)):
        label, shop = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
        table = rows(rng.integers(0, 50, 200), label=label, shop=[f"s{number}" for number in shop])
        section = BY_COLUMN | {"series": "shop", "gaps": "keep", "frequency": "1"}
        tidy, _ = ingested({"a.csv": table}, **section, duplicates=rule, split={"until": 12})
        for name, time, found in tidy[["series", "time", "anomaly"]].itertuples(index=False):
            same = np.flatnonzero((table["shop"] == name) & (table["t"] == time))
            expected = label[chosen(same)] if chosen else label[same].max()
            assert found == expected, (rule, name, time)
