"""Strings of words, made of the recordings of each split by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kinds.speech_recognition.project import RATE, encoded, ingested, write_recordings

# Recordings of one value each, which no other has: 100 times their number.
SPOKEN = [(f"w{number}", f"s{number % 2}") for number in range(1, 25)]
LENGTH = 40
COUNTS = {"train": 16, "validation": 6, "test": 2}
STRINGS: dict[str, Any] = {
    "train": 40,
    "validation": 12,
    "test": 6,
    "longest": 3,
    "pause": [0.0, 0.0],
    "loudness": 0.0,
    "noise": None,
}

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def project(folder: Path) -> None:
    rows = [f"{word}.wav,{word},{who}" for word, who in SPOKEN]
    values = [np.full(LENGTH, 100 * number, np.int16) for number in range(1, 25)]
    files = {f"{word}.wav": encoded(value) for (word, _), value in zip(SPOKEN, values, strict=True)}
    table = "\n".join(["file,transcript,speaker", *rows])
    write_recordings("words.zip", {"table.csv": table, **files})


def made(counts: dict[str, int] = COUNTS, **changes: Any) -> tuple[Any, dict[str, Any]]:
    strings = {**STRINGS, **changes}
    return ingested(file="data/raw/words.zip", split=counts, strings=strings)


def test_a_string_has_recordings_of_one_split_and_speaker() -> None:
    table, about = made()
    assert about["recordings"] == {name: STRINGS[name] for name in COUNTS}
    assert about["source_recordings"] == COUNTS
    assert table["recording"].tolist()[38:42] == [
        "train 39",
        "train 40",
        "validation 1",
        "validation 2",
    ]
    assert table["split"].tolist() == [0] * 40 + [1] * 12 + [2] * 6
    splits, speakers = np.repeat([0, 1, 2], list(COUNTS.values())), dict(SPOKEN)
    sizes, used = set(), {number: set() for number in range(3)}
    for text, who, split, samples in zip(
        table["transcript"], table["speaker"], table["split"], table["samples"], strict=True
    ):
        words = text.split()
        sizes.add(len(words))
        used[split].update(words)
        numbers = np.array([int(word[1:]) for word in words])
        assert {speakers[word] for word in words} == {who}
        assert set(splits[numbers - 1]) == {split}
        np.testing.assert_array_equal(samples, np.repeat(100 * numbers, LENGTH))
    assert sizes == {1, 2, 3}
    # None is used again before all others of its speaker were.
    assert [len(words) for words in used.values()] == list(COUNTS.values())


def test_pauses_loudness_and_noise() -> None:
    table, _ = made(pause=[0.01, 0.03])
    for text, samples in zip(table["transcript"], table["samples"], strict=True):
        edges = np.flatnonzero(np.diff(samples != 0)) + 1
        pauses = np.diff([0, *edges, len(samples)])[::2]
        assert len(pauses) == len(text.split()) + 1
        assert (pauses >= 0.01 * RATE).all()
        assert (pauses <= 0.03 * RATE).all()
    table, _ = made(loudness=6.0, longest=1)
    own = np.array([100 * int(text[1:]) for text in table["transcript"]])
    decibels = 20 * np.log10(np.array([samples[0] for samples in table["samples"]]) / own)
    assert -6.1 < decibels.min() < -3
    assert 3 < decibels.max() < 6.1
    quiet, noisy = made()[0], made(noise=40.0)[0]
    assert quiet["transcript"].tolist() == noisy["transcript"].tolist()
    noise = np.concatenate(noisy["samples"]) - np.concatenate(quiet["samples"]).astype(float)
    # 40 dB below full scale.
    assert abs(noise.std() - 327.68) < 10


def test_seeds_decide() -> None:
    first, again, other = (made(noise=40.0, seed=seed)[0] for seed in (1, 1, 2))
    for column in ("transcript", "speaker"):
        assert first[column].tolist() == again[column].tolist()
    assert first["transcript"].tolist() != other["transcript"].tolist()
    for one, two in zip(first["samples"], again["samples"], strict=True):
        np.testing.assert_array_equal(one, two)


def test_another_number_of_a_split_changes_nothing_in_the_others() -> None:
    first, _ = made(noise=40.0, pause=[0.0, 0.1])
    more, _ = made(noise=40.0, pause=[0.0, 0.1], train=50)
    for split in (1, 2):
        pairs = zip(
            first[first["split"] == split].itertuples(),
            more[more["split"] == split].itertuples(),
            strict=True,
        )
        for one, two in pairs:
            assert (one.transcript, one.recording) == (two.transcript, two.recording)
            np.testing.assert_array_equal(one.samples, two.samples)


def test_without_names_all_recordings_are_of_one_group() -> None:
    table, about = ingested(file="data/raw/words.zip", speaker=None, split=COUNTS, strings=STRINGS)
    assert about["speakers"] == {}
    speakers = dict(SPOKEN)
    mixed = [{speakers[word] for word in text.split()} for text in table["transcript"]]
    assert max(map(len, mixed)) == 2


def test_a_split_of_one_recording_repeats_it() -> None:
    table, _ = made({"train": 22, "validation": 1, "test": 1}, longest=2)
    own = table[table["split"] == 2]
    assert set(" ".join(own["transcript"]).split()) == {"w24"}
