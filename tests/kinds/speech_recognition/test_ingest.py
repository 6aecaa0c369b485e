"""Recordings and transcripts to a split table: tables, patterns, splits, and what is warned of."""

import logging
from typing import Any

import numpy as np
import pytest

from stages import ingest
from tests.kinds.speech_recognition.project import (
    RATE,
    ingested,
    tone,
    write_bytes,
    write_parameters,
    write_recordings,
)
from tests.tasks import error_of

SPEAKERS = ("ann", "bob", "cy", "dee", "eve")
WORDS = ("hi", "lo")
# Two words, twice each, of every speaker. The pitch of a recording is its number.
SPOKEN = [(who, word, take) for who in SPEAKERS for word in WORDS for take in (0, 1)]
COUNTS = {"train": 12, "validation": 4, "test": 4}
PATTERN = {"file": "data/raw/spoken", "table": None, "pattern": "{transcript}_{speaker}_{take}.wav"}
BY_TAKE = {"by": "take", "train": "rest", "validation": [1], "test": ["2"]}

pytestmark = pytest.mark.usefixtures("folder")


def pitch(number: int) -> int:
    return 200 + 40 * number


def recordings(words: dict[int, str] | None = None) -> dict[str, bytes]:
    """Returns a recording for each of `SPOKEN`; `words`: those of some numbers."""
    return {
        f"{(words or {}).get(number, word)}_{who}_{take}.wav": tone(pitch(number))
        for number, (who, word, take) in enumerate(SPOKEN)
    }


def with_table(name: str = "spoken.zip", **changes: Any) -> dict[str, Any]:
    """Writes a table with recordings, and returns the section."""
    rows = ["file,transcript,speaker,take"]
    rows += [f"{word}_{who}_{take}.wav,{word},{who},{take}" for who, word, take in SPOKEN]
    write_recordings(name, {**recordings(), "table.csv": "\n".join(rows)})
    return {"file": f"data/raw/{name}", "split": COUNTS, **changes}


def pitches(samples: Any) -> list[int]:
    """Returns the numbers of recordings by the pitches that they have."""
    spectra = [np.abs(np.fft.rfft(each)) for each in samples]
    hertz = [each.argmax() * RATE / (2 * (len(each) - 1)) for each in spectra]
    return [round((each - pitch(0)) / 40) for each in hertz]


@pytest.mark.parametrize("name", ["spoken", "spoken.zip", "spoken.tar", "spoken.tar.gz"])
def test_a_table_of_a_folder_or_an_archive(name: str) -> None:
    table, about = ingested(**with_table(name))
    assert list(table.columns) == ["recording", "transcript", "speaker", "split", "samples"]
    assert table["recording"].tolist() == [f"{word}_{who}_{take}.wav" for who, word, take in SPOKEN]
    assert table["transcript"].tolist() == [word for _, word, _ in SPOKEN]
    assert table["speaker"].tolist() == [who for who, _, _ in SPOKEN]
    assert table["split"].tolist() == [0] * 12 + [1] * 4 + [2] * 4
    assert pitches(table["samples"]) == list(range(20))
    assert about["recordings"] == COUNTS
    assert about["seconds"] == {"train": 2.4, "validation": 0.8, "test": 0.8}
    assert about["speakers"] == {
        "train": ["ann", "bob", "cy"],
        "validation": ["dee"],
        "test": ["eve"],
    }
    assert (about["rate"], about["words"], about["dropped"]) == (RATE, 2, 0)
    assert about["unknown"] == {"train": 0, "validation": 0, "test": 0}
    assert about["source_recordings"] == {}


@pytest.mark.parametrize("name", ["spoken", "spoken.zip", "spoken.tar.xz"])
def test_a_pattern_of_paths(name: str, caplog: pytest.LogCaptureFixture) -> None:
    files = {f"v1/{key}": content for key, content in recordings().items()}
    noise = {"v1/_background_noise_/hum.wav": b"", "v1/_background_noise_/README.md": "Hum."}
    write_recordings(name, {**files, **noise, "v1/LICENSE": "free"})
    with caplog.at_level(logging.INFO):
        table, _ = ingested(
            **PATTERN | {"file": f"data/raw/{name}", "speaker": None, "split": COUNTS}
        )
    assert table["recording"].tolist() == sorted(files)
    assert table["transcript"].tolist() == ["hi"] * 10 + ["lo"] * 10
    assert table["speaker"].tolist() == [who for who in SPEAKERS for _ in range(2)] * 2
    assert [each for each in caplog.messages if "left out" in each] == [
        f"data/raw/{name}: left out 2 files in folders whose names begin with _ "
        "('_background_noise_')"
    ]


def test_names_of_speakers_are_optional() -> None:
    table, about = ingested(**with_table(speaker=None))
    assert set(table["speaker"]) == {""}
    assert about["speakers"] == {}


def test_a_table_without_a_header_and_names_without_folder_and_suffix() -> None:
    """As LJSpeech has them: `metadata.csv` beside `wavs`."""
    rows = [f"LJ{number}|Say “{number}”.|say {number}" for number in range(6)]
    files = {f"LJ/wavs/LJ{number}.wav": tone(pitch(number)) for number in range(6)}
    text = "A comment\n" + "\n".join(rows)
    write_recordings("lj.tar.bz2", {"LJ/metadata.csv": text.encode("utf-16"), **files})
    layout = {
        "file": "data/raw/lj.tar.bz2",
        "table": "metadata.csv",
        "speaker": None,
        "encoding": "utf-16",
        "separator": "|",
        "skip": 1,
        "split": {"train": 4, "validation": 1, "test": 1},
    }
    named = {"header": ["id", "written", "said"], "recording": "id", "transcript": "said"}
    numbered = {"header": False, "recording": "1", "transcript": "2"}
    for columns in (named, numbered):
        table, _ = ingested(**layout, **columns)
        assert table["recording"].tolist() == list(files)
        assert table["transcript"].tolist() == [f"say {number}" for number in range(6)]
        assert pitches(table["samples"]) == list(range(6))


FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "a pattern has no table": (
        {**PATTERN, "speaker": None, "separator": ";", "header": False},
        "expected `separator`, `header` only with a `table`, received",
    ),
    "a pattern has no column": (
        {**PATTERN, "speaker": None, "recording": "path"},
        "expected `recording` only with a `table`, received",
    ),
    "text has no sheets": (
        {"sheet": "one"},
        "`sheet` only with a `table` that has such settings, unlike 'table.csv'",
    ),
    "JSON has no header": ({"table": "t.jsonl", "skip": 0, "encoding": "utf-16"}, "`skip` only"),
    "Parquet has no encoding": ({"table": "t.parquet", "encoding": "utf-16"}, "`encoding` only"),
    "workbooks have no separator": (
        {"table": "t.xlsx", "sheet": "one", "header": False, "separator": ","},
        "expected `separator` only",
    ),
    "neither": ({"table": None}, "either a `table` or a `pattern`"),
    "both": ({"pattern": "{transcript}.wav"}, "either a `table` or a `pattern`"),
    "no speakers": ({"speaker": None, "group": "speaker"}, "the column of the speakers"),
    "a value in two splits": (
        {"split": {"by": "take", "train": ["1"], "validation": [1], "test": [2]}},
        "expected each value once, not '1' twice",
    ),
    "a value twice": (
        {"split": {"by": "take", "validation": [1, 1], "test": [2]}},
        "expected each value once, not '1' twice",
    ),
    "values of the transcript": ({"split": {**BY_TAKE, "by": "transcript"}}, "another column than"),
    "values and a seed": ({"split": BY_TAKE, "shuffle": 1}, "where values alone decide"),
    "a fraction without a seed": (
        {"split": {**BY_TAKE, "validation": 0.1}},
        "expected a seed as `shuffle`, which draws the validation recordings",
    ),
    "values and groups": ({"split": BY_TAKE, "group": "speaker"}, "values decide by themselves"),
    "pauses": (
        {"strings": {"train": 1, "validation": 1, "test": 1, "pause": [0.2, 0.1]}},
        "no larger than the other one",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_section_that_cannot_be_is_one_error_before_data_are_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, message = FORMATS[name]
    write_parameters(ingest=section)
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert error.startswith("error: params.yaml: tasks.x.ingest")
    assert message in error


def test_settings_that_are_the_defaults_are_no_fault_of_a_pattern() -> None:
    write_recordings("spoken", recordings())
    plain = {"header": True, "recording": "file"}
    table, _ = ingested(**PATTERN, **plain, speaker=None, split=COUNTS)
    assert len(table) == 20


def test_fractions_are_of_the_order_and_leave_the_rest_out() -> None:
    split = {"train": 0.5, "validation": 0.2, "test": 0.1}
    table, about = ingested(**with_table(split=split))
    assert table["split"].tolist() == [0] * 10 + [1] * 4 + [2] * 2
    assert pitches(table["samples"]) == list(range(16))
    assert about["dropped"] == 4


def test_a_seed_decides_the_order_and_splits_stay_together() -> None:
    section = with_table()
    found = [ingested(**section, shuffle=seed)[0] for seed in (3, 3, 4)]
    numbers = [pitches(table["samples"]) for table in found]
    assert numbers[0] == numbers[1] != numbers[2]
    for table, order in zip(found, numbers, strict=True):
        assert sorted(order) == list(range(20)) != order
        assert np.bincount(table["split"]).tolist() == [12, 4, 4]
        assert table["split"].is_monotonic_increasing


@pytest.mark.parametrize("shuffle", [None, 0, 1])
def test_no_speaker_is_in_two_splits(shuffle: int | None) -> None:
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    table, about = ingested(**with_table(group="speaker", shuffle=shuffle, split=split))
    assert table.groupby("speaker")["split"].nunique().tolist() == [1] * 5
    assert about["recordings"] == COUNTS
    # Within a split, recordings keep the order of the table.
    for _, own in table.groupby("split"):
        assert pitches(own["samples"]) == sorted(pitches(own["samples"]))


def test_speakers_are_split_in_an_order_that_their_number_does_not_change() -> None:
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    first, _ = ingested(**with_table(group="speaker", split=split))
    files = {key: content for key, content in recordings().items() if "_ann_" not in key}
    write_recordings("fewer", files)
    part = {**PATTERN, "file": "data/raw/fewer", "split": {"train": 8, "validation": 4, "test": 4}}
    second, _ = ingested(**part, group="speaker")
    orders = [list(dict.fromkeys(table["speaker"])) for table in (first, second)]
    assert orders[1] == [who for who in orders[0] if who != "ann"]


@pytest.mark.parametrize("one", [1, "1"])
def test_values_of_a_column_are_numbers_or_text(one: int | str) -> None:
    split = {"by": "take", "validation": [one], "test": [2]}
    rows = [f"{word}{take}.wav,{word},{take}" for word in "ab" for take in range(4)]
    write_recordings(
        "spoken.tar",
        {
            "table.csv": "\n".join(["file,transcript,take", *rows]),
            **{f"{word}{take}.wav": tone(400 + take) for word in "ab" for take in range(4)},
        },
    )
    layout = {"file": "data/raw/spoken.tar", "speaker": None}
    table, about = ingested(**layout, split=split)
    assert table["recording"].str[1].tolist() == ["0", "3", "0", "3", "1", "1", "2", "2"]
    assert about["recordings"] == {"train": 4, "validation": 2, "test": 2}
    table, about = ingested(**layout, split={**split, "train": [3]})
    assert table["recording"].str[1].tolist() == ["3", "3", "1", "1", "2", "2"]
    assert about["dropped"] == 2


def test_a_fraction_of_the_training_recordings_is_validation() -> None:
    split = {"by": "speaker", "validation": 0.25, "test": ["ann"]}
    drawn = []
    for seed in (1, 1, 2):
        table, about = ingested(**with_table(split=split, shuffle=seed))
        assert about["recordings"] == {"train": 12, "validation": 4, "test": 4}
        assert set(table.loc[table["split"] == 2, "speaker"]) == {"ann"}
        drawn.append(pitches(table.loc[table["split"] == 1, "samples"]))
        assert drawn[-1] == sorted(drawn[-1])
    assert drawn[0] == drawn[1] != drawn[2]


def test_values_of_speakers_and_of_a_column_called_split() -> None:
    split = {"by": "speaker", "validation": ["bob"], "test": ["ann", "eve"]}
    for section in (with_table(split=split), {**PATTERN, "speaker": None, "split": split}):
        write_recordings("spoken", recordings())
        _, about = ingested(**section)
        assert about["speakers"] == {
            "train": ["cy", "dee"],
            "validation": ["bob"],
            "test": ["ann", "eve"],
        }
    rows = [
        "file,transcript,split",
        *(f"{name}.wav,hi,{name}" for name in ("dev", "train", "test")),
    ]
    write_recordings(
        "own", {"table.csv": "\n".join(rows), **dict.fromkeys(["dev.wav", "train.wav"], tone(400))}
    )
    write_bytes("own/test.wav", tone(500))
    split = {"by": "split", "train": ["train"], "validation": ["dev"], "test": ["test"]}
    table, _ = ingested(
        file="data/raw/own", pattern=None, table="table.csv", speaker=None, split=split
    )
    assert table["recording"].tolist() == ["train.wav", "dev.wav", "test.wav"]


VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": (
        {"split": {"by": "take", "validation": [0], "test": [7]}},
        "ingest.split: expected values of 'take' (0, 1), received '7', which no recording has",
    ),
    "no column": (
        {"split": {"by": "age", "validation": [0], "test": [7]}},
        "table.csv: expected the column 'age', found 'file', 'transcript', 'speaker', 'take'",
    ),
    "speakers without a name": (
        {"speaker": None, "split": {"by": "speaker", "validation": ["ann"], "test": ["bob"]}},
        "ingest.split.by: expected a column of recordings, received 'speaker': name the column of "
        "the speakers as ingest.speaker",
    ),
    "an empty split": (
        {"split": {"train": 0.9, "validation": 0.04, "test": 0.05}},
        "received {'train': 18, 'validation': 0, 'test': 1}: give more recordings or another",
    ),
    "too few": (
        {"split": {"train": 19, "validation": 1, "test": 1}},
        "ingest.split: expected at most 20 in all, as there are, received 21",
    ),
    "a split of strings without a recording": (
        {
            "group": "speaker",
            "split": {"train": 18, "validation": 1, "test": 1},
            "strings": {"train": 3, "validation": 3, "test": 3},
        },
        "received {'train': 16, 'validation': 4, 'test': 0}: give recordings of more speakers",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_split_that_cannot_be_is_one_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    section, message = VALUES[name]
    write_parameters(ingest=with_table(**section))
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert error.startswith("error: task x: data/raw/spoken.zip")
    assert message in error


def test_an_empty_value_is_not_in_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["file,transcript,part", *(f"{part}.wav,hi,{part}" for part in "abc"), "d.wav,hi,"]
    files = {f"{part}.wav": tone(400) for part in "abcd"}
    write_recordings("x.zip", {"table.csv": "\n".join(rows), **files})
    split: dict[str, Any] = {"by": "part", "validation": ["b"], "test": ["c"]}
    section = {"file": "data/raw/x.zip", "speaker": None, "split": split}
    write_parameters(ingest=section)
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert "d.wav: expected a value of 'part', received an empty cell (1 such recordings)" in error
    _, about = ingested(**{**section, "split": {**split, "train": ["a"]}})
    assert about["dropped"] == 1


def test_the_same_recording_in_two_splits_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    section = with_table()
    ingested(**section)
    assert "same samples" not in caplog.text
    files = recordings()
    names = list(files)
    # The same in training twice, in training and test, and in all three.
    for copy, number in ((1, 0), (19, 2), (13, 3), (18, 3)):
        files[names[copy]] = files[names[number]]
    table = [f"{name},{name[:2]},{name.split('_')[1]}" for name in names]
    write_recordings(
        "spoken.zip", {**files, "table.csv": "\n".join(["file,transcript,speaker", *table])}
    )
    ingested()
    assert "in several splits with the same samples, so that scores say less: 2" in caplog.text


def test_recordings_are_resampled() -> None:
    rates = {"a": 8000, "b": 48_000, "c": 4000}
    files = {f"{name}.wav": tone(800, 0.25, rate) for name, rate in rates.items()}
    write_recordings("x", {**files})
    section = {**PATTERN, "file": "data/raw/x", "pattern": "{transcript}.wav", "speaker": None}
    split = {"train": 1, "validation": 1, "test": 1}
    table, about = ingested(**section, rate=8000, split=split)
    assert about["rate"] == 8000
    assert about["seconds"] == {"train": 0.25, "validation": 0.25, "test": 0.25}
    expected = 8192 * np.sin(2 * np.pi * 800 * np.arange(2000) / 8000)
    for samples in table["samples"]:
        # Filters swing in and out at the edges.
        np.testing.assert_allclose(samples[200:-200], expected[200:-200], atol=3)
