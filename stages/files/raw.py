"""The content of raw text files: decompressed within bounds, decoded, and checked to be text."""

import codecs
import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.errors import InputError

# The most bytes that a gzipped text may decompress to: whichever is more of this number and of so
# many times its size. Natural language shrinks to a third or a tenth.
UNPACKED, GROWTH = 1 << 26, 100
CHUNK = 1 << 22

# Byte order marks. The longer ones come first, as UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# The first bytes of formats that are not text, or that compress it.
SIGNATURES = {
    b"\x1f\x8b": "a gzipped file: let its name end in .gz, once for each time that it was gzipped",
    b"PK\x03\x04": "a zip archive: unpack it (a workbook or document: save it as text)",
    b"BZh91AY&SY": "a bzip2 file: unpack it",
    b"\xfd7zXZ\x00": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"%PDF-": "a PDF: save its text as a text file",
}
# Where tar archives have the signature "ustar".
TAR = slice(257, 262)
SURROGATE = re.compile("[\ud800-\udfff]")


def suffix_of(path: Path) -> str:
    """Returns the lower-case suffix of a file's name; of a gzipped file, the one before `.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def check_file(path: Path) -> None:
    """Raises `InputError` if there is no file at `path`."""
    if path.is_symlink() and not path.is_file():
        raise InputError(
            f"{path}: expected a file, received a link that leads to no file: put the file there, "
            "or `dvc pull`"
        )
    if not path.is_file():
        raise InputError(
            f"expected a raw file at {path}, found none: put it there and run `dvc add {path}`, "
            "or `dvc pull`"
        )


def read_utf8(path: Path, encoding: str | None) -> tuple[pa.Buffer, str]:
    """Returns the content of a text file, which may be gzipped, in UTF-8 without a byte order mark.

    A UTF-8 file is memory-mapped, not copied, and not checked to be valid.

    Args:
        encoding: None: what a byte order mark says, else UTF-8.

    Returns:
        The content and the file's own encoding.
    """
    content = _content(path)
    start = content.slice(0, min(4, content.size)).to_pybytes()
    mark, marked = next(
        (entry for entry in MARKS.items() if start.startswith(entry[0])), (b"", "utf-8")
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
            raise decoding_error(path, encoding, error, len(mark)) from None
        except UnicodeError:
            raise InputError(
                f"{path}: expected Unicode characters, received half of a surrogate pair: set "
                "ingest.encoding"
            ) from None
    if (offset := find_byte(content, 0)) is not None:
        raise InputError(
            f"{path}: expected text, received a NUL character at offset {offset}, as in binary "
            "files; UTF-16 without a byte order mark has many NUL bytes: save the file as UTF-8, "
            "or set ingest.encoding to utf-16-le"
        )
    return content, encoding


def find_byte(content: pa.Buffer, byte: int) -> int | None:
    """Returns the offset of the first such byte; None if there is none."""
    view = np.frombuffer(content, np.uint8)
    for start in range(0, len(view), CHUNK):
        matches = view[start : start + CHUNK] == byte
        if matches.any():
            return start + int(matches.argmax())
    return None


def read_text(path: Path, encoding: str | None = None) -> str:
    """Returns the content of a text file, which may be gzipped."""
    content, encoding = read_utf8(path, encoding)
    try:
        return content.to_pybytes().decode()
    except UnicodeDecodeError as error:
        raise decoding_error(path, encoding, error) from None


def codecs_name(encoding: str) -> str:
    """Returns Python's own name of an encoding. Raises `InputError` if there is none."""
    try:
        codec = codecs.lookup(encoding)
        if not codec._is_text_encoding:  # such as rot13 and zip
            raise LookupError
        return codec.name
    except (LookupError, ValueError):
        raise InputError(
            "ingest.encoding: expected the name of an encoding, such as cp1252, received "
            f"{encoding!r}"
        ) from None


def lines(text: str) -> list[str]:
    r"""Returns the lines of a text, which end at \n, \r\n or \r.

    `str.splitlines` would end lines at eight other characters too.
    """
    pieces = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return pieces if pieces[-1] else pieces[:-1]


def _content(path: Path) -> pa.Buffer:
    if path.name.lower().endswith(".gz"):
        content = pa.py_buffer(_decompressed(path))
    else:
        with pa.memory_map(str(path)) as file:
            content = file.read_buffer()
    start = content.slice(0, min(TAR.stop, content.size)).to_pybytes()
    received = next(
        (name for signature, name in SIGNATURES.items() if start.startswith(signature)), None
    )
    if received is None and start[TAR] == b"ustar":
        received = "a tar archive: unpack it into a folder"
    if received is not None:
        raise InputError(f"{path}: expected text, received {received}")
    return content


def _decompressed(path: Path) -> bytes:
    """Returns the content of a gzipped file, in bounded memory: a small one can hold gigabytes."""
    limit = max(UNPACKED, GROWTH * path.stat().st_size)
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while block := file.read(CHUNK):
                content += block
                if len(content) > limit:
                    raise InputError(
                        f"{path}: expected a gzipped file that holds at most {limit >> 20} MiB "
                        f"({GROWTH} times its size, or {UNPACKED >> 20} MiB), received one that "
                        "holds more: if it is right, unpack it with `gunzip`"
                    )
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: expected a gzipped file, received one that cannot be read: {error}"
        ) from None
    return bytes(content)


def decoding_error(
    path: Path, encoding: str, error: UnicodeDecodeError, skipped: int = 0
) -> InputError:
    """Returns the error for a file that is not in `encoding`.

    skipped: number of bytes in the file before those that were decoded.
    """
    return InputError(
        f"{path}: expected {encoding.upper()} text, received the byte "
        f"0x{error.object[error.start]:02x} at offset {error.start + skipped}: save the file as "
        "UTF-8, or set ingest.encoding, such as cp1252"
    )
