"""Tagged texts in columns, as the shared tasks of CoNLL have them: one token a line, with its tag
in another column; an empty line ends a sentence, and a line `-DOCSTART-` parts documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.errors import InputError
from stages.files import raw, raw_json

DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class Layout:
    """Which columns are read, counted from 1.

    Attributes:
        token: the column of the tokens. tag: that of the tags; None: the last one.
        separator: what stands between columns; None: a tab, if the first line with a token has one,
            else any white space.
        comments: whether lines that start with `#` are none of the text, as in CoNLL-U.
        tagged: whether tags are read.
    """

    token: int = 1
    tag: int | None = None
    separator: str | None = None
    comments: bool = False
    tagged: bool = True


def read(path: Path, encoding: str | None, layout: Layout) -> pd.DataFrame:
    """Reads a file of columns, which may be gzipped.

    Returns:
        One row a token: `token`, `tag` ("" where none are read), the numbers of its `sentence` and
        `document` in the file, from 0, and its `place`, a line or an entry.

    Raises:
        InputError: the file is missing, no text, without any token, or a line has other columns
            than the first one with a token, or no token or tag.
    """
    raw.check_file(path)
    rows = _Rows(path, layout)
    for number, line in enumerate(raw.lines(raw.read_text(path, encoding)), 1):
        rows.add(number, line)
    return _table(path, rows.found)


def read_json(
    path: Path, encoding: str | None, tokens: str, tags: str | None, document: str | None
) -> pd.DataFrame:
    """Reads JSON lines, or an array of objects, of one sentence each, as `read` does.

    Args:
        tokens, tags: the keys of lists of text, of one length. tags: None: none are read.
        document: the key of what names a sentence's document; None: there is one document. A new
            document begins where the name changes.
    """
    raw.check_file(path)
    found: list[tuple[str, str, int, int, str]] = []
    last, documents = None, -1
    for number, (place, entry) in enumerate(raw_json.objects(path, encoding)):
        words = texts_at(place, entry, tokens)
        labels = [""] * len(words) if tags is None else texts_at(place, entry, tags)
        if len(labels) != len(words):
            raise InputError(
                f"{place}: expected as many {tags} as {tokens}, received {len(labels)} for "
                f"{len(words)}"
            )
        if not words:
            raise InputError(
                f"{place}: expected at least one token, received an empty sentence: take it out"
            )
        name = None if document is None else raw_json.value_at(place, entry, document)
        documents += not found or name != last
        last = name
        found += [
            (word, label, number, documents, place)
            for word, label in zip(words, labels, strict=True)
        ]
    return _table(path, found)


class _Rows:
    """The tokens of the lines so far."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout, self.separator = path, layout, layout.separator
        self.found: list[tuple[str, str, int, int, str]] = []
        self._columns = self._sentence = self._document = 0
        self._open = self._filled = False

    def add(self, number: int, line: str) -> None:
        if not line.strip():
            self._end_sentence()
            return
        if line.split(None, 1)[0] == DOCUMENT:
            self._end_sentence()
            self._document += self._filled
            self._filled = False
            return
        if self.layout.comments and line.startswith("#"):
            return
        place = f"{self.path}, line {number}"
        token, tag = self._fields(place, line)
        self.found.append((token, tag, self._sentence, self._document, place))
        self._open = self._filled = True

    def _end_sentence(self) -> None:
        self._sentence += self._open
        self._open = False

    def _fields(self, place: str, line: str) -> tuple[str, str]:
        """Returns the token and the tag of a line."""
        layout = self.layout
        if not self.found and self.separator is None and "\t" in line.strip():
            self.separator = "\t"
        fields = line.split(self.separator)
        if not self.found:
            self._columns = len(fields)
            self._check_columns(place)
        if len(fields) != self._columns:
            raise InputError(
                f"{place}: expected {self._columns} columns, as the first line with a token has, "
                f"received {len(fields)}: {line.strip()[:60]!r}"
            )
        token = fields[layout.token - 1].strip()
        tag = fields[(layout.tag or 0) - 1].strip() if layout.tagged else ""
        for name, value in (("token", token), *(("tag", tag),) * layout.tagged):
            if not value:
                raise InputError(f"{place}: expected a {name}, received an empty column")
        return token, tag

    def _check_columns(self, place: str) -> None:
        """Raises `InputError` if the file has not the columns that are asked for."""
        layout = self.layout
        needed = max(layout.token, layout.tag or 0)
        if layout.tagged and self._columns < 2:
            raise InputError(
                f"{place}: expected a token and its tag, received one column: give a file with "
                "tags, or set ingest.separator"
            )
        if needed > self._columns:
            raise InputError(
                f"{place}: expected at least {needed} columns, as ingest.token and ingest.tag say, "
                f"received {self._columns}"
            )


def texts_at(place: str, entry: dict[str, Any], key: str) -> list[str]:
    """Returns the list of texts under a key."""
    values = raw_json.value_at(place, entry, key)
    wrong: Any = values
    if isinstance(values, list):
        wrong = next((each for each in values if not isinstance(each, str) or not each.strip()), "")
        if wrong == "" and "" not in values:
            return values
    raise InputError(
        f"{place}: {key}: expected a list of texts, none of them empty, received {wrong!r:.60}"
    )


def _table(path: Path, found: Sequence[tuple[str, str, int, int, str]]) -> pd.DataFrame:
    if not found:
        raise InputError(f"{path}: expected at least one token, received none")
    table = pd.DataFrame(found, columns=["token", "tag", "sentence", "document", "place"])
    return table.astype({"token": object, "tag": object, "place": object})
