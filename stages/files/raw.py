"""The content of raw files: unpacked within bounds, decoded, and told from what is no text."""

import codecs
import gzip
import json
import re
import reprlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stages.errors import InputError

JSON_LINES = (".jsonl", ".ndjson")
JSON = (".json", *JSON_LINES)

# What a gzipped text may grow to: so many bytes, or so many times its size. Language shrinks to a
# third or a tenth.
UNPACKED, GROWTH = 1 << 26, 100
CHUNK = 1 << 22

# The marks that Unicode files may begin with; the longer ones first, as UTF-16's is the beginning
# of UTF-32's.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# How files begin that hold no text, or pack it.
SIGNATURES = {
    b"\x1f\x8b": "a gzipped file: let its name end in .gz, once for each time that it was gzipped",
    b"PK\x03\x04": "a zip archive: unpack it (a workbook or document: save it as text)",
    b"BZh91AY&SY": "a bzip2 file: unpack it",
    b"\xfd7zXZ\x00": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"%PDF-": "a PDF: save its text as a text file",
}
# Where tar archives say that they are some.
TAR = slice(257, 262)
SURROGATE = re.compile("[\ud800-\udfff]")


def ending_of(path: Path) -> str:
    """Returns how the name of a file ends, in small letters; that of a gzipped file without
    `.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def check_file(path: Path) -> None:
    """Raises `InputError` where there is no file."""
    if path.is_symlink() and not path.is_file():
        raise InputError(
            f"{path}: expected a file, received a link that leads to none: put the file there, or "
            "`dvc pull`"
        )
    if not path.is_file():
        raise InputError(
            f"expected a raw file at {path}, found none: put it there and run `dvc add {path}`, "
            "or `dvc pull`"
        )


def read_utf8(path: Path, encoding: str | None) -> tuple[pa.Buffer, str]:
    """Returns the content of a text file, which may be gzipped, as UTF-8 without a byte order mark,
    and the encoding that it has.

    A UTF-8 file is mapped, not copied, and not checked to be UTF-8.
    """
    content = _content(path)
    start = content.slice(0, min(4, content.size)).to_pybytes()
    mark, marked = next(
        (pair for pair in MARKS.items() if start.startswith(pair[0])), (b"", "utf-8")
    )
    if encoding is None or codecs_name(encoding) in (
        codecs_name(marked),
        codecs_name(marked).removesuffix("-le").removesuffix("-be"),
    ):
        encoding, content = marked, content.slice(len(mark))
    elif mark:
        raise InputError(
            f"{path}: expected {encoding}, received a file with the byte order mark of {marked}: "
            "leave ingest.encoding out"
        )
    if codecs_name(encoding) == "utf-8":
        encoding = "utf-8"
    else:
        try:
            content = pa.py_buffer(content.to_pybytes().decode(encoding).encode())
        except UnicodeDecodeError as error:
            raise other_encoding(path, encoding, error, len(mark)) from None
        except UnicodeError:
            raise InputError(
                f"{path}: expected characters of Unicode, received half of a surrogate pair: set "
                "ingest.encoding"
            ) from None
    if (place := find_byte(content, 0)) is not None:
        raise InputError(
            f"{path}: expected text, received a NUL character at offset {place}, as binary files "
            "have; UTF-16 without a byte order mark "
            "has many NUL bytes: save the file as UTF-8, or set ingest.encoding to utf-16-le"
        )
    return content, encoding


def find_byte(content: pa.Buffer, byte: int) -> int | None:
    """Returns where the first such byte is; None if there is none."""
    view, size = np.frombuffer(content, np.uint8), 1 << 22
    blocks = ((start, view[start : start + size] == byte) for start in range(0, len(view), size))
    return next((start + int(there.argmax()) for start, there in blocks if there.any()), None)


def read_text(path: Path, encoding: str | None = None) -> str:
    """Returns the content of a text file, which may be gzipped."""
    content, encoding = read_utf8(path, encoding)
    try:
        return content.to_pybytes().decode()
    except UnicodeDecodeError as error:
        raise other_encoding(path, encoding, error) from None


def codecs_name(encoding: str) -> str:
    """Returns the name that Python gives an encoding. Raises `InputError` where there is none."""
    try:
        found = codecs.lookup(encoding)
        if not found._is_text_encoding:  # as rot13 and zip are
            raise LookupError
        return found.name
    except (LookupError, ValueError):
        raise InputError(
            "ingest.encoding: expected the name of an encoding, such as cp1252, received "
            f"{encoding!r}"
        ) from None


def lines(text: str) -> list[str]:
    r"""Returns the lines of a text. They end at \n, \r\n or \r; `str.splitlines` would end them at
    eight other characters too."""
    found = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return found if found[-1] else found[:-1]


def json_objects(
    path: Path, encoding: str | None, *, as_written: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a JSON file, and where each is: one in each line, or an array of them
    in a `.json` file.

    as_written: whether numbers come as the text that stands in the file.
    """
    text = read_text(path, encoding)
    array = ending_of(path) not in JSON_LINES and text.lstrip().startswith("[")
    for where, found in (
        _array(path, text, as_written) if array else _of_lines(path, text, as_written)
    ):
        if not isinstance(found, dict):
            hint = (
                f": an array is read from a file whose name ends in {JSON[0]}"
                if isinstance(found, list) and not array
                else ""
            )
            raise InputError(
                f"{where}: expected a JSON object, received {reprlib.repr(found)}{hint}"
            )
        half = next(
            (
                value
                for value in (*found, *found.values())
                if isinstance(value, str) and SURROGATE.search(value)
            ),
            None,
        )
        if half is not None:
            raise InputError(
                f"{where}: expected characters of Unicode, received half of a surrogate pair in "
                f"{half[:40]!r}"
            )
        yield where, found


def key_of(where: str, found: dict[str, Any], name: str) -> Any:
    """Returns the value of a key of a JSON object. Raises `InputError` where there is none."""
    if name not in found:
        raise InputError(
            f"{where}: expected the key {name!r}, found "
            f"{', '.join(map(repr, list(found)[:12])) or 'none'}"
        )
    return found[name]


def _of_lines(path: Path, text: str, as_written: bool) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(lines(text), 1):
        if line.strip():
            where = f"{path}, line {number}"
            hint = (
                f" (an array over many lines is read from a file whose name ends in {JSON[0]})"
                if line.lstrip().startswith("[")
                else ""
            )
            yield where, _parsed(line, where, f"a JSON object{hint}", as_written)


def _array(path: Path, text: str, as_written: bool) -> Iterator[tuple[str, object]]:
    entries = _parsed(text, str(path), "a JSON array", as_written)
    assert isinstance(entries, list)
    for number, entry in enumerate(entries, 1):
        yield f"{path}, entry {number}", entry


def _parsed(text: str, where: str, what: str, as_written: bool) -> object:
    try:
        return json.loads(text, parse_int=str, parse_float=str) if as_written else json.loads(text)
    except RecursionError:
        raise InputError(
            f"{where}: expected {what}, received one that is nested too deeply"
        ) from None
    except ValueError as error:
        raise InputError(
            f"{where}: expected {what}, received one that cannot be read: {error}"
        ) from None


def _content(path: Path) -> pa.Buffer:
    if path.name.lower().endswith(".gz"):
        content = pa.py_buffer(_unpacked(path))
    else:
        with pa.memory_map(str(path)) as file:
            content = file.read_buffer()
    start = content.slice(0, min(TAR.stop, content.size)).to_pybytes()
    what = next((what for begin, what in SIGNATURES.items() if start.startswith(begin)), None)
    if what is None and start[TAR] == b"ustar":
        what = "a tar archive: unpack it into a folder"
    if what is not None:
        raise InputError(f"{path}: expected text, received {what}")
    return content


def _unpacked(path: Path) -> bytes:
    """Returns what a gzipped file holds, in bounded memory: a small file can be made to hold
    gigabytes."""
    most = max(UNPACKED, GROWTH * path.stat().st_size)
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while block := file.read(CHUNK):
                content += block
                if len(content) > most:
                    raise InputError(
                        f"{path}: expected a gzipped file that holds at most {most >> 20} MiB "
                        f"({GROWTH} times its size, or "
                        f"{UNPACKED >> 20} MiB), received one that holds more: if it is right, "
                        "unpack it with `gunzip`"
                    )
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: expected a gzipped file, received one that cannot be read: {error}"
        ) from None
    return bytes(content)


def other_encoding(
    path: Path, encoding: str, error: UnicodeDecodeError, skipped: int = 0
) -> InputError:
    """Returns what to say of a file that is not in `encoding`; `skipped`: bytes before those that
    were decoded."""
    return InputError(
        f"{path}: expected {encoding.upper()} text, received the byte "
        f"0x{error.object[error.start]:02x} at offset {error.start + skipped}: "
        "save the file as UTF-8, or set ingest.encoding, such as cp1252"
    )
