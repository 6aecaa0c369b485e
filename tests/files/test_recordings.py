"""Recordings in folders and archives: what a table or a pattern says of them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stages.errors import InputError
from stages.files import recordings
from stages.files.recordings import Layout
from stages.formats import FileFormat
from tests.files.packing import write_folder, write_tar, write_zip


def sound(number: int, form: str = "WAV") -> bytes:
    """Returns a recording of 80 samples of one value."""
    file = io.BytesIO()
    soundfile.write(file, np.full(80, number, np.int16), 8000, format=form, subtype="PCM_16")
    return file.getvalue()


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], None]] = {
    "x": write_folder,
    "x.tar": write_tar,
    "x.tar.gz": write_tar,
    "x.tar.bz2": write_tar,
    "x.tar.xz": write_tar,
    "x.zip": write_zip,
}
each = pytest.mark.parametrize("name", WRITERS)
BESIDE = {
    "README.md": b"of the collection",
    "LICENSE": b"free",
    ".hidden.wav": b"",
    "__MACOSX/yes/._1.wav": b"",
    "yes/.DS_Store": b"",
}
TABLE = Layout(rate=8000, table="data.csv")


def numbers(table: Any) -> list[int]:
    """Returns the value of each recording, which has 80 samples of it."""
    assert all(samples.dtype == np.int16 and len(samples) == 80 for samples in table["samples"])
    return [int(samples[0]) for samples in table["samples"]]


@each
@pytest.mark.parametrize("top", ["", "collection-1.0/", "./collection/"])
def test_recordings_of_a_table(name: str, top: str, tmp_path: Path) -> None:
    lines = [
        "path;sentence;client;age;up",
        'clips/b.wav;"Good; very good";ann;30;1',
        "sub/c.flac;Ja, nein;bob;;2",
        "./clips/../clips/a.wav; é ;ann;20;3",
    ]
    files = {
        "clips/a.wav": sound(1),
        "sub/c.flac": sound(2, "FLAC"),
        "clips/b.wav": sound(3),
        "clips/unused.wav": b"",
        "sub/data.csv": "\n".join(lines).encode("cp1252"),
        **BESIDE,
    }
    WRITERS[name](tmp_path / name, {top + key: content for key, content in files.items()})
    layout = Layout(
        rate=8000,
        table="sub/data.csv",
        recording="path",
        transcript="sentence",
        speaker="client",
        also=["age"],
        file_format=FileFormat(file="data/raw/x", separator=";", encoding="cp1252"),
    )
    read = recordings.read(tmp_path / name, layout)
    assert list(read.columns) == ["recording", "transcript", "speaker", "age", "samples"]
    inner = top.removeprefix("./")
    assert read["recording"].tolist() == [
        inner + file for file in ("clips/b.wav", "sub/c.flac", "clips/a.wav")
    ]
    assert read["transcript"].tolist() == ["Good; very good", "Ja, nein", " é "]
    assert read["speaker"].tolist() == ["ann", "bob", "ann"]
    assert read["age"].tolist() == ["30", "", "20"]
    assert numbers(read) == [3, 2, 1]


@each
def test_the_end_of_a_path_names_the_one_recording_that_has_it(name: str, tmp_path: Path) -> None:
    files = {
        "en/clips/1.mp3.wav": sound(1),
        "en/clips/2.wav": sound(2),
        "en/clips/a/3.flac": sound(3, "FLAC"),
        "en/clips/b/3.flac": sound(4, "FLAC"),
        "en/clips/4.wav": sound(5),
        "en/other/4": b"not meant: its suffix is none of a recording",
        "en/clips/2.txt": b"what is said",
        "en/5.wav": sound(6),
        "en/clips/5.wav": sound(7),
        "en/clips/6.wav": sound(8),
        "en/clips/6.wav.flac": sound(9, "FLAC"),
    }
    # A path that is there comes before the end of others, which comes before that without a suffix.
    cells = ["1.mp3", "2", "b/3.flac", "a/3", "clips/4", "./5.wav", "6.wav"]
    table = "\n".join(["file,transcript", *(f"{cell},said" for cell in cells)])
    WRITERS[name](tmp_path / name, {**files, "en/data.csv": table.encode()})
    read = recordings.read(tmp_path / name, TABLE)
    assert numbers(read) == [1, 2, 4, 3, 5, 6, 8]


def test_a_path_in_a_table_is_looked_for_in_the_table_s_own_folder_first(tmp_path: Path) -> None:
    files = {
        "a/data.csv": b"file,transcript\n1.wav,one\n../2.wav,two\n3.wav,three\n",
        "a/1.wav": sound(1),
        "1.wav": sound(4),
        "2.wav": sound(2),
        "3.wav": sound(3),
    }
    write_zip(tmp_path / "x.zip", files)
    read = recordings.read(tmp_path / "x.zip", Layout(rate=8000, table="a/data.csv"))
    assert list(read.columns) == ["recording", "transcript", "samples"]
    assert numbers(read) == [1, 2, 3]


@each
@pytest.mark.parametrize("top", ["", "commands-1.0/"])
def test_recordings_by_a_pattern_of_their_paths(name: str, top: str, tmp_path: Path) -> None:
    files = {
        "yes/b_2.wav": sound(1),
        "no/a_1.wav": sound(2),
        "yes/a_b_10.wav": sound(3),
        **BESIDE,
    }
    WRITERS[name](tmp_path / name, {top + key: content for key, content in files.items()})
    pattern = "{transcript}/{speaker}_{take}.wav"
    read = recordings.read(tmp_path / name, Layout(rate=8000, pattern=pattern, also=["take"]))
    assert list(read.columns) == ["recording", "transcript", "speaker", "take", "samples"]
    assert read["recording"].tolist() == [
        top + file for file in ("no/a_1.wav", "yes/a_b_10.wav", "yes/b_2.wav")
    ]
    assert read["transcript"].tolist() == ["no", "yes", "yes"]
    # As short as possible: the rest goes to the field behind it.
    assert read["speaker"].tolist() == ["a", "a", "b"]
    assert read["take"].tolist() == ["1", "b_10", "2"]
    assert numbers(read) == [2, 3, 1]


def test_a_pattern_without_a_folder_is_that_of_the_name(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a/7_x+y.wav": sound(1), "b/c/8_z.wav": sound(2)})
    layout = Layout(rate=8000, pattern="{digit}_{who}.wav", transcript="digit")
    read = recordings.read(tmp_path, layout)
    assert list(read.columns) == ["recording", "transcript", "samples"]
    assert read["transcript"].tolist() == ["7", "8"]
    layout = Layout(rate=8000, pattern="{digit}_{who}.wav", transcript="digit", speaker="who")
    assert recordings.read(tmp_path, layout)["speaker"].tolist() == ["x+y", "z"]


@each
@pytest.mark.parametrize("top", ["", "_v1/"])
def test_folders_that_begin_with_an_underscore_have_no_speech(
    name: str, top: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        f"{top}yes/_1.wav": sound(1),
        f"{top}_noise/hum.wav": sound(2),
        f"{top}no/_old/3.wav": sound(3),
    }
    WRITERS[name](tmp_path / name, files)
    with caplog.at_level("INFO"):
        read = recordings.read(tmp_path / name, by("{transcript}/{take}.wav"))
    assert numbers(read) == [1]
    assert "left out 2 files in folders whose names begin with _ ('_noise', '_old')" in caplog.text


def test_a_field_that_occurs_twice_has_one_text(tmp_path: Path) -> None:
    write_folder(tmp_path, {"ann/ann-yes.wav": sound(1)})
    layout = Layout(rate=8000, pattern="{speaker}/{speaker}-{transcript}.wav")
    assert recordings.read(tmp_path, layout)["transcript"].tolist() == ["yes"]
    write_folder(tmp_path, {"bob/ann-yes.wav": sound(1)})
    with pytest.raises(InputError, match=r"bob/ann-yes\.wav: expected a path that matches"):
        recordings.read(tmp_path, layout)


def by(pattern: str, **more: Any) -> Layout:
    return Layout(rate=8000, pattern=pattern, **more)


def test_a_pattern_with_such_a_folder_takes_them_all(tmp_path: Path) -> None:
    write_folder(tmp_path, {"_a/yes.wav": sound(1), "_b/no.wav": sound(2)})
    assert numbers(recordings.read(tmp_path, by("_{speaker}/{transcript}.wav"))) == [1, 2]
    with pytest.raises(InputError, match=r"only files in folders whose names begin with _ \('_a'"):
        recordings.read(tmp_path, by("{speaker}/{transcript}.wav"))


PATTERN_FAULTS: list[tuple[list[str], Layout, str]] = [
    (["yes_1.wav", "b/odd.FLAC", "c.mp3"], by("{transcript}_{take}.wav"), r"b/odd\.FLAC: expected"),
    (["_1.wav"], by("{transcript}_{take}.wav"), r"_1\.wav: expected a path that matches"),
    (["README"], by("{transcript}.wav"), "received 'README': change the pattern"),
    (["a.wav"], by("{speaker}.wav"), r"the field \{transcript\} in the pattern .*found 'speaker'"),
    (["a.wav"], by("a.wav"), "found none"),
    (["a.wav"], by("{transcript}.wav", also=["take"]), r"expected the field \{take\}"),
    (["a.wav"], by("{transcript}.wav", speaker="who"), r"expected the field \{who\}"),
    (["a.wav"], by("{transcript.wav"), "expected a pattern with names in braces"),
    (["a.wav"], by("{}.wav"), "expected a pattern with names in braces"),
    (["a.wav"], by("{transcript}.wav", table="t.csv"), "received both"),
    (["a.wav"], Layout(rate=8000), "received neither"),
    (["a.wav"], by("{samples}.wav", also=["samples"]), "columns with names of their own"),
]


@pytest.mark.parametrize(("files", "layout", "message"), PATTERN_FAULTS)
def test_a_pattern_that_does_not_fit_is_one_error(
    files: list[str], layout: Layout, message: str, tmp_path: Path
) -> None:
    for name in ("x", "x.tar"):
        WRITERS[name](tmp_path / name, dict.fromkeys(files, sound(1)))
        with pytest.raises(InputError, match=message):
            recordings.read(tmp_path / name, layout)


HEADER = b"file,transcript,speaker\n"
TABLE_FAULTS: dict[str, tuple[dict[str, bytes], str]] = {
    "absent": (
        {"data.csv": HEADER + b"a.wav,a,x\nclips/b.wav,b,x\n"},
        r"data\.csv: expected a file that is there, received 'clips/b\.wav' in data row 2",
    ),
    "above": (
        {"data.csv": HEADER + b"../x.wav,a,x\n"},
        r"inside it, received '\.\./x\.wav' in data row 1",
    ),
    "absolute": (
        {"data.csv": HEADER + b"/a.wav,a,x\n"},
        "inside it, received '/a.wav' in data row",
    ),
    "twice": (
        {"data.csv": HEADER + b"a.wav,a,x\n./a.wav,b,x\n"},
        r"each recording once, received a\.wav in data rows 1 and 2",
    ),
    "no transcript": (
        {"data.csv": HEADER + b"a.wav,a,x\nb.wav, ,x\n"},
        r"column 'transcript', received an empty cell in data row 2 \(b\.wav\)",
    ),
    "no speaker": ({"data.csv": HEADER + b"a.wav,a,\n"}, "column 'speaker', received an empty"),
    "no path": ({"data.csv": HEADER + b",a,x\n"}, "column 'file', received an empty cell"),
    "no column": (
        {"data.csv": b"file,text,speaker\na.wav,a,x\n"},
        r"data\.csv: expected the column 'transcript', found 'file', 'text'",
    ),
    "no row": ({"data.csv": HEADER}, r"data\.csv: expected a row per recording, received none"),
    "no table": (
        {"c.tsv": HEADER, "b.csv": HEADER},
        r"expected the table 'data\.csv' in it, found 'b\.csv', 'c\.tsv'",
    ),
    "no tables": ({}, r"expected the table 'data\.csv' in it, found no tables"),
    "empty": (
        {"data.csv": HEADER + b"a.wav,a,x\nempty.wav,b,x\n"},
        r"empty\.wav \(data row 2 of data\.csv\): expected a recording, received an empty file",
    ),
    "no audio": (
        {"data.csv": HEADER + b"text.wav,b,x\n"},
        r"text\.wav \(data row 1 of data\.csv\): expected audio",
    ),
}


@each
@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_fault_of_a_table_is_one_error(name: str, fault: str, tmp_path: Path) -> None:
    files, message = TABLE_FAULTS[fault]
    files = {"a.wav": sound(1), "b.wav": sound(1), "empty.wav": b"", "text.wav": b"a b", **files}
    (tmp_path / "x.wav").write_bytes(sound(1))
    WRITERS[name](tmp_path / name, files)
    with pytest.raises(InputError, match=message) as error:
        recordings.read(tmp_path / name, Layout(rate=8000, table="data.csv", speaker="speaker"))
    assert "\n" not in str(error.value)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("name", list(WRITERS)[1:])
def test_no_cut_of_an_archive_goes_unnoticed(name: str, tmp_path: Path) -> None:
    files = {"data.csv": HEADER + b"a.wav,a,x\n", "a.wav": sound(1)}
    WRITERS[name](tmp_path / name, files)
    content = (tmp_path / name).read_bytes()
    for end in range(0, len(content.rstrip(b"\0")), 97):
        (tmp_path / name).write_bytes(content[:end])
        with pytest.raises(InputError, match="cut off or damaged"):
            recordings.read(tmp_path / name, TABLE)


@pytest.mark.parametrize("escape", ["../a.wav", "/a.wav", "b/../../a.wav"])
def test_paths_that_leave_an_archive_are_refused(escape: str, tmp_path: Path) -> None:
    for name in ("x.tar", "x.zip"):
        WRITERS[name](tmp_path / name, {"yes.wav": sound(1), escape: sound(1)})
        before = set(tmp_path.rglob("*"))
        with pytest.raises(InputError, match=f"stay in the archive, received '{escape}'"):
            recordings.read(tmp_path / name, by("{transcript}.wav"))
        assert set(tmp_path.rglob("*")) == before


def test_links_are_refused_where_they_are_recordings(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            for name in ("README", "yes.wav"):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, "/etc/passwd"
                tar.addfile(entry)
        with pytest.raises(InputError, match=r"received a link or the like, yes\.wav"):
            recordings.read(tmp_path / "x.tar", by("{transcript}.wav"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("yes.wav")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"received a link or the like, yes\.wav"):
        recordings.read(tmp_path / "x.zip", by("{transcript}.wav"))
    (tmp_path / "x").mkdir()
    (tmp_path / "outside.wav").write_bytes(sound(1))
    (tmp_path / "x/yes.wav").symlink_to(tmp_path / "outside.wav")
    with pytest.raises(InputError, match="received a link out of it"):
        recordings.read(tmp_path / "x", by("{transcript}.wav"))
    (tmp_path / "outside.wav").unlink()
    with pytest.raises(InputError, match="received a link that leads to no file"):
        recordings.read(tmp_path / "x", by("{transcript}.wav"))


def test_a_file_twice_or_with_a_password_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for _ in range(2):
            entry = tarfile.TarInfo("a.wav")
            entry.size = len(sound(1))
            tar.addfile(entry, io.BytesIO(sound(1)))
    with pytest.raises(InputError, match=r"expected each file once, received a\.wav 2 times"):
        recordings.read(tmp_path / "x.tar", by("{transcript}.wav"))
    write_zip(tmp_path / "x.zip", {"a.wav": sound(1)})
    content = bytearray((tmp_path / "x.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match="without a password"):
        recordings.read(tmp_path / "x.zip", by("{transcript}.wav"))


def test_a_small_archive_that_holds_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings.raw, "UNPACKED", 1 << 12)
    monkeypatch.setattr(recordings, "GROWTH", 100)
    silence = sound(0) + bytes(1 << 21)
    for name in ("x.zip", "x.tar.gz"):
        WRITERS[name](tmp_path / name, {"a.wav": silence})
        with pytest.raises(InputError, match="received one that holds more"):
            recordings.read(tmp_path / name, by("{transcript}.wav"))
    monkeypatch.setattr(recordings, "GROWTH", 10000)
    monkeypatch.setattr(recordings, "LARGEST", 1 << 20)
    for name in ("x.zip", "x.tar", "x.tar.gz"):
        WRITERS[name](tmp_path / name, {"a.wav": silence})
        with pytest.raises(InputError, match=r"a\.wav: expected a file of at most 1 MiB"):
            recordings.read(tmp_path / name, by("{transcript}.wav"))


def test_another_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(sound(1))
    with pytest.raises(InputError, match=r"expected a folder .* or an archive .*received 'x\.wav'"):
        recordings.read(tmp_path / "x.wav", TABLE)
    with pytest.raises(InputError, match="expected a raw file at"):
        recordings.read(tmp_path / "none.zip", TABLE)
    (tmp_path / "x.tar").symlink_to(tmp_path / "none.tar")
    with pytest.raises(InputError, match="received a link that leads to no file"):
        recordings.read(tmp_path / "x.tar", TABLE)
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="expected recordings, received no files"):
        recordings.read(tmp_path / "x", TABLE)


def test_recordings_are_resampled_and_may_differ_in_length(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.wav": sound(5), "b.wav": sound(0), "c.flac": sound(9, "FLAC")})
    layout = by("{transcript}.{suffix}", also=["suffix"])
    assert numbers(recordings.read(tmp_path, layout)) == [5, 0, 9]
    read = recordings.read(tmp_path, Layout(rate=4000, pattern="{transcript}.{suffix}"))
    assert [len(samples) for samples in read["samples"]] == [40, 40, 40]
