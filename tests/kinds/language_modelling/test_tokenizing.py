"""Texts to examples: vocabularies, what they know, and files that a killed run left behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import ingest, tokenize_text
from tests.kinds.language_modelling.project import LINES, tokenize, write_lines, write_parameters
from tests.tasks import error_of

FOLDER = Path("data/examples/x")

pytestmark = pytest.mark.usefixtures("project")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"vocabulary_size": 500}, "vocabulary_size: expected at most 11"),
        ({"unit": "bytes"}, "expected a number for the unit bytes"),
        ({"unit": "bytes", "vocabulary_size": 5000}, "can fill"),
        ({"vocabulary_size": 3}, "vocabulary_size: expected greater than 3"),
        (
            {"unit": "bytes", "vocabulary_size": 10**12},
            "vocabulary_size: expected less than or equal to 10000000",
        ),
        ({"unit": "bytes", "vocabulary_size": 300, "minimum_count": 10**9}, "can fill"),
    ],
)
def test_vocabularies_that_do_not_fit_are_one_error(
    section: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    write_parameters(tokenize_text=section)
    assert message in error_of(tokenize_text.main, ["x"], monkeypatch)


def test_a_vocabulary_may_be_empty_and_all_tokens_unknown() -> None:
    write_parameters(tokenize_text={"minimum_count": 10**6})
    assert tokenize().unknown_rate["train"] > 0.8


def test_one_token_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(["a", "b", "c"])
    write_parameters(
        ingest={"split": {"train": 1, "validation": 1, "test": 1}}, tokenize_text={"end": False}
    )
    ingest.main(["x"])
    assert "expected at least 2 tokens to learn from in train, received 1" in error_of(
        tokenize_text.main, ["x"], monkeypatch
    )


def test_the_vocabulary_knows_only_training_texts() -> None:
    """With other test texts, of new words, the tokenizer and all that comes of the training and
    validation texts stays the same."""
    versions, unknown_rates = [], []
    for tail in ("the cat runs home", "quite unheard of words"):
        write_lines([*LINES[:90], *[tail] * 10])
        examples = tokenize()
        ids = [examples.tokens_of(split)[0] for split in ("train", "validation")]
        tokenizer = (FOLDER / "tokenizer.json").read_bytes()
        lengths = examples.lengths["train"]
        versions.append(
            (tokenizer, *map(bytes, map(np.asarray, ids)), lengths, examples.vocabulary_size)
        )
        unknown_rates.append(examples.unknown_rate)
    assert versions[0] == versions[1]
    assert [rates["train"] for rates in unknown_rates] == [0, 0]
    assert unknown_rates[1]["test"] > 0.5


def test_the_same_texts_in_all_splits_are_stored_once() -> None:
    write_parameters(ingest={"split": "same"})
    examples = tokenize()
    assert examples.texts.tolist() == [[0, 100]] * 3
    assert examples.tokens["train"] == examples.tokens["test"] == len(examples.token_ids)


def test_the_scratch_folder_of_a_killed_run_is_removed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokenize()
    names = sorted(path.name for path in FOLDER.iterdir())
    (FOLDER / ".scratch").mkdir()
    (FOLDER / ".scratch/token_ids").write_bytes(b"half")
    tokenize_text.main(["x"])
    assert sorted(path.name for path in FOLDER.iterdir()) == names
    write_parameters(tokenize_text={"vocabulary_size": 500})
    error_of(tokenize_text.main, ["x"], monkeypatch)
    assert sorted(path.name for path in FOLDER.iterdir()) == names
