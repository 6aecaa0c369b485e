"""How transcripts are written before they are learned and compared."""

from pathlib import Path

import pytest

from stages import ingest
from stages.kinds.speech_recognition.transcripts import normalized
from tests.kinds.speech_recognition.project import (
    ingested,
    tone,
    write_parameters,
    write_recordings,
)
from tests.tasks import error_of

TRANSCRIPTS = {
    "Don’t STOP!": "don't stop",
    "rock 'n' roll's ''best'' 'song'": "rock n roll's best song",
    "a well-known mother-in-law—yes": "a well known mother in law yes",
    "  1 \t apple\u00a0&  22\npears, 3.5 % ": "1 apple 22 pears 3 5",
    "U\u0308BER cafe\u0301": "über café",
    "مرحبا، كيف حالُك؟": "مرحبا كيف حالُك",
    "你好，世界。": "你好 世界",
    "נִמ'ר": "נִמ'ר",
    "snake_'case": "snake case",
}


def test_transcripts_are_normalised() -> None:
    for text, expected in TRANSCRIPTS.items():
        assert normalized(text, lower=True, punctuation=False) == expected
        assert normalized(expected, lower=True, punctuation=False) == expected
    assert normalized("Don’t  STOP", lower=False, punctuation=False) == "Don't STOP"
    assert normalized("“Don’t”  STOP!", lower=True, punctuation=True) == "“don’t” stop!"


def test_the_section_says_how_transcripts_are_normalised(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 'file,transcript\na.wav,"Hi, MU\u0308LLER!"\nb.wav,Hi\nc.wav,?!\n'
    write_recordings("x.zip", {"table.csv": rows, **{f"{name}.wav": tone(300) for name in "abc"}})
    split = {"train": 1, "validation": 1, "test": 1}
    section = {"file": "data/raw/x.zip", "speaker": None, "split": split}
    write_parameters(ingest=section)
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert error == (
        "error: task x: data/raw/x.zip: c.wav: expected a transcript with a letter or digit, "
        "received '?!' (1 such recordings): correct it, or set ingest.punctuation to true"
    )
    table, about = ingested(**section, punctuation=True, lower=False)
    assert table["transcript"].tolist() == ["Hi, MÜLLER!", "Hi", "?!"]
    assert about["unknown"] == {"train": 0, "validation": 1, "test": 1}
    assert "words that training lacks, and a network of words misses: " in caplog.text
