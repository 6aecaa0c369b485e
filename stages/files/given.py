"""Texts that the command line gives in a file."""

from pathlib import Path

from stages.errors import InputError
from stages.files import raw_json, texts
from stages.formats import FileFormat, Wanted
from stages.text import splitting

_TABLES = (*texts.TABLE_SUFFIXES, *raw_json.SUFFIXES)


def read(path: Path, column: str, file_format: FileFormat) -> list[tuple[str, str]]:
    """Returns the texts of a file, each after its place in it, for error messages: of a table or of
    JSON those in a column; of any other file its lines, without empty ones.

    Raises:
        InputError: there is no text, or a row has an empty one.
    """
    is_table = path.name.lower().removesuffix(".gz").endswith(_TABLES)
    (table,) = texts.read_files(path, None, Wanted([column] if is_table else []), file_format)
    found = splitting.texts_of(table, column if is_table else "text").tolist()
    what = "row" if is_table else "line"
    filled = [
        (f"{path}, {what} {number}", text) for number, text in enumerate(found, 1) if text.strip()
    ]
    if not filled:
        raise InputError(f"{path}: expected at least one text, received none")
    if is_table and len(filled) < len(found):
        row = next(row for row, text in enumerate(found, 1) if not text.strip())
        raise InputError(
            f"{path}, row {row}: expected a text, received an empty one: fill it in, or take out "
            "the row"
        )
    return filled
