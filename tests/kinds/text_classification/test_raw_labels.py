"""Raw texts with labels to a table: every form of file, splits, and input that is wrong."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import check, ingest
from stages.files.task_data import IngestedTable
from stages.kinds.text_classification import Ingested
from tests.kinds.text_classification.project import TABLE, write_parameters
from tests.tasks import error_of, write_raw

PARQUET = Path("data/ingested/x/table.parquet")
COUNTS = {"train": 2, "validation": 2, "test": 2}
FOLDER = {"file": "data/raw/texts", "label": "folder"}

pytestmark = pytest.mark.usefixtures("project")


def table_of(**section: Any) -> tuple[pd.DataFrame, Ingested]:
    write_parameters(ingest=section)
    ingest.main(["x"])
    return pd.read_parquet(PARQUET), IngestedTable(PARQUET.parent, Ingested).about


def rows(*pairs: tuple[str, str]) -> str:
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in pairs)


PAIRS = [("one", "a"), ("two", "b"), ("three", "a"), ("four", "b"), ("five", "b"), ("six", "a")]
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no label column": ("text,other\nyes,1\n", {}, "expected the column 'label', found 'text'"),
    "no text column": ("words,label\nyes,1\n", {}, "expected the column 'text'"),
    "empty labels": ("text,label\nyes,\nno,\n", {}, "received only empty ones in 'label'"),
    "one class": (
        rows(*[(text, "a") for text, _ in PAIRS]),
        {},
        "expected at least two labels in the training texts, received 'a' alone",
    ),
    "one class in training": (
        rows(*sorted(PAIRS, key=lambda pair: pair[1])),
        {"split": {"train": 2, "validation": 1, "test": 3}},
        "expected each label in training texts too, received 'b' in test alone",
    ),
    "a class of test": (
        rows(*PAIRS[:5], ("six", "c")),
        {},
        "received 'c' in test alone (1 such labels; training has 'a', 'b')",
    ),
    "a class of validation": (
        rows(*PAIRS[:2], ("three", "c"), *PAIRS[3:]),
        {},
        "received 'c' in validation alone",
    ),
    "no texts": (rows((" ", "a"), ("", "b")), {}, "received 2 rows with an empty text"),
    "too few": (rows(*PAIRS[:3]), {}, "expected at most 3 in all"),
    "no text in a split": (
        rows(*PAIRS),
        {"split": {"train": 0.9, "validation": 0.05, "test": 0.05}},
        "expected at least one text with a label in each split",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_error_and_earlier_results_stay(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    before = PARQUET.read_bytes()
    content, section, message = WRONG[name]
    write_raw("films.csv", content)
    write_parameters(ingest={"split": COUNTS, "shuffle": None, **section})
    assert message in error_of(ingest.main, ["x"], monkeypatch)
    assert PARQUET.read_bytes() == before


def test_a_label_that_is_none_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    write_raw("films.jsonl", '{"text": "yes", "label": ["a"]}\n')
    write_parameters(ingest={"file": "data/raw/films.jsonl"})
    assert "row 1: column 'label': expected a label, text or a number, received ['a']" in error_of(
        ingest.main, ["x"], monkeypatch
    )


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        (
            "ingest",
            {"split": {"train": "a", "validation": 0.1, "test": "b"}, "shuffle": None},
            "a seed as `shuffle`, which draws the validation texts",
        ),
        (
            "ingest",
            {"split": {"train": "a", "validation": 0.1, "test": "./a"}},
            "ingest.split.test: expected a path that stays in its folder",
        ),
        (
            "ingest",
            {"split": {"train": "a", "validation": "a", "test": "b"}},
            "three different files or folders",
        ),
        ("ingest", {**FOLDER, "group": "file"}, "`group` for tables"),
        ("tokenize_text", {"unit": "characters"}, "`unit: words` with `vectors`"),
        ("train", {"pooling": []}, "train.pooling"),
        ("train", {"pooling": ["sum"]}, "train.pooling"),
        ("evaluate", {"score": "accuracy_low"}, "evaluate.score: expected one of accuracy"),
    ],
)
def test_parameters_are_checked_before_any_stage_works(
    section: str, value: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parameters(**{section: value})
    assert message in error_of(check.main, [], monkeypatch)


def test_all_sources_of_the_same_labels_give_the_same_table() -> None:
    pairs = [(f"text {row}", str(row * 7 % 3)) for row in range(30)]
    write_raw("films.csv", rows(*pairs))
    expected, about = table_of()
    assert about.classes == ["0", "1", "2"]
    table = pd.DataFrame(pairs, columns=["words", "class"]).astype({"class": int})
    table.to_csv("data/raw/films.tsv", index=False, sep="\t")
    table.to_parquet("data/raw/films.parquet", index=False)
    table.to_json("data/raw/films.jsonl", orient="records", lines=True)
    for suffix in ("tsv", "parquet", "jsonl"):
        found, _ = table_of(file=f"data/raw/films.{suffix}", text="words", label="class")
        pd.testing.assert_frame_equal(found, expected)


def test_texts_are_split_in_their_order_or_in_that_of_a_seed() -> None:
    pairs = [(f"text {row}", "ab"[row % 2]) for row in range(40)]
    write_raw("films.csv", rows(*pairs))
    split = {"train": 20, "validation": 10, "test": 10}
    table, _ = table_of(split=split, shuffle=None)
    assert table["text"].tolist() == [text for text, _ in pairs]
    assert np.bincount(table["split"]).tolist() == [20, 10, 10]
    shuffled, _ = table_of(split=split, shuffle=3)
    again, _ = table_of(split=split, shuffle=3)
    other, _ = table_of(split=split, shuffle=4)
    pd.testing.assert_frame_equal(shuffled, again)
    assert sorted(shuffled["text"]) == sorted(table["text"])
    assert shuffled["text"].tolist() != table["text"].tolist() != other["text"].tolist()
    # Within a split texts stand as in the file.
    for _, part in shuffled.groupby("split"):
        assert part["text"].str.split().str[1].astype(int).is_monotonic_increasing


def test_texts_without_a_label_are_in_training_alone() -> None:
    pairs = [*PAIRS[:2], ("strange", ""), *PAIRS[2:], ("odd", "none"), (" ", "a")]
    write_raw("films.csv", rows(*pairs))
    table, about = table_of(split=COUNTS, shuffle=None, unlabelled=["none"])
    assert about.texts == {"train": 2, "unlabelled": 2, "validation": 2, "test": 2}
    assert table["text"].tolist() == ["one", "two", "strange", "odd", *[t for t, _ in PAIRS[2:]]]
    assert table["label"].isna().tolist() == [False, False, True, True, *[False] * 4]
    assert about.dropped == 1
    assert about.classes == ["a", "b"]
    assert about.by_class == {"train": [1, 1], "validation": [1, 1], "test": [1, 1]}


def test_texts_that_stand_in_two_splits_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [*PAIRS[:4], ("two ", "b"), ("three", "a")]
    write_raw("films.csv", rows(*pairs))
    with caplog.at_level(logging.WARNING):
        _, about = table_of(split=COUNTS, shuffle=None)
    assert about.repeated == {"validation": 0, "test": 2}
    assert "0 of validation are in training too, and 2 of test" in caplog.text


def test_texts_of_a_group_are_in_one_split() -> None:
    lines = [
        {"text": f"text {row}", "label": "ab"[row % 2], "film": f"f{row % 17}"}
        for row in range(170)
    ]
    lines[3]["label"] = None
    write_raw("films.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    orders = []
    for seed in (None, 1):
        table, about = table_of(file="data/raw/films.jsonl", group="film", shuffle=seed)
        films = table["text"].str.split().str[1].astype(int) % 17
        assert (table.groupby(films)["split"].nunique() == 1).all()
        # The text without a label is dropped if its group is not in training.
        assert len(table) + about.dropped == 170
        orders.append(table["text"].tolist())
    assert orders[0] != orders[1]


def test_splits_are_files_with_validation_texts_drawn_from_training() -> None:
    pairs = [(f"text {row}", "ab"[row % 2]) for row in range(40)]
    write_raw("films/train.csv", rows(*pairs[:30]) + "no label,\n")
    write_raw("films/test.csv", rows(*pairs[30:]) + "no label here,\n")
    split = {"train": "train.csv", "validation": 0.2, "test": "test.csv"}
    table, about = table_of(file="data/raw/films", split=split, shuffle=1)
    assert about.texts == {"train": 24, "unlabelled": 1, "validation": 6, "test": 10}
    assert about.dropped == 1
    assert table["text"][table["split"] == 2].tolist() == [text for text, _ in pairs[30:]]
    other, _ = table_of(file="data/raw/films", split=split, shuffle=2)
    assert table["text"].tolist() != other["text"].tolist()


def test_labels_are_the_names_of_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for split, count in (("train", 10), ("test", 4)):
        for label in ("neg", "pos"):
            for number in range(count):
                write_raw(f"texts/{split}/{label}/{number}.txt", f"{split} {label}, {number}")
    write_raw("texts/train/unsup/0.txt", "no label")
    names = {"train": "train", "validation": 0.25, "test": "test"}
    table, about = table_of(**FOLDER, split=names, unlabelled=["unsup"])
    assert about.texts == {"train": 15, "unlabelled": 1, "validation": 5, "test": 8}
    assert about.classes == ["neg", "pos"]
    labelled = table[table["label"].notna()]
    assert (labelled["text"].str.split(r"\W+").str[1] == labelled["label"]).all()
    assert (table["text"].str.startswith("test") == (table["split"] == 2)).all()
    fractions = {"train": 0.5, "validation": 0.25, "test": 0.25}
    assert table_of(**FOLDER, split=fractions, unlabelled=["unsup"])[1].texts["test"] == 7
    write_parameters(ingest={**FOLDER, "split": {**names, "test": "tests"}})
    assert "expected the folder 'tests' with folders of classes, found 'test', 'train'" in error_of(
        ingest.main, ["x"], monkeypatch
    )


def test_the_sample_has_one_text_without_a_label() -> None:
    table, about = table_of()
    assert about.texts["unlabelled"] == 1
    assert len(table) == TABLE.count("\n") - 1
