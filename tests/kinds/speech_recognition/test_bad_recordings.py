"""Recordings and archives that are damaged, or of another form: one error, or the right result."""

import io
import json
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from stages import ingest, predict
from stages.kinds.speech_recognition.sample import spoken
from tests.kinds.speech_recognition.project import (
    RATE,
    encoded,
    ingested,
    tone,
    write_bytes,
    write_parameters,
    write_recordings,
)
from tests.tasks import error_of

GOOD = tone(400)
SPLIT = {"train": 1, "validation": 1, "test": 1}
NOT_AUDIO = b"This is not audio. " * 20
BAD = {
    "no audio": (NOT_AUDIO, "expected audio, such as WAV, FLAC, OGG or MP3, received"),
    "empty": (b"", "expected a recording, received an empty file"),
    "without samples": (encoded(np.zeros(0)), "expected samples, received a recording without any"),
    "cut off": (GOOD[:-300], "expected a whole recording, received one that is cut off"),
    "cut off in its header": (GOOD[:30], "expected audio"),
    "FLAC that is cut off": (encoded(np.sin(np.arange(9000)), format="FLAC")[:-2000], "expected"),
    "not finite": (
        encoded(np.array([0.1, np.nan]), subtype="FLOAT"),
        "expected finite samples, received NaN or infinity",
    ),
}
# What the form of a recording changes is less than so much, in units of 16 bits.
FORMS = {
    "24 bit": (tone(400, subtype="PCM_24"), 1),
    "8 bit": (tone(400, subtype="PCM_U8"), 256),
    "floating point": (tone(400, subtype="FLOAT"), 1),
    "FLAC": (tone(400, format="FLAC"), 1),
    "stereo": (encoded(np.repeat(0.25 * np.sin(np.pi / 5 * np.arange(800))[:, None], 2, 1)), 1),
    "8 kHz": (tone(400, rate=8000), 4),
    "48 kHz": (tone(400, rate=48_000), 4),
    "44.1 kHz": (tone(400, rate=44_100), 4),
}
TABLE = "file,transcript\na.wav,hi\nbad.wav,lo\nb.wav,hi\n"
SECTION = {"file": "data/raw/x.zip", "speaker": None, "split": SPLIT}


def write_table(content: bytes, name: str = "x.zip") -> None:
    files = {"table.csv": TABLE, "a.wav": GOOD, "b.wav": tone(900), "bad.wav": content}
    write_recordings(name, files)
    write_parameters(ingest={**SECTION, "file": f"data/raw/{name}"})


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("source", ["x", "x.zip", "x.tar"])
def test_a_bad_recording_is_one_error(
    name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = BAD[name]
    write_table(content, source)
    error = error_of(ingest.main, ["x"], monkeypatch)
    place = f"error: task x: data/raw/{source}/bad.wav (data row 2 of table.csv): "
    assert error.startswith(place + message)


def test_a_bad_recording_that_a_pattern_finds_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings("x", {"hi.wav": GOOD, "lo.wav": NOT_AUDIO})
    write_parameters(
        ingest={**SECTION, "file": "data/raw/x", "table": None, "pattern": "{transcript}.wav"}
    )
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert error.startswith("error: task x: data/raw/x/lo.wav: expected audio")


@pytest.mark.parametrize("name", FORMS)
def test_a_recording_of_another_form_has_the_same_samples(name: str, folder: Path) -> None:
    content, tolerance = FORMS[name]
    write_table(content)
    table, _ = ingested()
    expected = 8192 * np.sin(2 * np.pi * 400 * np.arange(800) / RATE)
    (samples,) = table.loc[table["recording"] == "bad.wav", "samples"]
    assert len(samples) == len(expected)
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], atol=tolerance)


def test_a_hundredth_of_a_second_is_a_recording(folder: Path) -> None:
    write_table(tone(400, 0.01))
    table, about = ingested()
    assert [len(samples) for samples in table["samples"]] == [800, 40, 800]
    assert about["seconds"] == {"train": 0.2, "validation": 0.01, "test": 0.2}


CELLS = {
    "missing": ("c.wav", "expected a file that is there, received 'c.wav' in data row 2"),
    "outside": ("../c.wav", "expected the path of a file inside it, received '../c.wav'"),
    "absolute": ("/c.wav", "expected the path of a file inside it, received '/c.wav'"),
    "ambiguous": ("take.wav", "in data row 2, which is the end of s1/take.wav and of s2/take.wav"),
    "ambiguous without a suffix": ("take", "'take' in data row 2, which is the end of s1/take.wav"),
    "no recording": ("notes", "expected a file that is there, received 'notes'"),
    "the same": (
        "s1/../a.wav",
        "expected each recording once, received a.wav in data rows 1 and 2",
    ),
    "the same without a suffix": ("a", "expected each recording once, received a.wav in data rows"),
}


@pytest.mark.parametrize("source", ["x", "x.tar"])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_that_names_no_recording_is_one_error(
    name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, message = CELLS[name]
    files = dict.fromkeys(["a.wav", "s1/take.wav", "s2/take.wav", "s3/take.wav"], GOOD)
    text = f"file,transcript\na.wav,hi\n{cell},lo\n"
    write_recordings(source, {"table.csv": text, "notes.txt": "of speakers", **files})
    write_bytes("c.wav", GOOD)
    write_parameters(ingest={**SECTION, "file": f"data/raw/{source}"})
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert error.startswith(f"error: task x: data/raw/{source}/table.csv: ")
    assert message in error


def test_a_quotation_mark_that_takes_in_other_rows_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["file|transcript|plain", '1.wav|"Yes|yes', '2.wav|No", he said|no', "3.wav|a|a"]
    files = {f"{number}.wav": tone(400 * number) for number in (1, 2, 3)}
    write_recordings("x", {"table.csv": "\n".join(lines), **files})
    write_parameters(ingest={**SECTION, "file": "data/raw/x"})
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert r"received a line break in data row 1, 'Yes|yes\n2.wav|No, he said'" in error
    rows = [json.dumps({"file": f"{number}.wav", "transcript": "a\nb"}) for number in (1, 2, 3)]
    write_bytes("x/table.jsonl", "\n".join(rows).encode())
    table, _ = ingested(**SECTION | {"file": "data/raw/x", "table": "table.jsonl"})
    assert table["transcript"].tolist() == ["a b"] * 3


@pytest.mark.parametrize("escape", ["../a.wav", "/tmp/a.wav", "b/../../a.wav"])
@pytest.mark.parametrize("source", ["x.zip", "x.tar.gz"])
def test_an_archive_with_a_path_that_leaves_it_is_refused(
    source: str, escape: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(source, {"table.csv": TABLE, escape: GOOD})
    write_parameters(ingest={**SECTION, "file": f"data/raw/{source}"})
    before = set(folder.rglob("*"))
    error = error_of(ingest.main, ["x"], monkeypatch)
    assert f"stay in the archive, received '{escape}'" in error
    assert set(folder.rglob("*")) == before


def test_a_link_of_an_archive_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes("secret.wav", GOOD)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        link = tarfile.TarInfo("hi.wav")
        link.type, link.linkname = tarfile.SYMTYPE, str(Path("data/raw/secret.wav").resolve())
        tar.addfile(link)
    write_bytes("x.tar", content.getvalue())
    write_parameters(
        ingest={**SECTION, "file": "data/raw/x.tar", "table": None, "pattern": "{transcript}.wav"}
    )
    assert "received a link or the like, hi.wav" in error_of(ingest.main, ["x"], monkeypatch)


@pytest.mark.parametrize("source", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
def test_an_archive_that_is_cut_off_is_one_error(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(GOOD, source)
    path = Path("data/raw", source)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole.rstrip(b"\0")) - 1):
        path.write_bytes(whole[:size])
        error = error_of(ingest.main, ["x"], monkeypatch)
        assert re.search(f"{source}: expected an archive, received one that is cut off", error)
    path.unlink()
    assert f"expected a raw file at {path}" in error_of(ingest.main, ["x"], monkeypatch)


# What a trained recogniser answers to a file.


def transcribed(*names: str) -> list[dict[str, Any]]:
    predict.main(["x", "--input", *names, "--output", "out.jsonl"])
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_a_bad_recording_to_transcribe_is_one_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = BAD[name]
    Path("good.wav").write_bytes(GOOD)
    Path("bad.wav").write_bytes(content)
    arguments = ["x", "--input", "good.wav", "bad.wav", "--output", "out.jsonl"]
    error = error_of(predict.main, arguments, monkeypatch)
    assert error.startswith(f"error: task x: bad.wav: {message}")
    assert not Path("out.jsonl").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_a_recording_to_transcribe_that_is_not_there_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, found in (("none.wav", "none"), ("data", "a folder")):
        error = error_of(predict.main, ["x", "--input", name], monkeypatch)
        expected = f"expected a file at {name}, found {found}: correct --input"
        assert error == f"error: task x: {expected}"


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_recordings_of_all_forms_are_transcribed(capsys: pytest.CaptureFixture[str]) -> None:
    content = spoken(["hi", "lo"], 1.0, np.random.default_rng(3))
    Path("plain.wav").write_bytes(content)
    samples, _ = soundfile.read(io.BytesIO(content))
    same = {
        "24 bit": encoded(samples, subtype="PCM_24"),
        "floating point": encoded(samples, subtype="DOUBLE"),
        "FLAC": encoded(samples, format="FLAC"),
        "stereo": encoded(np.stack([samples, samples], 1)),
    }
    resampled = {
        f"{rate}": encoded(soxr.resample(samples, RATE, rate), rate) for rate in (8000, 48_000)
    }
    # Less than a frame, and silence.
    other = {"short": tone(400, 0.01), "silent": encoded(np.zeros(2000))}
    files = {f"{name}.wav": content for name, content in {**same, **resampled, **other}.items()}
    for name, content in files.items():
        Path(name).write_bytes(content)
    plain, *rows = transcribed("plain.wav", *files)
    assert plain["transcript"]
    assert [row["recording"] for row in rows] == list(files)
    alike = len(same) + len(resampled)
    assert [row["transcript"] for row in rows[:alike]] == [plain["transcript"]] * alike
    for row in rows:
        assert " ".join(word["word"] for word in row["words"]) == row["transcript"]
    capsys.readouterr()
    predict.main(["x", "--input", "short.wav"])
    assert capsys.readouterr().out.startswith("short.wav: ")


@pytest.mark.parametrize("language_weight", [0.0, 2.0])
@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_files_are_transcribed_as_the_recordings_of_the_test_split(language_weight: float) -> None:
    """Also with a language model, which counts the transcripts of training."""
    decoding = {"beams": 4, "language_weight": language_weight}
    write_parameters(predict={"recordings": 8, "decoding": decoding})
    predict.main(["x"])
    lines = Path("data/predictions/x/transcripts.jsonl").read_text().splitlines()
    expected = [json.loads(line) for line in lines]
    with zipfile.ZipFile("data/raw/tones.zip") as archive:
        for row in expected:
            archive.extract(row["recording"])
    found = transcribed(*(row["recording"] for row in expected))
    assert len(found) == 8
    assert sum(bool(row["transcript"]) for row in expected) > 4
    for one, two in zip(expected, found, strict=True):
        assert one["transcript"] == two["transcript"]
        for first, second in zip(one["words"], two["words"], strict=True):
            assert first == pytest.approx(second, abs=2e-3)
