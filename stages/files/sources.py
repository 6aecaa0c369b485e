"""Where raw files come from: a URL, an installed package, a seeded generator or `params.yaml`."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stages.errors import InputError
from stages.files import packages
from stages.files.downloads import Download, FileName, Sha256, download
from stages.files.repacking import Repacked, repack
from stages.files.writing import expect_sha256, whole, write_text
from stages.sections import InnerPath, Name, Section, matching
from stages.series import generators

RAW = Path("data/raw")

Package = Annotated[
    str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name by which the package is imported")
]


class InlineText(Section):
    """A text in `params.yaml` itself, line by line."""

    file: FileName
    lines: Annotated[list[Name], Field(min_length=1)]


class Docstrings(Section):
    """The docstrings of an installed package, tests left out, as JSON lines of `module` and `text`.

    They are read from its source files; none of its code runs.
    """

    file: FileName
    docstrings: Package
    sha256: Sha256


class Summaries(Section):
    """What the docstrings of installed packages say and their summaries, as JSON lines of `module`,
    `text` and `summary`: see `packages.summaries`. None of the packages' code runs."""

    file: FileName
    summaries: Annotated[list[Package], Field(min_length=1)]
    sha256: Sha256


class Folder(Section):
    """Several downloads that belong together, in a folder called `file`."""

    file: FileName
    parts: Annotated[list[Download], Field(min_length=1)]


class PackageFile(Section):
    """A data file of an installed package; `path` is relative to the package's folder."""

    file: FileName
    package: Package
    path: InnerPath
    sha256: Sha256


class Generated(Section):
    """`rows` rows of a generator of `stages.series.generators`."""

    file: FileName
    generator: Literal["sum_of_two", "seasonal"]
    rows: Annotated[int, Field(ge=1, le=10_000_000)]


Source = (
    Download | Repacked | Folder | PackageFile | Generated | InlineText | Docstrings | Summaries
)
# Each source by the key that only it has, but for the URL of what is repacked.
MODELS: dict[str, type[Section]] = {
    "url": Download,
    "parts": Folder,
    "package": PackageFile,
    "generator": Generated,
    "lines": InlineText,
    "docstrings": Docstrings,
    "summaries": Summaries,
    "members": Repacked,
}


def model_of(source: object, where: str) -> type[Section]:
    """Returns the class of a source in `params.yaml`, by the one key that only it has.

    Args:
        where: what a user calls the source, for error messages.
    """
    keys = list(source) if isinstance(source, dict) else []
    matches = [model for key, model in MODELS.items() if key in keys]
    if Repacked in matches and Download in matches:
        matches.remove(Download)
    if len(matches) != 1:
        received = type(source).__name__
        if isinstance(source, dict):
            received = f"the keys {', '.join(map(str, keys))}" if keys else "no keys"
        raise InputError(
            f"{where}: expected exactly one of the keys {', '.join(MODELS)}, received {received}"
        )
    return matches[0]


def fetch(source: Source, seed: int) -> Path:
    """Puts the raw file into `data/raw/`, complete and checked, or not at all; returns its path.

    Raises `InputError` if it cannot be had, or has another checksum than its source says.
    """
    target = RAW / source.file
    match source:
        case Download():
            download(source, target)
        case Repacked():
            repack(source, target)
        case Folder():
            for file in source.parts:
                download(file, target / file.file)
        case PackageFile():
            with whole(target) as temporary:
                shutil.copyfile(packages.file_in(source.package, source.path), temporary)
                name = f"{source.path} of the package {source.package}"
                expect_sha256(temporary, source.sha256, name)
        case InlineText():
            write_text(target, "".join(line + "\n" for line in source.lines))
        case Docstrings():
            lines = packages.docstrings(packages.folder_of(source.docstrings))
            name = f"the docstrings of the package {source.docstrings}"
            _write_lines(target, lines, source.sha256, name)
        case Summaries():
            lines, name = packages.summaries(source.summaries), "the summaries of packages"
            _write_lines(target, lines, source.sha256, name)
        case Generated():
            table = generators.GENERATORS[source.generator](source.rows, seed)
            with whole(target) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n")
    return target


def _write_lines(target: Path, lines: Iterable[str], sha256: str, name: str) -> None:
    with whole(target) as temporary:
        # The same bytes on every system.
        temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
        expect_sha256(temporary, sha256, name)
