"""Tar and zip archives. Their files are read in memory, and no path in them is ever used."""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, cast

from stages.errors import InputError
from stages.files.writing import expect_space

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = (*TARS, ".zip")
# Bytes of a tar archive's blocks. Two of zeros end it.
BLOCK = 512
# Bytes that are read at once. Python's zipfile bounds what these unpack to for deflate alone.
CHUNK, UNBOUNDED_CHUNK = 1 << 20, 1 << 12
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, OverflowError, NotImplementedError),
)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold in all: `growth` times its size, or `floor` bytes if that is more.
    In a zip archive each file keeps to this by itself too, and a file holds at most `largest`
    bytes."""

    floor: int
    growth: int
    largest: int | None = None

    def of(self, packed: int) -> int:
        """Returns how many bytes `packed` ones may unpack to."""
        return max(self.floor, self.growth * packed)


class Entry(NamedTuple):
    """A file of an archive: the parts of its path, and what returns its content.

    `read` raises `InputError` if the entry is a link or the like, or too large; it is called before
    the next entry is asked for, or not at all.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        return "/".join(self.parts)


def is_archive(path: Path) -> bool:
    """Returns whether a file's name is that of an archive, which `entries` reads."""
    return path.name.lower().endswith(SUFFIXES)


def is_hidden(parts: Sequence[str]) -> bool:
    """Returns whether a path is that of a hidden file, or of one that macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def entries(path: Path, limits: Limits) -> Iterator[Entry]:
    """Yields all of an archive's entries but folders, in its order, in one pass.

    Args:
        path: a zip archive, or a tar archive, which may be compressed with gzip, bzip2 or xz. Its
            content decides which.

    Raises:
        InputError: the archive is damaged, cut off or encrypted, a path leads out of it or is not
            in UTF-8, or it holds more than the limits allow.
    """
    with _reporting(path):
        yield from _of_zip(path, limits) if _is_zip(path) else _of_tar(path, limits)


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:  # which is a ValueError
        raise
    except _DAMAGE as error:
        raise InputError(
            f"{path}: expected an archive, received one that is cut off or damaged: {error}: get "
            "it again"
        ) from None


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" or path.name.lower().endswith(".zip")


class _Budget:
    """The bytes that an archive may still unpack to."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.most = self.left = limits.of(path.stat().st_size)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise InputError(
                f"{self.path}: expected an archive of at most {self.most >> 20} MiB "
                f"({self.limits.growth} times its size, or {self.limits.floor >> 20} MiB), "
                "received one that holds more: if it is right, unpack it into a folder"
            )

    def expect(self, name: str, size: int, packed: int | None = None) -> None:
        """Raises `InputError` if a file is too large by itself."""
        bounds = [self.limits.largest] if self.limits.largest is not None else []
        bounds += [self.limits.of(packed)] if packed is not None else []
        if bounds and size > min(bounds):
            raise InputError(
                f"{self.path / name}: expected a file of at most {min(bounds) >> 20} MiB, received "
                f"one that holds more, {size:,} bytes: if it is right, unpack the archive into a "
                "folder"
            )


class _Bounded:
    """A file that was decompressed; raises `InputError` beyond a number of bytes. `end` is the last
    that was read."""

    def __init__(self, file: IO[bytes], budget: _Budget) -> None:
        self.file, self.budget, self.end = file, budget, b""

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.budget.spend(len(content))
        self.end = (self.end + content[-BLOCK:])[-BLOCK:]
        return content


def _of_tar(path: Path, limits: Limits) -> Iterator[Entry]:
    budget = _Budget(path, limits)
    with _decompressed(path) as file:
        bounded = _Bounded(file, budget)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|") as tar:
            for entry in tar:
                tar.members = []  # type: ignore[attr-defined]  # it would remember all of them
                parts = _parts(path, entry.name)
                if parts and not entry.isdir():
                    yield Entry(parts, partial(_read_tar, tar, entry, budget))
        while bounded.read(CHUNK):
            pass
        if bounded.end.strip(b"\0"):
            raise EOFError("the blocks that end a tar archive are missing")


def _read_tar(tar: tarfile.TarFile, entry: tarfile.TarInfo, budget: _Budget) -> bytes:
    with _reporting(budget.path):
        file = tar.extractfile(entry) if entry.isreg() and not entry.issparse() else None
        if file is None:
            raise _no_file(budget.path, entry.name)
        budget.expect(entry.name, entry.size)
        return file.read()


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if start.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(path))
    if start == b"\xfd7zXZ\x00":
        return cast(IO[bytes], lzma.open(path))
    return path.open("rb")


def _of_zip(path: Path, limits: Limits) -> Iterator[Entry]:
    budget = _Budget(path, limits)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts = _parts(path, entry.filename)
            if parts and not entry.is_dir():
                yield Entry(parts, partial(_read_zip, archive, entry, budget))


def _read_zip(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> bytes:
    with _reporting(budget.path):
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _no_file(budget.path, entry.filename)
        if entry.flag_bits & 1:
            raise InputError(f"{budget.path}: expected an archive without a password, received one")
        budget.expect(entry.filename, entry.file_size, entry.compress_size)
        budget.spend(entry.file_size)
        bounded = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        with archive.open(entry) as file:
            return b"".join(iter(partial(file.read, CHUNK if bounded else UNBOUNDED_CHUNK), b""))


def _parts(path: Path, name: str) -> tuple[str, ...]:
    """Returns the parts of a path in an archive."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise InputError(
            f"{path}: expected paths that stay in the archive, received {name!r}: pack it again "
            "from within its folder"
        )
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise InputError(f"{path}: expected names of files in UTF-8, received {name!r}: rename it")
    return parts


def _no_file(path: Path, name: str) -> InputError:
    return InputError(
        f"{path}: expected files and folders alone, received a link or the like, {name}: replace "
        "it by a copy of its file"
    )


def top_folder(paths: Sequence[Sequence[str]]) -> str | None:
    """Returns the one folder that all paths are below, by its name; None if there is none."""
    tops = {parts[0] for parts in paths}
    return tops.pop() if len(tops) == 1 and all(len(parts) > 1 for parts in paths) else None


def unpack(archive: Path, member: str, target: Path, url: str) -> None:
    """Writes one file of a tar archive, which may be compressed, to `target`.

    Nothing else is unpacked, so no path in the archive is ever used.

    Args:
        url: where the archive is from, for error messages.

    Raises:
        InputError: the archive is damaged, has no such file, or the file does not fit on the disk.
    """
    damage = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError)
    try:
        with tarfile.open(archive) as tar:
            names = {name.removeprefix("./"): name for name in tar.getnames()}
            entry = tar.getmember(names[member]) if member in names else None
            # A link is refused: it may point to anything.
            file = tar.extractfile(entry) if entry is not None and entry.isfile() else None
            if entry is None or file is None:
                raise InputError(
                    f"{url}: expected the file {member!r} in the archive, found "
                    f"{', '.join(sorted(names)[:8])}, ..."
                )
            expect_space(entry.size, target, f"{member} of {url}")
            with target.open("wb") as output:
                shutil.copyfileobj(file, output)
    except InputError:  # which is a ValueError
        raise
    except damage as error:
        raise InputError(
            f"{url}: expected a tar archive, received one that cannot be read: {error}"
        ) from None
