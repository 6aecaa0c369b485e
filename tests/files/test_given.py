"""Texts that the command line gives in a file."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import given
from stages.formats import FileFormat

FORMAT = FileFormat(file="data/raw/x.csv")


def test_a_file_that_is_no_table_has_a_text_per_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt.gz"
    path.write_bytes(gzip.compress(b"one\n\n  \ntwo, three\r\n"))
    expected = [(f"{path}, line 1", "one"), (f"{path}, line 4", "two, three")]
    assert given.read(path, "source", FORMAT) == expected


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl", "texts.json", "texts.parquet"])
def test_of_a_table_the_column_is_read(name: str, tmp_path: Path) -> None:
    path, texts = tmp_path / name, ["one", "två\ntre"]
    table = pd.DataFrame({"other": ["a", "b"], "source": texts})
    if name.endswith(".csv"):
        table.to_csv(path, index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        rows = [json.dumps(row) for row in table.to_dict("records")]
        path.write_text("\n".join(rows) if name.endswith("l") else f"[{','.join(rows)}]")
    found = given.read(path, "source", FORMAT)
    assert found == [(f"{path}, row {number}", text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "\n \n", "expected at least one text, received none"),
        ("a.csv", "source,n\na,1\n ,2\n", "a.csv, row 2: expected a text, received an empty one"),
        ("a.csv", "target\na\n", "expected the column 'source', found 'target'"),
        ("a.jsonl", '{"source": 3}\n', "row 1: column 'source': expected text, received 3"),
    ],
)
def test_a_file_without_texts_is_one_error(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        given.read(path, "source", FORMAT)


def test_a_file_is_expected(tmp_path: Path) -> None:
    for path, found in ((tmp_path, "a folder"), (tmp_path / "none.txt", "none")):
        with pytest.raises(InputError) as error:
            given.read(path, "source", FORMAT)
        assert str(error.value) == f"expected a file at {path}, found {found}: correct --input"
