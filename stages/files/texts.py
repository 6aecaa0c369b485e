"""Raw texts as users have them: a text file, a folder of them, or one column of a table. All come
as tables of texts."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from stages.errors import InputError
from stages.files import raw, raw_tables
from stages.formats import FileFormat, Wanted

TABLES = (".csv", ".tsv", ".parquet", ".xlsx")
# A file of DVC's cache, which it may link to instead of copying.
_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


def read_parts(
    source: Path, parts: Sequence[str] | None, wanted: Wanted, form: FileFormat
) -> list[pd.DataFrame]:
    """Reads a raw text file, or the files of a folder: all in the order of their names, or its
    `parts` in theirs.

    Hidden files are left out, and the `.dvc` files of DVC.

    Args:
        wanted: for tables and JSON, the columns to read. Without any, a file is plain text.

    Returns:
        A table a file: with `columns`, or for plain text with `text`, a row a line; its `attrs`
        have the `file`'s name in the folder, which is empty where `source` is a file.
    """
    if parts is not None:
        if source.exists() and not source.is_dir():
            raise InputError(
                f"{source}: expected a folder, as ingest.split names its files, received a file"
            )
        paths = [source / part for part in parts]
    elif source.is_dir():
        paths = sorted(path for path in source.rglob("*") if _counts(path, source))
        if not paths:
            raise InputError(
                f"{source}: expected a folder with text files, received one without any"
            )
    else:
        paths = [source]
    found = []
    for path in paths:
        name = path.relative_to(source).as_posix() if path != source else ""
        if raw.SURROGATE.search(name):
            raise InputError(
                f"{source}: expected names of files in UTF-8, received {name!r}: rename it"
            )
        if path != source:
            _expect_inside(path, source)
        found.append(_read(path, wanted, form))
        found[-1].attrs["file"] = name
    return found


def _counts(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix != ".dvc" and (path.is_file() or path.is_symlink())


def _expect_inside(path: Path, folder: Path) -> None:
    """Raises `InputError` for a file that a link takes from outside of the folder: what it reads
    would not be the data that is shared."""
    if not path.is_file():  # another message tells of it
        return
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()) and not _CACHED.search(target.as_posix()):
        raise InputError(
            f"{path}: expected a file inside of {folder}, received a link out of it, to {target}: "
            "copy the file there"
        )


def _read(path: Path, wanted: Wanted, form: FileFormat) -> pd.DataFrame:
    raw.check_file(path)
    ending = raw.ending_of(path)
    if wanted.columns and ending in raw.JSON:
        # As they are: pandas would make floats of whole numbers.
        return pd.DataFrame(
            list(_rows(path, wanted.columns, form)), columns=list(wanted.columns), dtype=object
        )
    if wanted.columns:
        return raw_tables.read_raw(path, wanted, form)
    if ending in (*raw.JSON, *TABLES):
        raise InputError(
            f"{path}: expected ingest.text, the column of a table's texts, received none"
        )
    return pd.DataFrame({"text": raw.lines(raw.read_text(path, form.encoding))}, dtype=object)


def _rows(path: Path, columns: Sequence[str], form: FileFormat) -> Iterator[list[object]]:
    for where, found in raw.json_objects(path, form.encoding):
        yield [raw.key_of(where, found, name) for name in columns]
