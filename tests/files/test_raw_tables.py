"""Raw tables, as people have them."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stages.errors import InputError
from stages.files import raw_parquet, raw_tables
from stages.formats import NumberFormat, Wanted


def read(
    path: Path, columns: list[str], numbers: tuple[str, ...] = (), **options: Any
) -> pd.DataFrame:
    wanted = Wanted(columns, numbers=lambda name: name in numbers)
    return raw_tables.read_raw(path, wanted, NumberFormat(file="data/raw/x.csv", **options))


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_quoted_line_breaks_tear_no_row(tmp_path: Path) -> None:
    texts = [f"poem {number}: roses are red,\nviolets are blue" for number in range(26_000)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["text"], *([text] for text in texts)])
    assert read(written(tmp_path, out.getvalue()), ["text"])["text"].tolist() == texts


def test_line_breaks_in_a_column_that_is_not_read_tear_no_row(tmp_path: Path) -> None:
    out = io.StringIO(newline="")
    rows = [[f"a\nb, {number}", number] for number in range(200_000)]
    csv.writer(out).writerows([["note", "y"], *rows])
    table = read(written(tmp_path, out.getvalue()), ["y"], ("y",))
    assert table["y"].tolist() == list(range(200_000))


def test_a_cell_of_three_megabytes_is_read(tmp_path: Path) -> None:
    for mark in ('"', ""):
        path = written(tmp_path, f"a,b\n1,{mark}{'x' * 3_000_000}{mark}\n2,y\n")
        assert read(path, ["a", "b"])["b"].str.len().tolist() == [3_000_000, 1]


CELL = st.text(st.sampled_from('ab1,;"\n\r\t \u2028\x85\x0cé'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_cells_equal_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], end: str, quote: bool
) -> None:
    assume(quote or not any("\r" in cell for row in rows for cell in row))
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerows([("one", "two"), *rows])
    path = written(tmp_path_factory.mktemp("csv"), out.getvalue())
    _, *parsed = csv.reader(io.StringIO(out.getvalue(), newline=""))
    expected = [tuple(row) for row in parsed if any(row)]
    table = read(path, ["one", "two"])
    assert list(zip(table["one"], table["two"], strict=True)) == expected


def test_text_is_what_is_written(tmp_path: Path) -> None:
    cells = [
        *("001", "1", "01", "12345678901234567890", "1E5", "1.0", "01012003", "2019-01-02"),
        *("true", "NA", "null", "nan", " x ", ""),
    ]
    path = written(tmp_path, "name,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert read(path, ["name", "y"], ("y",))["name"].tolist() == cells


FORMS: dict[str, tuple[bytes, str, dict[str, Any], dict[str, Any]]] = {
    "semicolons": (b"day;y\n2020-01-01;1,5\n", "x.csv", {}, {"separator": ";"}),
    "tabs in a .csv": (b"day\ty\n2020-01-01\t1.5\n", "x.csv", {}, {"separator": "\t"}),
    "bars": (b"day|y\n2020-01-01|1.5\n", "x.csv", {}, {"separator": "|"}),
    "a title": (
        b"Sales of 2020\n\nday,y\n2020-01-01,1.5\n",
        "x.csv",
        {},
        {"lines_above_header": 2},
    ),
    "comments": (b"# a, b\n# c\nday,y\n2020-01-01,1.5\n", "x.csv", {}, {"lines_above_header": 2}),
    "lines to skip": (
        b"day,y\nday,y\n2020-01-01,1.5\n",
        "x.csv",
        {"skip": 1},
        {"lines_above_header": 1},
    ),
    "a mark": (b"\xef\xbb\xbfday,y\n2020-01-01,1.5\n", "x.csv", {}, {}),
    "UTF-16": ("day,y\n2020-01-01,1.5\n".encode("utf-16"), "x.csv", {}, {"encoding": "utf-16-le"}),
    "UTF-16 without a mark": (
        "day,y\n2020-01-01,1.5\n".encode("utf-16-le"),
        "x.csv",
        {"encoding": "utf-16-le"},
        {},
    ),
    "capitals": (b"day,y\n2020-01-01,1.5\n", "x.CSV", {}, {}),
    "Windows": (b"day,y\r\n2020-01-01,1.5\r\n", "x.csv", {}, {}),
    "old Mac": (b"day,y\r2020-01-01,1.5\r", "x.csv", {}, {}),
    "no header": (b"2020-01-01,1.5\n", "x.csv", {"header": ["day", "y"]}, {}),
    "gzipped": (gzip.compress(b"day,y\n2020-01-01,1.5\n"), "x.csv.gz", {}, {}),
    "JSON": (json.dumps([{"day": "2020-01-01", "y": 1.5}]).encode(), "x.json", {}, {}),
    "JSON lines": (b'{"day": "2020-01-01", "y": 1.5}\n', "x.jsonl", {}, {}),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_file_in_another_form_is_the_same_table(name: str, tmp_path: Path) -> None:
    content, file, options, reading = FORMS[name]
    table = read(written(tmp_path, content, file), ["day", "y"], ("y",), **options)
    assert table["day"].tolist() == ["2020-01-01"]
    assert [str(value).replace(",", ".") for value in table["y"]] == ["1.5"]
    assert reading.items() <= table.attrs.get("reading", {}).items()


def test_columns_without_a_header_have_numbers_as_names(tmp_path: Path) -> None:
    path = written(tmp_path, "2020-01-01;1\n2020-01-02;2\n")
    assert read(path, ["1", "2"], header=False)["2"].tolist() == ["1", "2"]


def test_two_possible_separators_without_a_header_are_an_error(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "10;3,5\n11;4,5\n")
    with pytest.raises(InputError, match=r"received ',' and ';' in each row"):
        read(path, ["2"], header=False)
    assert read(path, ["2"], header=False, separator=";")["2"].tolist() == ["3,5", "4,5"]


def test_an_empty_line_of_a_single_column_is_an_empty_cell(tmp_path: Path) -> None:
    path = written(tmp_path, "y\n1\n\n3\n\n\n")
    np.testing.assert_array_equal(read(path, ["y"], ("y",))["y"], [1, np.nan, 3])
    assert read(path, ["y"])["y"].tolist() == ["1", "", "3"]


def test_rows_without_any_cell_below_a_table_are_left_out_and_counted(tmp_path: Path) -> None:
    table = read(written(tmp_path, "day,y\n2020-01-01,1\n,2\n,\n,\n"), ["day", "y"], ("y",))
    assert table["day"].tolist() == ["2020-01-01", ""]
    assert table.attrs["reading"]["empty_rows"] == 2
    assert len(read(written(tmp_path, "x,y\n1,1\n,\n3,3\n"), ["x", "y"], ("x", "y"))) == 3


def test_excel_sheets_are_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["About this file"])
    sheet = book.create_sheet("Data")
    for row in (
        ["Sales"],
        [],
        ["day", "shop", "y"],
        [pd.Timestamp("2020-01-01").to_pydatetime(), "001", 1.5],
        [pd.Timestamp("2020-01-02").to_pydatetime(), 2, None],
    ):
        sheet.append(row)
    book.save(tmp_path / "x.xlsx")
    table = read(tmp_path / "x.xlsx", ["day", "shop", "y"])
    assert table.attrs["reading"]["sheet"] == "Data"
    assert table["shop"].tolist() == ["001", 2]
    with pytest.raises(InputError, match=r"expected the sheet 'Other', found 'Sheet', 'Data'"):
        read(tmp_path / "x.xlsx", ["y"], sheet="Other")
    with pytest.raises(InputError, match="found 0 such"):
        read(tmp_path / "x.xlsx", ["z"])


@pytest.mark.parametrize("index", ["day", None, ["id", "day"]])
def test_the_index_of_a_parquet_table_is_columns(index: Any, tmp_path: Path) -> None:
    table = pd.DataFrame({"y": [1.0, 2.0]}, index=pd.date_range("2020-01-01", periods=2))
    if isinstance(index, list):
        table.index = pd.MultiIndex.from_arrays([["a", "b"], table.index], names=index)
    else:
        table.index.name = index
    table.to_parquet(tmp_path / "x.parquet")
    time = "index" if index is None else "day"
    times = read(tmp_path / "x.parquet", [time, "y"])[time]
    assert times.tolist() == pd.date_range("2020-01-01", periods=2).tolist()


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "x.csv", "an empty file"),
        (b"a,b\n1,2\n", "x.csv", "expected the column 'day', found 'a', 'b'"),
        (b"2020-01-01,1\n2020-01-02,2\n", "x.csv", "looks like data; .* ingest.header to false"),
        (b"day,y\n2020-01-01,1,5\n", "x.csv", "expected 2 fields .* received 3"),
        (b"day,y,y\n2020-01-01,1,5\n", "x.csv", "expected each column once, found 'y' 2 times"),
        (
            "d\xe9j\xe0,day,y\n1,2,3\n".encode("latin-1"),
            "x.csv",
            "expected UTF-8 text, received the byte 0xe9 .* ingest.encoding",
        ),
        (b"day,y\n\xe9,2\n", "x.csv", "expected UTF-8 text"),
        ("day,y\n1,2\n".encode("utf-16-le"), "x.csv", "NUL bytes: .* utf-16-le"),
        (b"day,y\n" + b"2020-01-01,1\n" * 10_000 + b"2020-01-01,\x001\n", "x.csv", "NUL byte"),
        (b'{"day": 1, "y": 2, "\\ud800": 3}\n', "x.jsonl", "half of a surrogate pair"),
        (b"\x1f\x8b\x08\x00broken", "x.csv.gz", "cannot be read"),
        (b"not parquet", "x.parquet", "cannot be read"),
        (b"not a book", "x.xlsx", "cannot be read"),
        (b'[{"day": 1}', "x.json", "cannot be read"),
        (b'[{"day": 1, "y": 2}, 3]', "x.json", "entry 2: expected a JSON object, received '3'"),
        (
            b'{"day": 1, "y": 2}\n[1, 2]\n',
            "x.jsonl",
            "line 2: expected a JSON object, received .* an array is read from",
        ),
        (b'{"day": 1, "y": 2}\n{"day": 1}\n', "x.jsonl", "line 2: expected the key 'y'"),
        (b"[" * 100_000, "x.jsonl", "nested too deeply"),
        (b"x", "x.doc", "expected a name that ends in"),
    ],
)
def test_a_file_without_the_wanted_table_is_one_error(
    content: bytes, name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(written(tmp_path, content, name), ["day", "y"], ("y",))
    assert len(str(caught.value).splitlines()) == 1


def test_hostile_metadata_of_pandas_is_not_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"day": ["a"], "y": [1.0]}).replace_schema_metadata({b"pandas": b"{broken"})
    pq.write_table(table, tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet", ["day", "y"])["y"].tolist() == [1.0]


def test_a_repeated_text_that_exceeds_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"day": ["x" * 100_000] * 2000}).to_parquet(tmp_path / "x.parquet")
    assert len(read(tmp_path / "x.parquet", ["day"])) == 2000
    monkeypatch.setattr(raw_parquet, "BYTES_PER_CELL", 10**6)
    with pytest.raises(InputError, match="fits into half of the free memory"):
        read(tmp_path / "x.parquet", ["day"])


def test_a_table_that_does_not_fit_into_memory_is_refused_before_it_is_read() -> None:
    with pytest.raises(InputError, match="fits into half of the free memory"):
        raw_parquet.check_memory(Path("x.parquet"), 10**13)
