"""Texts in one folder per class, and archives of them."""

import gzip
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import labelled
from stages.formats import FileFormat
from tests.files.packing import write_folder, write_tar, write_zip

FORMAT = FileFormat(file="data/raw/x")
TREE = {
    "train/pos/1.txt": b"Good \xe2\x80\x94 very\r\ngood.\r\n",
    "train/pos/10.txt": b"\xef\xbb\xbfFine\n\n",
    "train/neg/2": b"Bad",
    "test/pos/1.txt": b"",
    "test/neg/1.TXT": b" So \x85 so ".replace(b"\x85", b"\xc2\x85"),
}
BESIDE = {
    "README": b"\x80 of the collection",
    "train/urls.txt": b"http://example.org",
    "train/pos/.hidden.txt": b"\x80",
    "train/pos/words.feat": b"\x00",
    "__MACOSX/train/pos/1.txt": b"\x00",
    ".git/pos/1.txt": b"x",
}
EXPECTED = pd.DataFrame(
    [
        [" So \x85 so ", "neg", "test", "test/neg/1.TXT"],
        ["", "pos", "test", "test/pos/1.txt"],
        ["Bad", "neg", "train", "train/neg/2"],
        ["Good — very\ngood.", "pos", "train", "train/pos/1.txt"],
        ["Fine", "pos", "train", "train/pos/10.txt"],
    ],
    columns=["text", "label", "split_folder", "file"],
    dtype=object,
)


Write = Callable[[Path, dict[str, bytes]], None]
WRITERS: dict[str, Write] = {
    "x": write_folder,
    "x.tar": write_tar,
    "x.tar.gz": write_tar,
    "x.tgz": write_tar,
    "x.tar.bz2": write_tar,
    "x.tar.xz": write_tar,
    "x.zip": write_zip,
}
each = pytest.mark.parametrize("name", WRITERS)
each_archive = pytest.mark.parametrize("name", list(WRITERS)[1:])


@each
@pytest.mark.parametrize("top", ["", "reviews/", "./a/b/"])
def test_texts_of_splits_and_classes(name: str, top: str, tmp_path: Path) -> None:
    files = {**TREE, **BESIDE}
    shuffled = random.Random(1).sample(sorted(files), len(files))
    WRITERS[name](tmp_path / name, {top + key: files[key] for key in shuffled})
    read = labelled.read(tmp_path / name, FORMAT)
    expected = EXPECTED.copy()
    expected["file"] = [top.removeprefix("./") + file for file in expected["file"]]
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)


@each
def test_classes_alone(name: str, tmp_path: Path) -> None:
    files = {"x/pos/1.txt": b"a", "x/neg/1.txt": b"b", "x/README": b"c", "x/neg/2.txt": b"d"}
    WRITERS[name](tmp_path / name, files)
    read = labelled.read(tmp_path / name, FORMAT)
    assert read["label"].tolist() == ["neg", "neg", "pos"]
    assert read["text"].tolist() == ["b", "d", "a"]
    assert read["split_folder"].tolist() == [""] * 3
    # A class by itself keeps its name.
    WRITERS[name](tmp_path / f"one{name}", {"x/pos/1.txt": b"a"})
    assert labelled.read(tmp_path / f"one{name}", FORMAT)["label"].tolist() == ["pos"]


@each
def test_texts_in_another_encoding(name: str, tmp_path: Path) -> None:
    texts = {"a/1.txt": "naïve".encode("cp1252"), "b/1.txt": b"x"}
    WRITERS[name](tmp_path / name, texts)
    with pytest.raises(InputError, match=r"x.*/a/1\.txt: expected UTF-8 text, received the byte"):
        labelled.read(tmp_path / name, FORMAT)
    read = labelled.read(tmp_path / name, FORMAT.model_copy(update={"encoding": "cp1252"}))
    assert read["text"].tolist() == ["naïve", "x"]


FAULTS: dict[str, tuple[dict[str, bytes], str]] = {
    "no class folders": ({"1.txt": b"a", "2.txt": b"b"}, "received texts outside of one"),
    "no texts": ({"a/1.png": b"", "b/2.csv": b""}, "received no texts"),
    "texts below a class": (
        {"a/1.txt": b"", "b/1.txt": b"", "b/old/1.txt": b""},
        "one in a folder below, b/old/1.txt",
    ),
    "too many levels": (
        {"a/x/p/1.txt": b"", "b/x/q/1.txt": b""},
        "received 3 levels of folders, as in a/x/p/1.txt",
    ),
    "binary": ({"a/1.txt": b"\x00\x01", "b/1.txt": b"b"}, "received a NUL character"),
    "gzipped texts": ({"a/1.txt": gzip.compress(b"a"), "b/1.txt": b""}, "received a gzipped file"),
}


@each
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_error(name: str, fault: str, tmp_path: Path) -> None:
    files, message = FAULTS[fault]
    WRITERS[name](tmp_path / name, files)
    with pytest.raises(InputError, match=message) as error:
        labelled.read(tmp_path / name, FORMAT)
    assert "\n" not in str(error.value)


@each_archive
def test_no_cut_of_an_archive_goes_unnoticed(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, TREE)
    content = (tmp_path / name).read_bytes()
    # Zeros end a tar archive: how many there are does not matter.
    step, last = (64, len(content.rstrip(b"\0"))) if name == "x.tar" else (7, len(content))
    for end in range(0, last, step):
        (tmp_path / name).write_bytes(content[:end])
        with pytest.raises(InputError, match="cut off or damaged"):
            labelled.read(tmp_path / name, FORMAT)


@each_archive
@pytest.mark.parametrize("content", [b"", b"no archive" * 300])
def test_what_is_no_archive_is_one_error(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="expected an archive"):
        labelled.read(tmp_path / name, FORMAT)


def test_a_small_archive_that_holds_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled.raw, "UNPACKED", 1 << 16)
    for name in ("x.tar.gz", "x.tar.xz", "x.zip"):
        for files in (
            {"a/1.txt": b" " * (1 << 22), "b/1.txt": b""},
            {f"{label}/1.txt": b" " * (1 << 21) for label in "ab"},
            {"a/1.txt": b"a", "b/1.txt": b"", "c/1.png": b" " * (1 << 22)},
        ):
            WRITERS[name](tmp_path / name, files)
            if name == "x.zip" and "c/1.png" in files:
                continue  # what is left out of a zip archive is not read
            with pytest.raises(InputError, match="received one that holds more"):
                labelled.read(tmp_path / name, FORMAT)


def test_links_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            entry = tarfile.TarInfo("a/1.txt")
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
        with pytest.raises(InputError, match="received a link or the like, a/1"):
            labelled.read(tmp_path / "x.tar", FORMAT)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("a/1.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="received a link or the like, a/1"):
        labelled.read(tmp_path / "x.zip", FORMAT)
    write_folder(tmp_path / "x", {"a/1.txt": b"", "b/1.txt": b""})
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "x/b/2.txt").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="received a link out of it"):
        labelled.read(tmp_path / "x", FORMAT)
    (tmp_path / "outside").unlink()
    with pytest.raises(InputError, match="received a link that leads to no file"):
        labelled.read(tmp_path / "x", FORMAT)


def test_a_file_twice_or_with_a_password_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a/1.txt"))
    with pytest.raises(InputError, match=r"expected each file once, received a/1\.txt twice"):
        labelled.read(tmp_path / "x.tar", FORMAT)
    write_zip(tmp_path / "x.zip", {"a/1.txt": b"a"})
    content = bytearray((tmp_path / "x.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match="without a password"):
        labelled.read(tmp_path / "x.zip", FORMAT)


def test_another_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,label\n")
    with pytest.raises(
        InputError, match=r"expected a folder .* or an archive .* received 'x\.csv'"
    ):
        labelled.read(tmp_path / "x.csv", FORMAT)
    with pytest.raises(InputError, match="expected a raw file at"):
        labelled.read(tmp_path / "none.zip", FORMAT)
