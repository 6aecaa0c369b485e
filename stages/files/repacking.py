"""Files of an archive at a URL, packed anew, so that the same files are always the same bytes."""

import fnmatch
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from stages.errors import InputError
from stages.files import archives
from stages.files.downloads import MIRROR, Remote, transfer
from stages.files.writing import expect_sha256, expect_space, whole
from stages.sections import InnerPath

# What is not wanted of an archive may be of any kind.
LIMITS = archives.Limits(floor=1 << 26, growth=1000, largest=1 << 30)

Parts = tuple[str, ...]
# What returns a file's content, by the file's path.
Files = Mapping[str, Callable[[], bytes]]


class Repacked(Remote):
    """Files of an archive that a server makes anew for each request, such as GitHub's archive of a
    commit: its own checksum may change, that of its files does not.

    They are written to `file`, a tar archive without compression: sorted by path, with the mode
    0644, the time 0 and no owner. `sha256` is the checksum of this archive.

    url: of a tar archive, which may be compressed, or of a zip archive.
    members: a pattern of paths in the archive, with or without the one folder that all are below.
        `*`, `?` and `[...]` stand for what they do in a shell, and never for `/`. In a mirror, the
        first file whose path ends in such a path decides the folder.
    """

    members: InnerPath

    @property
    def name(self) -> str:
        return self.members


def repack(source: Repacked, target: Path) -> None:
    """Puts the files, packed, at `target`, complete and with the right checksum, or not at all.

    Raises `InputError` if there are none, the archive is damaged or holds too much, a path leads
    out of it, or one of the files is a link.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if mirror := os.environ.get(MIRROR):
        with whole(target) as packed:
            _pack(_in_mirror(source, Path(mirror)), packed)
            expect_sha256(packed, source.sha256, f"{source.members} of the mirror {mirror}")
        return
    archive = target.with_name(f".{source.sha256[:16]}.download")
    # What an earlier run left may be the beginning of another archive of the same files.
    archive.unlink(missing_ok=True)
    contents = archive.with_suffix(".contents")
    try:
        transfer(source, archive)
        with whole(target) as packed, contents.open("w+b") as file:
            _pack(_in_archive(source, archive, file), packed)
            expect_sha256(packed, source.sha256, f"{source.members} of {source.url}")
    finally:
        for path in (archive, contents):
            path.unlink(missing_ok=True)


def _pack(files: Files, target: Path) -> None:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for name in sorted(files):
            content = files[name]()
            entry = tarfile.TarInfo(name)  # with the mode 0644, the time 0 and no owner
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _in_mirror(source: Repacked, mirror: Path) -> Files:
    pattern = source.members.split("/")
    paths = sorted(path for path in mirror.rglob("*") if path.is_file()) if mirror.is_dir() else []
    inner = [path.relative_to(mirror).parts for path in paths]
    depth = len(pattern)
    first = next((parts[:-depth] for parts in inner if _matches(parts[-depth:], pattern)), None)
    if first is None:
        raise InputError(
            f"expected files {source.members!r} in the mirror {mirror} (the variable {MIRROR}), "
            f"found none; unset it to use {source.url}"
        )
    folder = mirror.joinpath(*first)
    below = [parts[len(first) :] for parts in inner if parts[: len(first)] == first]
    return {
        "/".join(parts): folder.joinpath(*parts).read_bytes
        for parts in below
        if _matches(parts, pattern)
    }


def _in_archive(source: Repacked, archive: Path, contents: IO[bytes]) -> Files:
    """Writes the contents of the files to `contents`, in the archive's order."""
    try:
        paths = [entry.parts for entry in archives.entries(archive, LIMITS)]
        names = _names(paths, source.members.split("/"))
        if not names:
            found = ", ".join(sorted("/".join(parts) for parts in paths)[:8])
            raise InputError(
                f"{archive}: expected files {source.members!r} in the archive, found {found}, ..."
            )
        files: dict[str, Callable[[], bytes]] = {}
        for entry in archives.entries(archive, LIMITS):
            name = names.get(entry.parts)
            if name is None:
                continue
            if name in files:
                raise InputError(f"{archive}: expected each file once, received {name} twice")
            content = entry.read()
            expect_space(len(content), archive, entry.name)
            files[name] = partial(_piece, contents, contents.tell(), len(content))
            contents.write(content)
    except InputError as error:
        raise InputError(str(error).replace(str(archive), source.url)) from None
    return files


def _names(paths: Iterable[Parts], pattern: Sequence[str]) -> dict[Parts, str]:
    """Returns the paths to keep, each with what it is called afterwards."""
    paths = list(paths)
    names = {parts: "/".join(parts) for parts in paths if _matches(parts, pattern)}
    if not names and archives.top_folder(paths) is not None:
        names = {parts: "/".join(parts[1:]) for parts in paths if _matches(parts[1:], pattern)}
    return names


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatch.fnmatchcase, parts, pattern))


def _piece(file: IO[bytes], start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)
