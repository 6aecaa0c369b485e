"""Tagged texts in columns and as JSON."""

import json
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.files import conll
from stages.files.conll import Layout

Rows = list[tuple[str, str, int, int]]


def write(folder: Path, text: str) -> Path:
    path = folder / "x.conll"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def rows(path: Path, **layout: object) -> Rows:
    table = conll.read(path, None, Layout(**layout))  # type: ignore[arg-type]
    return list(table[["token", "tag", "sentence", "document"]].itertuples(index=False, name=None))


TEXTS = {
    "between white space": "a B-X\nb   I-X\n\nc O\n",
    "between tabs": "a\tB-X\nb\tI-X\n\nc\tO\n",
    "a line of a tab between sentences": "a\tB-X\nb\tI-X\n\t\nc\tO\n",
    "several empty lines": "\n\na B-X\nb I-X\n\n \n\nc O\n\n\n",
    "other columns between": "a NN x B-X\nb NN y I-X\n\nc DT z O",
    "line ends of Windows": "a B-X\r\nb I-X\r\n\r\nc O\r\n",
    "a document before": "-DOCSTART- O\n\na B-X\nb I-X\n\nc O\n",
    "a document behind": "a B-X\nb I-X\n\nc O\n\n-DOCSTART- O\n\n",
    "a document without columns": "-DOCSTART-\n\na B-X\nb I-X\n\nc O\n-DOCSTART-\n-DOCSTART-\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_columns_are_read_as_they_are_written(name: str, tmp_path: Path) -> None:
    expected = [("a", "B-X", 0, 0), ("b", "I-X", 0, 0), ("c", "O", 1, 0)]
    assert rows(write(tmp_path, TEXTS[name])) == expected


def test_documents_are_parted_wherever_their_line_stands(tmp_path: Path) -> None:
    expected = [("a", "O", 0, 0), ("b", "O", 1, 0), ("c", "O", 2, 1)]
    before = "-DOCSTART- O\n\na O\n\nb O\n\n-DOCSTART- O\n\nc O\n"
    behind = "a O\n\nb O\n-DOCSTART- O\nc O\n\n-DOCSTART- O\n"
    for text in (before, behind):
        assert rows(write(tmp_path, text)) == expected


def test_a_hash_is_a_token_but_where_it_starts_a_comment(tmp_path: Path) -> None:
    path = write(tmp_path, "# O\n#tag O\n")
    assert [row[0] for row in rows(path)] == ["#", "#tag"]
    path = write(tmp_path, "# text = a b\n1\ta\tO\n# newpar\n2\tb\tB-X\n")
    assert rows(path, token=2, comments=True) == [("a", "O", 0, 0), ("b", "B-X", 0, 0)]


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "a B-X p\nb O q\n")
    assert rows(path, tag=2) == [("a", "B-X", 0, 0), ("b", "O", 0, 0)]
    assert rows(path, token=3, tagged=False) == [("p", "", 0, 0), ("q", "", 0, 0)]


WRONG = {
    "tokens without tags": ("a\nb\n", "line 1: expected a token and its tag, received one column"),
    "a ragged line": ("a O\n\nb\n", "line 3: expected 2 columns.* received 1: 'b'"),
    "too many columns": ("a O\nb c O\n", "line 2: expected 2 columns.* received 3"),
    "an empty tag": ("a\tO\nb\t\n", "line 2: expected a tag, received an empty column"),
    "an empty token": ("a\tO\n\tO\n", "line 2: expected a token, received an empty column"),
    "nothing": ("\n\n", "expected at least one token, received none"),
    "documents alone": ("-DOCSTART- O\n\n", "expected at least one token, received none"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_columns_are_one_error_with_the_line(name: str, tmp_path: Path) -> None:
    text, message = WRONG[name]
    with pytest.raises(InputError, match=rf"x\.conll(, |: ){message}"):
        rows(write(tmp_path, text))


def test_a_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1: expected at least 4 columns.* received 2"):
        rows(write(tmp_path, "a O\n"), tag=4)


def test_json_lines_are_read_with_their_documents(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    entries = [
        {"id": 7, "words": ["a", "b"], "ner": ["B-X", "O"]},
        {"id": 7, "words": ["c"], "ner": ["O"]},
        {"id": 8, "words": ["d"], "ner": ["B-X"]},
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    table = conll.read_json(path, None, "words", "ner", "id")
    assert table["token"].tolist() == ["a", "b", "c", "d"]
    assert table["tag"].tolist() == ["B-X", "O", "O", "B-X"]
    assert table["sentence"].tolist() == [0, 0, 1, 2]
    assert table["document"].tolist() == [0, 0, 0, 1]
    assert conll.read_json(path, None, "words", "ner", None)["document"].tolist() == [0] * 4


WRONG_JSON = {
    "of different length": (
        {"tokens": ["a"], "tags": []},
        "as many tags as tokens, received 0 for",
    ),
    "empty": ({"tokens": [], "tags": []}, "at least one token, received an empty sentence"),
    "an empty token": ({"tokens": [""], "tags": ["O"]}, "a list of texts, none of them empty"),
    "numbers": ({"tokens": ["a"], "tags": [3]}, "tags: expected a list of texts.* received 3"),
    "text": ({"tokens": "a b", "tags": ["O"]}, "tokens: expected a list of texts.* received 'a b'"),
    "no tags": ({"tokens": ["a"]}, "expected the key 'tags', found 'tokens'"),
}


@pytest.mark.parametrize("name", WRONG_JSON)
def test_wrong_json_is_one_error_with_the_line(name: str, tmp_path: Path) -> None:
    entry, message = WRONG_JSON[name]
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"tokens": ["a"], "tags": ["O"]}) + "\n" + json.dumps(entry) + "\n")
    with pytest.raises(InputError, match=rf"x\.jsonl, line 2: .*{message}"):
        conll.read_json(path, None, "tokens", "tags", None)
