"""Files appear whole or not at all."""

import hashlib
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError

# What helps where a file that the pipeline wrote is damaged.
RESTORE = "`dvc repro` makes it again"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` with the same ending and moves it into place when the
    block succeeds.

    The mode of a file that is replaced is kept. Raises `InputError` where the disk is full or the
    folder cannot be written.
    """
    part = path.with_name(f".{path.stem[:100]}.{os.getpid()}.part{path.suffix}")
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.unlink(missing_ok=True)
            part.touch(
                exist_ok=False
            )  # nobody else's file or link, and private before there is anything to read in it
            _keep_access(path, part)
            yield part
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink()


def _keep_access(old: Path, new: Path) -> None:
    """Gives `new` the owner and the mode of `old`, unless that can only be read: then it is DVC's,
    a link into its cache."""
    if old.is_symlink() or not old.is_file() or _is_protected(old):
        return
    known = old.stat()
    with suppress(PermissionError):
        os.chown(new, known.st_uid, known.st_gid)
    new.chmod(stat.S_IMODE(known.st_mode))


def _is_protected(path: Path) -> bool:
    """Whether nobody may write to a file; asked by its mode, as root may do everything."""
    return not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def _written(path: Path) -> Iterator[None]:
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
    """Writes `text` to a path that a user named: through links to what they point at, and into what
    is no plain file, such as a pipe.

    Plain files appear whole. No folder is made.
    """
    expect_place(path)
    with _written(path):
        known = path.stat() if path.exists() else None
        for stream in (sys.stdout, sys.stderr):
            # Opened again by its name, a file that the shell redirects to would lose what is in it.
            if known is not None and _is(stream, known):
                stream.write(text)
                return
        if known is None or stat.S_ISREG(known.st_mode):
            write_text(Path(os.path.realpath(path)), text)
        else:
            path.write_text(text, encoding="utf-8")


def _is(stream: Any, known: os.stat_result) -> bool:
    """Whether a stream writes to the file of which `known` tells."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), known)
    except (
        OSError,
        ValueError,
        AttributeError,
    ):  # a stream that was closed, or is none of the system's
        return False


def write_text(path: Path, text: str) -> None:
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` in the order given; NaN and infinity, which JSON lacks, become null."""
    write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file of `write_json`. Raises `InputError` where it is damaged."""
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
    """Returns the sum of a file; of a folder, that of its files' names and sums."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = "".join(
            f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files
        )
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
