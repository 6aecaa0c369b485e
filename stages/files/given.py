"""Files that the command line gives, and the texts in one."""

from pathlib import Path

from stages.errors import InputError
from stages.files import raw_json, texts
from stages.formats import FileFormat, Wanted
from stages.text import splitting

_TABLES = (*texts.TABLE_SUFFIXES, *raw_json.SUFFIXES)


def expect_file(path: Path) -> None:
    """Raises `InputError` if there is no file at `path`, which need not be raw data of the
    project."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "none"
        raise InputError(f"expected a file at {path}, found {found}: correct --input")


def read(path: Path, column: str, file_format: FileFormat) -> list[tuple[str, str]]:
    """Returns the texts of a file, each after its place in it, for error messages: of a table or of
    JSON those in a column; of any other file its lines, without empty ones.

    Raises:
        InputError: there is no file or no text, or a row has an empty one.
    """
    expect_file(path)
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
