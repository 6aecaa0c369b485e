"""Recordings to features, and transcripts to labels: against plain loops, and from training
alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.audio.features import Spectrum, log_mel
from stages.errors import InputError
from stages.files import tables
from stages.kinds.speech_recognition import extract_features, train
from tests.kinds.speech_recognition.examples import (
    RATE,
    TEST,
    TRAIN,
    VALIDATION,
    prepared,
    table,
)

pytestmark = pytest.mark.usefixtures("folder")
VARIED = {"count": 2, "speeds": [0.8, 1.25], "warp": 0.1, "noise": [20.0, 30.0], "seed": 3}


def energies() -> list[np.ndarray]:
    """Returns the log-mel energies of each recording, in double precision."""
    spectrum = Spectrum(RATE, bands=8)
    own = [log_mel(samples, spectrum).astype(float) for samples in table()["samples"]]
    # 52 dB of energy.
    return [np.maximum(each, each.max() - np.log(10**5.2)) for each in own]


def by_hand(normalize: str) -> np.ndarray:
    """Returns the normalised energies of all recordings, (frames, bands)."""
    own = energies()
    if normalize == "recording":
        return np.concatenate([each - each.mean(0) for each in own]) / np.concatenate(
            [np.broadcast_to(each.std(0), each.shape) for each in own]
        )
    if normalize == "level":
        for each in own:
            loudness = each.mean(1)
            quiet, loud = np.percentile(loudness, [10, 95])
            bands = each[loudness >= quiet + 0.3 * (loud - quiet)].mean(0)
            each -= 0.5 * bands + 0.5 * bands.mean()
    known = np.concatenate(own[: len(TRAIN)])
    return (np.concatenate(own) - known.mean(0)) / known.std(0)


@pytest.mark.parametrize("normalize", ["training", "level", "recording"])
def test_features_are_the_energies_normalised(
    normalize: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract_features, "BLOCK", 7)
    examples, expected = prepared(normalize=normalize).examples, by_hand(normalize)
    assert examples.features.dtype == np.float16
    # float16 has 11 bits.
    np.testing.assert_allclose(examples.features, expected, rtol=2**-11, atol=1e-4)
    lengths = [len(each) for each in energies()]
    assert examples.lengths.tolist() == lengths
    assert examples.starts.tolist() == [sum(lengths[:row]) for row in range(len(lengths))]
    if normalize == "recording":
        assert not examples.mean.any()
        assert (examples.deviation == 1).all()


def test_a_louder_recording_has_the_same_features() -> None:
    for normalize, most in (("level", 0.02), ("recording", 0.02), ("training", np.inf)):
        quiet, loud = table(), table()
        loud["samples"] = [3 * samples for samples in loud["samples"]]
        first = prepared(quiet, normalize=normalize).examples
        second = prepared(loud, normalize=normalize).examples
        assert np.abs(first.features - second.features).max() <= most


def test_silence_is_finite() -> None:
    for normalize in ("training", "level", "recording"):
        silent = table()
        silent["samples"] = [0 * samples for samples in silent["samples"]]
        assert not np.asarray(prepared(silent, normalize=normalize).examples.features).any()


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_labels_are_those_of_training(unit: str) -> None:
    strange = table(validation=["sea a", "zed a"], test=["zed", "be dee a"])
    examples = prepared(strange, unit=unit).examples
    split = (lambda text: text.split()) if unit == "words" else list
    known = sorted({label for text in TRAIN for label in split(text)})
    assert examples.labels_known == known
    assert examples.blank == len(known)
    for row, text in enumerate(strange["transcript"]):
        start, count = examples.label_starts[row], examples.label_counts[row]
        names = split(text)
        assert count == len(names)
        expected = [known.index(name) if name in known else 0 for name in names]
        assert examples.labels[start : start + count].tolist() == expected
        assert examples.spelled[row] == all(name in known for name in names)
        if examples.spelled[row]:
            assert examples.transcript(examples.labels[start : start + count]) == text
    first = len(TRAIN)
    assert examples.spelled.tolist() == [True] * (first + 1) + [False, False, True]
    masks = [
        train.batches(examples, name, train.Parameters()).cut(np.arange(2))["mask"].tolist()
        for name in ("validation", "test")
    ]
    assert masks == [[1, 0], [0, 1]]


def test_no_validation_recording_has_known_labels() -> None:
    strange = table(validation=["zed"])
    with pytest.raises(InputError, match=r"all of whose words training has, received 1 without.*"):
        prepared(strange, unit="words")
    with pytest.raises(InputError, match=r"characters training has.* in another way$"):
        prepared(strange, unit="characters")


def everything(changed: bool, **section: Any) -> dict[str, Any]:
    """Returns what training sees, where the other splits are as they are, or have louder sounds
    and other words."""
    recordings = table()
    if changed:
        recordings = table(validation=["zed a", "dee"], test=["zed omega", "zed"])
        recordings["samples"] = [
            samples if row < len(TRAIN) else np.roll(4 * samples[::2], 50)
            for row, samples in enumerate(recordings["samples"])
        ]
    examples = prepared(recordings, **section).examples
    batches = train.batches(examples, "train", train.Parameters())
    return {
        "mean": examples.mean.tobytes(),
        "deviation": examples.deviation.tobytes(),
        "labels known": examples.labels_known,
        "batch": batches.cut(np.arange(len(batches))),
        "test": examples.features[examples.starts[examples.numbers_of("test")[0]] :].tobytes(),
    }


@pytest.mark.parametrize("normalize", ["training", "level", "recording"])
@pytest.mark.parametrize("unit", ["words", "characters"])
def test_other_splits_change_nothing_that_training_sees(unit: str, normalize: str) -> None:
    section = {"unit": unit, "normalize": normalize, "variations": VARIED}
    first, second = everything(False, **section), everything(True, **section)
    assert len(first["batch"]["mask"]) == 3 * len(TRAIN)
    assert first.pop("test") != second.pop("test")
    for name, content in first.items():
        np.testing.assert_equal(content, second[name], err_msg=name)


def test_variations_stand_behind_all_recordings_and_are_of_training() -> None:
    plain, varied = prepared().examples, prepared(variations=VARIED).examples
    count, own = len(plain.lengths), len(TRAIN)
    assert varied.variations == 2 * own
    assert varied.recordings == plain.recordings
    np.testing.assert_array_equal(varied.lengths[:count], plain.lengths)
    frames = int(plain.lengths.sum())
    np.testing.assert_array_equal(varied.features[:frames], plain.features)
    np.testing.assert_array_equal(varied.mean, plain.mean)
    numbers = np.arange(count, count + 2 * own)
    labels, counts = varied.labels_of(numbers)
    speeds = set()
    for row, number in enumerate(numbers):
        assert varied.transcript(labels[row, : counts[row]]) == TRAIN[row % own]
        speed = plain.lengths[row % own] / varied.lengths[number]
        speeds.add(0.8 if speed < 1 else 1.25)
        assert min(abs(speed - 0.8), abs(speed - 1.25)) < 0.06
    assert speeds == {0.8, 1.25}
    for split, texts in (("validation", VALIDATION), ("test", TEST)):
        assert len(train.batches(varied, split, train.Parameters())) == len(texts)
    assert len(train.batches(varied, "train", train.Parameters())) == 3 * own


def test_another_count_leaves_the_first_variations_as_they_are() -> None:
    one, two, other = (
        np.asarray(prepared(variations={**VARIED, **change}).examples.features)
        for change in ({"count": 1}, {}, {"seed": 4})
    )
    np.testing.assert_array_equal(two[: len(one)], one)
    assert two.shape != other.shape or (two != other).any()
    np.testing.assert_array_equal(np.asarray(prepared(variations=VARIED).examples.features), two)


def test_a_speed_leaves_too_few_steps() -> None:
    section = {"unit": "characters", "stride": 10}
    prepared(table(["a be sea", "dee"], ["a"]), **section)
    fast = {"speeds": [2.0], "warp": 0.0}
    with pytest.raises(InputError, match=r"1\.wav \(2 in all\).* 5 steps .*needs 8.*speed"):
        prepared(table(["a be sea", "dee"], ["a"]), **section, variations=fast)


def test_a_test_recording_may_be_too_short() -> None:
    cut = table()
    cut.at[len(cut) - 1, "samples"] = cut["samples"].iloc[-1][:200]
    assert prepared(cut, unit="words").examples.lengths[-1] == 3
    cut.at[0, "samples"] = cut["samples"].iloc[0][:120]
    with pytest.raises(InputError, match=r"long enough .* received 0\.wav \(1 in all\)"):
        prepared(cut, unit="words")


def test_a_batch_holds_each_recording_as_a_plain_loop_cuts_it() -> None:
    examples = prepared(unit="words", stride=4).examples
    batches = train.batches(examples, "train", train.Parameters())
    indices = np.array([4, 0, 4, 3])
    lengths = [int(examples.lengths[index]) for index in indices]
    steps = [-(-length // 4) for length in lengths]
    assert batches.lengths[indices].tolist() == steps
    assert any(length % 4 for length in lengths)
    for length in (None, max(steps) + 2):
        batch = batches.cut(indices, length)
        frames = 4 * (length or max(steps))
        assert batch["inputs"]["features"].shape == (4, frames, 8)
        assert batch["inputs"]["features"].dtype == np.float32
        assert batch["inputs"]["steps"].tolist() == batch["given"]["steps"].tolist() == steps
        assert batch["targets"].tolist() == [len(TRAIN[index].split()) for index in indices]
        assert batch["mask"].tolist() == [1] * 4
        for row, (index, own) in enumerate(zip(indices, lengths, strict=True)):
            start = int(examples.starts[index])
            features = batch["inputs"]["features"][row]
            np.testing.assert_array_equal(features[:own], examples.features[start : start + own])
            assert not features[own:].any()
            names = TRAIN[index].split()
            expected = [examples.labels_known.index(name) for name in names]
            assert batch["given"]["labels"][row].tolist() == expected + [0] * (3 - len(names))


def test_few_recordings_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    largest, read_chunks = [], tables.read_chunks

    def watched(path: Path, columns: list[str], *rows: int) -> Any:
        for chunk in read_chunks(path, columns, *rows):
            largest.append(len(chunk))
            yield chunk

    monkeypatch.setattr(tables, "read_chunks", watched)
    monkeypatch.setattr(extract_features, "ROWS", 3)
    prepared(variations={"count": 1})
    assert max(largest) == 3
    assert len(largest) >= 4 + 2
