"""Recordings of speech and what is said in them: files of a folder, or of a tar or zip archive."""

import logging
import posixpath
import re
import reprlib
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import archives, columns, delimited, raw, raw_tables
from stages.files.sounds import LARGEST, samples_of
from stages.files.texts import expect_inside, inner_files
from stages.formats import FileFormat, Wanted

log = logging.getLogger("reprise")

# Only files with such a suffix are found without it. One that does not match a pattern is a
# recording that would be lost.
AUDIO = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"),
    *(".aifc", ".au", ".snd", ".caf", ".m4a", ".aac", ".wma", ".amr", ".sph"),
)
# How many times its size an archive may unpack to: silence shrinks to much less than text does.
GROWTH = 1000
PLAIN = FileFormat(file="data/raw/recordings")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where recordings are and what is known about them. Either `table` or `pattern` is given.

    Attributes:
        rate: Hz to which all recordings are resampled.
        table: the path of a table in the folder or archive, with a row per recording.
        pattern: what the paths say, such as `{transcript}/{speaker}_{take}.flac`. A field in braces
            stands for as few characters as possible, at least one and none of them `/`; a field
            that occurs twice, for the same text. It describes the whole path below the folder or
            archive; without `/`, the file's name. Files in folders whose names begin with `_`,
            which hold no speech, such as `_background_noise_`, are left out, unless the pattern
            itself has such a folder.
        recording: the table's column with the file's path, relative to the table's folder or to
            the whole. A cell that is no such path is the end of one, as a file's name without its
            folders, or that without its suffix: there must be one such recording.
        transcript: the column or field with what is said.
        speaker: the column or field with who says it; None: unknown, but for a field `speaker`.
        also: further columns or fields to keep, as text.
        file_format: how the table is written.
    """

    rate: int
    table: str | None = None
    pattern: str | None = None
    recording: str = "file"
    transcript: str = "transcript"
    speaker: str | None = None
    also: Sequence[str] = ()
    file_format: FileFormat = PLAIN


def read(path: Path, layout: Layout) -> pd.DataFrame:
    """Reads recordings with their transcripts. Nothing is unpacked to the disk.

    An archive or folder may have all its files below one folder: paths may leave that out.

    Args:
        path: a folder, or a tar archive, which may be compressed with gzip, bzip2 or xz, or a zip
            archive.

    Returns:
        One row per recording, in the table's order, or, with a pattern, sorted by path:
        `recording`, its path in `path`; `transcript`; `speaker`, if there is one; each of
        `layout.also`; `samples`, arrays of int16 [samples], mono at `layout.rate`.

    Raises:
        InputError: a column, field, table or recording is missing, empty, named twice, one of
            several, outside of `path` or a link; audio does not match the pattern; the archive is
            damaged, encrypted or holds too much; or as `samples_of`.
    """
    _expect_valid(layout)
    names = _names(path)
    if layout.pattern is not None:
        table = _by_pattern(path, names, layout.pattern, layout)
        rows = [""] * len(table)
    else:
        table = _by_table(path, names, layout)
        rows = [f" (data row {row + 1} of {layout.table})" for row in range(len(table))]
    places = dict(zip(table["recording"], rows, strict=True))
    samples = {
        name: samples_of(content, f"{path / name}{places[name]}", layout.rate)
        for name, content in _contents(path, places)
    }
    # Assigned one by one: arrays of one length would become a matrix.
    column = np.empty(len(table), dtype=object)
    for row, name in enumerate(table["recording"]):
        column[row] = samples[name]
    table["samples"] = column
    return table


def _expect_valid(layout: Layout) -> None:
    if (layout.table is None) == (layout.pattern is None):
        received = "neither" if layout.table is None else "both"
        raise InputError(
            "expected either a table of the recordings or a pattern of their paths, received "
            f"{received}: give one of them"
        )
    taken = {"recording", "transcript", "speaker", "samples"}.intersection(layout.also)
    if taken:
        raise InputError(
            "expected further columns with names of their own, received "
            f"{columns.shortened(sorted(taken))}: rename them"
        )


def _names(path: Path) -> list[str]:
    """Returns the paths of all files in the folder or archive that are not hidden, in its order."""
    if path.is_dir():
        names = [file.relative_to(path).as_posix() for file in inner_files(path)]
        names = [name for name in names if not archives.is_hidden(name.split("/"))]
        unreadable = next((name for name in names if raw.SURROGATE.search(name)), None)
        if unreadable is not None:
            raise InputError(
                f"{path}: expected names of files in UTF-8, received {unreadable!r}: rename it"
            )
    else:
        raw.check_file(path)
        if not archives.is_archive(path):
            raise InputError(
                f"{path}: expected a folder with recordings, or an archive of one whose name ends "
                f"in {', '.join(archives.SUFFIXES)}, received {path.name!r}"
            )
        paths = archives.entries(path, _limits())
        names = [entry.name for entry in paths if not archives.is_hidden(entry.parts)]
    if not names:
        raise InputError(f"{path}: expected recordings, received no files")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path}: expected each file once, received {name} {count} times")
    return names


def _limits() -> archives.Limits:
    return archives.Limits(raw.UNPACKED, GROWTH, LARGEST)


def _contents(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, Path | bytes]]:
    """Yields each wanted file's path and its content, or where that is on the disk."""
    if path.is_dir():
        for name in wanted:
            expect_inside(path / name, path)
            yield name, path / name
        return
    for entry in archives.entries(path, _limits()):
        if entry.name in wanted:
            yield entry.name, entry.read()


def _top(names: Sequence[str]) -> str | None:
    return archives.top_folder([name.split("/") for name in names])


def _by_pattern(path: Path, names: Sequence[str], pattern: str, layout: Layout) -> pd.DataFrame:
    expression, fields = _compiled(pattern)
    speaker = layout.speaker or ("speaker" if "speaker" in fields else None)
    kept = {"transcript": layout.transcript}
    kept |= {"speaker": speaker} if speaker is not None else {}
    kept |= {field: field for field in layout.also}
    absent = next((field for field in kept.values() if field not in fields), None)
    if absent is not None:
        raise InputError(
            f"expected the field {{{absent}}} in the pattern {pattern!r}, found "
            f"{columns.shortened(fields) or 'none'}"
        )
    names = _spoken(path, sorted(names), pattern)
    texts = names if "/" in pattern else [name.rpartition("/")[2] for name in names]
    matches = [expression.fullmatch(text) for text in texts]
    top = _top(names)
    if "/" in pattern and top is not None and not any(matches):
        matches = [expression.fullmatch(name.removeprefix(f"{top}/")) for name in names]
    lost = [
        name
        for name, match in zip(names, matches, strict=True)
        if match is None and PurePosixPath(name).suffix.lower() in AUDIO
    ]
    if lost or not any(matches):
        first = (lost or names)[0]
        raise InputError(
            f"{path / first}: expected a path that matches the pattern {pattern!r}, received "
            f"{first!r}: change the pattern, or take the file out"
        )
    found = [(name, match) for name, match in zip(names, matches, strict=True) if match]
    table = {"recording": [name for name, _ in found]}
    table |= {column: [match[field] for _, match in found] for column, field in kept.items()}
    return pd.DataFrame(table, dtype=object)


def _spoken(path: Path, names: list[str], pattern: str) -> list[str]:
    """Returns the paths without those in folders whose names begin with `_`."""
    if any(part.startswith("_") for part in pattern.split("/")[:-1]):
        return names
    top = _top(names)
    below = [name if top is None else name.removeprefix(f"{top}/") for name in names]
    folders = [
        next((part for part in name.split("/")[:-1] if part.startswith("_")), None)
        for name in below
    ]
    left_out = [folder for folder in folders if folder is not None]
    if left_out:
        log.info(
            "%s: left out %d files in folders whose names begin with _ (%s)",
            path,
            len(left_out),
            columns.shortened(sorted(set(left_out))),
        )
    if len(left_out) == len(names):
        raise InputError(
            f"{path}: expected recordings, received only files in folders whose names begin with "
            f"_ ({columns.shortened(sorted(set(left_out)))}): rename the folders, or name one in "
            "the pattern"
        )
    return [name for name, folder in zip(names, folders, strict=True) if folder is None]


def _compiled(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """Returns the regular expression of a pattern of paths, and the names of its fields."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    fields: list[str] = []
    expression = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0 and not re.search("[{}]", piece):
            expression += re.escape(piece)
        elif place % 2 and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", piece):
            expression += f"(?P={piece})" if piece in fields else f"(?P<{piece}>[^/]+?)"
            fields += [piece] if piece not in fields else []
        else:
            raise InputError(
                "expected a pattern with names in braces, such as {transcript}_{speaker}.wav, "
                f"received {pattern!r}"
            )
    return re.compile(expression, re.DOTALL), fields


def _by_table(path: Path, names: Sequence[str], layout: Layout) -> pd.DataFrame:
    place = _table_of(path, names, layout.table or "")
    chosen = {"recording": layout.recording, "transcript": layout.transcript}
    chosen |= {"speaker": layout.speaker} if layout.speaker is not None else {}
    chosen |= {name: name for name in layout.also}
    cells = _read_table(path, place, list(dict.fromkeys(chosen.values())), layout)
    if cells.empty:
        raise InputError(f"{path / place}: expected a row per recording, received none")
    table = pd.DataFrame(
        {column: cells[name].map(_text) for column, name in chosen.items()}, dtype=object
    )
    if raw.suffix_of(Path(place)) in delimited.SEPARATORS:
        _expect_lines(path / place, table)
    for column in ("recording", "transcript", *(["speaker"] if layout.speaker else [])):
        empty = np.flatnonzero((table[column].str.strip() == "").to_numpy())
        if len(empty):
            raise InputError(
                f"{path / place}: expected text in column {chosen[column]!r}, received an empty "
                f"cell in data row {empty[0] + 1} ({table['recording'][empty[0]]}): fill it, or "
                "take the row out"
            )
    table["recording"] = _located(path, place, table["recording"].tolist(), names)
    repeated = np.flatnonzero(table["recording"].duplicated().to_numpy())
    if len(repeated):
        name = table["recording"][repeated[0]]
        rows = np.flatnonzero((table["recording"] == name).to_numpy())[:2] + 1
        raise InputError(
            f"{path / place}: expected each recording once, received {name} in data rows {rows[0]} "
            f"and {rows[1]}: take one of them out"
        )
    return table


def _expect_lines(place: Path, table: pd.DataFrame) -> None:
    """Raises `InputError` if a cell has a line break: a quotation mark that is part of what is said
    may have taken the rows up to the next one into a single cell."""
    for column in table:
        broken = np.flatnonzero(table[column].str.contains("[\r\n]").to_numpy())
        if len(broken):
            raise InputError(
                f"{place}: expected cells of one line, received a line break in data row "
                f"{broken[0] + 1}, {reprlib.repr(table[column][broken[0]])}: a quotation mark at "
                "the start of a cell must end it too: take such marks out, and write a space for a "
                "line break that is meant"
            )


def _text(cell: object) -> str:
    """Returns a cell as text; one of no value as ''."""
    return "" if cell is None or cell != cell else str(cell)


def _table_of(path: Path, names: Sequence[str], table: str) -> str:
    """Returns the table's path, with the folder that all files share if it was left out."""
    places = [posixpath.normpath(table), posixpath.join(_top(names) or "", table)]
    place = next((place for place in places if place in names), None)
    if place is None:
        tables = [name for name in names if raw.suffix_of(Path(name)) in raw_tables.SUFFIXES]
        raise InputError(
            f"{path}: expected the table {table!r} in it, found "
            f"{columns.shortened(sorted(tables)) or 'no tables'}"
        )
    return place


def _read_table(path: Path, place: str, wanted: list[str], layout: Layout) -> pd.DataFrame:
    _, content = next(_contents(path, [place]))
    if isinstance(content, Path):
        return raw_tables.read_raw(content, Wanted(wanted), layout.file_format)
    with tempfile.TemporaryDirectory() as folder:
        # Its name decides how it is read, and is all of the archive's path that is used.
        copy = Path(folder) / PurePosixPath(place).name
        copy.write_bytes(content)
        try:
            return raw_tables.read_raw(copy, Wanted(wanted), layout.file_format)
        except InputError as error:
            raise InputError(str(error).replace(str(copy), str(path / place))) from None


def _located(path: Path, place: str, cells: Sequence[str], names: Sequence[str]) -> list[str]:
    """Returns the paths in the folder or archive of the files that a table at `place` names."""
    present = set(names)
    bases = [posixpath.dirname(place), "", _top(names) or ""]
    located: list[str | None] = []
    for cell in cells:
        places = [posixpath.normpath(posixpath.join(base, cell)) for base in bases]
        found = next((place for place in places if place in present), None)
        located.append(None if cell.startswith("/") else found)
    lost = [row for row, found in enumerate(located) if found is None]
    matches = _by_end({posixpath.normpath(cells[row]) for row in lost}, names)
    for row in lost:
        cell = cells[row]
        ending = matches.get(posixpath.normpath(cell), [])
        if len(ending) > 1:
            raise InputError(
                f"{path / place}: expected the path of one recording, received {cell!r} in data "
                f"row {row + 1}, which is the end of {ending[0]} and of {ending[1]}: write more of "
                "the path"
            )
        if not ending:
            places = [posixpath.normpath(posixpath.join(base, cell)) for base in bases]
            outside = cell.startswith("/") or all(place.startswith("../") for place in places)
            expected = "the path of a file inside it" if outside else "a file that is there"
            raise InputError(
                f"{path / place}: expected {expected}, received {cell!r} in data row {row + 1}: "
                f"put the recording into {path}, or correct the row"
            )
        located[row] = ending[0]
    return [name for name in located if name is not None]


def _by_end(cells: Collection[str], names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the paths that each cell is the end of; where it is that of none, those of recordings
    that it is the end of without their suffix."""
    whole: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    for name in names if cells else ():
        stem, suffix = posixpath.splitext(name)
        for text, found in ((name, whole), (stem if suffix.lower() in AUDIO else "", stems)):
            parts = text.split("/")
            for first in range(len(parts)):
                end = "/".join(parts[first:])
                if end in cells:
                    found.setdefault(end, []).append(name)
    return stems | whole
