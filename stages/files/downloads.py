"""Raw files from a URL or from a mirror of it, resumed where a download ended."""

import errno
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from urllib.response import addinfourl

from pydantic import AfterValidator
from tqdm import tqdm

from stages.errors import InputError
from stages.files.archives import unpack
from stages.files.writing import expect_sha256, expect_space, whole
from stages.sections import Count, Name, Section, matching

log = logging.getLogger("reprise")

# Names a folder whose files, at any depth, are read in place of the network. A file is called like
# the last segment of its URL.
MIRROR = "REPRISE_MIRROR"
# The seconds within which a server has to send something.
TIMEOUT = "REPRISE_TIMEOUT"
ATTEMPTS = 5
# A server that does not answer gets one more attempt only: each one costs the whole timeout.
SILENT_ATTEMPTS = 2
CHUNK = 1 << 20
# Bytes per second; a server that sends fewer over a whole timeout counts as silent.
SLOWEST = 100
# Status codes that may change at the next attempt; all others of 300 and above are final.
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
)


def _expect_server(url: str) -> str:
    try:
        split = urlsplit(url)
        valid = split.scheme == "file" or (bool(split.hostname) and split.port != 0)
    except ValueError:  # a port that is not a number, an unclosed bracket
        valid = False
    if not valid:
        raise ValueError("a URL with the name of a server, such as https://example.org/data.csv")
    if split.username is not None or split.password is not None:
        raise ValueError("a URL without user and password, as everybody reads this file")
    return url


Sha256 = Annotated[
    str,
    matching(r"[0-9a-f]{64}", "a sum of 64 digits, 0 to 9 and a to f, as sha256sum prints it"),
]
FileName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}",
        "a file name of ASCII letters, digits, _, - and ., which starts with neither - nor .",
    ),
]
Url = Annotated[
    str,
    matching(
        r"(https?|file)://[!-~]+",
        "a URL that starts with https://, http:// or file://, in ASCII and with %20 for a space",
    ),
    AfterValidator(_expect_server),
]


class Remote(Section):
    """What is read from a URL into a file with the checksum `sha256`.

    megabytes: the most that is accepted from a server that does not announce the length.
    """

    file: FileName
    url: Url
    sha256: Sha256
    megabytes: Count = 1000

    @property
    def name(self) -> str:
        """What it is called in a mirror."""
        return self.url.rsplit("/", 1)[-1]


class Download(Remote):
    """A file at a URL.

    member: the file's path in a tar archive, which may be compressed, at the URL; null: the URL is
        that of the file itself.
    mirror_file: the file's name in a mirror, where neither the member nor the URL end in it.
    """

    member: Name | None = None
    mirror_file: FileName | None = None

    @property
    def name(self) -> str:
        return self.mirror_file or (self.member or self.url).rsplit("/", 1)[-1]


def download(source: Download, target: Path) -> None:
    """Puts the file at `target`, complete and with the right checksum, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if mirror := os.environ.get(MIRROR):
        original = _in_mirror(source, Path(mirror))
        with whole(target) as copy:
            shutil.copyfile(original, copy)
            expect_sha256(copy, source.sha256, str(original))
        return
    # Named after the checksum, so that the next attempt resumes what a killed one left.
    partial = target.with_name(f".{source.sha256[:16]}.download")
    transfer(source, partial)
    try:
        if source.member is None:
            expect_sha256(partial, source.sha256, source.url)
            partial.replace(target)
        else:
            with whole(target) as member:
                unpack(partial, source.member, member, source.url)
                expect_sha256(member, source.sha256, f"{source.member} of {source.url}")
    finally:
        partial.unlink(missing_ok=True)


def _in_mirror(source: Download, mirror: Path) -> Path:
    paths = mirror.rglob("*") if mirror.is_dir() else ()
    matches = sorted(path for path in paths if path.name == source.name and path.is_file())
    if not matches:
        raise InputError(
            f"expected {source.name!r} in the mirror {mirror} (the variable {MIRROR}), found "
            f"none; unset it to use {source.url}"
        )
    return matches[0]


def transfer(source: Remote, partial: Path) -> None:
    """Fetches a URL to `partial` in several attempts, each of which resumes the one before."""
    timeout = _timeout()
    silent = 0
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _resume(source, partial, timeout)
        except InputError:
            raise
        # http.client and urllib raise ValueError for invalid URLs, to which a server may redirect,
        # and for lines that are not HTTP.
        except (OSError, EOFError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            silent += isinstance(getattr(error, "reason", error), TimeoutError)
            final = isinstance(error, urllib.error.HTTPError) and error.code not in TEMPORARY
            if final or attempt == ATTEMPTS or silent == SILENT_ATTEMPTS:
                if partial.exists() and not partial.stat().st_size:
                    partial.unlink()
                hint = ""
                if silent:
                    hint = f", or give it more than {timeout:g} seconds by the variable {TIMEOUT}"
                raise InputError(
                    f"expected an answer of {source.url}, received {reason} at attempt {attempt}. "
                    f"Run again to resume{hint}, or set {MIRROR} to a folder that holds "
                    f"{source.name}"
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


def _resume(source: Remote, partial: Path, timeout: float) -> None:
    """Continues the download after the bytes that `partial` has."""
    done = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    request = urllib.request.Request(source.url, headers=headers)
    local = Path(urllib.request.url2pathname(urlsplit(source.url).path))
    if request.type == "file" and not local.is_file():
        raise InputError(f"expected a file at {source.url}, found none")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # No bytes follow ours; the checksum decides.
            return
        raise
    with response:
        if done and response.status == 206:
            start = f"bytes {done}-"
            if not response.headers.get("Content-Range", start).startswith(start):
                partial.unlink()
                raise ConnectionError("another range of the file than was requested")
        elif done:  # The server sends the whole file again.
            done = 0
        total = _total_length(response, done)
        if total is not None:
            expect_space(total - done, partial, source.url)
        with (
            partial.open("ab" if done else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=partial.name) as bar,
        ):
            for block in _blocks(response, timeout):
                file.write(block)
                bar.update(len(block))
                if total is None and file.tell() > source.megabytes * 1_000_000:
                    partial.unlink()
                    raise InputError(
                        f"{source.url}: expected at most {source.megabytes} MB, received more, "
                        "and the server does not say how many: set `megabytes` of this source "
                        "higher if the file is so large"
                    )
    if total is not None and partial.stat().st_size < total:
        raise EOFError(f"the end of the connection after {partial.stat().st_size} of {total} bytes")


def _total_length(response: addinfourl, done: int) -> int | None:
    """Returns the length of the whole file in bytes; None where the server does not announce it."""
    length = response.headers.get("Content-Length")
    if length is None or response.headers.get("Transfer-Encoding"):
        return None
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise ConnectionError(f"the length {length!r}")
    return done + int(length)


def _blocks(response: addinfourl, timeout: float) -> Iterator[bytes]:
    """Yields what a server sends. Raises `TimeoutError` if it sends next to nothing for long."""
    since, received = time.monotonic(), 0
    while block := response.read1(CHUNK):
        yield block
        received += len(block)
        now = time.monotonic()
        if now - since > timeout:
            if received < SLOWEST * (now - since):
                raise TimeoutError(f"{received} bytes in {now - since:.0f} seconds")
            since, received = now, 0
