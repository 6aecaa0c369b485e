"""Parallel texts: files with a text per line, where lines of the same number belong together."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import texts
from stages.formats import FileFormat, Wanted


def read_files(
    folder: Path,
    names: Sequence[str] | None,
    endings: Sequence[str],
    optional: Sequence[str],
    file_format: FileFormat,
) -> list[pd.DataFrame]:
    """Reads the files of a folder whose names are NAME, a point and an ending, such as `train.de`
    and `train.en`.

    They may end in `.txt` besides, and then in `.gz`, which is unpacked. NAME may be a folder, as
    in `train/de.txt`, or absent, as in `de.txt`.

    Args:
        names: each NAME, read in this order; None: all that have a file with one of the `endings`,
            sorted.
        endings: that each NAME must have. optional: those that only some NAME must have.

    Returns:
        One table per NAME, which is its attribute `file`, with the endings as columns: a line per
        row, None where a NAME has no such file.

    Raises:
        InputError: a file is missing or there twice; the files of a NAME differ in their number of
            lines; or as `stages.files.texts.read_files`.
    """
    found = _found(folder, [*endings, *optional])
    if names is None:
        names = sorted({name for name, ending in found if ending in endings})
        if not names:
            raise InputError(
                f"{folder}: expected files NAME.{endings[0]} and NAME.{endings[1]}, found "
                f"{_shown(folder)}"
            )
    names = [PurePosixPath(name).as_posix() if name else name for name in names]
    for ending in optional:
        if not any((name, ending) in found for name in names):
            raise _missing(folder, names[-1], ending)
    return [_read(folder, name, found, endings, optional, file_format) for name in names]


def _found(folder: Path, endings: Sequence[str]) -> dict[tuple[str, str], str]:
    """Returns the path of each file in the folder, by its NAME and its ending."""
    if not folder.is_dir():
        received = "a file" if folder.exists() else "nothing there"
        raise InputError(
            f"{folder}: expected a folder with files such as train.{endings[0]}, received "
            f"{received}"
        )
    found: dict[tuple[str, str], str] = {}
    for path in texts.inner_files(folder):
        inner = path.relative_to(folder).as_posix()
        for ending in endings:
            match = re.fullmatch(
                rf"(?:(.+)[./])?{re.escape(ending)}(?i:\.txt)?(?i:\.gz)?", inner, re.DOTALL
            )
            if match is None:
                continue
            key = (match[1] or "", ending)
            if key in found:
                raise InputError(
                    f"{folder}: expected one file for {_called(*key)}, received {found[key]} and "
                    f"{inner}: take one of them out"
                )
            found[key] = inner
    return found


def _read(
    folder: Path,
    name: str,
    found: dict[tuple[str, str], str],
    endings: Sequence[str],
    optional: Sequence[str],
    file_format: FileFormat,
) -> pd.DataFrame:
    absent = next((ending for ending in endings if (name, ending) not in found), None)
    if absent is not None:
        raise _missing(folder, name, absent)
    chosen = [ending for ending in (*endings, *optional) if (name, ending) in found]
    paths = [found[name, ending] for ending in chosen]
    read = texts.read_files(folder, paths, Wanted([]), file_format)
    sides = [table["text"] for table in read]
    for path, side in zip(paths[1:], sides[1:], strict=True):
        if len(side) != len(sides[0]):
            raise _of_different_lengths(folder, [paths[0], path], [sides[0], side])
    if not len(sides[0]):
        raise InputError(f"{folder / paths[0]}: expected texts, received an empty file")
    table = pd.DataFrame(dict(zip(chosen, sides, strict=True)), dtype=object)
    table = table.reindex(columns=[*endings, *optional])
    table.attrs["file"] = name
    return table


def _of_different_lengths(
    folder: Path, paths: Sequence[str], sides: Sequence[pd.Series]
) -> InputError:
    first, second = (
        f"{len(side)} lines in {path}" for side, path in zip(sides, paths, strict=True)
    )
    shorter = min(map(len, sides))
    empty = [side[:shorter].str.strip() == "" for side in sides]
    apart = np.flatnonzero((empty[0] != empty[1]).to_numpy())
    place = f"line {shorter + 1} stands in one of them alone"
    if len(apart):
        place = f"line {apart[0] + 1} is the first that is empty in one of them alone"
    return InputError(
        f"{folder}: expected files with as many lines, the same ones of both texts, received "
        f"{first} and {second}: {place}"
    )


def _missing(folder: Path, name: str, ending: str) -> InputError:
    return InputError(
        f"{folder}: expected the file {_called(name, ending)} (or with .txt, .gz or both behind "
        f"it), found {_shown(folder)}"
    )


def _called(name: str, ending: str) -> str:
    return f"{name}.{ending}" if name else ending


def _shown(folder: Path) -> str:
    files = [path.relative_to(folder).as_posix() for path in texts.inner_files(folder)]
    shown = ", ".join(map(repr, files[:12])) or "no files"
    return shown + (f" and {len(files) - 12} more" if len(files) > 12 else "")
