"""Pairs to examples and back: ids of both sides, what can be copied, what is too long, and texts as
people write them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import tokenize_text
from stages.files import tables
from stages.kinds.sequence_to_sequence import texts
from stages.kinds.sequence_to_sequence.texts import Unknown, detokenized, shortened
from stages.text import tokens
from tests.kinds.sequence_to_sequence.pairs import ids_of, ingested, tokenized, write_parameters
from tests.tasks import error_of, write_raw

WORDS = ["the", "a", "cat", "dog", "Sees", "sees", ",", ".", "Tom's", "house", "Zürich"]
COUNTS = {"train": 40, "validation": 10, "test": 10}
INGEST: dict[str, Any] = {"file": "data/raw/x.csv", "repeated": "keep", "split": COUNTS}


def write_pairs(seed: int = 0, change: int = 60) -> list[tuple[str, str]]:
    """Ingests random pairs, some of whose words are in no other pair, and returns them. Rows from
    `change` on follow another seed."""
    pairs = []
    for row in range(60):
        rng = np.random.default_rng([seed if row < change else seed + 1, row])
        known = rng.choice(WORDS, rng.integers(1, 12)).tolist()
        rare = [f"new{row}x{n}" for n in rng.integers(0, 3, 4)]
        source = rng.permutation([*known, *rare[: rng.integers(0, 4)]]).tolist()
        target = rng.choice([*source, *WORDS, "Other"], rng.integers(1, 9)).tolist()
        pairs.append((" ".join(source), " ".join(target)))
    lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
    write_raw("x.csv", f"source\ttarget\n{lines}")
    ingested(**INGEST)
    return pairs


@pytest.fixture
def pairs(folder: Path) -> list[tuple[str, str]]:
    return write_pairs()


SECTIONS: dict[str, dict[str, Any]] = {
    "shared": {"minimum_count": 2},
    "two": {"shared": False, "vocabulary_size": 9},
    "lower sources": {"shared": False, "lower": True, "target": {"minimum_count": 3}},
    "lower targets": {"shared": False, "target": {"lower": True, "minimum_count": 3}},
    "cut": {"minimum_count": 2, "longest_source": 4, "longest_target": 3, "long": "cut"},
}


@pytest.mark.parametrize("rows", [7, 8192])
@pytest.mark.parametrize("name", SECTIONS)
def test_words_of_both_sides_and_of_copies_are_those_of_a_plain_loop(
    name: str, rows: int, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.read_chunks, "__defaults__", (rows,))
    section = SECTIONS[name]
    data = tokenized(**section)
    examples, (source, target) = data.examples, texts.tokenizers(data)
    assert isinstance(source, tokens.Words)
    assert isinstance(target, tokens.Words)
    assert (source is target) is examples.shared
    own, other = (
        {token: number for number, token in enumerate(side.tokens) if number > 2}
        for side in (source, target)
    )
    most = 0
    for number, pair in enumerate(pairs):
        is_test = number >= 50
        words, wanted = (text.split() for text in pair)
        words = [word.lower() if source.lower else word for word in words]
        words = words[: section.get("longest_source")]
        wanted = wanted if is_test else wanted[: section.get("longest_target")]
        words_as_targets = [word.lower() if target.lower else word for word in words]
        wanted = [word.lower() if target.lower else word for word in wanted]
        unknown = list(dict.fromkeys(word for word in words_as_targets if word not in other))
        named = other | {word: target.size + n for n, word in enumerate(unknown)}
        most = max(most, len(unknown))
        assert ids_of(examples, "source_ids", number) == [own.get(word, 1) for word in words]
        assert ids_of(examples, "copies", number) == [named[word] for word in words_as_targets]
        assert ids_of(examples, "target_ids", number) == [named.get(word, 1) for word in wanted]
        stored = texts.sources_of(data, np.array([number]))[0]
        (encoded,) = texts.encode([pair[0]], source, target, section.get("longest_source"))
        for found in (stored, encoded):
            assert found.unknown == unknown
            assert found.ids.tolist() == ids_of(examples, "source_ids", number)
            assert found.copies.tolist() == ids_of(examples, "copies", number)
        written = texts.decode(ids_of(examples, "target_ids", number), unknown, target)
        assert written == " ".join(word if word in named else "<unk>" for word in wanted)
    assert examples.extended == most > 1
    assert examples.rows.tolist() == list(range(60))
    assert examples.pairs == COUNTS


def test_counts_are_those_of_the_pairs(pairs: list[tuple[str, str]]) -> None:
    examples = tokenized(shared=False, minimum_count=2, target={"vocabulary_size": 8}).examples
    assert examples.sizes["target"] == 8
    assert examples.units == {"source": "words", "target": "words"}
    for split, first, last in (("train", 0, 40), ("validation", 40, 50), ("test", 50, 60)):
        numbers = examples.numbers_of(split)
        assert numbers.tolist() == list(range(first, last))
        for side, name in (("source", "source_ids"), ("target", "target_ids")):
            ids = [token for number in numbers for token in ids_of(examples, name, number)]
            size = examples.sizes[side]
            unknown = [token == 1 or token >= size for token in ids]
            assert examples.unknown_rate[side][split] == pytest.approx(np.mean(unknown))
    assert max(examples.unknown_rate["source"].values()) > 0
    for side in ("source", "target"):
        content = Path(f"data/examples/x/{side}.json").read_bytes()
        assert examples.tokenizers[side] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("shared", [True, False])
def test_bytes_are_copied_as_they_are_where_the_tokenizer_is_shared(
    shared: bool, pairs: list[tuple[str, str]]
) -> None:
    data = tokenized(unit="bytes", vocabulary_size=280, shared=shared)
    examples, (source, target) = data.examples, texts.tokenizers(data)
    assert examples.sizes == {"source": 280, "target": 280}
    assert examples.source_ids.dtype == examples.target_ids.dtype == np.uint16
    assert examples.extended == 0
    if shared:
        np.testing.assert_array_equal(examples.copies, examples.source_ids)
        assert examples.tokenizers["source"] == examples.tokenizers["target"]
    else:
        assert len(examples.copies) == 0
    for number, (written, wanted) in enumerate(pairs):
        assert source.decode(ids_of(examples, "source_ids", number)) == written
        assert texts.decode(ids_of(examples, "target_ids", number), [], target) == wanted
        (stored,) = texts.sources_of(data, np.array([number]))
        (encoded,) = texts.encode([f" {written} "], source, target)
        for found in (stored, encoded):
            assert found.ids.tolist() == ids_of(examples, "source_ids", number)
            assert found.copies.tolist() == (found.ids.tolist() if shared else [])
            assert found.unknown == []


@pytest.mark.parametrize(
    "section",
    [{"unit": "characters"}, {"shared": False, "target": {"unit": "characters", "lower": True}}],
)
def test_characters_are_not_copied(section: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    data = tokenized(**section)
    assert len(data.examples.copies) == 0
    assert data.examples.extended == 0
    assert data.examples.target_ids.dtype == np.uint8
    _, target = texts.tokenizers(data)
    for number, (_, wanted) in enumerate(pairs[:40]):
        wanted = wanted if section.get("unit") else wanted.lower()
        assert texts.decode(ids_of(data.examples, "target_ids", number), [], target) == wanted


def test_long_pairs_are_left_out_but_for_those_of_test(pairs: list[tuple[str, str]]) -> None:
    examples = tokenized(longest_source=7, longest_target=5).examples
    lengths = np.array([[len(text.split()) for text in pair] for pair in pairs])
    is_long = (lengths > [7, 5]).any(axis=1)
    is_long[50:] = False
    assert examples.rows.tolist() == np.flatnonzero(~is_long).tolist()
    left_out = [is_long[:40].sum(), is_long[40:50].sum(), 0]
    assert list(examples.left_out.values()) == left_out
    assert min(left_out[:2]) > 0
    assert list(examples.shortened.values()) == [0, 0, (lengths[50:, 0] > 7).sum()]
    assert list(examples.pairs.values()) == [40 - left_out[0], 10 - left_out[1], 10]
    wanted = np.where(np.arange(60) < 50, lengths[:, 0], np.minimum(lengths[:, 0], 7))
    assert examples.source_lengths.tolist() == wanted[~is_long].tolist()
    assert examples.target_lengths.tolist() == lengths[~is_long, 1].tolist()
    for side in ("source", "target"):
        lengths_of = getattr(examples, f"{side}_lengths")
        ends = np.cumsum(lengths_of)
        assert getattr(examples, f"{side}_starts").tolist() == (ends - lengths_of).tolist()
        assert ends[-1] == len(getattr(examples, f"{side}_ids"))


def test_of_long_pairs_that_are_cut_the_beginning_is_kept(pairs: list[tuple[str, str]]) -> None:
    examples = tokenized(longest_source=7, longest_target=5, long="cut").examples
    lengths = np.array([[len(text.split()) for text in pair] for pair in pairs])
    assert examples.source_lengths.tolist() == np.minimum(lengths[:, 0], 7).tolist()
    wanted = np.where(np.arange(60) < 50, np.minimum(lengths[:, 1], 5), lengths[:, 1])
    assert examples.target_lengths.tolist() == wanted.tolist()
    is_long = lengths[:, 0] > 7
    cut = [is_long[:40].sum(), is_long[40:50].sum(), is_long[50:].sum()]
    assert list(examples.shortened.values()) == cut
    assert sum(examples.left_out.values()) == 0


def test_what_test_pairs_say_changes_nothing_before_them(folder: Path) -> None:
    found = []
    for change in (50, 60):
        write_pairs(change=change)
        examples = tokenized(shared=False, minimum_count=2).examples
        found.append(examples)
    one, other = found
    assert one.tokenizers == other.tokenizers
    assert (one.source_ids[-20:] != other.source_ids[-20:]).any()
    for name in ("source_ids", "copies", "target_ids"):
        for number in range(50):
            assert ids_of(one, name, number) == ids_of(other, name, number)


@pytest.mark.parametrize("limits", [None, 3, 100, [0, 2, 5, 1]])
def test_shortened_texts_are_those_of_a_loop(limits: Any) -> None:
    tokenizer = tokens.fit([["a b c"]], "words", None, 1, False, False)
    written = ["a x b y", "z a", "", "x x a z y c"]
    found = shortened(
        tokenizer.encode(written), np.array(limits) if isinstance(limits, list) else limits
    )
    bounds = limits if isinstance(limits, list) else [limits] * 4
    expected = [" ".join(text.split()[:most]) for text, most in zip(written, bounds, strict=True)]
    again = tokenizer.encode(expected)
    assert found.ids.tolist() == again.ids.tolist()
    assert found.lengths.tolist() == again.lengths.tolist()
    assert found.unknown == again.unknown


def test_unknown_tokens_are_numbered_in_the_order_of_each_text() -> None:
    unknown = Unknown(["z", "a", "z", "b", "a", "a"], np.array([0, 0, 0, 2, 2, 2]), 4)
    assert unknown.numbers.tolist() == [0, 1, 0, 0, 1, 1]
    assert unknown.words == [["z", "a"], [], ["b", "a"], []]
    found = unknown.numbers_of(["a", "b", "q", "a", "a"], np.array([0, 0, 0, 1, 2]))
    assert found.tolist() == [1, -1, -1, -1, 1]
    nothing = Unknown([], np.zeros(0, np.int64), 2)
    assert nothing.words == [[], []]
    assert nothing.numbers_of(["a"], np.array([1])).tolist() == [-1]


def test_a_source_of_unknown_words_alone_can_be_copied() -> None:
    tokenizer = tokens.fit([["a b"]], "words", None, 1, False, False)
    (source,) = texts.encode(["x y x"], tokenizer, tokenizer)
    assert source.ids.tolist() == [1, 1, 1]
    assert source.copies.tolist() == [5, 6, 5]
    assert texts.decode([3, 6, 1, 5], source.unknown, tokenizer) == "a y <unk> x"


@pytest.mark.parametrize("unit", ["words", "characters", "bytes"])
def test_an_empty_source_is_one_error(unit: tokens.Unit) -> None:
    size = 260 if unit == "bytes" else None
    tokenizer = tokens.fit([["ab ab ab"]], unit, size, 1, False, False)
    with pytest.raises(texts.InputError, match="at least one token, received ' ' as text 2"):
        texts.encode(["ab", " "], tokenizer, tokenizer)


@pytest.mark.parametrize(
    "written",
    [
        "Hello, Tom!",
        "Don't you think it's (really) good?",
        "They've left; we'll see: she'd know, I'm sure.",
        'He said, "Go away," and left.',
        "”Lita på mig”, sade han.",
        "Er liest „Krieg und Frieden“ und schläft.",
        "A well-known T-shirt and/or 3.5 % of 1,000,000 at 9:30.",
        "In 2005, 300 people came.",
        "It costs $5 [or €4]...",
        "¿Qué? ¡No!",
        "",
    ],
)
def test_punctuation_stands_where_people_write_it(written: str) -> None:
    tokenizer = tokens.fit([[written, "x"]], "words", None, 1, False, True, True)
    found = tokenizer.encode([written])
    expected = written.replace("3.5 %", "3.5%")
    assert texts.decode(found.ids, [], tokenizer) == expected


def test_punctuation_begins_and_ends_a_text() -> None:
    assert detokenized([".", "x", ","]) == ". x,"
    assert detokenized(["x", ".", "5"]) == "x. 5"
    assert detokenized(["'s", "x", '"', '"', "y"]) == '\'s x "" y'


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a target beside a shared one": (
        {"target": {"unit": "bytes"}},
        "expected `shared: false` with `target`",
    ),
    "refused": (
        {"longest_source": 7, "longest_target": 5, "long": "refuse"},
        "expected at most 7 tokens in a source and 5 in a target (null: any number), received",
    ),
    "nothing is left": (
        {"longest_target": 1, "longest_source": 1},
        "longest_source, longest_target: expected numbers that leave pairs in each split, received "
        "1 and 1, which leave {'train': 0",
    ),
    "too many ids": (
        {"vocabulary_size": 10_000},
        "tokenize_text.vocabulary_size: expected at most",
    ),
    "no size of bytes": ({"unit": "bytes"}, "expected a number for the unit bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_error(
    name: str, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    section, message = WRONG[name]
    write_parameters(INGEST, section)
    assert message in error_of(tokenize_text.main, ["x"], monkeypatch)


def test_the_pair_that_is_too_long_is_named(
    pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.read_chunks, "__defaults__", (2,))
    lengths = np.array([len(pair[0].split()) for pair in pairs])
    longest = int(np.sort(lengths[:50])[-3])
    row = int(np.flatnonzero(lengths > longest)[0])
    write_parameters(INGEST, {"longest_source": longest, "long": "refuse"})
    message = error_of(tokenize_text.main, ["x"], monkeypatch)
    assert f"in pair {row + 1} of the ingested table, in" in message
