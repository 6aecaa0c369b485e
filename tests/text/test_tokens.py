"""Tokenizers: vocabularies, and texts to ids and back."""

import re

import pytest

from stages.errors import InputError
from stages.text import tokens

every_unit = pytest.mark.parametrize("unit", ["words", "characters", "bytes"])

ODD = [
    "plain words",
    "",
    "naïve café — “quotes”",
    "日本語 の 文",
    "👩‍👩‍👧 emoji\tand\ttabs",
    "a\u0301 combining",
    "line\nbreaks\r\nhere",
    "<eos> <pad>",
    "\x00\x1f",
    "ﬁ Ⅷ",
]


@every_unit
def test_decoding_restores_the_text(unit: tokens.Unit) -> None:
    fitted = tokens.fit([ODD], unit, 300 if unit == "bytes" else None, 1, False, False)
    again = tokens.from_json(fitted.content())
    assert again.content() == fitted.content()
    for original in ODD:
        expected = " ".join(original.split()) if unit == "words" else original
        for tokenizer in (fitted, again):
            encoded = tokenizer.encode([original])
            assert encoded.lengths.tolist() == [len(encoded.ids)]
            assert encoded.unknown == []
            assert tokenizer.decode(encoded.ids.tolist()) == expected
    encoded = fitted.encode(ODD)
    assert encoded.lengths.sum() == len(encoded.ids)
    assert encoded.ids.max() < fitted.size


def test_bytes_restore_texts_that_training_lacks() -> None:
    fitted = tokens.fit([["only ascii here, only ascii there"] * 9], "bytes", 270, 1, False, False)
    for original in ODD:
        assert fitted.decode(fitted.encode([original]).ids.tolist()) == original


@every_unit
def test_the_same_text_gives_the_same_tokenizer_in_any_order(unit: tokens.Unit) -> None:
    contents = {
        tokens.fit(batches, unit, 290 if unit == "bytes" else None, 1, False, False).content()
        for batches in ([ODD * 3], [ODD, ODD, ODD], [list(reversed(ODD * 3))])
    }
    assert len(contents) == 1


def test_a_vocabulary_is_sorted_by_count_then_token() -> None:
    fitted = tokens.fit([["b a c a", "b d a"]], "words", None, 1, False, False)
    assert [fitted.token(number) for number in range(3, fitted.size)] == ["a", "b", "c", "d"]
    rare = tokens.fit([["b a c a", "b d a"]], "words", None, 2, False, False)
    assert rare.size == 5
    assert rare.encode(["a d"]).ids.tolist() == [3, tokens.UNKNOWN]
    apart = tokens.fit([["Hello, (World)!"]], "words", None, 1, True, True)
    vocabulary = {apart.token(number) for number in range(3, apart.size)}
    assert vocabulary == {"!", "(", ")", ",", "hello", "world"}


@pytest.mark.parametrize(
    "words",
    [
        ["हिन्दी", "भाषा", "।"],
        ["ภาษาไทย", "น้ำ"],
        ["مُحَمَّدٌ", "رَسُولٌ"],
        ["e\u0301cole", ",", "nai\u0308f", "!"],
        ["می\u200cخواهم", "."],
        ["বাংলা", "தமிழ்", "מְנֻקָּד", "ក្រុម"],
        ["👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "⚡", "⚡"],
        ["don", "'", "t", "(", "a_b", ")", "x²", "-", "3", ".", "5"],
        ["\u0301", "x"],
    ],
)
def test_words_keep_what_extends_their_characters(words: list[str]) -> None:
    fitted = tokens.fit([words], "words", None, 1, False, True)
    for text in (" ".join(words), "".join(words) if words[-1] in "!." else ""):
        ids = fitted.encode([text]).ids
        assert [fitted.token(number) for number in ids] == (words if text else [])


def test_all_other_text_is_split_into_words_and_single_marks() -> None:
    text = "".join(map(chr, range(0x2FF))) + " Wörter, 日本語の文。 2½ ﬁ ±x"
    fitted = tokens.fit([[text]], "words", None, 1, False, True)
    words = [fitted.token(number) for number in fitted.encode([text]).ids]
    assert words == re.findall(r"\w+|[^\w\s]", text)


def test_special_tokens_in_a_text_are_tokens_like_others() -> None:
    fitted = tokens.fit([["a <unk> b <eos>", "a <pad>"]], "words", None, 1, False, False)
    encoded = fitted.encode(["<unk> <eos> <pad> c"])
    ids = encoded.ids
    assert ids.tolist() == [tokens.UNKNOWN, *ids[1:3], tokens.UNKNOWN]
    assert (ids[1:3] > tokens.END).all()
    assert encoded.unknown == ["<unk>", "c"]
    assert fitted.decode(ids) == "<unk> <eos> <pad> <unk>"
    assert fitted.left_out == {"<unk>": 1}


@every_unit
def test_a_vocabulary_that_the_text_cannot_fill_is_an_error(unit: tokens.Unit) -> None:
    with pytest.raises(InputError, match=r"vocabulary_size: expected .* received 9999"):
        tokens.fit([["a few words"]], unit, 9999, 1, False, False)


def test_byte_pairs_of_a_text_without_spaces_are_learned_in_seconds() -> None:
    text = "ab" * 300_000  # In time quadratic in its length, it would take minutes.
    tokenizer = tokens.fit([[text]], "bytes", 262, 1, False, False)
    ids = tokenizer.encode([text]).ids
    assert tokenizer.decode(ids.tolist()) == text
    assert len(ids) < len(text) / 4


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "I don't know it's his": "i do n't know it 's his",
        "CAN'T won’t": "ca n't wo n't",
        "they'll 'quote' dogs' isnt": "they 'll ' quote ' dogs ' isnt",
        "'s x'y I'm": "' s x ' y i 'm",
    }.items(),
)
def test_short_forms_are_words_of_their_own(text: str, expected: str) -> None:
    words = tokens.fit([[text]], "words", None, 1, True, True, True)
    again = tokens.from_json(words.content())
    for tokenizer in (words, again, words.extended(["n't", "zebra"])):
        assert tokenizer.decode(tokenizer.encode([text]).ids) == expected
    # Only where it is asked for, a vocabulary says so.
    plain = tokens.fit([[text]], "words", None, 1, True, True)
    assert "contractions" not in plain.content()


def test_a_vocabulary_is_extended_by_short_forms() -> None:
    words = tokens.fit([["he does"]], "words", None, 1, True, True, True)
    extended = words.extended(["n't", "a-b", "'s"])
    assert extended.tokens[words.size :] == ["n't", "'s"]
    assert extended.encode(["he doesn't"]).unknown == []


def test_words_stand_where_their_spans_say() -> None:
    text = "  Ada's café\u0301, isn't it?"
    words = tokens.Words([], [], False, True)
    assert [text[first:after] for first, after in tokens.spans(text[:13])] == list(
        words.count([text[:13]])
    )
    apart = [text[first:after] for first, after in tokens.spans(text, contractions=True)]
    assert apart == ["Ada", "'s", "café\u0301", ",", "is", "n't", "it", "?"]


def test_words_are_looked_up_as_they_are() -> None:
    words = tokens.Words([*tokens.SPECIAL, "the cat", "Rome"], [0, 0, 0, 2, 1], False, False)
    assert words.lookup(["Rome", "the cat", "rome", "<pad>"]).tolist() == [4, 3, 1, 1]
    longer = words.extended(["paris"])
    assert longer.lookup(["Paris", "PARIS", "Rome"]).tolist() == [5, 5, 4]
