"""Rows that come through a pipe: one by one, in portions or all at once the same is said of them as
in a file, and as the evaluation says of rows of the test split."""

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.kinds.anomaly_detection.streaming import Portion, portions
from tests.kinds.anomaly_detection.project import Pipe, Task, csv, hours, in_portions, lines, same

pytestmark = pytest.mark.usefixtures("stand_in")

KNOWN = 130  # the rows of a task's table; there are some more
ONE = {"time": "time", "targets": ["y"]}
TWO = {"time": "time", "series": "name", "targets": ["y", "z"], "gaps": "interpolate"}


def two_series() -> pd.DataFrame:
    """Returns two series whose rows alternate, with missing values and times: in a row, at the edge
    of what is known, and at the first and the last row behind it."""
    tables = []
    for seed, name in enumerate(["north", "süd"]):
        own = hours(KNOWN + 16, ["y", "z"], seed).assign(name=name)
        own.loc[KNOWN + 4 : KNOWN + 5, "y"] += 40
        own.loc[KNOWN - 2 + 2 * seed : KNOWN + 1 + seed, "y"] = np.nan
        own.loc[[KNOWN + 8, KNOWN + 9, KNOWN + 15], "z"] = np.nan
        tables.append(own.drop(index=[KNOWN + 11 + seed, KNOWN + 12]))
    return pd.concat(tables).sort_values("time", kind="stable")


def cut(table: pd.DataFrame, rows: int = KNOWN) -> tuple[pd.DataFrame, str]:
    """Returns the rows that are known, and the others as CSV."""
    first = table["time"].min() + pd.Timedelta(hours=rows)
    return table[table["time"] < first], csv(table[table["time"] >= first])


def behind(table: pd.DataFrame, last: str) -> pd.DataFrame:
    return table[table["time"] > last]


@pytest.mark.parametrize(
    ("reconstructs", "distance"), [(False, "mean"), (False, "mahalanobis"), (True, "mahalanobis")]
)
def test_rows_have_the_same_scores_however_they_come(reconstructs: bool, distance: str) -> None:
    table = two_series()
    known, newer = cut(table)
    sizes: dict[str, Any] = {"calendar": ["hour"], "mask": True}
    judgement = {"distance": distance}
    expected = Task(table, sizes, judgement, reconstructs=reconstructs, **TWO).detections
    expected = behind(expected, str(known["time"].max()))
    task = Task(known, sizes, judgement, reconstructs=reconstructs, **TWO)
    assert len(expected) == 2 * 16
    assert reconstructs or 0 < expected["alarm"].sum() < 20
    assert expected["seen_y"].isna().sum() == 2 + 3 + 2 + 1
    same(task.of_file(newer), expected)
    whole = task.of_pipe(newer)
    same(whole, expected)
    for size in (1, 7):
        # In the order in which they came, rows that were filled in before the next one.
        pieces = task.of_pipe(*in_portions(newer, size))
        pd.testing.assert_frame_equal(pieces, whole, rtol=1e-6)
    came = pd.read_csv(Path("newer.csv"))
    order = whole.merge(
        came[["time", "name"]], left_on=["time", "series"], right_on=["time", "name"]
    )
    assert order[["time", "name"]].to_numpy().tolist() == came[["time", "name"]].to_numpy().tolist()


def test_bytes_may_be_cut_anywhere() -> None:
    known, newer = cut(two_series())
    task = Task(known, **TWO)
    expected = task.of_pipe(newer)
    text = newer.rstrip("\n").replace("\n", "\r\n")  # and the last line may have no end
    rng = np.random.default_rng(0)
    edges = [0, *np.sort(rng.choice(np.arange(1, len(text)), 20, replace=False)), len(text)]
    pieces = [text[start:stop] for start, stop in pairwise(edges)]
    pd.testing.assert_frame_equal(task.of_pipe(*pieces), expected, rtol=1e-6)


def test_portions_are_whole_lines() -> None:
    def found(*pieces: str, header: bool = True) -> list[tuple[str, int]]:
        return [
            ((portion.header + b"|" + b"".join(portion.lines)).decode(), portion.first)
            for portion in portions(Pipe(pieces), header=header)
        ]

    assert found() == found("a") == found("a\n") == found("\n\na\n\n") == []
    assert found("\na\n1") == [("a\n|1", 3)]
    assert found("a", "b\n1\n2", "3\n", "4") == [("ab\n|1\n", 2), ("ab\n|23\n", 3), ("ab\n|4", 4)]
    # In a single column an empty line is a missing value, unless it is the end.
    assert found("a\n1\n\n", "\n2\n\n") == [("a\n|1\n", 2), ("a\n|\n\n2\n", 3)]
    assert found("1\n2\n", header=False) == [("|1\n2\n", 1)]
    first, second = Portion(b"", [b"\n", b"1\n", b"\n", b"2\n", b"3\n"], 7).divided()
    assert (first.lines, first.first, first.filled) == ([b"\n", b"1\n"], 7, [1])
    assert (second.lines, second.first, second.filled) == ([b"\n", b"2\n", b"3\n"], 9, [1, 2])


def test_a_large_file_is_read_in_portions_of_whole_lines() -> None:
    text = "a\n" + "".join(f"{number}\n" for number in range(30_000))
    found = list(portions(Pipe([text]), header=True))
    assert len(found) == 3
    assert b"".join(line for portion in found for line in portion.lines) == text[2:].encode()


def test_rows_without_times_follow_the_table_and_each_other() -> None:
    values = hours(KNOWN + 12)["y"].astype(str)
    values.iloc[[KNOWN, KNOWN + 6, KNOWN + 7]] = ""
    header, rows = "y\n", [f"{value}\n" for value in values]
    section = {"targets": ["y"], "gaps": "forward_fill"}
    expected = Task(header + "".join(rows), **section).detections
    task = Task(header + "".join(rows[:KNOWN]), **section)
    newer = header + "".join(rows[KNOWN:])
    expected = expected[expected["time"] >= KNOWN]
    for pieces in ([newer], in_portions(newer, 1), in_portions(newer, 7)):
        same(task.of_pipe(*pieces), expected)
    same(task.of_file(newer), expected)


@pytest.mark.parametrize("header", [True, False, ["time", "y"]])
def test_marks_of_numbers_are_those_of_the_task(header: Any) -> None:
    """A row alone does not tell whether 1,234 is more than 2, or whether a line has two fields or
    three."""
    table = hours(KNOWN + 10)
    table["y"] = (table["y"] / 10).round(3)
    text = table.to_csv(index=False, sep=";", decimal=",")
    first, *rows = text.splitlines(keepends=True)
    rows[0] = rows[0].split(",")[0] + "\n"
    section = {"time": "time", "targets": ["y"], "header": header}
    if header is False:
        section = {"time": "1", "targets": ["2"], "header": False}
    first = first if header is True else ""
    expected = Task(first + "".join(rows), **section).detections
    task = Task(first + "".join(rows[:KNOWN]), **section)
    expected = behind(expected, str(table["time"][KNOWN - 1]))
    newer = [first + rows[KNOWN], *rows[KNOWN + 1 :]]
    same(task.of_pipe(*newer), expected)
    same(task.of_pipe("".join(newer)), expected)
    if header is True:
        same(task.of_file("".join(newer)), expected)


def test_columns_come_in_any_order_with_others_beside_them() -> None:
    table = hours(KNOWN + 10, ["y", "z"])
    known, newer = cut(table)
    task = Task(known, time="time", targets="y|z")
    expected = task.of_pipe(newer)
    other = table.iloc[KNOWN:].assign(anomaly=1, note="a")[["note", "z", "anomaly", "y", "time"]]
    for pieces in ([csv(other)], in_portions(csv(other), 1)):
        pd.testing.assert_frame_equal(task.of_pipe(*pieces), expected, rtol=1e-6)


def test_columns_may_be_series() -> None:
    table = hours(KNOWN + 10, ["b", "a"])
    known, newer = cut(table)
    section: dict[str, Any] = {"time": "time", "targets": "all", "layout": "columns"}
    expected = behind(Task(table, **section).detections, str(known["time"].max()))
    task = Task(known, **section)
    found = task.of_pipe(newer)
    same(found, expected)
    assert found["series"].tolist() == ["b", "a"] * 10
    pd.testing.assert_frame_equal(task.of_pipe(*in_portions(newer, 1)), found, rtol=1e-6)
    same(task.of_file(newer), expected)


def test_files_may_be_series() -> None:
    table = hours(KNOWN + 10, ["y", "z"])
    Path("data/raw/sites").mkdir(parents=True)
    for name in ("a", "b"):
        table[:KNOWN].to_csv(f"data/raw/sites/{name}.csv", index=False)
    section: dict[str, Any] = {"file": "data/raw/sites", "layout": "files", **ONE}
    task = Task("", **section)
    expected = task.of_pipe(csv(table[KNOWN:].assign(series="b")))
    assert set(expected["series"]) == {"b"}
    with pytest.raises(InputError, match=r"line 2: expected a column 'series'.* 2 series"):
        task.of_pipe(csv(table[KNOWN:]))
    Path("data/raw/sites/a.csv").unlink()
    alone = Task("", **section)
    same(alone.of_pipe(csv(table[KNOWN:])), expected)


def test_times_keep_their_zone() -> None:
    """Their offset tells apart the two hours that a change of clocks makes of one."""
    table = hours(KNOWN + 4, first="2020-10-20")
    table["time"] = table["time"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    section = {"time": "time", "targets": ["y"], "zone": "Europe/Berlin", "frequency": "h"}
    expected = Task(table, {"calendar": ["hour"]}, **section).detections
    for known in (120, KNOWN):  # before and behind the change, at row 123
        task = Task(table[:known], {"calendar": ["hour"]}, **section)
        newer = csv(table[known:])
        for pieces in ([newer], in_portions(newer, 1)):
            own = expected.iloc[known - 100 :]
            pd.testing.assert_frame_equal(
                task.of_pipe(*pieces), own.reset_index(drop=True), rtol=1e-6
            )


@pytest.mark.parametrize(("frequency", "hour"), [("D", ""), ("h", " 00:00:00")])
def test_a_time_is_written_as_it_is_among_others(frequency: str, hour: str) -> None:
    """At midnight, where pandas leaves out the hours of a row alone."""
    table = hours(KNOWN + 24)
    table["time"] = pd.date_range("2020-03-27", periods=len(table), freq=frequency)
    known = table[: KNOWN + 14]
    assert table["time"][KNOWN + 14].hour == 0
    task = Task(known, **ONE)
    midnight = csv(table[KNOWN + 14 : KNOWN + 15])
    expected = f"{table['time'][KNOWN + 14].date()}{hour}"
    assert task.of_pipe(midnight)["time"].tolist() == [expected]
    assert task.of_file(midnight)["time"].tolist() == [expected]
    assert task.of_file(csv(table[KNOWN + 14 :]))["time"][0] == expected


def test_newer_rows_may_repeat_known_ones_in_a_file() -> None:
    table = hours(KNOWN + 10)
    known, _ = cut(table)
    expected = Task(table, **ONE).detections
    found = Task(known, **ONE).of_file(csv(table[KNOWN - 10 :]))
    same(found, behind(expected, str(table["time"][KNOWN - 11])))


def test_many_missing_rows_are_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A sensor that is silent for longer than the lookback; nothing is said of its rows."""
    table = hours(KNOWN + 25)
    table.loc[KNOWN + 3 : KNOWN + 22, "y"] = np.nan
    known, newer = cut(table.drop(index=range(KNOWN + 10, KNOWN + 20)))
    section = ONE | {"gaps": "interpolate"}
    expected = behind(Task(table, **section).detections, str(known["time"].max()))
    task = Task(known, **section)
    with caplog.at_level(logging.WARNING, logger="reprise"):
        for pieces in ([newer], in_portions(newer, 1), in_portions(newer, 7)):
            same(task.of_pipe(*pieces), expected)
        same(task.of_file(newer), expected)
        same(task.of_file("".join(lines(newer)[:-3])), expected[:-3])
    assert not caplog.records
    assert expected["score"].isna().sum() == 20


LATE = "2020-04-01 13:00:00,north,1,2"
BAD = {
    "2020-04-01 20:00:00,north,much,1": "column 'y': expected finite numbers",
    "2020-04-01 20:00:00,north,1": "expected 4 fields",
    "soon,north,1,2": "column 'time'",
    "2020-04-01 20:30:00,north,1,2": "off that grid",
    "2020-04-01 20:00:00,west,1,2": "expected series of the task, 'north', 'süd', received 'west'",
    "2020-04-01 20:00:00,,1,2": "expected a name",
    LATE: (
        "expected rows after 2020-04-01 13:00:00, the last one of series 'north', received one of "
        "2020-04-01 13:00:00"
    ),
    "2020-03-30 00:00:00,süd,1,2": (
        "expected rows after 2020-04-01 12:00:00, the last one of series 'süd', received one of "
        "2020-03-30 00:00:00"
    ),
}


def test_rows_before_a_bad_one_are_answered() -> None:
    table = pd.concat([hours(KNOWN + 6).assign(name=name) for name in ("north", "süd")])
    table["z"] = table["y"] + 1
    known, newer = cut(table.sort_values("time", kind="stable")[["time", "name", "y", "z"]])
    task = Task(known, **TWO)
    good = lines(newer)
    expected = "".join(task.follow(["".join(good[:7])]))
    assert expected.count("\n") == 1 + 7
    for line, size in [*((line, 100) for line in BAD), (LATE, 1), (LATE, 3)]:
        broken = "".join([*good[:7], f"{line}\n", *good[7:]])
        answers = []
        with pytest.raises(InputError) as error:
            answers.extend(task.follow(in_portions(broken, size)))
        assert str(error.value).startswith("standard input, line 9: ")
        assert BAD[line] in str(error.value)
        assert str(error.value).count("standard input") == 1
        assert "".join(answers) == expected


def test_a_header_without_a_column_is_an_error_at_the_first_row() -> None:
    task = Task(hours(KNOWN), **ONE)
    with pytest.raises(InputError, match=r"^standard input, line 2: .* column 'y'"):
        task.of_pipe("time,x\n2020-04-01 10:00:00,1\n2020-04-01 11:00:00,1\n")


def test_no_rows_have_no_answer() -> None:
    task = Task(hours(KNOWN), **ONE)
    header = "time,series,score,threshold,alarm,seen_y,expected_y\n"
    for pieces in ([], ["time,y\n"], ["\n"], ["time,y"]):
        assert "".join(task.follow(pieces)) == header
    assert task.of_pipe("time,y\n,\n").empty


def test_a_row_is_answered_before_the_next_one_is_read() -> None:
    table = hours(KNOWN + 3)
    known, newer = cut(table)
    read = []

    def coming() -> Iterator[str]:
        for line in lines(newer):
            read.append(line)
            yield line

    answers = Task(known, **ONE).follow(coming())
    assert next(answers).startswith("time,series,score")
    for number, answer in enumerate(answers, 1):
        assert len(read) == number
        assert answer.startswith(str(table["time"][KNOWN + number - 1]))
    assert number == 3


def test_a_layout_without_rows_of_times_cannot_be_followed() -> None:
    table = pd.DataFrame({"name": ["a"], **{str(step): [step % 7] for step in range(KNOWN)}})
    task = Task(table, layout="rows", series="name", targets=["y"])
    with pytest.raises(InputError, match="--follow: expected a layout with rows of times"):
        task.of_pipe("a\n1\n")


def test_series_that_were_dropped_are_not_followed() -> None:
    table = pd.concat([hours(KNOWN).assign(name="long"), hours(104).assign(name="short")])
    section = {"time": "time", "series": "name", "targets": ["y"]}
    split = {"until": {"long": 100, "short": 100}, "validation": 0.4}
    task = Task(table, {"short_series": "drop", "horizon": 5}, split=split, **section)
    assert task.data.examples.dropped_series == ["short"]
    assert set(task.detections["series"]) == {"long"}
    rows = hours(KNOWN + 2).assign(name="short")[KNOWN:]
    for said in (task.of_pipe, task.of_file):
        with pytest.raises(InputError, match="expected series of the task, 'long', received 'sho"):
            said(csv(rows))
        assert len(said(csv(rows.assign(name="long")))) == 2


def test_steps_whatever_their_times_are_followed() -> None:
    raw = hours(KNOWN + 10).drop(index=[118, 119, KNOWN + 4, KNOWN + 5]).reset_index(drop=True)
    section = ONE | {"gaps": "keep", "frequency": "h"}
    known, newer = cut(raw)
    expected = Task(raw, {"calendar": ["hour"]}, **section).detections
    task = Task(known, {"calendar": ["hour"]}, **section)
    expected = behind(expected, str(known["time"].max()))
    for pieces in ([newer], in_portions(newer, 1)):
        same(task.of_pipe(*pieces), expected)
    same(task.of_file(newer), expected)
    assert len(expected) == 8
