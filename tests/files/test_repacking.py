"""Files of an archive, packed anew: the same bytes from every archive of them."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.errors import InputError
from stages.files import downloads, sources
from stages.files.parameters import validated
from stages.files.repacking import Repacked

FILES = {"recordings/b.wav": b"bb", "recordings/a.wav": b"a" * 600, "recordings/c_10.wav": b""}
BESIDE = {"README.md": b"x", "recordings/x.txt": b"x", "recordings/old/a.wav": b"x", "a.wav": b"x"}
TOP = "digits-1.0/"
TARGET = Path("data/raw/digits.tar")


def block(name: str, content: bytes) -> bytes:
    """Returns a file in the format ustar, written by hand after POSIX.1."""
    fields = [name.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0" * 2]
    fields += [b"%011o\0" % len(content), b"%011o\0" % 0, b" " * 8, b"0", b"\0" * 100]
    header = b"".join([*fields, b"ustar\0" + b"00"]).ljust(512, b"\0")
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return header + content.ljust(-(-len(content) // 512) * 512, b"\0")


PACKED = b"".join(block(name, FILES[name]) for name in sorted(FILES))
PACKED = PACKED.ljust(-(-(len(PACKED) + 1024) // 10240) * 10240, b"\0")
SUM = hashlib.sha256(PACKED).hexdigest()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(downloads.MIRROR, raising=False)


def write(path: Path, files: dict[str, bytes], mtime: int = 0) -> str:
    """Writes a tar or zip archive, by its name; returns its URL."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path.absolute().as_uri()
    with tarfile.open(path, f"w:{path.suffix[1:].replace('tar', '')}") as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode, entry.uname = len(content), mtime, 0o600, "x"
            tar.addfile(entry, io.BytesIO(content))
    return path.absolute().as_uri()


def fetch(url: str, **changed: Any) -> bytes:
    entry = {"file": TARGET.name, "url": url, "members": "recordings/*.wav", "sha256": SUM}
    entry |= changed
    assert sources.model_of(entry, "sources.x") is Repacked
    assert sources.fetch(validated(entry, Repacked, "sources.x"), 0) == TARGET
    return TARGET.read_bytes()


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.xz", "x.zip"])
@pytest.mark.parametrize("top", ["", TOP, "./" + TOP])
def test_the_same_files_are_the_same_bytes(name: str, top: str) -> None:
    files = {top + path: content for path, content in {**BESIDE, **FILES}.items()}
    for mtime in (0, 10**9):
        url = write(Path(name), files, mtime)
        assert fetch(url) == PACKED
        files = dict(reversed(files.items()))
    assert [path.name for path in TARGET.parent.iterdir()] == [TARGET.name]


def test_a_pattern_with_the_top_folder_keeps_it() -> None:
    url = write(Path("x.tar"), {TOP + path: content for path, content in FILES.items()})
    with pytest.raises(InputError, match="expected sha256"):
        fetch(url, members=f"{TOP}recordings/*.wav")
    packed = b"".join(block(TOP + name, FILES[name]) for name in sorted(FILES)).ljust(10240, b"\0")
    total = hashlib.sha256(packed).hexdigest()
    assert fetch(url, members="digits-*/recordings/*.wav", sha256=total) == packed


def test_a_mirror_is_read_in_place_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("mirror/b/deep", "mirror/c"):
        for name, content in {**BESIDE, **FILES}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if folder != "mirror/c" else b"another")
    monkeypatch.setenv(downloads.MIRROR, "mirror")
    assert fetch("https://example.org/x.tar.gz") == PACKED
    with pytest.raises(InputError, match=r"recordings/\?\.wav of the mirror mirror: expected sha"):
        fetch("https://example.org/x.tar.gz", members="recordings/?.wav")
    assert TARGET.read_bytes() == PACKED
    monkeypatch.setenv(downloads.MIRROR, "none")
    with pytest.raises(InputError, match=r"expected files 'recordings/\*\.wav' in the mirror none"):
        fetch("https://example.org/x.tar.gz")


def test_what_an_earlier_run_left_is_not_continued() -> None:
    partial = TARGET.with_name(f".{SUM[:16]}.download")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"the beginning of another archive")
    assert fetch(write(Path("x.tar.gz"), FILES)) == PACKED


def linked(kind: bytes) -> str:
    with tarfile.open("x.tar", "w") as tar:
        for name in ("LICENSE", "recordings/a.wav"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    return Path("x.tar").absolute().as_uri()


def test_links_and_paths_that_leave_the_archive_are_refused() -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with pytest.raises(InputError, match=r"x\.tar: .* link or the like, recordings/a\.wav"):
            fetch(linked(kind))
    for name in ("../a.wav", "/recordings/a.wav", "recordings/../../a.wav"):
        for archive in ("x.tar", "x.zip"):
            with pytest.raises(InputError, match=r"^file://.*expected paths that stay in"):
                fetch(write(Path(archive), {name: b"", **FILES}))
    assert list(TARGET.parent.iterdir()) == []


def test_a_fault_is_one_error() -> None:
    url = write(Path("x.tar"), BESIDE)
    with pytest.raises(
        InputError, match=r"^file://.*expected files 'recordings/\*\.wav' in the ar"
    ):
        fetch(url)
    with tarfile.open("x.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("recordings/a.wav"))
    with pytest.raises(InputError, match=r"each file once, received recordings/a\.wav twice"):
        fetch(url)
    Path("x.tar").write_bytes(b"no archive" * 300)
    with pytest.raises(
        InputError, match=r"^file://.*expected an archive, received one that is cut"
    ):
        fetch(url)
    url = write(Path("x.tar"), {**FILES, "recordings/b.wav": b"other"})
    with pytest.raises(InputError, match=r"recordings/\*\.wav of file://.*: expected sha256"):
        fetch(url)
    assert list(TARGET.parent.iterdir()) == []


@pytest.mark.parametrize("members", ["", "../*.wav", "/x/*.wav", "x//*.wav"])
def test_a_pattern_stays_in_the_archive(members: str) -> None:
    with pytest.raises(InputError, match=r"sources\.x\.members: expected a path that stays"):
        fetch("https://example.org/x.tar.gz", members=members)


def test_a_source_has_members_and_a_url_or_neither() -> None:
    for other in ("generator", "lines", "package"):
        with pytest.raises(InputError, match="exactly one of the keys"):
            sources.model_of(
                {"members": "*", "url": "https://example.org", other: "x"}, "sources.x"
            )
