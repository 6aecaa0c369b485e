"""Recordings of tones as words in the current folder, taken to their examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.files.task_data import TaskData
from stages.kinds.speech_recognition import Examples, Ingested, ingest
from tests import tasks

RATE = 4000
# The pitch of each word, in Hz.
PITCHES = {"a": 300, "be": 700, "sea": 1100, "dee": 1500}
TRAIN = ["a be", "sea", "dee a", "be sea dee", "a", "be"]
VALIDATION = ["sea a", "dee"]
TEST = ["a sea", "be dee a"]
Data = TaskData[Ingested, Examples]


def spoken(text: str, rng: np.random.Generator, pause: int = 400) -> np.ndarray:
    """Returns the tones of the words, 0.15 s each and with pauses of so many samples around them,
    (samples,) int16."""
    pieces = [np.zeros(pause)]
    for word in text.split():
        # What is no word of these is noise.
        tone = np.sin(2 * np.pi * PITCHES.get(word, 0) * np.arange(600) / RATE)
        pieces += [6000 * tone if word in PITCHES else rng.normal(0, 3000, 600), np.zeros(pause)]
    samples = np.concatenate(pieces)
    return np.rint(samples + rng.normal(0, 20, len(samples))).astype(np.int16)


def table(
    train: Sequence[str] = TRAIN,
    validation: Sequence[str] = VALIDATION,
    test: Sequence[str] = TEST,
    pause: int = 400,
) -> pd.DataFrame:
    """Returns recordings of these transcripts, split after split."""
    texts = [*train, *validation, *test]
    samples = [spoken(text, np.random.default_rng(row), pause) for row, text in enumerate(texts)]
    found = pd.DataFrame({"recording": [f"{row}.wav" for row in range(len(texts))]})
    found["transcript"], found["speaker"] = texts, [f"s{row % 2}" for row in range(len(texts))]
    found["samples"] = samples
    found.attrs["split"] = {"train": len(train), "validation": len(validation), "test": len(test)}
    return found


def prepared(recordings: pd.DataFrame | None = None, **section: Any) -> Data:
    """Writes recordings as `ingest` does, and their examples by a section `extract_features`."""
    recordings = table() if recordings is None else recordings
    layout = {"file": "data/raw/x", "table": "x.csv", "rate": RATE}
    split = recordings.attrs["split"]
    parameters = ingest.Parameters.model_validate({**layout, "split": split})
    ingested, about = ingest.ingest([recordings.copy()], parameters)
    return tasks.prepare("speech_recognition", ingested, about, {"bands": 8, **section})
