"""Texts to examples: what is read of long texts, what vectors cover, and what test texts must not
change."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.kinds.text_classification import Examples
from stages.kinds.text_classification.texts import Texts, first_of_equals
from stages.kinds.text_classification.tokenize_text import encode, kept
from stages.text import tokens
from tests.kinds.text_classification.project import TABLE, tokenize, write_parameters
from tests.tasks import write_raw

TOKENIZER = Path("data/examples/x/tokenizer.json")


@pytest.mark.parametrize("longest", [1, 2, 3, 5, None])
@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("end", lambda text, size: text[:size]),
        ("beginning", lambda text, size: text[len(text) - size :]),
        (
            "middle",
            lambda text, size: text[: (size + 1) // 2] + text[len(text) - size // 2 :],
        ),
    ],
)
def test_of_a_long_text_one_part_is_left_out(cut: str, expected: Any, longest: int | None) -> None:
    lengths = np.array([3, 1, 7, 2, 6])
    texts = np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])
    wanted = [
        expected(text.tolist(), longest) if longest is not None and len(text) > longest else text
        for text in texts
    ]
    found = np.flatnonzero(kept(lengths, longest, cut))
    np.testing.assert_array_equal(found, np.concatenate(wanted))


def test_a_text_without_tokens_is_one_unknown_token() -> None:
    tokenizer = tokens.fit([["a b"]], "words", None, 1, True, True)
    found = encode(["a c", " ", "b", "", "d"], tokenizer)
    assert found.lengths.tolist() == [2, 1, 1, 1, 1]
    a, b = (tokenizer.encode([word]).ids[0] for word in "ab")
    assert found.ids.tolist() == [a, 1, 1, b, 1, 1]
    assert found.unknown == ["c", "", "", "d"]
    assert encode(["a c"], tokenizer).unknown == ["c"]


def test_the_first_of_equal_tokens_is_found() -> None:
    ids = np.random.default_rng(0).integers(0, 5, (20, 9))
    expected = [[token not in row[:step] for step, token in enumerate(row)] for row in ids.tolist()]
    np.testing.assert_array_equal(first_of_equals(ids), expected)


@pytest.mark.usefixtures("project")
def test_examples_hold_the_texts_and_their_classes() -> None:
    examples = tokenize()
    table = pd.read_parquet("data/ingested/x/table.parquet")
    tokenizer = tokens.from_json(TOKENIZER.read_text())
    for number, (text, label) in enumerate(zip(table["text"], table["label"], strict=True)):
        first, length = examples.starts[number], examples.lengths[number]
        ids = examples.token_ids[first : first + length]
        words = text.split()
        expected = words if len(words) <= 9 else words[:5] + words[-4:]
        known = [word if tokenizer.encode([word]).ids[0] != 1 else "<unk>" for word in expected]
        assert [tokenizer.token(token) for token in ids] == known
        assert examples.labels[number] == {"bad": 0, "good": 1}.get(label, -1)
    assert examples.labels[examples.numbers_of("unlabelled")].tolist() == [-1]
    long = table["text"].str.split().str.len() > 9
    counts = np.bincount(table["split"][long], minlength=3).tolist()
    assert list(examples.shortened.values()) == counts


@pytest.mark.usefixtures("project")
def test_vectors_cover_the_tokens_that_they_have() -> None:
    write_parameters(tokenize_text={"longest": None})
    examples = tokenize()
    lines = [line.split() for line in Path("data/raw/vectors/small.txt").read_text().splitlines()]
    vectors = {word: np.array(numbers, float) for word, *numbers in lines}
    tokenizer = tokens.from_json(TOKENIZER.read_text())
    for number in range(tokenizer.size):
        expected = vectors.get(tokenizer.token(number), np.zeros(4))
        np.testing.assert_allclose(examples.vectors[number], expected, rtol=1e-6)
    extra = [tokenizer.token(number) for number in range(examples.known, tokenizer.size)]
    assert extra == ["unseen", "elsewhere"]
    table = pd.read_parquet("data/ingested/x/table.parquet")
    for number, split in enumerate(("train", "validation", "test")):
        words = " ".join(table["text"][table["split"] == number]).split()
        share = np.mean([word in vectors for word in words])
        assert examples.covered[split] == pytest.approx(share)
    words = set(" ".join(table["text"][table["split"] == 0]).split())
    assert examples.covered["vocabulary"] == pytest.approx(
        np.mean([word in vectors for word in words])
    )


def fitted(examples: Examples) -> list[Any]:
    numbers = np.concatenate([examples.numbers_of("train"), examples.numbers_of("unlabelled")])
    batch = Texts(examples, numbers).cut(np.arange(len(numbers)))
    return [
        TOKENIZER.read_bytes(),
        examples.classes,
        examples.known,
        examples.covered["train"],
        examples.covered["vocabulary"],
        examples.unknown_rate["train"],
        np.asarray(examples.vectors).tobytes(),
        batch["inputs"]["tokens"].tobytes(),
        batch["targets"].tobytes(),
    ]


@pytest.mark.usefixtures("project")
def test_texts_of_validation_and_test_change_nothing_that_is_fitted() -> None:
    split = {"train": 40, "validation": 20, "test": 20}
    lines = TABLE.splitlines(keepends=True)
    versions, unknown = [], []
    for tail in (lines[41:81], [f"unseen words nobody wrote {row},bad\n" for row in range(40)]):
        write_raw("films.csv", "".join([*lines[:41], *tail, "without a label,\n"]))
        write_parameters(ingest={"split": split, "shuffle": None})
        examples = tokenize()
        versions.append(fitted(examples))
        unknown.append(examples.unknown_rate["test"])
    assert versions[0] == versions[1]
    assert unknown[0] == 0 < unknown[1]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_texts_may_be_characters_or_pieces_of_words(unit: str) -> None:
    size = 270 if unit == "bytes" else None
    write_parameters(tokenize_text={"unit": unit, "vocabulary_size": size, "vectors": None})
    examples = tokenize()
    assert examples.vectors.shape == (0, 0)
    assert examples.covered == {}
    assert examples.lengths.max() == 9
