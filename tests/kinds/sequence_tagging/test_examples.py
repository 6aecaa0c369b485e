"""Tokens to numbers: each from training alone, and cut to batches."""

from pathlib import Path

import numpy as np
import pytest

from stages.files.examples import read_arrays
from stages.kinds.sequence_tagging import lexicon, train
from stages.text import tokens
from tests.kinds.sequence_tagging.project import (
    SAMPLE,
    data,
    prepared,
    write_columns,
    write_parameters,
)

WORDS = ["the", "The", "THE", "A", "tHe", "42", "4.2", "4x", "don't", "Smith-Jones", "C++"]
WORDS += ["...", "iPod"]
SHAPES = [1, 2, 3, 4, 5, 6, 7, 8, 1, 5, 9, 10, 5]


def test_shapes_of_words() -> None:
    assert [lexicon.shape(word) for word in WORDS] == SHAPES
    assert max(SHAPES) == len(lexicon.SHAPES)


def test_a_long_word_loses_its_middle() -> None:
    assert lexicon.shortened("abcdefg", 4) == "abfg"
    assert lexicon.shortened("abcdefg", 5) == "abcfg"
    assert lexicon.shortened("abcdefg", 7) == "abcdefg"
    assert lexicon.shortened("abc", 1) == "a"


def test_numbers_of_words_are_those_of_a_plain_loop() -> None:
    known = lexicon.fit(
        WORDS * 2 + ["rare", "<unk>"], lower=True, digits=True, minimum_count=2, longest=4
    )
    words = [*WORDS[::-1], "the", "rare", "ž", "<unk>", "<pad>"]
    encoded = known.encode(words)
    assert known.words.tokens[3] == "the"
    assert known.words.counts[3] == 8
    first = 0
    for word, number, shape, length in zip(
        words, encoded.words, encoded.shapes, encoded.lengths, strict=True
    ):
        spelled = "".join("0" if letter.isdigit() else letter for letter in word.lower())
        own = [word == spelled for word in known.words.tokens[3:]]
        assert number == (3 + own.index(True) if any(own) else tokens.UNKNOWN)
        assert shape == lexicon.shape(word)
        short = word if len(word) <= 4 else word[:2] + word[-2:]
        letters = known.characters.encode([short]).ids
        np.testing.assert_array_equal(encoded.characters[first : first + length], letters)
        first += length
    assert first == len(encoded.characters)


def test_vocabularies_survive_as_text() -> None:
    known = lexicon.fit(WORDS, lower=False, digits=False, minimum_count=1, longest=6)
    again = lexicon.from_json(
        known.words.content(), known.characters.content(), digits=False, longest=known.longest
    )
    for first, second in zip(
        vars(known.encode(WORDS)).values(), vars(again.encode(WORDS)).values(), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("project")
def test_a_batch_holds_each_sentence_as_a_plain_loop_cuts_it() -> None:
    examples = prepared()
    batches = train.batches(examples, "validation", train.Parameters())
    indices = np.array([5, 0, 5, 3])
    batch = batches.cut(indices, 8)
    words = data().ingested.read(["token"])["token"].tolist()
    known = lexicon.from_json(
        data().text("words.json"), data().text("characters.json"), digits=False, longest=6
    )
    for row, index in enumerate(indices):
        number = examples.numbers_of("validation")[index]
        first, after = examples.offsets[number : number + 2]
        count = after - first
        assert batches.lengths[index] == count
        np.testing.assert_array_equal(batch["mask"][row], [1] * count + [0] * (8 - count))
        for name, values in (("tokens", examples.words), ("shapes", examples.shapes)):
            expected = [*values[first:after], *[0] * (8 - count)]
            np.testing.assert_array_equal(batch["inputs"][name][row], expected)
        np.testing.assert_array_equal(batch["targets"][row, :count], examples.tags[first:after])
        for step in range(8):
            word = words[first + step] if step < count else ""
            ids = known.characters.encode([lexicon.shortened(word, 6)]).ids.tolist()
            letters = batch["inputs"]["characters"][row, step]
            np.testing.assert_array_equal(letters, ids + [0] * (6 - len(ids)))


@pytest.mark.usefixtures("project")
def test_a_word_of_the_vectors_alone_has_an_id_behind_those_of_training() -> None:
    examples = prepared()
    known = lexicon.from_json(
        data().text("words.json"), data().text("characters.json"), digits=False, longest=6
    )
    number = int(known.words.lookup(["paris"])[0])
    assert number >= examples.known
    np.testing.assert_allclose(examples.vectors[number], [1.5, 0, -1])
    assert not examples.vectors[: len(tokens.SPECIAL)].any()
    vocabulary = known.words.tokens[len(tokens.SPECIAL) : examples.known]
    written = {line.split()[0] for line in SAMPLE.files["vectors/small.txt"].splitlines()}
    share = np.mean([word in written for word in vocabulary])
    assert examples.covered["vocabulary"] == pytest.approx(share)
    words = data().ingested.read(["token"])["token"]
    place, _ = examples.tokens_of("test")
    running = words[place].str.lower().isin(written).mean()
    assert examples.covered["test"] == pytest.approx(running)


def test_only_training_decides_what_is_known(folder: Path) -> None:
    """Words, characters, types and vectors of other splits change nothing that is fitted."""
    train_part = ["Ada/B-PER sings/O", "Rome/B-LOC sleeps/O", "Ada/B-PER sleeps/O"]
    fitted = []
    for others in (["Ada/B-PER sings/O"] * 2, ["Ωmega/B-NEW extraordinarily/O x9/B-PER"] * 2):
        write_columns("y.tsv", train_part + others)
        Path("data/raw/vectors").mkdir(exist_ok=True)
        Path("data/raw/vectors/small.txt").write_text(SAMPLE.files["vectors/small.txt"])
        split = {"train": 3, "validation": 1, "test": 1}
        write_parameters(
            ingest={"file": "data/raw/y.tsv", "group": None, "split": split},
            tokenize_text={"longest_word": 30},
        )
        examples = prepared()
        arrays, about = read_arrays(Path("data/examples/x"))
        first = slice(int(examples.offsets[3]))
        fitted.append(
            {
                "words": data().text("words.json"),
                "characters": data().text("characters.json"),
                "tags": about["tag_names"][: about["tags_known"]],
                "longest": about["longest"],
                "vectors": arrays["vectors"].tolist(),
                "covered": (about["covered"]["vocabulary"], about["covered"]["train"]),
                "ids": arrays["words"][first].tolist(),
                "letters": arrays["characters"][: examples.character_starts[first.stop]].tolist(),
            }
        )
    assert fitted[0] == fitted[1]
    assert "B-NEW" in examples.tag_names
