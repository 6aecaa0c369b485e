"""Files appear whole or not at all."""

import hashlib
import json
import math
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from stages.errors import InputError

# The advice for a damaged file that the pipeline wrote.
RESTORE = "`dvc repro` makes it again"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path with the suffix of `path`, moved to `path` if the block succeeds.

    A file that is replaced passes on its mode. Raises `InputError` if the disk is full or the
    folder cannot be written to.
    """
    temporary = path.with_name(f".{path.stem[:100]}.{os.getpid()}.part{path.suffix}")
    with _reporting(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A new file: never another program's file or link, and private before it has content.
            temporary.unlink(missing_ok=True)
            temporary.touch(exist_ok=False)
            _copy_access(path, temporary)
            yield temporary
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()


def _copy_access(old: Path, new: Path) -> None:
    """Gives `new` the owner and the mode of `old`.

    Not where `old` is write-protected: then it is DVC's, a link into its cache.
    """
    if old.is_symlink() or not old.is_file() or _is_protected(old):
        return
    status = old.stat()
    with suppress(PermissionError):
        os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))


def _is_protected(path: Path) -> bool:
    """Returns whether nobody may write to a file, by its mode: `os.access` allows root anything."""
    return not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Turns errors of the operating system into an `InputError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"{path} could not be written: {reason}. Earlier results are untouched: repair this "
            "and run again"
        ) from error


def expect_place(path: Path) -> None:
    """Raises `InputError` if nothing can be written to `path`, which a user named."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise InputError(
            f"{path}: expected a path to write to, received a link that leads back to itself: "
            "choose another path"
        )
    if path.is_dir():
        raise InputError(
            f"{path}: expected a path to a file, received a folder: add the name of a file"
        )
    if not path.exists() and not target.parent.is_dir():
        raise InputError(
            f"{path}: expected a path in a folder that exists, found no folder {target.parent}: "
            "make it first"
        )
    if path.is_file() and _is_protected(path):
        raise InputError(
            f"{path}: expected a file that can be written, received one that is write-protected: "
            "choose another path"
        )


def write_output(path: Path, text: str) -> None:
    """Writes `text` to a path that a user named, which may be a link, a pipe or a device.

    Regular files appear whole, at the target of a link. No folder is made.
    """
    expect_place(path)
    with _reporting(path):
        status = path.stat() if path.exists() else None
        for stream in (sys.stdout, sys.stderr):
            # Opened again by its name, a file to which the shell redirects would lose its content.
            if status is not None and _writes_to(stream, status):
                stream.write(text)
                return
        if status is None or stat.S_ISREG(status.st_mode):
            write_text(Path(os.path.realpath(path)), text)
        else:
            path.write_text(text, encoding="utf-8")


def _writes_to(stream: TextIO, status: os.stat_result) -> bool:
    """Returns whether a stream writes to the file with this status."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), status)
    except (OSError, ValueError, AttributeError):  # closed, or without a file descriptor
        return False


def write_text(path: Path, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` in its order; NaN and infinity, which JSON lacks, become null."""
    write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file that `write_json` wrote. Raises `InputError` if it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: expected JSON as Reprise writes it, received a damaged file: {error}. "
            f"{RESTORE}"
        ) from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected a JSON object, received {type(content).__name__}. {RESTORE}"
        )
    return content


def sha256_of(path: Path) -> str:
    """Returns the checksum of a file; of a folder, that of its files' names and checksums."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = "".join(
            f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files
        )
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect_sha256(path: Path, expected: str, name: str) -> None:
    """Raises `InputError` if a file has another checksum; `name` is what a user calls the file."""
    received = sha256_of(path)
    if received != expected:
        raise InputError(
            f"{name}: expected sha256 {expected}, received {received}. The file was not kept: "
            "if the new content is wanted, put its sum into params.yaml"
        )


def expect_space(size: int, path: Path, name: str) -> None:
    """Raises `InputError` if `size` bytes do not fit on the disk of `path`."""
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise InputError(
            f"{name}: expected a file that fits on the disk, received one of {size} bytes, and "
            f"{free} are free: make space"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
