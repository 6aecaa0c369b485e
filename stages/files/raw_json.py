"""Raw JSON files: one object per line, or an array of objects."""

import json
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import raw

LINES_SUFFIXES = (".jsonl", ".ndjson")
SUFFIXES = (".json", *LINES_SUFFIXES)


def objects(
    path: Path, encoding: str | None, *, as_written: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a JSON file, each after its place in the file, for error messages.

    A file holds one object per line; a `.json` file may hold an array of objects instead.

    Args:
        as_written: whether numbers are yielded as the text in the file.

    Raises:
        InputError: an entry is not an object, or holds half of a surrogate pair.
    """
    text = raw.read_text(path, encoding)
    is_array = raw.suffix_of(path) not in LINES_SUFFIXES and text.lstrip().startswith("[")
    entries = _array_entries if is_array else _line_entries
    for place, entry in entries(path, text, as_written):
        if not isinstance(entry, dict):
            hint = ""
            if isinstance(entry, list) and not is_array:
                hint = f": an array is read from a file whose name ends in {SUFFIXES[0]}"
            raise InputError(
                f"{place}: expected a JSON object, received {reprlib.repr(entry)}{hint}"
            )
        for value in (*entry, *entry.values()):
            if isinstance(value, str) and raw.SURROGATE.search(value):
                raise InputError(
                    f"{place}: expected Unicode characters, received half of a surrogate pair in "
                    f"{value[:40]!r}"
                )
        yield place, entry


def value_at(place: str, entry: dict[str, Any], key: str) -> Any:
    """Returns the value of a key. Raises `InputError` if the object has no such key."""
    if key not in entry:
        raise InputError(
            f"{place}: expected the key {key!r}, found "
            f"{', '.join(map(repr, list(entry)[:12])) or 'none'}"
        )
    return entry[key]


def _line_entries(path: Path, text: str, as_written: bool) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(raw.lines(text), 1):
        if line.strip():
            expected = "a JSON object"
            if line.lstrip().startswith("["):
                expected += (
                    " (an array over several lines is read from a file whose name ends in "
                    f"{SUFFIXES[0]})"
                )
            place = f"{path}, line {number}"
            yield place, _parsed(line, place, expected, as_written)


def _array_entries(path: Path, text: str, as_written: bool) -> Iterator[tuple[str, object]]:
    entries = _parsed(text, str(path), "a JSON array", as_written)
    assert isinstance(entries, list)
    for number, entry in enumerate(entries, 1):
        yield f"{path}, entry {number}", entry


def _parsed(text: str, place: str, expected: str, as_written: bool) -> object:
    try:
        return json.loads(text, parse_int=str, parse_float=str) if as_written else json.loads(text)
    except RecursionError:
        raise InputError(
            f"{place}: expected {expected}, received one that is nested too deeply"
        ) from None
    except ValueError as error:
        raise InputError(
            f"{place}: expected {expected}, received one that cannot be read: {error}"
        ) from None
