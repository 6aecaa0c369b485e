"""Bad labels, windows and tables: one clear error, or a warning that counts."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import baseline, ingest, scale_and_window
from stages.errors import InputError
from tests import tasks
from tests.kinds.anomaly_detection.tables import (
    ANOMALIES,
    BY_COLUMN,
    BY_JSON,
    BY_WINDOWS,
    FOLDER,
    LABELS,
    PAIRS,
    ROWS,
    WINDOWS,
    ingested,
    marked,
    rows,
)

pytestmark = pytest.mark.usefixtures("folder")

START, END = PAIRS[0]
NAMED = "series,start,end\n" + f"NAME,{START},{END}\n"


def window(start: str, end: str) -> str:
    return f"start,end\n{start},{end}\n"


WRONG_WINDOWS = {
    "reversed": (
        window(END, START),
        r"ends that are not before their starts, received .* 08:00:00 to .* 06:00:00 of 'all' \(1",
    ),
    "overlapping": (
        WINDOWS + f"{END},{END}\n",
        "do not overlap, received .* 06:00:00 to .* 08:00:00 and .* 08:00:00 to .* write them as",
    ),
    "twice": (WINDOWS + WINDOWS.splitlines()[1], "windows that do not overlap"),
    "between rows": (
        window("2020-01-02 06:10", "2020-01-02 06:50"),
        r"a row of 'all' in each window, found none from .* 06:10:00 to .* \(1 such windows\); "
        "the rows are from 2020-01-01 00:00:00 to 2020-01-02 15:00:00",
    ),
    "outside": (window("2021-01-02", "2021-01-03"), "found none from 2021-01-02 00:00:00"),
    "no start": ("begin,end\n1,2\n", r"windows.csv: expected the column 'start', found 'begin'"),
    "empty": ("", "windows.csv: expected a table with a header line, received an empty file"),
    "no end in a row": (WINDOWS + f"{START},\n", "'end': .* found none in data row 3"),
    "no series in a row": (NAMED.replace("NAME", ""), "'series': .* found none in data row 1"),
    "numbers": (window("30", "32"), "expected dates, as the data's times are, received '30'"),
    "no times": (window("soon", "later"), "received 'soon': write them as the times of the data"),
    "an invalid date": (
        window(START, "2020-13-01 00:00"),
        r"received '2020-13-01 00:00': write them as the times of the data, or such as 2020-01-31",
    ),
    "either reading": (
        window("01/02/2020", "02/02/2020"),
        "both readings are possible in all rows: write them as the times of the data, or such as",
    ),
    "the year 9999": (window(START, "9999-01-01"), "between the years 1678 and 2261"),
    "an offset": (
        window("2020-01-02T06:00+05:00", "2020-01-02T08:00+05:00"),
        r"without an offset .* received some with \+05:00: leave it out, or set ingest.zone",
    ),
    "another series": (
        NAMED.replace("NAME", "shop"),
        "expected windows of 'all', 'a.csv', 'a', received those of 'shop'$",
    ),
    "a near name": (NAMED.replace("NAME", "alll"), r"those of 'alll' \(is it 'all'\?\)"),
}


@pytest.mark.parametrize("name", WRONG_WINDOWS)
def test_a_table_of_windows_that_is_wrong_is_one_error(name: str) -> None:
    content, message = WRONG_WINDOWS[name]
    with pytest.raises(InputError, match=message) as raised:
        ingested({"a.csv": rows(), "windows.csv": content}, **BY_WINDOWS)
    assert "ingest.time_format" not in str(raised.value)


WRONG_JSON = {
    "not JSON": ("{", r"windows\.json: expected JSON, received another text: Expecting"),
    "empty": ("", r"windows\.json: expected JSON, received another text: Expecting"),
    "a number": ("5", "expected a JSON object, received '5'"),
    "binary": (bytes(range(256)), r"windows\.json: expected text, received a NUL"),
    "deep": ('{"a": ' + "[" * 100_000, r"lists of \[start, end\], received deeper ones"),
    "one pair": ({"a": PAIRS[0]}, f"a list of .* received '{START}' for 'a'"),
    "three times": ({"a": [[START, START, END]]}, "a list of .* for 'a'"),
    "objects": ({"a": [{"start": START, "end": END}]}, r"a list of \[start, end\] .* for 'a'"),
    "null": ({"a": [[START, None]]}, "a list of .* None] for 'a'"),
    "a surrogate": ('{"a": [["\\ud800", "2020-01-02"]]}', r"a list of .* for 'a'"),
    "a series twice": ('{"a": [], "b": [], "a": []}', "each series once, found 'a' 2 times"),
    "a path twice": (
        {"x/a.csv": [], "y/a.csv": PAIRS},
        "windows of 'a' under one name, received 'x/a.csv' and 'y/a.csv'",
    ),
}


@pytest.mark.parametrize("name", WRONG_JSON)
def test_json_of_windows_that_is_wrong_is_one_error(name: str) -> None:
    content, message = WRONG_JSON[name]
    with pytest.raises(InputError, match=message) as raised:
        ingested({"a.csv": rows(), "windows.json": content}, **BY_JSON)
    assert len(str(raised.value)) < 400


def test_a_missing_file_of_windows_is_an_error() -> None:
    with pytest.raises(InputError, match=r"found none: put it there"):
        ingested({"a.csv": rows()}, **BY_WINDOWS)


def test_windows_are_in_a_folder_with_the_data() -> None:
    files = {"a.csv": rows(), "windows.csv": WINDOWS}
    with pytest.raises(InputError, match=r"the data and windows\.csv, received a file"):
        ingested(files, **BY_WINDOWS | {"file": "data/raw/d/a.csv"})
    with pytest.raises(InputError, match=r"data/raw/e: expected a folder .* found none"):
        ingested(files, **BY_WINDOWS | {"file": "data/raw/e"})
    (FOLDER / "a.csv").unlink()
    section = {"layout": "files", "time": "t", "windows": "windows.csv"}
    with pytest.raises(InputError, match=r"data/raw/d: expected tables beside windows\.csv"):
        ingested({}, **section)


def test_windows_without_series_in_a_table_of_several_are_an_error() -> None:
    section = {"layout": "files", "time": "t", "windows": "windows.csv"}
    files = {"a.csv": rows(), "b.csv": rows(), "windows.csv": WINDOWS}
    with pytest.raises(InputError, match="a column `series`, as the data has 2 series"):
        ingested(files, **section)


def test_windows_of_some_series_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    section = {"layout": "files", "time": "t", "windows": "windows.json"}
    windows = {"north": PAIRS, "x/suoth.csv": PAIRS, "west": [], "east": []}
    files = {"north.csv": rows(), "south.csv": rows(), "windows.json": windows}
    assert marked(files, **section) == {"north": ANOMALIES, "south": []}
    assert (
        "windows of 3 series that are not in the data are left out: 'x/suoth.csv', 'west', 'east' "
        "(is it 'south'?)"
    ) in caplog.text
    assert "names no window of south (1 such series)" in caplog.text


@pytest.mark.parametrize("content", ["start,end\n", "series,start,end\n"])
def test_no_windows_at_all_are_reported(content: str, caplog: pytest.LogCaptureFixture) -> None:
    assert marked({"a.csv": rows(), "windows.csv": content}, **BY_WINDOWS) == []
    assert "no row of test is in an anomaly" in caplog.text


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "yes", "1,0", "inf", "nan", "", None])
def test_other_labels_are_an_error_that_names_the_row(value: str | None) -> None:
    table = rows(label=[value, *LABELS[1:]])
    shown = re.escape(repr(value or ""))
    with pytest.raises(InputError, match=f"^column 'label': .* received {shown} in data row 1$"):
        ingested({"a.csv": table}, **BY_COLUMN)


def test_missing_labels_with_a_type_are_an_error() -> None:
    section = BY_COLUMN | {"parts": ["a.parquet"]}
    for kind in ("float64", "Int64"):
        column = pd.Series([0, None, *LABELS[2:]]).astype(kind)
        with pytest.raises(InputError, match=r"0 or 1 in every row, received .* in data row 2"):
            ingested({"a.parquet": rows(label=column)}, **section)


def test_a_missing_column_of_labels_is_an_error_that_names_its_file() -> None:
    with pytest.raises(InputError, match=r"d/a\.csv: expected the column 'label', found 't', 'y'"):
        ingested({"a.csv": rows()}, **BY_COLUMN)
    files = {"a.csv": rows(label=LABELS), "b.csv": rows()}
    with pytest.raises(InputError, match=r"d/b\.csv: expected the column 'label', found 't', 'y'"):
        ingested(files, layout="files", time="t", labels="label")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"windows": "windows.csv"}, "`labels` or `windows`, not both"),
        ({"layout": "columns"}, "for layout columns `windows` instead of `labels`"),
        ({"labels": "t"}, "nothing may learn from labels"),
        ({"labels": "y"}, "nothing may learn from labels"),
        ({"inputs": ["y", "label"]}, "nothing may learn from labels"),
        ({"series": "label"}, "nothing may learn from labels"),
        ({"series": "shop", "static": ["label"]}, "nothing may learn from labels"),
        ({"layout": "files", "labels": "series"}, "nothing may learn from labels"),
        ({"known": ["label"]}, "no `known` columns"),
        ({"inputs": ["z"]}, "all of `targets` among `inputs`"),
        ({"targets": ["anomaly"]}, "no values in a column that is called anomaly"),
        ({"labels": None, "windows": "w.csv", "parts": None}, "the names of the data's files in"),
        ({"labels": None, "windows": "../w.csv"}, "a path that stays in its folder"),
    ],
)
def test_parameters_that_cannot_be_are_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingested({}, **BY_COLUMN | section)


def test_a_pattern_finds_no_target_called_anomaly() -> None:
    table = rows(label=LABELS, anomaly=np.arange(ROWS))
    with pytest.raises(InputError, match=r"ingest\.targets: .* is called anomaly: rename"):
        ingested({"a.csv": table}, **BY_COLUMN | {"targets": "all"})
    section = BY_COLUMN | {"targets": "all", "labels": "anomaly"}
    assert marked({"a.csv": rows(anomaly=LABELS)}, **section) == ANOMALIES


def test_anomalies_that_are_taken_for_normal_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    label = np.isin(np.arange(ROWS), [3, 4, 8, 14, 15, 16, 17, 19, 20, 30])
    _, about = ingested({"a.csv": rows(label=label)}, **BY_COLUMN)
    assert about.anomalies == {"train": 3, "validation": 1, "test": 1}
    assert about.anomalous_rows == {"train": 5, "validation": 3, "test": 2}
    assert "5 rows of train are in anomalies (3 begin there)" in caplog.text
    assert "3 rows of validation are in anomalies (1 begin there)" in caplog.text
    assert "test" not in caplog.text


DATE, LATE, EARLY = (datetime.date(year, 1, 2) for year in (2020, 2030, 2010))


@pytest.mark.parametrize(
    ("until", "message"),
    [
        (ROWS, "train 32, validation 8, test 0 of the 40 rows"),
        (10**6, "train 32, validation 8, test 0 of the 40 rows"),
        (1, "train 1, validation 0, test 39"),
        (LATE, "train 32, validation 8, test 0"),
        (EARLY, "train 0, validation 0, test 40"),
        ({"al": 20}, r"received none of 'all' and one of 'al', which is not in the data \(2"),
        ({"all": 20, "b": 20}, r"received one of 'b', which is not in the data \(1"),
        ({}, r"received none of 'all' \(1"),
        (0, "greater than or equal to 1"),
        ("2 January", "a time in quotes"),
    ],
)
def test_an_until_that_cannot_be_is_an_error(until: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingested({"a.csv": rows(label=LABELS)}, **BY_COLUMN, split={"until": until})


def test_a_date_where_there_are_none_is_an_error() -> None:
    section = BY_COLUMN | {"time": None, "split": {"until": DATE}}
    with pytest.raises(InputError, match="as this table has no dates"):
        ingested({"a.csv": rows(label=LABELS)}, **section)


@pytest.mark.parametrize("gaps", ["error", "interpolate", "forward_fill", "keep"])
@pytest.mark.parametrize("frequency", [None, "h"])
def test_a_column_without_values_is_an_error(gaps: str, frequency: str | None) -> None:
    with pytest.raises(InputError, match=r"expected a value .*found none"):
        ingested(
            {"a.csv": rows(label=LABELS).assign(y=np.nan)},
            **BY_COLUMN | {"gaps": gaps, "frequency": frequency},
        )


def test_too_few_rows_are_an_error() -> None:
    for count in (1, 2):
        with pytest.raises(InputError, match=f"at least 3 different times .* received {count}"):
            ingested({"a.csv": rows(label=LABELS)[:count]}, **BY_COLUMN)
    with pytest.raises(InputError, match="expected at least one row of data"):
        ingested({"a.csv": rows(label=LABELS)[:0]}, **BY_COLUMN)


def write_task(table: pd.DataFrame, **section: Any) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    table.to_csv(FOLDER / "a.csv", index=False)
    entry: dict[str, Any] = {
        "kind": "anomaly_detection",
        "ingest": {**BY_COLUMN, "file": str(FOLDER), "targets": ["y"], "split": {"until": 20}},
        "scale_and_window": {"lookback": 2, "horizon": 1, "season": 1},
        "baseline": {"methods": ["random", "differences"], "window": 2},
    }
    entry["ingest"] |= section.pop("ingest", {})
    tasks.write_task(entry | section)


STEPS = np.arange(ROWS)
NO_EXAMPLES: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "constant": (np.ones(ROWS), {}, "'y': expected values that vary, received 1.0 in all training"),
    "constant in training": (STEPS // 20 * STEPS, {}, "received 0.0 in all training rows"),
    "no values": (
        np.full(ROWS, np.nan),
        {"gaps": "zero"},
        "a known target in the windows of train, received missing ones alone",
    ),
    "no values in test": (
        np.where(STEPS < 20, STEPS, np.nan),
        {"gaps": "interpolate"},
        "a known target in the windows of test, received missing ones alone",
    ),
    "few rows": (
        STEPS,
        {"split": {"until": 3, "validation": 0.4}},
        r"at least one window .* received {'train': 2, 'validation': 1, 'test': 37} rows in series",
    ),
    "too large for 32 bits": (
        np.where(STEPS == 30, -1e200, STEPS),
        {},
        r"32 bits can hold once they are scaled, received -1e\+200 \(1 such values\)",
    ),
    "too far apart for 64 bits": (
        np.where(STEPS % 2, 1.5e308, -1.5e308),
        {},
        "values that 32 bits can hold",
    ),
}


@pytest.mark.parametrize("name", NO_EXAMPLES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_tables_that_give_no_examples_are_one_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, section, message = NO_EXAMPLES[name]
    write_task(rows(label=LABELS).assign(y=values), ingest=section)
    ingest.main(["x"])
    error = tasks.error_of(scale_and_window.main, ["x"], monkeypatch)
    assert re.search(message, error), error


def test_no_anomaly_in_test_leaves_no_score_to_judge_by(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(rows(label=0))
    ingest.main(["x"])
    assert "no row of test is in an anomaly, so there is no score but alarm_rate" in caplog.text
    scale_and_window.main(["x"])
    error = tasks.error_of(baseline.main, ["x"], monkeypatch)
    assert "one of alarm_rate, received 'vus_pr', which needs labels, with an anomaly in" in error
    write_task(rows(label=0), evaluate={"score": "alarm_rate"})
    baseline.main(["x"])
    scores = json.loads(Path("data/baselines/x/scores.json").read_text())
    assert list(scores["random"]) == ["alarm_rate", "curve"]


def test_no_labels_leave_the_rate_of_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    write_task(rows(), ingest={"labels": None})
    ingest.main(["x"])
    about = json.loads(Path("data/ingested/x/about.json").read_text())
    assert (about["labelled"], about["anomalies"]) == (False, {})
    scale_and_window.main(["x"])
    error = tasks.error_of(baseline.main, ["x"], monkeypatch)
    assert "received 'vus_pr', which needs labels" in error
