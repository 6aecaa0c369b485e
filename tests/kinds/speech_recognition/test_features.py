"""From the table of recordings to examples: what is too short for its transcript is refused."""

from pathlib import Path
from typing import Any

import pytest

from stages import extract_features, ingest
from stages.audio.features import frames_of
from tests.kinds.speech_recognition.project import (
    RATE,
    data,
    tone,
    write_parameters,
    write_recordings,
)
from tests.tasks import error_of

# Frames of 25 ms, 10 ms apart, two to a step: 0.125 s are 11 frames, or 6 steps.
SECTION: dict[str, Any] = {"unit": "characters", "stride": 2, "variations": None}

pytestmark = pytest.mark.usefixtures("folder")


def write(
    transcripts: list[str], seconds: float = 0.125, validation: int = 1, **section: Any
) -> None:
    names = ["a", "b", "c", "d", "e"][: len(transcripts)]
    rows = [f"{name}.wav,{text}" for name, text in zip(names, transcripts, strict=True)]
    files = {f"{name}.wav": tone(400, seconds) for name in names}
    write_recordings("x.zip", {"table.csv": "\n".join(["file,transcript", *rows]), **files})
    split = {"train": 2, "validation": validation, "test": 1}
    write_parameters(
        ingest={"file": "data/raw/x.zip", "speaker": None, "split": split},
        extract_features={**SECTION, **section},
    )
    ingest.main(["x"])


def test_a_recording_has_as_many_steps_as_its_transcript_has_labels() -> None:
    write(["abcdef"] * 4)
    extract_features.main(["x"])
    examples = data().examples
    assert frames_of(round(0.125 * RATE), examples.reader.spectrum) == 11
    assert examples.steps_of(examples.numbers_of("train")).tolist() == [6, 6]
    assert (examples.label_counts == 6).all()


SHORT = {
    "a label more": (
        ["abcdef", "abcdefa", "abc", "abc"],
        "received b.wav (1 in all): the first has 6 steps of 2 frames, and its transcript needs 7",
    ),
    "a blank between equal labels": (
        ["abcdef", "abcdef", "abbcde", "abc"],
        "received c.wav (1 in all): the first has 6 steps of 2 frames, and its transcript needs 7",
    ),
    "two": (["abcdefa", "abcdefgh", "abc", "abc"], "received a.wav, b.wav (2 in all): the first"),
}


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("count", [0, 2])
def test_a_recording_too_short_for_its_transcript_is_one_error(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcripts, message = SHORT[name]
    variations = {"count": count, "speeds": [1.1]} if count else None
    write(transcripts, variations=variations)
    error = error_of(extract_features.main, ["x"], monkeypatch)
    assert error.startswith("error: task x: ")
    # Variations of recordings that are too short themselves are no news.
    assert message in error
    assert "variations" not in error
    assert not any(Path("data/examples/x").iterdir())


def test_a_variation_too_short_for_its_transcript_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variations = {"count": 2, "speeds": [1.1]}
    write(["abcde", "abcdef", "abc", "abc"], variations=variations)
    error = error_of(extract_features.main, ["x"], monkeypatch)
    # 0.1136 s are 9 frames, or 5 steps.
    assert (
        "received sped-up variations of b.wav (2 in all): the first has 5 steps of 2 frames, and "
        "its transcript needs 6: lower extract_features.variations.speeds, correct the"
    ) in error
    write(["abcde", "abcdef", "abc", "abc"], variations={**variations, "speeds": [0.9, 1.0]})
    extract_features.main(["x"])
    assert data().examples.variations == 4


def test_what_is_not_learned_may_be_too_short() -> None:
    """Recordings of test count as missed, and training cannot learn labels that it lacks."""
    write(["abcdef", "abcdef", "abc", "abcdefx", "abcdefabcdef"], validation=2)
    extract_features.main(["x"])
    assert data().examples.spelled.tolist() == [True, True, True, False, True]
    assert data().examples.label_counts.tolist() == [6, 6, 3, 7, 12]
