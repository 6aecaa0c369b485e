"""Scores of transcripts against edits that are counted by hand, and the baselines."""

import logging
from collections import Counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from stages.errors import InputError
from stages.kinds.speech_recognition import baseline, judging
from stages.kinds.speech_recognition.baseline import Parameters, Words, fitted
from stages.kinds.speech_recognition.evaluate import Parameters as Judgement
from stages.kinds.speech_recognition.judging import NOTHING, Judge, judge
from tests.kinds.speech_recognition.examples import PITCHES, Data, prepared, spoken, table

# The right transcript, a found one, substitutions, deletions and insertions of words, edits of
# characters (spaces count), and what was taken for what.
CASES = [
    ("one two", "one two", (0, 0, 0), 0, []),
    ("one two", "one too", (1, 0, 0), 1, [("two", "too")]),
    ("one two three", "one three", (0, 1, 0), 4, [("two", NOTHING)]),
    ("one", "one two", (0, 0, 1), 4, [(NOTHING, "two")]),
    ("one two", "", (0, 2, 0), 7, [("one", NOTHING), ("two", NOTHING)]),
    ("one", "a one b c", (0, 0, 3), 6, [(NOTHING, "a"), (NOTHING, "b"), (NOTHING, "c")]),
    ("one", "on e", (1, 0, 1), 1, None),
    ("é", "e", (1, 0, 0), 1, [("é", "e")]),
]
RIGHT, FOUND = [case[0] for case in CASES], [case[1] for case in CASES]


def judge_of(transcripts: list[str], speakers: list[str] | None = None) -> Judge:
    names = np.array([str(row) for row in range(len(transcripts))])
    return Judge(names, transcripts, np.array(speakers or [""] * len(transcripts)))


@pytest.mark.parametrize(("right", "found", "edits", "letters", "pairs"), CASES)
def test_edits_of_one_transcript(
    right: str, found: str, edits: tuple[int, int, int], letters: int, pairs: Any
) -> None:
    judged = judge_of([right])([found])
    words = len(right.split())
    scores = judged.scores()
    assert scores == {
        "wer": pytest.approx(sum(edits) / words),
        "cer": pytest.approx(letters / len(right)),
        "accuracy": float(right == found),
        "substitutions": pytest.approx(edits[0] / words),
        "deletions": pytest.approx(edits[1] / words),
        "insertions": pytest.approx(edits[2] / words),
    }
    wrong = Counter(
        {pair: count for pair, count in judged.confusions.items() if len(set(pair)) > 1}
    )
    assert wrong.total() == sum(edits)
    if pairs is not None:
        assert wrong == Counter(pairs)


def test_scores_are_of_all_words_together() -> None:
    judged = judge_of(RIGHT)(FOUND)
    words = sum(len(text.split()) for text in RIGHT)
    edits = np.sum([case[2] for case in CASES], 0)
    scores = judged.scores()
    assert scores["wer"] == pytest.approx(edits.sum() / words)
    assert [scores[name] * words for name in judging.EDITS] == pytest.approx(edits.tolist())
    assert scores["cer"] == pytest.approx(sum(c[3] for c in CASES) / sum(map(len, RIGHT)))
    assert scores["accuracy"] == 1 / len(CASES)
    # Every edit once, and every other right word.
    wrong = sum(count for pair, count in judged.confusions.items() if len(set(pair)) > 1)
    assert wrong == edits.sum()
    assert judged.confusions.total() - wrong == words - edits[:2].sum()
    chosen = np.arange(len(CASES)) == 2
    assert judged.scores(chosen)["wer"] == pytest.approx(1 / 3)


def test_the_interval_is_that_of_drawn_recordings() -> None:
    judged, rng = judge_of(RIGHT)(FOUND), np.random.default_rng(7)
    rates = []
    for _ in range(200):
        rows = rng.integers(0, len(CASES), len(CASES)).tolist()
        edits = sum(sum(CASES[row][2]) for row in rows)
        rates.append(edits / sum(len(RIGHT[row].split()) for row in rows))
    rates.sort()
    # The quantile q of n sorted numbers is at place q (n - 1), between two of them on a line.
    low, high = (np.interp(q * 199, np.arange(200), rates) for q in (0.025, 0.975))
    found = judged.interval(200, 7)
    assert found == {"wer_low": pytest.approx(low), "wer_high": pytest.approx(high)}
    assert found["wer_low"] < judged.scores()["wer"] < found["wer_high"]
    assert judged.interval(200, 8) != found


def test_groups_are_speakers_or_numbers_of_words() -> None:
    by, groups = judge_of(["a", "b", "c d"], ["zoe", "ann", "zoe"]).groups
    assert by == "speaker"
    assert list(groups) == ["ann", "zoe"]
    assert groups["zoe"].tolist() == [True, False, True]
    by, groups = judge_of(["a " * 10, "b", "c d", "e"]).groups
    assert by == "words"
    assert list(groups) == ["1", "2", "10"]
    assert groups["1"].tolist() == [False, True, False, True]


def test_the_signature_says_how_scores_are_computed() -> None:
    from importlib.metadata import version

    assert judging.signature().startswith(f"jiwer {version('jiwer')}, ")


def drawn(confusions: Counter[tuple[str, str]]) -> tuple[list[str], dict[tuple[str, str], int]]:
    """Returns the words of the picture, and the numbers in its fields by their row and column."""
    figure, axes = plt.subplots()
    judging.draw_confusions(axes, confusions)
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    found = {}
    for text in axes.texts:
        column, row = text.get_position()
        found[names[int(row)], names[int(column)]] = int(text.get_text())
    plt.close(figure)
    return names, found


def test_a_picture_of_confusions() -> None:
    confusions = Counter({("b", "b"): 5, ("b", "a"): 2, (NOTHING, "c"): 1, ("a", NOTHING): 3})
    assert drawn(confusions) == (["a", "b", "c", NOTHING], dict(confusions))


def test_of_many_words_those_with_most_errors_are_drawn() -> None:
    confusions = Counter({(f"w{n:02}", f"w{n:02}"): 100 for n in range(50)})
    confusions.update({(f"w{n:02}", NOTHING): n for n in range(20, 50)})
    names, found = drawn(confusions)
    assert names == [*(f"w{n}" for n in range(50 - judging.SHOWN, 50)), NOTHING]
    assert found["w49", NOTHING] == 49


def test_confusions_with_none_wrong() -> None:
    right = Counter({("a", "a"): 5, ("b", "b"): 1})
    assert drawn(right) == (["a", "b", NOTHING], dict(right))


def by(data: Data, **section: Any) -> dict[str, Any]:
    parameters = Parameters.model_validate(section)
    return dict(baseline.baseline(data, parameters, Judgement()).scores)


def strings(count: int, seed: int, longest: int = 4) -> list[str]:
    """Returns texts of one to four words, neighbours of which differ."""
    rng, names = np.random.default_rng(seed), list(PITCHES)
    return [
        " ".join(rng.choice(names, rng.integers(1, longest + 1), replace=False))
        for _ in range(count)
    ]


@pytest.mark.usefixtures("folder")
def test_the_likeliest_transcript() -> None:
    train, test = ["a be", "sea", "a be", "dee"], ["a be", "sea a", "be"]
    scores = by(prepared(table(train, ["dee", "a"], test)), methods=["likeliest_transcript"])
    assert list(scores) == ["likeliest_transcript"]
    # `a be` against `dee` (two edits), `a` (one); and `a be` (none), `sea a` (two), `be` (one).
    assert scores["likeliest_transcript"]["validation"]["wer"] == pytest.approx(3 / 2)
    assert scores["likeliest_transcript"]["wer"] == pytest.approx(3 / 5)


@pytest.mark.usefixtures("folder")
def test_words_are_cut_by_their_energy_and_told_apart() -> None:
    texts = strings(40, 0)
    data = prepared(table(texts[:28], texts[28:34], texts[34:]))
    words = Words(data.examples, "test", 0.3, Parameters())
    assert words.counts.tolist() == [len(text.split()) for text in texts[34:]]
    assert words.vectors.shape == (words.counts.sum(), 12 * 8)
    scores = by(data)
    assert list(scores) == Parameters().methods
    for method in ("nearest_word", "logistic_regression", "svm"):
        assert scores[method]["wer"] == scores[method]["validation"]["wer"] == 0
    assert scores["likeliest_transcript"]["wer"] > 0.5


@pytest.mark.usefixtures("folder")
def test_recordings_that_are_cut_wrong_are_not_learned_from() -> None:
    data = prepared(table(["a be", "sea", "dee a be"]))
    words = Words(data.examples, "train", 0.3, Parameters())
    vectors, labels, share = words.labelled(["a be", "sea", "wrong"])
    assert labels.tolist() == ["a", "be", "sea"]
    np.testing.assert_array_equal(vectors, words.vectors[:3])
    assert share == pytest.approx(2 / 3)


@pytest.mark.usefixtures("folder")
def test_classifiers_learn_from_some_of_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared(table(["a be", "sea a", "dee a be", "a", "be"]))
    words = Words(data.examples, "train", 0.3, Parameters())
    monkeypatch.setattr(baseline, "MOST_KNOWN", 2)
    vectors, labels, _ = words.labelled(["a be", "sea a", "dee a be", "a", "be"])
    assert labels.tolist() == ["a", "be", "a", "a", "be", "a", "be"]
    np.testing.assert_array_equal(vectors, words.vectors[[0, 1, 3, 5, 6, 7, 8]])
    monkeypatch.setattr(baseline, "MOST_WORDS", 3)
    vectors, labels, _ = words.labelled(["a be", "sea a", "dee a be", "a", "be"])
    # From the start, the middle and the end.
    np.testing.assert_array_equal(vectors, words.vectors[[0, 3, 6]])
    assert labels.tolist() == ["a", "a", "be"]


def with_levels(texts: list[str], gap: float, dip: float, seed: int) -> list[np.ndarray]:
    """Returns recordings whose pauses between words have noise of one level, and whose words dip
    to another in their middle."""
    rng, found = np.random.default_rng(seed), []
    for text in texts:
        samples = spoken(text, rng).astype(float)
        for place in range(len(text.split())):
            start = 400 + 1000 * place
            if place:
                samples[start - 400 : start] += rng.normal(0, gap, 400)
            samples[start + 200 : start + 400] *= dip
            samples[start + 200 : start + 400] += rng.normal(0, 150, 200) * (dip < 1)
        found.append(np.rint(samples).astype(np.int16))
    return found


@pytest.mark.usefixtures("folder")
def test_the_threshold_is_chosen_on_validation_alone() -> None:
    train, validation, test = strings(40, 1), strings(12, 2), strings(12, 3)
    recordings = table(train, validation, test)
    recordings["samples"] = [
        *recordings["samples"].iloc[: len(train)],
        *with_levels(validation, gap=0, dip=0.02, seed=4),  # a high threshold divides words
        *with_levels(test, gap=150, dip=1, seed=5),  # a low one unites them
    ]
    data = prepared(recordings)
    section = {"methods": ["nearest_word"], "shortest_word": 0.02}
    low, high, both, other = (
        by(data, **section, thresholds=thresholds)["nearest_word"]
        for thresholds in ([0.2], [0.8], [0.2, 0.8], [0.8, 0.2])
    )
    assert low["validation"]["wer"] + 0.3 < high["validation"]["wer"]
    assert high["wer"] + 0.2 < low["wer"]
    assert both == other == low


@pytest.mark.usefixtures("folder")
def test_of_equal_thresholds_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = strings(30, 0)
    data, used = prepared(table(texts[:20], texts[20:25], texts[25:])), []

    class Watched(Words):
        def __init__(
            self, examples: Any, split: str, threshold: float, *rest: Any, **named: Any
        ) -> None:
            used.append((split, threshold))
            super().__init__(examples, split, threshold, *rest, **named)

    monkeypatch.setattr(baseline, "Words", Watched)
    by(data, methods=["nearest_word"], thresholds=[0.35, 0.3])
    assert [threshold for split, threshold in used if split == "test"] == [0.35]


@pytest.mark.usefixtures("folder")
def test_continuous_speech_leaves_classifiers_out(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["a be sea", "be sea dee", "dee a sea", "sea a be"] * 5
    data = prepared(table(texts, ["a be"], ["be sea"], pause=0))
    with caplog.at_level(logging.WARNING):
        scores = by(data)
    assert list(scores) == ["likeliest_transcript"]
    assert "without nearest_word, logistic_regression, svm: these need pauses" in caplog.text
    assert "cuts 0.0% of the training recordings" in caplog.text
    with pytest.raises(InputError, match=r"baseline\.methods: .*add likeliest_transcript"):
        by(data, methods=["svm"])


@pytest.mark.usefixtures("folder")
def test_a_single_word_is_no_task_of_classifiers(caplog: pytest.LogCaptureFixture) -> None:
    data = prepared(table(["a", "a a", "a"], ["a a"], ["a"]))
    with caplog.at_level(logging.WARNING):
        assert list(by(data)) == ["likeliest_transcript"]
    assert "these tell words apart, and training recordings have one word only" in caplog.text
    with pytest.raises(InputError, match="training recordings have one word only: add likeliest"):
        by(data, methods=["svm"])


@pytest.mark.parametrize("method", ["nearest_word", "logistic_regression", "svm"])
def test_classifiers_standardise(method: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.array(["no", "yes"])[rng.integers(0, 2, 80)]
    # A number in a small unit says it all, beside noise in a large one.
    vectors = np.stack([1e-3 * (labels == "yes") + rng.normal(0, 1e-4, 80), np.zeros(80)], 1)
    vectors[:, 1] = rng.normal(0, 1e3, 80)
    assert (fitted(method, vectors[:60], labels[:60])(vectors[60:]) == labels[60:]).all()


@pytest.mark.usefixtures("folder")
def test_a_judge_knows_its_split() -> None:
    recordings = table()
    for split, first, after in (("train", 0, 6), ("validation", 6, 8), ("test", 8, 10)):
        found = judge(prepared(recordings), split)
        assert found.transcripts == recordings["transcript"].tolist()[first:after]
        assert found.names.tolist() == [f"{row}.wav" for row in range(first, after)]


@pytest.mark.usefixtures("folder")
def test_a_single_word_reaches_from_its_first_to_its_last_sound() -> None:
    """A pause within a word does not make two of it."""
    data = prepared(table(["a", "be"], ["a"], ["sea a", "be"]))
    apart = Words(data.examples, "test", 0.3, Parameters())
    single = Words(data.examples, "test", 0.3, Parameters(), single=True)
    assert apart.counts.tolist() == [2, 1]
    assert single.counts.tolist() == [1, 1]
    np.testing.assert_array_equal(single.vectors[1], apart.vectors[2])
