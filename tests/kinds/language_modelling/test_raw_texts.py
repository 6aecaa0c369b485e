"""Raw texts to a table of texts: every form of file, groups, and input that is wrong."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import check, ingest
from tests.kinds.language_modelling.project import LINES, write_parameters
from tests.tasks import error_of

TABLE = Path("data/ingested/x/table.parquet")

pytestmark = pytest.mark.usefixtures("project")

WRONG: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "not UTF-8": ("x.txt", b"fine\nnot \xff fine\n", {}, "received the byte 0xff at offset 9"),
    "empty file": ("x.txt", b"", {}, "received an empty file"),
    "white space": ("x.txt", b"  \n\n \n", {}, "received an empty file"),
    "broken gzip": ("x.txt.gz", b"no gzip", {}, "expected a gzipped file"),
    "one line": ("x.txt", b"a single line of text\n", {}, "at least one text in each split"),
    "empty column": ("x.csv", b"text,n\n,1\n,2\n,3\n", {"text": "text"}, "empty column 'text'"),
    "missing column": ("x.csv", b"words,n\nyes,1\n", {"text": "text"}, "'text'"),
    "numbers": (
        "x.jsonl",
        b'{"text": 1}\n{"text": 2}\n',
        {"text": "text"},
        "row 1: column 'text': expected text, received 1",
    ),
    "a table without its column": ("x.csv", b"text\nhello\n", {}, "expected ingest.text"),
    "missing key": (
        "x.jsonl",
        b'{"text": "a"}\n{"other": "b"}\n',
        {"text": "text"},
        "line 2: expected the key 'text', found 'other'",
    ),
    "broken JSON": (
        "x.jsonl",
        b'{"text": "a"}\n{"text": \n',
        {"text": "text"},
        "line 2: expected a JSON object",
    ),
    "missing group": (
        "x.csv",
        b"text\nhello\nyou\nall\n",
        {"text": "text", "group": "file_name"},
        "'file_name'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_raw_text_that_is_wrong_is_one_error_and_earlier_results_stay(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    before = TABLE.read_bytes()
    file, content, section, message = WRONG[name]
    Path("data/raw", file).write_bytes(content)
    write_parameters(ingest={"file": f"data/raw/{file}", **section})
    assert message in error_of(ingest.main, ["x"], monkeypatch)
    assert TABLE.read_bytes() == before


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("predict", {"top_p": 0.0}, "predict.top_p: expected greater than 0, received 0.0"),
        (
            "predict",
            {"top_p": 1.5},
            "predict.top_p: expected less than or equal to 1, received 1.5",
        ),
        (
            "predict",
            {"temperature": -1.0},
            "predict.temperature: expected greater than or equal to 0",
        ),
        ("train", {"members": 3}, "one member"),
        ("tokenize_text", {"unit": "syllables"}, "tokenize_text.unit"),
        (
            "ingest",
            {"split": "none"},
            "ingest.split: expected the keys train, validation, test or 'same', received 'none'",
        ),
        (
            "ingest",
            {"split": {"train": "/etc/passwd", "validation": "b", "test": "c"}},
            "error: params.yaml: tasks.x.ingest.split.train: ",
        ),
        (
            "ingest",
            {"split": {"train": 0.8, "test": 0.2}},
            "error: params.yaml: tasks.x.ingest.split.validation is missing",
        ),
        (
            "ingest",
            {"split": {"train": 8, "validation": 2, "test": "none"}},
            "error: params.yaml: tasks.x.ingest.split.test: expected",
        ),
    ],
)
def test_parameters_are_checked_before_any_stage_works(
    section: str, value: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parameters(**{section: value})
    assert message in error_of(check.main, [], monkeypatch)


def test_all_sources_of_the_same_texts_give_the_same_table() -> None:
    ingest.main(["x"])
    expected = pd.read_parquet(TABLE)
    text = Path("data/raw/x.txt").read_bytes()
    Path("data/raw/x.txt.gz").write_bytes(gzip.compress(text))
    Path("data/raw/bom.txt").write_bytes(b"\xef\xbb\xbf" + text)
    table = pd.DataFrame({"words": LINES})
    table.to_csv("data/raw/x.csv", index=False)
    table.to_csv("data/raw/x.tsv", index=False, sep="\t")
    table.to_parquet("data/raw/x.parquet", index=False)
    table.to_json("data/raw/x.jsonl", orient="records", lines=True)
    Path("data/raw/many").mkdir()
    for number in range(4):
        lines = LINES[number * 25 : number * 25 + 25]
        Path(f"data/raw/many/{number}.txt").write_text("\n".join(lines))
    plain = ["x.txt.gz", "bom.txt", "many"]
    for file in [*plain, "x.csv", "x.tsv", "x.parquet", "x.jsonl"]:
        text_column = {} if file in plain else {"text": "words"}
        write_parameters(ingest={"file": f"data/raw/{file}", **text_column})
        ingest.main(["x"])
        pd.testing.assert_frame_equal(pd.read_parquet(TABLE), expected)


def test_texts_of_a_group_are_in_one_split() -> None:
    rows = [
        {"module": f"m{row % 17}", "text": f"group {row % 17} text {row}"} for row in range(300)
    ]
    Path("data/raw/x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_parameters(ingest={"file": "data/raw/x.jsonl", "text": "text", "group": "module"})
    ingest.main(["x"])
    table = pd.read_parquet(TABLE)
    groups = table["text"].str.split().str[1]
    assert (table.groupby(groups)["split"].nunique() == 1).all()
    assert len(table) == 300
    np.testing.assert_allclose(np.bincount(table["split"]) / 300, [0.8, 0.1, 0.1], atol=0.06)
