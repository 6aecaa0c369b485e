"""Baselines of sequence to sequence against worked cases and loops, and what outputs are compared
with."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from stages.files import tables
from stages.files.task_data import TaskData
from stages.files.writing import write_json
from stages.kinds.data import Judged
from stages.kinds.sequence_to_sequence import Examples, Ingested, baseline, judging, word_by_word
from stages.kinds.sequence_to_sequence.scores import SCORES
from stages.splits import SPLITS
from stages.text import overlap

NONE = np.zeros(0, np.int32)
# Source, target, a second reference; training has a pair that is too long to be an example.
PAIRS = {
    "train": [
        ("Das Haus ist alt.", "The house is old.", None),
        ("Das Buch ist neu!", "The book is new!", None),
        ("viel zu lang", "much too long", None),
        ("Ein Haus, ein Buch.", "A house, a book.", None),
        ("Das Buch ist alt.", "The book is old.", None),
    ],
    "validation": [
        ("Das Haus ist neu!", "The house is new!", "It is new, the house!"),
        ("Ein Buch ist alt. Ja.", "A book is old.", None),
    ],
    "test": [
        ("Das Buch ist alt.", "The book's old.", "The book is old."),
        ("Das Xyz ist 3.5 neu!", "The xyz is 3.5 new!", None),
        ("Haus", "House", ""),
    ],
}


@pytest.fixture
def data(folder: Path) -> TaskData[Ingested, Examples]:
    """The pairs, of which all but the third are examples."""
    rows = [(*pair, number) for number, name in enumerate(SPLITS) for pair in PAIRS[name]]
    table = pd.DataFrame(rows, columns=["source", "target", "reference_2", "split"])
    counts = {name: len(pairs) for name, pairs in PAIRS.items()}
    about = Ingested({}, ["target", "reference_2"], counts, {})
    ingested = Path("data/ingested/x")
    tables.write(ingested / "table.parquet", table)
    write_json(ingested / "about.json", asdict(about))
    arrays = dict.fromkeys(("source_ids", "copies", "target_ids"), NONE)
    lengths = {
        f"{side}_{what}": NONE for side in ("source", "target") for what in ("starts", "lengths")
    }
    examples = Examples(
        shared=False,
        units={},
        tokenizers={},
        sizes={},
        pairs=counts | {"train": 4},
        left_out={"train": 1, "validation": 0, "test": 0},
        shortened={},
        unknown_rate={},
        extended=0,
        rows=np.array([0, 1, 3, 4, 5, 6, 7, 8, 9]),
        **arrays,
        **lengths,
    )
    return TaskData("x", Ingested, Examples).with_examples(examples)


def test_the_judge_has_the_texts_of_the_examples(data: TaskData[Ingested, Examples]) -> None:
    for split in SPLITS:
        judge = judging.judge(data, split)
        pairs = [pair for pair in PAIRS[split] if pair[0] != "viel zu lang"]
        assert judge.sources == [source for source, _, _ in pairs]
        assert judge.references == [[first, second or ""] for _, first, second in pairs]


def test_every_method_has_all_scores(data: TaskData[Ingested, Examples]) -> None:
    found = baseline.baseline(data, baseline.Parameters(), Judged(score="chrf"))
    assert list(found.scores) == ["copy", "lead", "first_words", "nearest", "ibm1"]
    assert not found.arrays
    outputs = {
        "copy": [source for source, _, _ in PAIRS["test"]],
        "nearest": ["The book is old.", "The book is new!", "The house is old."],
    }
    references = [[first, second or ""] for _, first, second in PAIRS["test"]]
    for method, entry in found.scores.items():
        assert set(entry["validation"]) == set(SCORES)
        assert entry["by_length"].keys() == SCORES.keys()
        assert {len(values) for values in entry["by_length"].values()} == {3}
        if method in outputs:
            expected = overlap.scores(outputs[method], references)
            assert {name: entry[name] for name in expected} == expected, method
    assert found.scores["copy"]["by_length"]["exact_match"] == [0, 0, 0]
    assert found.scores["nearest"]["by_length"]["exact_match"] == [0, 1, 0]
    assert found.scores["nearest"]["exact_match"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("score", ["bleu", "rouge_1"])
def test_first_words_are_as_many_as_are_best_on_validation(
    data: TaskData[Ingested, Examples], score: str
) -> None:
    parameters = baseline.Parameters(methods=["first_words"], words=[1, 3, 4, 9])
    entry = baseline.baseline(data, parameters, Judged(score=score)).scores["first_words"]
    judge = judging.judge(data, "validation")
    values = {
        words: overlap.scores(
            [" ".join(text.split()[:words]) for text in judge.sources], judge.references
        )[score]
        for words in parameters.words
    }
    assert entry["words"] == min(words for words in values if values[words] == max(values.values()))
    assert entry["validation"][score] == max(values.values())


def test_word_by_word_has_the_share_that_is_best_on_validation(
    data: TaskData[Ingested, Examples],
) -> None:
    parameters = baseline.Parameters(methods=["ibm1"], shares=[0.9, 0.0, 0.3, 0.6])
    entry = baseline.baseline(data, parameters, Judged(score="chrf")).scores["ibm1"]
    train, validation, test = (judging.judge(data, split) for split in SPLITS)
    targets = [references[0] for references in train.references]
    dictionary = word_by_word.learn(train.sources, targets, 10, 1000)
    values = {
        share: overlap.scores(dictionary.outputs(validation.sources, share), validation.references)[
            "chrf"
        ]
        for share in parameters.shares
    }
    best = max(values, key=lambda share: values[share])
    assert (entry["share"], entry["validation"]["chrf"]) == (best, values[best])
    expected = overlap.scores(dictionary.outputs(test.sources, best), test.references)
    assert {name: entry[name] for name in expected} == expected
    assert len(set(values.values())) > 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        ("  One!  Two", "One!"),
        ("No mark at all", "No mark at all"),
        ("By 3.5 m, e.g. this. Next", "By 3.5 m, e.g. this."),
        ('He said "so?" Then left.', 'He said "so?"'),
        ("First line\ngoes on. Then", "First line\ngoes on."),
        ("A heading\n\nand a text.", "A heading"),
        ("Wait... What?", "Wait..."),
        ("これは本です。それは木です。", "これは本です。"),
        ("What?! Über alles.", "What?!"),
    ],
)
def test_first_sentences(text: str, expected: str) -> None:
    assert baseline.first_sentence(text) == expected


@pytest.mark.parametrize("ngrams", [1, 2])
def test_the_nearest_is_that_of_all_cosines(ngrams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(ngrams)
    words = np.array(["a", "bee", "sea", "d", "e!", "F?"])
    train, texts = (
        [" ".join(rng.choice(words, size)) for size in rng.integers(1, 5, count)]
        for count in (40, 25)
    )
    train[7] = train[3]
    texts += ["unknown", train[7]]
    vectorizer = TfidfVectorizer(
        token_pattern=r"\w+|[^\w\s]", ngram_range=(1, ngrams), sublinear_tf=True
    )
    known = vectorizer.fit_transform(train).toarray()
    vectors = vectorizer.transform(texts).toarray()
    monkeypatch.setattr(baseline, "_HELD", 100)  # two texts at a time
    found = baseline.nearest(train, texts, ngrams)
    for vector, number in zip(vectors, found, strict=True):
        cosines = known @ vector
        assert cosines[number] == pytest.approx(cosines.max())
        assert number == train.index(train[number])
    assert found[-2] == 0
    assert train[found[-1]] == train[7]


def test_word_by_word_keeps_what_it_does_not_know_and_leaves_out_rare_shares() -> None:
    dictionary = word_by_word.Dictionary(
        words={" das": " the", " Haus": " house", "-": "", ".": ".", " ja": " yes"},
        shares={" das": 0.9, " Haus": 0.6, "-": 0.5, ".": 1.0, " ja": 0.2},
    )
    sources = ["Das Haus, ja.", "das HAUS-xyz ja", ""]
    # A capital is looked up in small letters; no word in capitals is like one with a first capital.
    assert dictionary.outputs(sources, 0.0) == ["the house, yes.", "the housexyz yes", ""]
    assert dictionary.outputs(sources, 0.5) == ["the house,.", "the housexyz", ""]
    assert dictionary.outputs(sources, 0.95) == [",.", "xyz", ""]


def test_words_keep_the_space_before_them() -> None:
    text = 'Don\'t say "no" , Åsa-Li!'
    words = word_by_word.split(text)
    assert words == [" Do", "n't", " say", ' "', "no", '"', " ,", " Åsa", "-", "Li", "!"]
    assert "".join(words).strip() == text


def test_a_dictionary_is_learned_from_the_pairs_that_can_be_held() -> None:
    sources, targets = ["a b", "b", "c d"], ["x y", "y", "z w"]
    everything = word_by_word.learn(sources, targets, 20, 1000)
    assert everything.words == {" a": " x", " b": " y", " c": " z", " d": " z"}
    assert everything.shares[" b"] > everything.shares[" c"] > 0
    assert set(word_by_word.learn(sources, targets, 20, 8).words) == {" a", " b"}


def test_groups_by_length_are_of_about_one_size() -> None:
    words = np.repeat(np.arange(1, 31), 10)
    groups, labels = judging.by_length(words)
    assert labels == ["1 to 5", "6 to 10", "11 to 15", "16 to 20", "21 to 25", "26 to 30"]
    np.testing.assert_array_equal(groups, (words - 1) // 5)
    groups, labels = judging.by_length(np.array([4, 4, 4, 9, 2, 4]))
    assert labels == ["2", "3 to 4", "5 to 9"]
    assert groups.tolist() == [1, 1, 1, 2, 0, 1]
    groups, labels = judging.by_length(np.array([7, 7]))
    assert (groups.tolist(), labels) == ([0, 0], ["7"])
