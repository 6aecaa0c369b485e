"""Raw texts: a text file, a folder of them, or one column of a table, all read as tables."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from stages.errors import InputError
from stages.files import raw, raw_json, raw_tables
from stages.formats import FileFormat, Wanted

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".xlsx")
# A file of DVC's cache. DVC may link to it instead of copying it.
_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


def read_files(
    source: Path, names: Sequence[str] | None, wanted: Wanted, file_format: FileFormat
) -> list[pd.DataFrame]:
    """Reads a raw text file, or files of a folder, without hidden files and DVC's `.dvc` files.

    Args:
        names: files of the folder, read in this order; None: all, in the order of their names.
        wanted: which columns to read from tables and JSON; without any, a file is plain text.

    Returns:
        One table per file. Plain text has the column `text`, with one line per row. The attribute
        `file` is the file's path in the folder; it is empty where `source` is a file.

    Raises:
        InputError: a file is missing, outside of the folder or not such a text.
    """
    tables = []
    for path in _files(source, names):
        name = path.relative_to(source).as_posix() if path != source else ""
        if raw.SURROGATE.search(name):
            raise InputError(
                f"{source}: expected names of files in UTF-8, received {name!r}: rename it"
            )
        if path != source:
            expect_inside(path, source)
        table = _read(path, wanted, file_format)
        table.attrs["file"] = name
        tables.append(table)
    return tables


def _files(source: Path, names: Sequence[str] | None) -> list[Path]:
    if names is not None:
        if source.exists() and not source.is_dir():
            raise InputError(
                f"{source}: expected a folder, as ingest.split names its files, received a file"
            )
        return [source / name for name in names]
    if not source.is_dir():
        return [source]
    if not (paths := inner_files(source)):
        raise InputError(f"{source}: expected a folder with text files, received one without any")
    return paths


def inner_files(folder: Path) -> list[Path]:
    """Returns the files at any depth of a folder, sorted, without hidden files and DVC's own."""
    return sorted(path for path in folder.rglob("*") if _is_text_file(path, folder))


def _is_text_file(path: Path, folder: Path) -> bool:
    hidden = any(name.startswith(".") for name in path.relative_to(folder).parts)
    return not hidden and path.suffix != ".dvc" and (path.is_file() or path.is_symlink())


def expect_inside(path: Path, folder: Path) -> None:
    """Raises `InputError` for a link out of the folder: its target is not shared with the data."""
    if not path.is_file():  # `raw.check_file` reports it
        return
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()) and not _CACHED.search(target.as_posix()):
        raise InputError(
            f"{path}: expected a file inside {folder}, received a link out of it, to {target}: "
            "copy the file there"
        )


def _read(path: Path, wanted: Wanted, file_format: FileFormat) -> pd.DataFrame:
    raw.check_file(path)
    suffix = raw.suffix_of(path)
    if wanted.columns and suffix in raw_json.SUFFIXES:
        # Values stay Python objects: pandas would turn whole numbers into floats.
        rows = list(_rows(path, wanted.columns, file_format))
        return pd.DataFrame(rows, columns=list(wanted.columns), dtype=object)
    if wanted.columns:
        return raw_tables.read_raw(path, wanted, file_format)
    if suffix in (*raw_json.SUFFIXES, *TABLE_SUFFIXES):
        raise InputError(
            f"{path}: expected ingest.text, the column of a table's texts, received none"
        )
    lines = raw.lines(raw.read_text(path, file_format.encoding))
    return pd.DataFrame({"text": lines}, dtype=object)


def _rows(path: Path, columns: Sequence[str], file_format: FileFormat) -> Iterator[list[object]]:
    for place, entry in raw_json.objects(path, file_format.encoding):
        yield [raw_json.value_at(place, entry, name) for name in columns]
