"""Texts in one folder per class: as files of a folder, or of a tar or zip archive."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from stages.errors import InputError
from stages.files import archives, raw
from stages.files.texts import expect_inside, inner_files
from stages.formats import FileFormat

log = logging.getLogger("reprise")

# What a text's name ends in; of some collections no name has a suffix.
TEXTS = (".txt", "")


class _File(NamedTuple):
    """A file in the folder or archive: the parts of its path there, and its content."""

    parts: tuple[str, ...]
    content: bytes

    @property
    def name(self) -> str:
        return "/".join(self.parts)


def read(path: Path, file_format: FileFormat) -> pd.DataFrame:
    r"""Reads texts in one folder per class, such as `pos/1.txt` and `neg/1.txt`.

    The folders of the classes may stand in folders of splits, such as `train/pos/1.txt`, and all of
    them in further ones that all texts share, such as `reviews/train/pos/1.txt`. Each file that
    ends in `.txt`, or has no suffix, is one text; others, hidden ones and those above the classes'
    folders, such as a README, are left out. An archive is read once, in its order, without
    unpacking it.

    Args:
        path: a folder, or a tar archive, which may be compressed with gzip, bzip2 or xz, or a zip
            archive.
        file_format: `encoding` alone counts.

    Returns:
        One row per text, in the order of `file`: `text`, without line ends at its end and with \n
        for all others; `label`, the name of its folder; `split_folder`, the name of the folder
        above if texts have different ones, else ''; `file`, its path in `path`.

    Raises:
        InputError: there are no folders of classes, or texts below them; the archive is damaged,
            cut off, encrypted, holds a link, the same file twice, or much more than its size lets
            expect; a link leads out of the folder; a file is not text in the encoding.
    """
    chosen = _of_classes(path, list(_files(path)))
    folders = _without_shared([text.parts[:-1] for text in chosen])
    if (deepest := max(map(len, folders))) > 2:
        example = next(text for text, own in zip(chosen, folders, strict=True) if len(own) > 2)
        raise InputError(
            f"{path}: expected folders of classes, or of splits with those of classes in them, "
            f"received {deepest} levels of folders, as in {example.name}"
        )
    table = pd.DataFrame(
        {
            "text": [
                _decoded(path / text.name, text.content, file_format.encoding) for text in chosen
            ],
            "label": [own[-1] for own in folders],
            "split_folder": [own[0] if len(own) == 2 else "" for own in folders],
            "file": [text.name for text in chosen],
        },
        dtype=object,
    )
    repeated = table["file"].duplicated()
    if repeated.any():
        raise InputError(
            f"{path}: expected each file once, received {table['file'][repeated.idxmax()]} twice"
        )
    return table.sort_values("file", kind="stable", ignore_index=True)


def _files(path: Path) -> Iterator[_File]:
    """Yields the files that may be texts."""
    if path.is_dir():
        for file in inner_files(path):
            parts = file.relative_to(path).parts
            if _is_text(path, parts):
                expect_inside(file, path)
                raw.check_file(file)
                yield _File(parts, file.read_bytes())
        return
    raw.check_file(path)
    if not archives.is_archive(path):
        raise InputError(
            f"{path}: expected a folder with one folder per class, or an archive of one whose name "
            f"ends in {', '.join(archives.SUFFIXES)}, received {path.name!r}"
        )
    for entry in archives.entries(path, archives.Limits(raw.UNPACKED, raw.GROWTH)):
        if _is_text(path, entry.parts):
            yield _File(entry.parts, entry.read())


def _is_text(path: Path, parts: tuple[str, ...]) -> bool:
    name = "/".join(parts)
    if raw.SURROGATE.search(name):
        raise InputError(f"{path}: expected names of files in UTF-8, received {name!r}: rename it")
    return not archives.is_hidden(parts) and PurePosixPath(parts[-1]).suffix.lower() in TEXTS


def _decoded(place: Path, content: bytes, encoding: str | None) -> str:
    """Returns a text in `encoding`; None: what a byte order mark says, else UTF-8."""
    for signature, name in raw.SIGNATURES.items():
        if content.startswith(signature):
            raise InputError(f"{place}: expected text, received {name}")
    marked = next((name for mark, name in raw.MARKS.items() if content.startswith(mark)), "utf-8")
    used = marked if encoding is None else raw.codecs_name(encoding)
    try:
        text = content.decode(used).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise raw.decoding_error(place, used, error) from None
    if "\0" in text:
        raise InputError(
            f"{place}: expected text, received a NUL character, as in binary files and in UTF-16 "
            "without a byte order mark: save it as UTF-8, or set ingest.encoding"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def _of_classes(path: Path, texts: list[_File]) -> list[_File]:
    """Returns the texts at the depth at which most of them are: what is above describes them."""
    depths = Counter(len(text.parts) for text in texts)
    depth = max(depths, key=lambda depth: (depths[depth], depth), default=1)
    if depth == 1:
        found = f"texts outside of one, such as {texts[0].parts[0]}" if texts else "no texts"
        raise InputError(
            f"{path}: expected one folder per class with a text file ({' or '.join(_NAMES)}) for "
            f"each text, received {found}"
        )
    deeper = next((text for text in texts if len(text.parts) > depth), None)
    if deeper is not None:
        raise InputError(
            f"{path}: expected all texts of a class in its folder, received one in a folder below, "
            f"{deeper.name}"
        )
    above = len(texts) - depths[depth]
    if above:
        log.info("%s: %d files above the folders of classes are left out", path, above)
    return [text for text in texts if len(text.parts) == depth]


_NAMES = ("NAME.txt", "NAME without a suffix")


def _without_shared(folders: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Leaves out the folders that all texts share, but for those of their classes."""
    folders = list(folders)
    first = folders[0]
    shared = 0
    while shared < len(first) - 1 and all(own[shared] == first[shared] for own in folders):
        shared += 1
    return [own[shared:] for own in folders]
