"""Raw tagged texts to a split table, and what is wrong with them."""

import json
import logging
import re
from pathlib import Path

import pytest

from stages import ingest
from stages.files import tables
from tests.conftest import ROOT
from tests.kinds.sequence_tagging.project import ingested, write_columns, write_parameters
from tests.tasks import error_of

FILES = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}


def write_files(train: list[str], dev: list[str], test: list[str]) -> None:
    for name, sentences in zip(FILES.values(), (train, dev, test), strict=True):
        write_columns(f"parts/{name}", sentences)
    write_parameters(ingest={"file": "data/raw/parts", "group": None, "split": FILES})


@pytest.mark.usefixtures("project")
def test_documents_are_split_in_their_order() -> None:
    about = ingested()
    assert about["documents"] == {"train": 9, "validation": 3, "test": 3}
    assert about["sentences"] == {"train": 36, "validation": 12, "test": 12}
    assert about["scheme"] == "iob2"
    table = tables.read(Path("data/ingested/x/table.parquet"))
    assert table["sentence"].is_monotonic_increasing
    assert table["split"].is_monotonic_increasing
    assert table.loc[table["sentence"] == 0, "token"].tolist()[2:4] == ["lives", "in"]


@pytest.mark.usefixtures("project")
def test_sentences_are_split_and_those_left_over_are_in_none() -> None:
    write_parameters(ingest={"group": None, "split": {"train": 20, "validation": 4, "test": 2}})
    about = ingested()
    assert about["sentences"] == {"train": 20, "validation": 4, "test": 2}
    assert about["documents"]["train"] == 5


def test_wikigold_is_what_its_authors_say() -> None:
    """39,007 tokens, 1,696 sentences of 145 articles (Balasuriya et al., 2009): the line behind the
    last article starts no other one."""
    from stages.files import conll

    table = conll.read(ROOT / "data/raw/wikigold/wikigold.conll.txt", None, conll.Layout())
    assert len(table) == 39007
    assert table["sentence"].iloc[-1] == 1695
    assert table["document"].iloc[-1] == 144


def test_the_scheme_is_that_of_training_and_wrong_tags_are_repaired(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_files(["a/B-X b/I-X c/O", "d/B-X"], ["a/I-X b/I-X"], ["a/O b/I-X c/I-Y"])
    with caplog.at_level(logging.WARNING):
        about = ingested()
    assert about["scheme"] == "iob2"
    assert about["repaired"] == {"train": 0, "validation": 1, "test": 2}
    assert "3 of 9 tags broke the rules of iob2" in caplog.text
    assert about["foreign"] == {"Y": 1}
    assert "types that the training sentences lack, and count as missed: Y (1)" in caplog.text
    table = tables.read(Path("data/ingested/x/table.parquet"))
    assert table["tag"].tolist()[-5:] == ["B-X", "I-X", "O", "B-X", "B-Y"]


WRONG = {
    "no tag": (["a/PER"], r"train\.tsv, line 1: expected tags such as .* received 'PER'"),
    "another scheme": (["a/S-X"], r"train\.tsv, line 1: expected a tag of the scheme iob2"),
    "no entity": (["a/O", "b/O"], "at least one entity in the training sentences, received 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tags_are_one_error(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, message = WRONG[name]
    write_files(train, ["a/O"], ["a/O"])
    if name == "another scheme":
        write_parameters(
            ingest={"file": "data/raw/parts", "group": None, "split": FILES, "scheme": "iob2"}
        )
    assert re.search(message, error_of(ingest.main, ["x"], monkeypatch))


def test_a_tag_of_another_scheme_in_the_test_file_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(["a/B-X b/I-X", "c/B-X"], ["a/O"], ["a/O b/O", "c/O d/S-X"])
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert re.search(r"test\.tsv, line 5: expected a tag of the scheme iob2 .*'S-X'", error)


@pytest.mark.usefixtures("project")
def test_splits_that_cannot_be_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    write_parameters(ingest={"split": {"train": 0.94, "validation": 0.03, "test": 0.03}})
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert "at least one document in each split, received none in validation" in error
    write_parameters(ingest={"group": None, "split": FILES})
    assert "expected a folder, as ingest.split names" in error_of(ingest.main, ["x"], monkeypatch)
    write_parameters(ingest={"file": "data/raw/vectors"})
    assert "expected a file, as ingest.split names" in error_of(ingest.main, ["x"], monkeypatch)
    write_parameters(ingest={"split": FILES})
    assert "`group` with fractions or numbers only" in error_of(ingest.main, ["x"], monkeypatch)


def test_json_gives_the_table_of_columns(folder: Path) -> None:
    sentences = ["a/B-X b/I-X c/O", "d/O", "e/B-X", "f/O"]
    layout = {"group": None, "split": {"train": 2, "validation": 1, "test": 1}}
    found = []
    for name in ("x.tsv", "x.jsonl"):
        write_columns("x.tsv", sentences)
        pairs = [[pair.split("/") for pair in sentence.split()] for sentence in sentences]
        lines = [
            json.dumps({"tokens": [a for a, _ in each], "tags": [b for _, b in each]})
            for each in pairs
        ]
        Path("data/raw/x.jsonl").write_text("\n".join(lines))
        write_parameters(ingest={"file": f"data/raw/{name}", **layout})
        ingest.main(["x"])
        found.append(tables.read(Path("data/ingested/x/table.parquet")))
    assert found[0].equals(found[1])
