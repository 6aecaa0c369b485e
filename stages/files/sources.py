"""Raw files that are made or fetched: from a URL or its mirror, from an installed package, or by a seeded generator."""

import ast
import json
import logging
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from tqdm import tqdm

from stages.arrays import generators
from stages.errors import InputError
from stages.files.writing import sha256_of, whole, write_text
from stages.sections import Count, Name, Section

log = logging.getLogger("reprise")

RAW = Path("data/raw")
# A folder of files named as the last part of their URL (at any depth), read in place of the network.
MIRROR = "REPRISE_MIRROR"
ATTEMPTS = 5
CHUNK = 1 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class Download(Section):
    """A file at a URL, as the bytes of `sha256`.

    member: the file's path in the archive (tar, also compressed) that the URL gives; null: the URL gives the file.
    mirror_file: the file's name in a mirror, where neither the member nor the URL end in it.
    """

    file: FileName
    url: Annotated[str, Field(pattern=r"^(https?|file)://")]
    sha256: Sha256
    member: Name | None = None
    mirror_file: FileName | None = None

    @property
    def name(self) -> str:
        """The file's name in a mirror."""
        return self.mirror_file or (self.member or self.url).rsplit("/", 1)[-1]


class Written(Section):
    """A text that stands in `params.yaml` itself, line by line."""

    file: FileName
    lines: Annotated[list[Name], Field(min_length=1)]


class Docstrings(Section):
    """The docstrings of an installed package's modules, classes and functions as JSON lines of `module` and `text`; its tests left out.

    They are read from its source files; nothing of it is run.
    """

    file: FileName
    docstrings: Name
    sha256: Sha256


class Folder(Section):
    """Several downloads that belong together, as a folder called `file`."""

    file: FileName
    parts: Annotated[list[Download], Field(min_length=1)]


class Packaged(Section):
    """A data file inside an installed package; `path` counts from the package's folder."""

    file: FileName
    package: Name
    path: Name
    sha256: Sha256


class Generated(Section):
    """`rows` rows of a generator of `stages.arrays.generators`."""

    file: FileName
    generator: Literal["sum_of_two", "seasonal"]
    rows: Count


Source = Download | Folder | Packaged | Generated | Written | Docstrings
MODELS: dict[str, type[Section]] = {
    "url": Download,
    "parts": Folder,
    "package": Packaged,
    "generator": Generated,
    "lines": Written,
    "docstrings": Docstrings,
}


def model_of(source: object, where: str) -> type[Section]:
    """Returns the type of a source by the one key that only it has."""
    found = [model for key, model in MODELS.items() if isinstance(source, dict) and key in source]
    if len(found) != 1:
        raise InputError(f"{where}: expected exactly one of the keys {', '.join(MODELS)}, received {source!r}")
    return found[0]


def fetch(source: Source, seed: int) -> Path:
    """Puts the raw file of `source` into `data/raw/` and returns its path. It appears whole and checked, or not at all."""
    target = RAW / source.file
    match source:
        case Download():
            _download(source, target)
        case Folder():
            for download in source.parts:
                _download(download, target / download.file)
        case Packaged():
            with whole(target) as part:
                shutil.copyfile(_in_package(source), part)
                _check(part, source.sha256, f"{source.path} of the package {source.package}")
        case Written():
            write_text(target, "".join(line + "\n" for line in source.lines))
        case Docstrings():
            with whole(target) as part:
                part.write_text("".join(_docstrings(_folder_of(source.docstrings))), encoding="utf-8")
                _check(part, source.sha256, f"the docstrings of the package {source.docstrings}")
        case Generated():
            with whole(target) as part:
                generators.GENERATORS[source.generator](source.rows, seed).to_csv(part, index=False, lineterminator="\n")
    return target


def _check(path: Path, expected: str, what: str) -> None:
    received = sha256_of(path)
    if received != expected:
        raise InputError(
            f"{what}: expected sha256 {expected}, received {received}. The file was not kept: "
            "if the new content is wanted, put its sum into params.yaml"
        )


def _folder_of(package: str) -> Path:
    # The module's spec gives its folder without running the package's code.
    spec = find_spec(package) if "." not in package else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"expected the installed package {package!r}, found none: run `make setup`")
    return Path(spec.submodule_search_locations[0])


def _docstrings(folder: Path) -> Iterator[str]:
    """Yields a JSON line for each docstring, file by file in the order of their names, each file's in the order of their lines."""
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if "tests" in name.parts or path.name.startswith("test_"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            text = ast.get_docstring(node)
            if text:
                yield json.dumps({"module": name.as_posix(), "text": text}, ensure_ascii=False) + "\n"


def _in_package(source: Packaged) -> Path:
    path = _folder_of(source.package) / source.path
    if not path.is_file():
        raise InputError(f"expected the file {source.path!r} in the package {source.package!r}, found none")
    return path


def _download(source: Download, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get(MIRROR)
    if mirror:
        found = sorted(Path(mirror).rglob(source.name)) if Path(mirror).is_dir() else []
        if not found:
            raise InputError(
                f"expected {source.name} in the mirror {mirror} (the variable {MIRROR}), found none; unset it to use {source.url}"
            )
        with whole(target) as part:
            shutil.copyfile(found[0], part)
            _check(part, source.sha256, str(found[0]))
        return
    # The unfinished download keeps its name between runs and is named by its sum, so that a killed run resumes it.
    part = target.with_name(f".{source.sha256[:16]}.download")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _resume(source.url, part)
            break
        except (urllib.error.URLError, ConnectionError, TimeoutError, EOFError) as error:
            permanent = isinstance(error, urllib.error.HTTPError) and error.code in (400, 401, 403, 404, 410)
            if permanent or attempt == ATTEMPTS:
                raise InputError(
                    f"expected an answer of {source.url}, received {error} at attempt {attempt}. Run again to resume, or set "
                    f"{MIRROR} to a folder that holds {source.name}"
                ) from None
            log.warning("%s: %s; attempt %d of %d follows", source.url, error, attempt + 1, ATTEMPTS)
            time.sleep(min(2.0**attempt, 30.0) * float(os.environ.get("REPRISE_RETRY_SCALE", "1")))
    try:
        if source.member is None:
            _check(part, source.sha256, source.url)
            part.replace(target)
        else:
            with whole(target) as unpacked:
                _unpack(part, source.member, unpacked, source.url)
                _check(unpacked, source.sha256, f"{source.member} of {source.url}")
    finally:
        part.unlink(missing_ok=True)


def _unpack(archive: Path, member: str, target: Path, url: str) -> None:
    """Writes one file of a tar archive to `target`. Nothing else is unpacked, so no path of the archive is ever used."""
    try:
        with tarfile.open(archive) as opened:
            names = {name.removeprefix("./"): name for name in opened.getnames()}
            file = opened.extractfile(names[member]) if member in names and opened.getmember(names[member]).isfile() else None
            if file is None:  # a link as well: what it points to may be anything
                raise InputError(f"{url}: expected the file {member!r} in the archive, found {', '.join(sorted(names)[:8])}, ...")
            with target.open("wb") as out:
                shutil.copyfileobj(file, out)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{url}: expected a tar archive, received one that cannot be read: {error}") from None


def _resume(url: str, part: Path) -> None:
    """Continues the download at the size that `part` has."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing follows the bytes we have: the checksum decides
            return
        raise
    with response:
        if done and response.status != 206:  # the server sends the whole file again
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as file, tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=part.name) as bar:
            while block := response.read(CHUNK):
                file.write(block)
                bar.update(len(block))
    if total is not None and part.stat().st_size < total:
        raise EOFError(f"the connection ended after {part.stat().st_size} of {total} bytes")
