"""Language models' floors, scores and choices against loops and cases worked by hand."""

import itertools
import json
import math
import re
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import tokenize_text
from stages.errors import InputError
from stages.files import sources
from stages.kinds.language_modelling import baseline, predict
from stages.text import language, ngrams, streams, tokens


def text(seed: int, count: int, size: int) -> np.ndarray:
    """Ids with a rule and some noise, so that trigrams tell something."""
    rng = np.random.default_rng(seed)
    ids = [0, 1]
    while len(ids) < count:
        ids.append(
            int(rng.integers(size)) if rng.random() < 0.4 else (ids[-1] + 2 * ids[-2] + 1) % size
        )
    return np.array(ids)


def kneser_ney(
    train: list[int], size: int, starts: list[bool], history: tuple[Any, Any], word: int
) -> float:
    """The textbook formula, with loops."""
    padded: list[Any] = []
    trigrams: Counter[tuple[Any, ...]] = Counter()
    for token, first in zip(train, starts, strict=True):
        if first:
            padded = ["<", "<"]
        padded.append(token)
        trigrams[tuple(padded[-3:])] += 1
    bigrams = Counter(three[1:] for three in trigrams)
    unigrams = Counter(two[1:] for two in bigrams)

    def discount(counts: Counter[Any]) -> float:
        once, twice = sum(c == 1 for c in counts.values()), sum(c == 2 for c in counts.values())
        return once / (once + 2 * twice) if once and twice else 0.5

    def p(counts: Counter[Any], context: tuple[Any, ...], below: float) -> float:
        own = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        if not own:
            return below
        d = discount(counts)
        total = sum(own.values())
        return max(own.get((*context, word), 0) - d, 0) / total + d * len(own) / total * below

    one = p(unigrams, (), 1 / size)
    two = p(bigrams, history[1:], one)
    return p(trigrams, history, two)


@pytest.mark.parametrize("with_starts", [False, True])
def test_kneser_ney_is_the_formula(with_starts: bool) -> None:
    size = 6
    train, test = text(1, 120, size), text(2, 30, size)
    starts = np.arange(120) % 8 == 0 if with_starts else np.arange(120) == 0
    of_test = np.arange(30) % 5 == 0 if with_starts else np.arange(30) == 0
    model = ngrams.KneserNey(train, size, starts if with_starts else None)
    found = np.exp(model.log_probabilities(test, of_test if with_starts else None))
    history: tuple[Any, Any] = ("<", "<")
    for place, word in enumerate(test.tolist()):
        if of_test[place]:
            history = ("<", "<")
        assert found[place] == pytest.approx(
            kneser_ney(train.tolist(), size, starts.tolist(), history, word), rel=1e-10
        )
        history = (history[1], word)


def test_probabilities_of_all_words_sum_to_one() -> None:
    size = 7
    model = ngrams.KneserNey(text(3, 200, size), size)
    for before in ([0, 1], [5, 5], [6, 0]):
        last = [
            math.exp(model.log_probabilities(np.array([*before, word]))[-1]) for word in range(size)
        ]
        assert sum(last) == pytest.approx(1, abs=1e-12)
    assert np.exp(ngrams.unigram(text(3, 200, size), size, np.arange(size))).sum() == pytest.approx(
        1
    )


def test_scores_by_hand() -> None:
    """Four tokens of probabilities 1/2, 1/4, 1/8, 1/4: perplexity 4; two words of eight
    characters."""
    nats = -np.log([0.5, 0.25, 0.125, 0.25])
    about = {"tokens": {"test": 4}, "characters": {"test": 8}, "words": {"test": 2}}
    about |= {"spelling_nats": {"test": 0.0}, "unknown_rate": {"test": 0.25}}
    found = language.scores(nats, about)
    assert found["unknown_rate"] == 0.25
    assert found["perplexity"] == pytest.approx(4)
    assert found["nats_per_token"] == pytest.approx(2 * math.log(2))
    assert found["bits_per_character"] == pytest.approx(1)
    assert found["perplexity_per_word"] == pytest.approx(16)
    # The third token is unknown; which one it is takes 8 bits more.
    spelled = language.scores(nats, about | {"spelling_nats": {"test": 8 * math.log(2)}})
    assert spelled["perplexity"] == pytest.approx(4)
    assert spelled["bits_per_character"] == pytest.approx(2)
    assert spelled["perplexity_per_word"] == pytest.approx(16**2)


def test_a_spelling_costs_what_the_formula_of_its_characters_says() -> None:
    """Kneser-Ney over the characters of each different word and its end; a new character costs a
    choice among all of Unicode's."""
    words = ["aba", "abba", "cab"]
    spelling = ngrams.Spelling({"aba": 3, "abba": 1}, ["cab"], "<unk>")
    ids = {"a": 0, "b": 1, "c": 2, "new": 3, "end": 4}
    train = [ids[one] for word in words for one in (*word, "end")]
    starts = [place == 0 for word in words for place in range(len(word) + 1)]
    expected = []
    for word in ("ab", "cabé", "é"):
        history: tuple[Any, Any] = ("<", "<")
        nats = 0.0
        for one in (*word, "end"):
            number = ids.get(one, 3)
            nats -= math.log(kneser_ney(train, 5, starts, history, number)) - math.log(0x110000) * (
                number == 3
            )
            history = (history[1], number)
        expected.append(nats)
    np.testing.assert_allclose(
        spelling.nats(["ab", "cabé", "é", "ab"]), [*expected, expected[0]], rtol=1e-10
    )
    assert spelling.are_unknown(["ab", "<unk>"]).all()


@pytest.mark.parametrize("rarest", [[], ["cab"]])
def test_no_spelling_is_impossible_and_all_together_are_no_more_than_certain(
    rarest: list[str],
) -> None:
    spelling = ngrams.Spelling({"aba": 3, "ca": 1} if rarest else {}, rarest, "<unk>")
    few = [
        "".join(letters)
        for length in range(1, 8)
        for letters in itertools.product("abc", repeat=length)
    ]
    assert np.exp(-spelling.nats(few)).sum() <= 1 + 1e-12
    assert np.isfinite(spelling.nats(["日本語", "\ud800", "a" * 1000])).all()
    assert spelling.nats(["z" * 9])[0] > 9 * math.log(0x110000)


def test_an_unknown_mark_that_training_has_is_text() -> None:
    """As in the Penn Treebank, whose makers wrote <unk> for rare words: a token among others, which
    needs no spelling."""
    spelling = ngrams.Spelling({"<unk>": 999}, ["aba"], "<unk>")
    nats = spelling.nats(["<unk>", "aba"])
    assert nats[0] == pytest.approx(-math.log(999 / 1000))
    assert nats[1] > -math.log(1 / 1000)
    assert spelling.are_unknown(["<unk>", "aba"]).tolist() == [False, True]
    fitted = tokens.fit([["a <unk> b <eos>", "a <pad>"]], "words", None, 1, False, False)
    ids = fitted.encode(["<unk> <eos> <pad> c"])[0]
    assert ids.tolist() == [tokens.UNKNOWN, *ids[1:3], tokens.UNKNOWN]
    assert (ids[1:3] > tokens.END).all()
    assert fitted.unknown(["<unk> <eos> <pad> c"], ids) == ["<unk>", "c"]
    assert fitted.decode(ids) == "<unk> <eos> <pad> <unk>"
    assert fitted.left_out == {"<unk>": 1}


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_a_smaller_vocabulary_is_no_advantage(unit: str, tmp_path: Path) -> None:
    """Real text, of which ever more is unknown: perplexity a token falls, as the field counts it,
    but not what a character costs.

    Only the first step may pay: where training knows all of its words, a model has never seen an
    unknown one, and does not expect any.
    """
    folder = Path(str(find_spec("sklearn.linear_model").origin)).parent  # type: ignore[union-attr]
    texts = [json.loads(line)["text"] for line in sources._docstrings(folder)]
    parts = [
        [text for place, text in enumerate(texts) if place % 10 in of]
        for of in (range(8), (8,), (9,))
    ]

    class Texts:
        def parts(self, split: int | None = None) -> Any:
            yield from (
                (part, np.full(len(part), number))
                for number, part in enumerate(parts)
                if split in (None, number)
            )

    found = []
    for count in (1, 3, 50, 10**7):
        section = tokenize_text.Parameters(unit=unit, minimum_count=count)  # type: ignore[arg-type]
        given, _ = tokenize_text.prepare(Texts(), {"same": False}, section, tmp_path)
        found.append(baseline.baseline(given.arrays, given.about, baseline.Parameters())[0])
    for method in ("unigram", "trigram"):
        bits, words, tokens_, unknown = (
            np.array([scores[method][key] for scores in found])
            for key in ("bits_per_character", "perplexity_per_word", "perplexity", "unknown_rate")
        )
        assert (np.diff(tokens_) <= 0).all()
        assert (np.diff(unknown) >= 0).all()
        assert bits[1] > 0.94 * bits[0]
        assert (bits[2:] > bits[:2].max()).all()
        assert bits[-1] > 1.4 * bits[0]
        assert words[-1] > 2 * words[0]


def chosen_by_loop(
    logits: np.ndarray, temperature: float, top_k: int | None, top_p: float
) -> np.ndarray:
    odds = [math.exp(value / temperature) for value in logits]
    odds = [value / sum(odds) for value in odds]
    ranked = sorted(range(len(odds)), key=lambda place: -odds[place])
    kept, mass = [], 0.0
    for place in ranked[: top_k or len(ranked)]:
        if mass >= top_p:
            break
        kept.append(place)
        mass += odds[place]
    total = sum(odds[place] for place in kept)
    return np.array([odds[place] / total if place in kept else 0.0 for place in range(len(odds))])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 3])
@pytest.mark.parametrize("top_p", [1.0, 0.6, 0.01])
def test_choices_against_a_loop(temperature: float, top_k: int | None, top_p: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 7))
    found = language.probabilities(logits, temperature, top_k, top_p)
    for row, expected in zip(found, logits, strict=True):
        np.testing.assert_allclose(
            row, chosen_by_loop(expected, temperature, top_k, top_p), atol=1e-12
        )
    assert (language.probabilities(logits, 0.0).argmax(-1) == logits.argmax(-1)).all()
    assert set(np.unique(language.probabilities(logits, 0.0))) == {0.0, 1.0}


@pytest.mark.parametrize("end", [None, 0])
def test_a_wide_beam_search_finds_the_likeliest_of_all(end: int | None) -> None:
    """A model whose next token depends on the last one, small enough to try every continuation."""
    size, length = 4, 4
    table = np.random.default_rng(6).normal(size=(size, size))
    likely = np.log(language.probabilities(table))

    def step(ids: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        return table[ids], [state[0] + 1]

    best: dict[float, list[int]] = {}

    def walk(path: list[int], last: int, total: float) -> None:
        if len(path) == length or (path and path[-1] == end):
            best[total] = path
            return
        for word in range(size):
            walk([*path, word], word, total + likely[last, word])

    walk([], 1, 0.0)
    found, nats = predict.search(
        lambda logits: logits, table[[1]], [np.zeros((1, 1))], step, 4**4, length, end
    )
    assert found.tolist() == best[max(best)]
    assert nats.sum() == pytest.approx(max(best))
    greedy, _ = predict.search(
        lambda logits: logits, table[[1]], [np.zeros((1, 1))], step, 1, length, end
    )
    assert greedy[0] == table[1].argmax()


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


@pytest.mark.parametrize("unit", ["words", "characters", "bytes"])
def test_decoding_gives_the_text_back(unit: tokens.Unit) -> None:
    fitted = tokens.fit([ODD], unit, 300 if unit == "bytes" else None, 1, False, False)
    again = tokens.from_json(fitted.content())
    assert again.content() == fitted.content()
    for original in ODD:
        expected = " ".join(original.split()) if unit == "words" else original
        for tokenizer in (fitted, again):
            ids, lengths = tokenizer.encode([original])
            assert lengths.tolist() == [len(ids)]
            assert tokenizer.decode(ids.tolist()) == expected
    ids, lengths = fitted.encode(ODD)
    assert lengths.sum() == len(ids)
    assert ids.max() < fitted.size


def test_bytes_give_back_what_they_never_saw() -> None:
    fitted = tokens.fit([["only ascii here, only ascii there"] * 9], "bytes", 270, 1, False, False)
    for original in ODD:
        assert fitted.decode(fitted.encode([original])[0].tolist()) == original


@pytest.mark.parametrize("unit", ["words", "characters", "bytes"])
def test_the_same_text_gives_the_same_tokenizer_in_any_order(unit: tokens.Unit) -> None:
    contents = {
        tokens.fit(parts, unit, 290 if unit == "bytes" else None, 1, False, False).content()
        for parts in ([ODD * 3], [ODD, ODD, ODD], [list(reversed(ODD * 3))])
    }
    assert len(contents) == 1


def test_a_vocabulary_is_sorted_by_count_then_token() -> None:
    fitted = tokens.fit([["b a c a", "b d a"]], "words", None, 1, False, False)
    assert [fitted.token(number) for number in range(3, fitted.size)] == ["a", "b", "c", "d"]
    rare = tokens.fit([["b a c a", "b d a"]], "words", None, 2, False, False)
    assert rare.size == 5
    assert rare.encode(["a d"])[0].tolist() == [3, tokens.UNKNOWN]
    apart = tokens.fit([["Hello, (World)!"]], "words", None, 1, True, True)
    assert sorted(apart.token(number) for number in range(3, apart.size)) == [
        "!",
        "(",
        ")",
        ",",
        "hello",
        "world",
    ]


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
        ids, _ = fitted.encode([text])
        assert [fitted.token(number) for number in ids] == (words if text else [])


def test_all_other_text_is_cut_as_words_and_marks_of_their_own() -> None:
    text = "".join(map(chr, range(0x2FF))) + " Wörter, 日本語の文。 2½ ﬁ ±x"
    fitted = tokens.fit([[text]], "words", None, 1, False, True)
    assert [fitted.token(number) for number in fitted.encode([text])[0]] == re.findall(
        r"\w+|[^\w\s]", text
    )


@pytest.mark.parametrize("temperature", [1e-320, 1e-9])
def test_a_temperature_next_to_nothing_leaves_the_likeliest(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 7))
    logits[:, 0] = -np.inf
    np.testing.assert_allclose(
        language.probabilities(logits, temperature), language.probabilities(logits, 0.0)
    )


@pytest.mark.parametrize("unit", ["words", "characters", "bytes"])
def test_a_vocabulary_that_the_text_cannot_fill_is_an_error(unit: tokens.Unit) -> None:
    with pytest.raises(InputError, match=r"vocabulary_size: expected .* received 9999"):
        tokens.fit([["a few words"]], unit, 9999, 1, False, False)


@pytest.mark.parametrize(
    ("count", "rows", "steps"), [(5, 2, 2), (17, 3, 4), (8, 8, 3), (9, 1, 9), (10, 4, 1)]
)
def test_every_token_of_a_stream_is_a_target_once_and_follows_its_past(
    count: int, rows: int, steps: int
) -> None:
    ids = np.arange(10, 10 + count)
    source = streams.Stream(ids, 2, rows, steps)
    seen: list[int] = []
    histories: dict[int, list[int]] = defaultdict(list)
    for first in range(0, len(source), rows):
        batch = source.cut(np.arange(first, first + rows))
        for row in range(rows):
            for token, target, real in zip(
                batch["inputs"]["tokens"][row],
                batch["targets"][row],
                batch["mask"][row],
                strict=True,
            ):
                if real:
                    assert token == (2 if target == 10 else target - 1)
                    if histories[row]:
                        assert token == histories[row][-1]
                    histories[row].append(int(target))
                    seen.append(int(target))
                else:
                    assert token == target == tokens.PAD
    assert sorted(seen) == ids.tolist()


def test_streams_start_from_zero_at_times_of_their_own() -> None:
    source = streams.Stream(np.arange(24), 2, 4, 1, carry=3)
    carried = source.cut(np.arange(24))["carried"].reshape(6, 4)
    assert carried.T.tolist() == [
        [0, 1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1, 0],
        [1, 0, 1, 1, 0, 1],
        [0, 1, 1, 0, 1, 1],
    ]
    assert "carried" not in streams.Stream(np.arange(24), 2, 4, 1).cut(np.arange(24))


def test_prefixes_are_padded_on_the_left() -> None:
    source = streams.Prefixes(np.array([5, 6, 7, 8, 9]), np.array([0, 3, 3, 5]), 3)
    batch = source.cut(np.arange(len(source)))
    assert batch["inputs"]["tokens"].tolist() == [[0, 0, 5], [0, 5, 6], [0, 0, 8]]
    assert batch["targets"].tolist() == [6, 7, 9]


def test_pieces_of_a_text_without_spaces_are_learned_in_seconds() -> None:
    text = "ab" * 300_000  # the square of its length would be minutes
    tokenizer = tokens.fit([[text]], "bytes", 262, 1, False, False)
    ids, _ = tokenizer.encode([text])
    assert tokenizer.decode(ids.tolist()) == text
    assert len(ids) < len(text) / 4
