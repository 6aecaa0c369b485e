"""From scores to transcripts and words: with scores that say what is known."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.figure import Figure

from stages.kinds.speech_recognition import Examples, predict
from stages.kinds.speech_recognition.decoding import Decoding, Heard, _log_softmax, hear
from stages.kinds.speech_recognition.train import Recordings
from tests.kinds.speech_recognition.examples import RATE, TEST, prepared, table

pytestmark = pytest.mark.usefixtures("folder")
UNITS = pytest.mark.parametrize("unit", ["words", "characters"])
# The samples of a pause and of a word in `examples.spoken`.
PAUSE, WORD = 400, 600


def scores_of(examples: Examples, texts: list[str], sure: float = 8.0) -> np.ndarray:
    """Returns scores (texts, steps, labels + 1) of networks that hear these texts, a word in the
    middle of its tone; elsewhere, and between equal labels, there is a blank."""
    second = examples.hop * examples.stride
    steps = int(examples.steps_of(np.arange(len(examples.lengths))).max())
    scores = np.zeros((len(texts), steps, examples.blank + 1), np.float32)
    for row, text in enumerate(texts):
        path = np.full(steps, examples.blank)
        for place, word in enumerate(text.split()):
            start = int((PAUSE + place * (PAUSE + WORD)) / RATE / second)
            for shift, name in enumerate([word] if examples.unit == "words" else word):
                path[start + 2 + 2 * shift] = examples.labels_known.index(name)
            if place and examples.unit == "characters":
                path[start - 1] = examples.labels_known.index(" ")
        scores[row, np.arange(steps), path] = sure
    return scores


def answering(scores: np.ndarray) -> Callable[..., np.ndarray]:
    """Returns a network that gives these scores, one row for each recording."""

    def answer(recordings: Recordings) -> np.ndarray:
        assert len(recordings) == len(scores)
        return scores[:, : recordings.lengths.max()]

    return answer


def heard(examples: Examples, scores: np.ndarray, **decoding: float) -> Heard:
    """Returns what is heard in the test recordings."""
    numbers = examples.numbers_of("test")
    return hear(answering(scores), examples, numbers, Decoding.model_validate(decoding))


@UNITS
@pytest.mark.parametrize("beams", [1, 4])
def test_what_the_scores_say_is_heard(unit: str, beams: int) -> None:
    examples = prepared(unit=unit, hop=0.01, stride=2).examples
    found = heard(examples, scores_of(examples, TEST), beams=beams)
    assert found.texts == TEST
    assert [examples.transcript(own) for own in found.ids] == TEST
    np.testing.assert_allclose(np.exp(found.log_p).sum(2), 1, rtol=1e-5)


def test_greedy_is_the_likeliest_path_and_beams_add_paths_up() -> None:
    # Two steps of p(a) = 0.4: blanks are likeliest alone, 0.36, but three paths stand for a.
    examples = prepared(unit="words").examples
    p = np.full((2, 60, examples.blank + 1), 1e-9)
    p[:, :, -1] = 1
    p[:, :2, 0], p[:, :2, -1] = 0.4, 0.6
    scores = np.log(p).astype(np.float32)
    assert heard(examples, scores, beams=1).texts == ["", ""]
    assert heard(examples, scores, beams=4).texts == ["a", "a"]
    # A bonus is for a search, of a single beam as well.
    assert heard(examples, scores, beams=1, bonus=2.0).texts == ["a", "a"]


def test_spaces_are_single_and_within() -> None:
    examples = prepared(unit="characters", stride=2).examples
    space, letter = (examples.labels_known.index(name) for name in " a")
    scores = np.zeros((2, 80, examples.blank + 1), np.float32)
    scores[:, :, -1] = 9
    for step, label in enumerate([space, letter, space, -1, space, letter, space]):
        scores[:, step, label] = 20
    found = heard(examples, scores, beams=1)
    assert found.texts == ["a a", "a a"]
    assert [word["word"] for word in found.words()[0]] == ["a", "a"]


def test_the_language_model_prefers_what_training_says() -> None:
    examples = prepared(table(["a be"] * 6 + ["sea", "dee sea"]), unit="words").examples
    scores = scores_of(examples, ["a be", "a be"], sure=6.0)
    be, sea = (examples.labels_known.index(name) for name in ("be", "sea"))
    step = int(scores[0, :, be].argmax())
    # `sea` sounds a little likelier.
    scores[:, step, sea] = scores[:, step, be] + 0.3
    assert heard(examples, scores, beams=4).texts == ["a sea"] * 2
    assert heard(examples, scores, beams=4, language_weight=0.5).texts == ["a be"] * 2
    # Transcripts with labels that training lacks have no say, nor have other splits.
    few = replace(examples, spelled=np.zeros_like(examples.spelled))
    few.spelled[-6:] = True
    assert heard(few, scores, beams=4, language_weight=0.5).texts != ["a be"] * 2


@UNITS
def test_words_have_times_and_confidences(unit: str) -> None:
    examples = prepared(unit=unit, stride=2).examples
    scores = scores_of(examples, TEST)
    found = heard(examples, scores).words()
    for words, text in zip(found, TEST, strict=True):
        assert [word["word"] for word in words] == text.split()
        for place, word in enumerate(words):
            start = (PAUSE + place * (PAUSE + WORD)) / RATE
            assert word["start"] == pytest.approx(start, abs=0.04)
            assert word["end"] == pytest.approx(start + WORD / RATE, abs=0.04)
            labels = 1 + examples.blank
            assert word["confidence"] == pytest.approx(
                np.exp(8) / (np.exp(8) + labels - 1), abs=1e-4
            )


def test_the_confidence_of_a_word_is_that_of_its_weakest_letter() -> None:
    examples = prepared(unit="characters", stride=2).examples
    scores = scores_of(examples, TEST)
    letter = examples.labels_known.index("e")
    step = int(scores[0, :, letter].argmax())
    assert TEST[0] == "a sea"
    scores[0, step, letter] = 3.0
    first, second = heard(examples, scores).words()[0]
    assert first["confidence"] > 0.99
    assert second["confidence"] == pytest.approx(np.exp(3) / (np.exp(3) + examples.blank), abs=1e-3)


@UNITS
def test_no_word_at_all(unit: str) -> None:
    examples = prepared(unit=unit, stride=2).examples
    for texts in (["", ""], ["", TEST[1]]):
        for beams in (1, 4):
            found = heard(examples, scores_of(examples, texts), beams=beams)
            assert found.texts == texts
            words = [[word["word"] for word in own] for own in found.words()]
            assert words == [text.split() for text in texts]


def test_log_softmax_of_large_scores() -> None:
    scores = np.array([[[1000.0, 1001.0, -3000.0], [-2000.0, -2000.0, -2000.0]]], np.float32)
    expected = [-np.log1p(np.e), -np.log1p(1 / np.e)]
    found = _log_softmax(scores)
    np.testing.assert_allclose(found[0, 0, :2], expected, rtol=1e-6)
    np.testing.assert_allclose(found[0, 1], np.log(1 / 3), rtol=1e-6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("normalize", ["training", "level", "recording"])
def test_a_file_is_heard_as_a_test_recording_is(normalize: str) -> None:
    recordings = table(["a be"] * 6 + ["sea", "dee sea"])
    examples = prepared(recordings, unit="words", stride=2, normalize=normalize).examples
    numbers, paths = examples.numbers_of("test"), [Path("a.wav"), Path("b.wav")]
    for path, samples in zip(paths, recordings["samples"].iloc[numbers], strict=True):
        soundfile.write(path, samples, RATE)
    given = predict._examples(examples, paths)
    own, known = (
        Recordings(each, each.numbers_of("test")).cut(np.arange(2), 60)["inputs"]
        for each in (given, examples)
    )
    np.testing.assert_equal(own, known)
    scores = scores_of(examples, ["a be", "a be"], sure=6.0)
    be, sea = (examples.labels_known.index(name) for name in ("be", "sea"))
    scores[..., sea] = np.where(scores[..., be] > 0, 6.3, scores[..., sea])
    for weight, text in ((0.0, "a sea"), (0.5, "a be")):
        found = heard(given, scores, beams=4, language_weight=weight)
        assert found.texts == [text] * 2
        assert found.words() == heard(examples, scores, language_weight=weight, beams=4).words()


def test_repeated_words_are_told_apart() -> None:
    examples = prepared(table(test=["a a be", "be be"]), unit="words", stride=2).examples
    for words in heard(examples, scores_of(examples, ["a a be", "be be"])).words():
        assert len(words) > 1
        for before, after in pairwise(words):
            assert before["start"] < before["end"] <= after["start"] < after["end"]


def test_equal_words_side_by_side_are_drawn_as_two() -> None:
    drawn = pd.DataFrame(
        {
            "second": [0.0, 0.1, 0.2, 0.3] * 2,
            "band": [1] * 4 + [2] * 4,
            "energy": range(8),
            "word": ["two", "", "two", ""] + [""] * 4,
            "end": [0.2, np.nan, 0.4, np.nan] + [np.nan] * 4,
            "probability": [0.9, 0.0, 0.8, 0.1] + [np.nan] * 4,
        }
    )
    axes = Figure().subplots()
    predict.draw(axes, drawn)
    assert [text.get_text() for text in axes.texts] == ["two", "two"]
    (bars,) = axes.collections
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [[0, 0.2], [0.2, 0.4]]
