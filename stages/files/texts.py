"""Raw texts as users have them: a text file, a folder of them, or one column of a table. All come as tables of texts."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stages.errors import InputError
from stages.files import raw_tables
from stages.formats import FileFormat, Wanted

JSON_LINES = (".jsonl", ".ndjson")


def read_parts(source: Path, parts: Sequence[str] | None, wanted: Wanted, form: FileFormat) -> list[pd.DataFrame]:
    """Reads a raw text file, or the files of a folder: all in the order of their names, or its `parts` in theirs.

    Args:
        wanted: for tables and JSON, the columns to read. Without any, a file is plain text.

    Returns:
        A table a file: with `columns`, or for plain text with `text`, a row a line; and `file`, the file's name in the folder.
    """
    if parts is not None:
        paths = [source / part for part in parts]
    elif source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
        if not paths:
            raise InputError(f"{source}: expected a folder with text files, received an empty one")
    else:
        paths = [source]
    names = [path.relative_to(source).as_posix() if path != source else path.name for path in paths]
    return [_read(path, wanted, form).assign(file=name) for path, name in zip(paths, names, strict=True)]


def _read(path: Path, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if not path.is_file():
        raise InputError(f"expected a raw file at {path}, found none: put it there and run `dvc add {path}`, or `dvc pull`")
    if wanted.columns:
        return raw_tables.read_raw(path, wanted, form)
    if ending in (*JSON_LINES, ".csv", ".tsv", ".parquet"):
        raise InputError(f"{path}: expected ingest.text, the column of a table's texts, received none")
    return pd.DataFrame({"text": _text(path).splitlines()})


def _text(path: Path) -> str:
    """Returns the content of a text file, which may be gzipped."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path}: expected a gzipped file, received one that cannot be read: {error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, received the byte 0x{content[error.start]:02x} at offset {error.start}: save the file as UTF-8"
        ) from None
