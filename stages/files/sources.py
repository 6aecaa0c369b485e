"""Raw files that are made or fetched: from a URL or its mirror, from an installed package, or by a
seeded generator."""

import ast
import errno
import http.client
import json
import logging
import lzma
import os
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.request
import warnings
import zlib
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from tqdm import tqdm

from stages.errors import InputError
from stages.files.writing import sha256_of, whole, write_text
from stages.sections import Count, InnerPath, Name, Section, written
from stages.series import generators

log = logging.getLogger("reprise")

RAW = Path("data/raw")
# A folder of files named as the last part of their URL (at any depth), read in place of the
# network.
MIRROR = "REPRISE_MIRROR"
# Seconds in which a server has to send something.
TIMEOUT = "REPRISE_TIMEOUT"
ATTEMPTS = 5
# A server that is silent once is asked once more: each time costs the whole timeout.
SILENT_ATTEMPTS = 2
CHUNK = 1 << 20
# Bytes a second; who sends less than these for a whole timeout is as good as silent.
SLOWEST = 100
# Answers that asking again may change; all others of 300 and above are final.
PASSING = (408, 425, 429, 500, 502, 503, 504)
OF_THE_DISK = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme == "file" or (bool(parts.hostname) and parts.port != 0)
    except ValueError:  # a port that is no number, half a bracket
        known = False
    if not known:
        raise ValueError("a URL with the name of a server, such as https://example.org/data.csv")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL without user and password, as everybody reads this file")
    return url


Sha256 = Annotated[
    str, written(r"[0-9a-f]{64}", "a sum of 64 digits, 0 to 9 and a to f, as sha256sum prints it")
]
FileName = Annotated[
    str,
    written(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}",
        "a file name of ASCII letters, digits, _, - and ., which starts with none of the last two",
    ),
]
Url = Annotated[
    str,
    written(
        r"(https?|file)://[!-~]+",
        "a URL that starts with https://, http:// or file://, in ASCII and with %20 for a space",
    ),
    AfterValidator(_address),
]
Package = Annotated[
    str, written(r"[A-Za-z_][A-Za-z0-9_]*", "the name by which the package is imported")
]


class Download(Section):
    """A file at a URL, as the bytes of `sha256`.

    megabytes: the most that is taken of an answer that does not say how long it is.
    member: the file's path in the archive (tar, also compressed) that the URL gives; null: the URL
        gives the file.
    mirror_file: the file's name in a mirror, where neither the member nor the URL end in it.
    """

    file: FileName
    url: Url
    sha256: Sha256
    megabytes: Count = 1000
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
    """The docstrings of an installed package's modules, classes and functions as JSON lines of
    `module` and `text`; its tests left out.

    They are read from its source files; nothing of it is run.
    """

    file: FileName
    docstrings: Package
    sha256: Sha256


class Folder(Section):
    """Several downloads that belong together, as a folder called `file`."""

    file: FileName
    parts: Annotated[list[Download], Field(min_length=1)]


class Packaged(Section):
    """A data file inside an installed package; `path` counts from the package's folder."""

    file: FileName
    package: Package
    path: InnerPath
    sha256: Sha256


class Generated(Section):
    """`rows` rows of a generator of `stages.series.generators`."""

    file: FileName
    generator: Literal["sum_of_two", "seasonal"]
    rows: Annotated[int, Field(ge=1, le=10_000_000)]


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
        received = (
            f"the keys {', '.join(map(str, source))}"
            if isinstance(source, dict)
            else type(source).__name__
        )
        raise InputError(
            f"{where}: expected exactly one of the keys {', '.join(MODELS)}, received "
            f"{received or 'none'}"
        )
    return found[0]


def fetch(source: Source, seed: int) -> Path:
    """Puts the raw file of `source` into `data/raw/` and returns its path. It appears whole and
    checked, or not at all."""
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
                part.write_text(
                    "".join(_docstrings(_folder_of(source.docstrings))), encoding="utf-8"
                )
                _check(part, source.sha256, f"the docstrings of the package {source.docstrings}")
        case Generated():
            with whole(target) as part:
                generators.GENERATORS[source.generator](source.rows, seed).to_csv(
                    part, index=False, lineterminator="\n"
                )
    return target


def _check(path: Path, expected: str, what: str) -> None:
    received = sha256_of(path)
    if received != expected:
        raise InputError(
            f"{what}: expected sha256 {expected}, received {received}. The file was not kept: "
            "if the new content is wanted, put its sum into params.yaml"
        )


def _folder_of(package: str) -> Path:
    """Returns the folder of an installed package, whose code is not run. A folder of the project is
    none: DVC must know its files."""
    installed = [entry for entry in sys.path if Path(entry).resolve() != Path.cwd()]
    spec = PathFinder.find_spec(package, installed)
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        raise InputError(
            f"expected the installed package {package!r}, found none: run `make setup`"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _docstrings(folder: Path) -> Iterator[str]:
    """Yields a JSON line for each docstring, file by file in the order of their names, each file's
    in the order of their lines."""
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if "tests" in name.parts or path.name.startswith("test_"):
            continue
        try:
            with warnings.catch_warnings(
                action="ignore"
            ):  # of odd escapes in code that is not ours
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError) as error:
            log.warning(
                "%s is left out: expected Python %d, received %s",
                path,
                sys.version_info.major,
                error,
            )
            continue
        nodes = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            text = ast.get_docstring(node)
            if text:
                yield (
                    json.dumps({"module": name.as_posix(), "text": text}, ensure_ascii=False) + "\n"
                )


def _in_package(source: Packaged) -> Path:
    folder = _folder_of(source.package).resolve()
    path = folder / source.path
    if not path.is_file() or not path.resolve().is_relative_to(folder):
        raise InputError(
            f"expected the file {source.path!r} in the package {source.package!r}, found none"
        )
    return path


def _download(source: Download, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mirror := os.environ.get(MIRROR):
        found = _in_mirror(source, Path(mirror))
        with whole(target) as part:
            shutil.copyfile(found, part)
            _check(part, source.sha256, str(found))
        return
    # The unfinished download keeps its name between runs and is named by its sum, so that a killed
    # run resumes it.
    part = target.with_name(f".{source.sha256[:16]}.download")
    _transfer(source, part)
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


def _in_mirror(source: Download, mirror: Path) -> Path:
    found = (
        sorted(path for path in mirror.rglob("*") if path.name == source.name and path.is_file())
        if mirror.is_dir()
        else []
    )
    if not found:
        raise InputError(
            f"expected {source.name!r} in the mirror {mirror} (the variable {MIRROR}), found "
            f"none; unset it to use {source.url}"
        )
    return found[0]


def _transfer(source: Download, part: Path) -> None:
    """Fetches a URL to `part`, in several attempts; what there is already is not fetched again."""
    timeout = _timeout()
    silent = 0
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _resume(source, part, timeout)
        except InputError:
            raise
        # ValueError: what http.client and urllib make of addresses, to which a server may redirect,
        # and of lines that are none of HTTP
        except (OSError, EOFError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in OF_THE_DISK:
                raise
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            silent += isinstance(getattr(error, "reason", error), TimeoutError)
            final = isinstance(error, urllib.error.HTTPError) and error.code not in PASSING
            if final or attempt == ATTEMPTS or silent == SILENT_ATTEMPTS:
                if part.exists() and not part.stat().st_size:
                    part.unlink()
                hint = (
                    f", or give it more than {timeout:g} seconds by the variable {TIMEOUT}"
                    if silent
                    else ""
                )
                raise InputError(
                    f"expected an answer of {source.url}, received {reason} at attempt {attempt}. "
                    f"Run again to resume{hint}, or set "
                    f"{MIRROR} to a folder that holds {source.name}"
                ) from None
            log.warning(
                "%s: %s; attempt %d of %d follows", source.url, reason, attempt + 1, ATTEMPTS
            )
            time.sleep(2.0 ** (attempt - 1) * float(os.environ.get("REPRISE_RETRY_SCALE", "1")))


def _timeout() -> float:
    value = os.environ.get(TIMEOUT, "12")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise InputError(
            f"the variable {TIMEOUT}: expected a number of seconds above 0, received {value!r}"
        )
    return seconds


def _unpack(archive: Path, member: str, target: Path, url: str) -> None:
    """Writes one file of a tar archive to `target`. Nothing else is unpacked, so no path of the
    archive is ever used."""
    try:
        with tarfile.open(archive) as opened:
            names = {name.removeprefix("./"): name for name in opened.getnames()}
            known = opened.getmember(names[member]) if member in names else None
            file = opened.extractfile(known) if known is not None and known.isfile() else None
            if known is None or file is None:  # a link as well: what it points to may be anything
                raise InputError(
                    f"{url}: expected the file {member!r} in the archive, found "
                    f"{', '.join(sorted(names)[:8])}, ..."
                )
            _expect_space(known.size, target, f"{member} of {url}")
            with target.open("wb") as out:
                shutil.copyfileobj(file, out)
    except InputError:
        raise
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        ValueError,
        OverflowError,
    ) as error:
        raise InputError(
            f"{url}: expected a tar archive, received one that cannot be read: {error}"
        ) from None


def _expect_space(size: int, path: Path, what: str) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise InputError(
            f"{what}: expected a file that fits on the disk, received one of {size} bytes, and "
            f"{free} are free: make space"
        )


def _resume(source: Download, part: Path, timeout: float) -> None:
    """Continues the download at the size that `part` has."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(
        source.url, headers={"Range": f"bytes={done}-"} if done else {}
    )
    if (
        request.type == "file"
        and not Path(urllib.request.url2pathname(urlsplit(source.url).path)).is_file()
    ):
        raise InputError(f"expected a file at {source.url}, found none")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing follows the bytes we have: the checksum decides
            return
        raise
    with response:
        if (
            done
            and response.status == 206
            and not response.headers.get("Content-Range", f"bytes {done}-").startswith(
                f"bytes {done}-"
            )
        ):
            part.unlink()
            raise ConnectionError("another part of the file than was asked for")
        if done and response.status != 206:  # the server sends the whole file again
            done = 0
        total = _length(response, done)
        if total is not None:
            _expect_space(total - done, part, source.url)
        with (
            part.open("ab" if done else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=part.name) as bar,
        ):
            for block in _blocks(response, timeout):
                file.write(block)
                bar.update(len(block))
                if total is None and file.tell() > source.megabytes * 1_000_000:
                    part.unlink()
                    raise InputError(
                        f"{source.url}: expected at most {source.megabytes} MB, received more, "
                        "and the server does not say how many: "
                        "set `megabytes` of this source higher if the file is so large"
                    )
    if total is not None and part.stat().st_size < total:
        raise EOFError(f"the end of the connection after {part.stat().st_size} of {total} bytes")


def _length(response: Any, done: int) -> int | None:
    """Returns how many bytes the whole file has; None where the server does not say so."""
    length = response.headers.get("Content-Length")
    if length is None or response.headers.get("Transfer-Encoding"):
        return None
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise ConnectionError(f"the length {length!r}")
    return done + int(length)


def _blocks(response: Any, timeout: float) -> Iterator[bytes]:
    """Yields what a server sends. Raises `TimeoutError` where it is so slow that it would never
    end."""
    since, received = time.monotonic(), 0
    while block := response.read1(CHUNK):
        yield block
        received += len(block)
        now = time.monotonic()
        if now - since > timeout:
            if received < SLOWEST * (now - since):
                raise TimeoutError(f"{received} bytes in {now - since:.0f} seconds")
            since, received = now, 0
