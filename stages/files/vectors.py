"""Pretrained word vectors as text: the formats of GloVe, word2vec and fastText."""

import gzip
import io
import logging
import re
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from stages.errors import InputError
from stages.files import raw
from stages.sections import InnerPath, matching
from stages.text.vectors import Vectors

log = logging.getLogger("reprise")

# A file of vectors: in this folder, on which the stages that read it depend.
VectorPath = Annotated[
    InnerPath,
    matching(
        r"data/raw/vectors(/[^/.][^/]*)+",
        "a path below data/raw/vectors/, such as data/raw/vectors/glove.txt.gz, without names that "
        "start with a dot",
    ),
]

# Bytes that are parsed at a time, and that one line may have.
BLOCK, LONGEST_LINE = 1 << 22, 1 << 20
_NUMBER = re.compile(rb"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_HEADER = re.compile(rb"(\d+) (\d+)")


class _Layout(NamedTuple):
    """How a file is written: the numbers of each row, and the rows that its header counts, if it
    has one."""

    size: int
    rows: int | None


class _Block(NamedTuple):
    """Whole lines, of which the first is line `line` of the file, in UTF-8 with single line feeds
    and no spaces at the ends of lines."""

    content: bytes
    line: int


def read(path: Path, limit: int | None = None) -> Vectors:
    r"""Reads a file with one word and its vector per line, between single spaces, in UTF-8.

    The file may be gzipped. word2vec and fastText write a first line `WORDS NUMBERS`: two whole
    numbers in the first line are always such a header. Words may hold spaces, as a few of GloVe's
    do: the numbers are a line's last fields. Lines end at \n or \r\n; empty ones count as none. If
    a word occurs again, its first vector is kept. Memory holds little more than the vectors.

    Args:
        limit: the most rows to read; what follows is not looked at. None: all.

    Raises:
        InputError: the file is missing, empty, cut off, binary or not UTF-8; a line has another
            number of numbers than the first one, or than the header says; a number is none, or not
            finite; the header counts other rows. A single number for each word is refused too: such
            a list holds counts.
    """
    raw.check_file(path)
    words: list[str] = []
    parts: deque[np.ndarray] = deque()
    layout: _Layout | None = None
    for block in _blocks(path):
        if layout is None:
            layout, block = _layout(path, block)
        if block.content.strip(b"\n"):
            own, values = _parse(path, block, layout.size)
            words += own
            parts.append(values)
        if limit is not None and len(words) >= limit:
            break
    if layout is None or not words:
        raise InputError(f"{path}: expected word vectors, received {_nothing(layout)}")
    if limit is not None and len(words) > limit:
        del words[limit:]
    elif layout.rows is not None and (limit is None or len(words) < limit):
        _expect_rows(path, layout.rows, len(words))
    return _distinct(path, words, _joined(parts, len(words), layout.size))


def _nothing(layout: _Layout | None) -> str:
    return "an empty file" if layout is None else "a header without any"


def _expect_rows(path: Path, expected: int, received: int) -> None:
    if received != expected:
        cause = "it may be cut off" if received < expected else "the header is wrong"
        raise InputError(
            f"{path}: expected {expected:,} words, as the header says, received {received:,}: "
            f"{cause}: get the file again"
        )


def _joined(parts: deque[np.ndarray], rows: int, size: int) -> np.ndarray:
    """Returns the parts, one below the other, up to `rows`, and frees each once it is copied."""
    values = np.empty((rows, size), np.float32)
    start = 0
    while parts:
        part = parts.popleft()[: rows - start]
        values[start : start + len(part)] = part
        start += len(part)
    return values


def _distinct(path: Path, words: list[str], values: np.ndarray) -> Vectors:
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        first.setdefault(word, row)
    repeated = len(words) - len(first)
    note = f"; {repeated:,} rows repeat a word and are left out" if repeated else ""
    log.info("%s: %s words x %d numbers%s", path, f"{len(first):,}", values.shape[1], note)
    if repeated:
        values = values[list(first.values())]
    return Vectors(list(first), values)


def _blocks(path: Path) -> Iterator[_Block]:
    """Yields the lines of a file, which may be gzipped, in bounded memory."""
    is_gzipped = path.name.lower().endswith(".gz")
    line, rest = 1, b""
    try:
        with gzip.open(path) if is_gzipped else path.open("rb") as file:
            for chunk in _chunks(path, file):
                if line == 1 and not rest:
                    chunk = chunk.removeprefix(b"\xef\xbb\xbf")
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    yield _Block(_normal(rest + chunk[:cut]), line)
                    line += rest.count(b"\n") + chunk.count(b"\n")
                    rest = chunk[cut:]
                else:
                    rest += chunk
                if len(rest) > LONGEST_LINE:
                    raise InputError(
                        f"{path}, line {line}: expected a word and its vector, received a line of "
                        f"more than {LONGEST_LINE >> 20} MiB"
                    )
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: expected a gzipped file, received one that is cut off or damaged: {error}: "
            "get the file again"
        ) from None
    if rest.strip():
        raise InputError(
            f"{path}, line {line}: expected a line end after the last number, received none: the "
            "file may be cut off: get it again or, if it is whole, end its last line"
        )


def _chunks(path: Path, file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    start = True
    while chunk := file.read(BLOCK):
        signature = next(
            (name for key, name in raw.SIGNATURES.items() if chunk.startswith(key)), ""
        )
        if start and signature:
            raise InputError(f"{path}: expected word vectors as text, received {signature}")
        if b"\0" in chunk:
            raise InputError(
                f"{path}: expected word vectors as text in UTF-8, received a binary file: convert "
                "it, in word2vec's format for instance with gensim's save_word2vec_format"
            )
        yield chunk
        start = False


def _normal(lines: bytes) -> bytes:
    """word2vec and fastText end each line with a space."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    return lines.replace(b" \n", b"\n") if b" \n" in lines else lines


def _layout(path: Path, block: _Block) -> tuple[_Layout, _Block]:
    """Returns how the file is written, by its first line, and the block without a header."""
    first, _, others = block.content.partition(b"\n")
    if header := _HEADER.fullmatch(first):
        rows, size = map(int, header.groups())
        block = _Block(others, block.line + 1)
    else:
        rows, size = None, first.count(b" ")
        numbers = first.split(b" ")[1:]
        wrong = next((number for number in numbers if not _NUMBER.fullmatch(number)), None)
        if wrong is not None or not numbers:
            received = _shown(first) if wrong is None else f"{_shown(wrong)} in place of a number"
            raise InputError(
                f"{path}, line {block.line}: expected a word and its vector between single spaces, "
                f"or a header of two whole numbers, received {received}"
            )
    if size < 2:
        raise InputError(
            f"{path}, line 1: expected at least 2 numbers for each word, received {size}"
        )
    return _Layout(size, rows), block


def _parse(path: Path, block: _Block, size: int) -> tuple[list[str], np.ndarray]:
    """Returns the words of some lines, and their vectors, (words, size)."""
    try:
        table = _arrow(block.content, size, words=True)
    except pa.ArrowInvalid:  # a word with a space, or a fault: looked at line by line
        words, numbers = _split(path, block, size)
        values = _values(_arrow(numbers, size, words=False))
    else:
        words = table.column(0).to_pylist()
        values = _values(table.remove_column(0))
    if not np.isfinite(values).all() or "" in words:
        _split(path, block, size)  # raises the error that names the line
        raise InputError(
            f"{path}: expected numbers in the range of 32-bit floats, received "
            f"a greater one in or after line {block.line}"
        )
    return words, values


def _arrow(content: bytes, size: int, words: bool) -> pa.Table:
    names = [str(number) for number in range(size)]
    types: dict[str, pa.DataType] = dict.fromkeys(names, pa.float32())
    if words:
        names, types = ["word", *names], {"word": pa.string(), **types}
    return arrow_csv.read_csv(
        io.BytesIO(content),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(content) + 1),
        parse_options=arrow_csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, null_values=[], strings_can_be_null=False
        ),
    )


def _values(table: pa.Table) -> np.ndarray:
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _split(path: Path, block: _Block, size: int) -> tuple[list[str], bytes]:
    """Returns the words of some lines, and the lines without them.

    Raises `InputError` for the first line that is not a word and `size` numbers. That a word with
    spaces ends in a number is taken for a vector that is too long.
    """
    words, lines = [], []
    for line, text in enumerate(block.content.split(b"\n"), block.line):
        if not text:
            continue
        word, *numbers = text.rsplit(b" ", size)
        place = f"{path}, line {line}"
        wrong = next((number for number in numbers if not _NUMBER.fullmatch(number)), None)
        before = word.split(b" ")[1:]
        if wrong is None and (len(numbers) < size or (before and _NUMBER.fullmatch(before[-1]))):
            raise InputError(
                f"{place}: expected {size} numbers, as in the first line, received "
                f"{_count(text)}: {_shown(text)}: rows of different length, or cut off"
            )
        if wrong is not None:
            raise InputError(
                f"{place}: expected {size} finite numbers after the word, received {_shown(wrong)} "
                f"among the last {len(numbers)} fields"
            )
        try:
            words.append(word.decode())
        except UnicodeDecodeError:
            raise InputError(
                f"{place}: expected a word in UTF-8, received {_shown(word)}: save the file in it"
            ) from None
        if not word:
            raise InputError(f"{place}: expected a word, received a line that starts with a space")
        lines.append(b" ".join(numbers))
    return words, b"\n".join(lines) + b"\n"


def _count(text: bytes) -> int:
    """Returns how many numbers end a line."""
    fields = text.split(b" ")[:0:-1]
    return next((i for i, field in enumerate(fields) if not _NUMBER.fullmatch(field)), len(fields))


def _shown(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= 40 else f"{shown[:40]}...")
