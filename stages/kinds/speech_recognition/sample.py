"""Small tasks of speech recognition, for the tests that every kind has to pass."""

import io
import wave
import zipfile
from typing import Any

import numpy as np

from stages.kinds.data import Sample

RATE = 4000
# The pitches of each word, in Hz.
WORDS = {"hi": [400], "lo": [1200], "up": [400, 1200], "on": [1200, 400]}


def spoken(words: list[str], voice: float, rng: np.random.Generator) -> bytes:
    """Returns words of tones as a WAV file; `voice` scales their pitches."""
    pieces = []
    for word in words:
        pieces.append(np.zeros(200))
        for pitch in WORDS[word]:
            # Recordings of few lengths, as a network is compiled for each.
            size = 600 // len(WORDS[word])
            pieces.append(8000 * np.sin(2 * np.pi * pitch * voice * np.arange(size) / RATE))
    samples = np.concatenate([*pieces, np.zeros(200)])
    samples += rng.normal(0, 20, len(samples))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def archive(recordings: int = 40, most: int = 2, speakers: int = 2) -> bytes:
    """Returns recordings with a table of their transcripts, in a zip archive."""
    rng, names, rows = np.random.default_rng(0), list(WORDS), ["file,transcript,speaker"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for number in range(recordings):
            chosen = [names[index] for index in rng.integers(0, len(names), 1 + number % most)]
            speaker = number // 2 % speakers
            rows.append(f"{number}.wav,{' '.join(chosen)},s{speaker}")
            file.writestr(f"{number}.wav", spoken(chosen, 1 + 0.05 * speaker, rng))
        file.writestr("table.csv", "\n".join(rows) + "\n")
    return content.getvalue()


def _sample(
    ingest: dict[str, Any],
    extract_features: dict[str, Any],
    decoding: dict[str, Any],
    variants: list[dict[str, Any]],
    most: int,
) -> Sample:
    return Sample(
        files={"tones.zip": archive(most=most)},
        entry={
            "kind": "speech_recognition",
            "ingest": {
                "file": "data/raw/tones.zip",
                "table": "table.csv",
                "speaker": "speaker",
                "rate": RATE,
                **ingest,
            },
            "extract_features": {"bands": 8, **extract_features},
            "baseline": {},
            "train": {},
            "evaluate": {"draws": 20, "decoding": decoding},
            "predict": {"recordings": 3, "decoding": decoding},
        },
        variants=variants,
    )


SAMPLES = [
    _sample(
        {"split": {"train": 24, "validation": 8, "test": 8}},
        {"unit": "words", "variations": {"speeds": [1.0], "warp": 0.05, "noise": [20, 30]}},
        {"beams": 4},
        [
            {
                "cell": "gru",
                "filters": 6,
                "dropout": 0.1,
                "masks": {"band_width": 3, "time_width": 2},
            },
        ],
        most=2,
    ),
    _sample(
        {
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            "strings": {"train": 24, "validation": 8, "test": 8, "longest": 2, "pause": [0, 0.05]},
        },
        {"normalize": "recording", "stride": 2},
        {"beams": 4, "language_weight": 0.5, "bonus": 0.1},
        [
            {
                "cell": "lstm",
                "convolutions": 2,
                "filters": 5,
                "width": 4,
                "bidirectional": False,
                "masks": None,
            },
        ],
        most=1,
    ),
]
