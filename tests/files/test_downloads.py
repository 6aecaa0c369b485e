"""Downloads from servers on the loopback interface that misbehave."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.files import downloads
from stages.files.downloads import Download
from stages.files.parameters import validated

CONTENT = bytes(range(256)) * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT.

    failures: number of answers with status 500 before the first good one.
    cut: number of bytes after which the first good answer ends.
    ranges: whether the header Range is obeyed.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures, self.cut, self.ranges = 0, len(CONTENT), True
        self.starts: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/data.bin":
            self.send_error(404)
            return
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(500)
            return
        requested = self.headers.get("Range") if self.server.ranges else None
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested else 0
        self.server.starts.append(start)
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.server.cut])
        self.server.cut = len(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Works in a folder of its own, with the network and without pauses between attempts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(downloads.MIRROR, raising=False)
    monkeypatch.setenv("REPRISE_RETRY_SCALE", "0")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def fetch(url: str, sha256: str = SUM, megabytes: int = 1000) -> bytes:
    """Downloads `data/raw/data.bin` and returns its content."""
    target = Path("data/raw/data.bin")
    source = Download(file="data.bin", url=url, sha256=sha256, megabytes=megabytes)
    downloads.download(source, target)
    return target.read_bytes()


def files() -> list[str]:
    return sorted(path.name for path in Path("data/raw").iterdir())


def test_a_download_is_whole_and_checked(server: Server) -> None:
    assert fetch(server.url) == CONTENT
    assert files() == ["data.bin"]


def test_a_cut_connection_is_resumed_where_it_ended(server: Server) -> None:
    server.cut = 300_000
    assert fetch(server.url) == CONTENT
    assert server.starts == [0, 300_000]


def test_a_killed_download_is_resumed_by_the_next_run(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path(f"data/raw/.{SUM[:16]}.download").write_bytes(CONTENT[:1000])
    fetch(server.url)
    assert server.starts == [1000]
    assert files() == ["data.bin"]


def test_a_download_that_was_complete_when_killed_is_only_checked(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path(f"data/raw/.{SUM[:16]}.download").write_bytes(CONTENT)
    assert fetch(server.url) == CONTENT


def test_a_server_without_ranges_sends_the_whole_file_again(server: Server) -> None:
    server.cut, server.ranges = 300_000, False
    assert fetch(server.url) == CONTENT


def test_temporary_failures_are_tried_again(server: Server) -> None:
    server.failures = downloads.ATTEMPTS - 1
    assert fetch(server.url) == CONTENT
    server.failures = downloads.ATTEMPTS
    with pytest.raises(
        InputError, match=f"HTTP Error 500.*at attempt {downloads.ATTEMPTS}.*{downloads.MIRROR}"
    ):
        fetch(server.url)


def test_a_missing_file_is_an_error_at_the_first_attempt(server: Server) -> None:
    with pytest.raises(InputError, match=r"HTTP Error 404.*at attempt 1\."):
        fetch(server.url + "x")


def test_a_wrong_checksum_shows_both_sums_and_keeps_the_old_file(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/data.bin").write_bytes(b"old")
    with pytest.raises(InputError, match=f"expected sha256 {'0' * 64}, received {SUM}"):
        fetch(server.url, "0" * 64)
    assert files() == ["data.bin"]
    assert Path("data/raw/data.bin").read_bytes() == b"old"


def test_a_mirror_is_read_in_place_of_the_network_and_checked_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Path("mirror/deep")
    mirror.mkdir(parents=True)
    monkeypatch.setenv(downloads.MIRROR, "mirror")
    with pytest.raises(InputError, match=r"expected 'data\.bin' in the mirror mirror"):
        fetch(server.url)
    (mirror / "data.bin").write_bytes(CONTENT)
    assert fetch(server.url) == CONTENT
    (mirror / "data.bin").write_bytes(b"other")
    with pytest.raises(InputError, match=f"expected sha256 {SUM}, received"):
        fetch(server.url)
    assert server.starts == []
    assert files() == ["data.bin"]


class Scripted:
    """A server that sends each connection the next of `answers`, the last one again and again."""

    def __init__(self, *answers: bytes | Callable[[socket.socket], None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/data.bin"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.requests.append(connection.recv(65536))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            answer(connection) if callable(answer) else connection.sendall(answer)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(1 << 16))


def trickling(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


OK = b"HTTP/1.1 200 OK\r\n"
WRONG: dict[str, tuple[bytes | Callable[[socket.socket], None], str]] = {
    "a length that is not a number": (
        OK + b"Content-Length: abc\r\n\r\nhello",
        "the length 'abc' at attempt 5",
    ),
    "a length below 0": (OK + b"Content-Length: -5\r\n\r\nhello", "the length '-5' at attempt 5"),
    "a chunk that is cut": (
        OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhello",
        "IncompleteRead.* at attempt 5",
    ),
    "a chunk without a size": (
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        "at attempt 5",
    ),
    "no status": (b"HELLO WORLD\r\n\r\n", "HELLO WORLD at attempt 5"),
    "a status with control characters of a terminal": (b"\x1b[2J\r\n\r\n", "at attempt 5"),
    "an empty answer": (b"", "at attempt 5"),
    "too many headers": (
        OK + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        "got more than 100 headers at attempt 5",
    ),
    "a header that is too long": (
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        "got more than 65536 bytes .* at attempt 5",
    ),
    "silence": (
        lambda connection: time.sleep(60),
        r"timed out at attempt 2\. .*more than 0\.5 seconds by the variable REPRISE_TIMEOUT",
    ),
    "a trickle": (trickling, r"bytes in \d seconds at attempt 2\. .*REPRISE_TIMEOUT"),
    "a redirection to itself": (
        b"HTTP/1.1 302 Found\r\nLocation: /data.bin\r\nContent-Length: 0\r\n\r\n",
        "HTTP Error 302.* at attempt 1",
    ),
    "a redirection to a file": (
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        "at attempt 1",
    ),
    "a redirection to an invalid URL": (
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1/x\r\nContent-Length: 0\r\n\r\n",
        "Invalid IPv6 URL",
    ),
    "another range than was requested": (
        b"HTTP/1.1 206 OK\r\nContent-Length: 9\r\nContent-Range: bytes 7-15/16\r\n\r\nhe",
        "at attempt 5",
    ),
    "more than fits on the disk": (
        OK + b"Content-Length: 9999999999999999\r\n\r\n",
        "fits on the disk",
    ),
    "an endless answer": (
        endless,
        "expected at most 3 MB, received more, and the server does not say how many: set "
        "`megabytes`",
    ),
}


@pytest.mark.parametrize("answer", WRONG)
def test_an_invalid_answer_is_one_error_and_leaves_nothing_useless_behind(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(downloads.TIMEOUT, "0.5")
    content, message = WRONG[answer]
    server, since = Scripted(content), time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        fetch(server.url, megabytes=3)
    assert time.monotonic() - since < 10
    assert len(str(error.value).splitlines()) == 1
    sizes = [path.stat().st_size for path in Path("data/raw").iterdir()]
    assert not [size for size in sizes if size == 0 or 3_000_000 <= size < 4_000_000]


def test_a_request_is_repeated_after_an_invalid_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(downloads.TIMEOUT, "0.5")
    content = b"the content of the file"
    cut = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nthe c\r\nffff\r\n"
    rest = (
        b"HTTP/1.1 206 OK\r\nContent-Length: 18\r\nContent-Range: bytes 5-22/23\r\n\r\n"
        + content[5:]
    )
    server = Scripted(b"HELLO\r\n\r\n", lambda connection: time.sleep(2), cut, rest)
    assert fetch(server.url, hashlib.sha256(content).hexdigest()) == content
    assert b"Range: bytes=5-" in server.requests[-1]


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan", "inf"])
def test_an_invalid_timeout_is_one_error(
    value: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(downloads.TIMEOUT, value)
    with pytest.raises(
        InputError,
        match=r"the variable REPRISE_TIMEOUT: expected a number of seconds above 0, received "
        rf"'{value}'",
    ):
        fetch(server.url)


INVALID_URLS = [
    "http://exa mple/x",
    "http://[::1/x",
    "http://127.0.0.1:abc/x",
    "http://\x1b[2J/x",
    "http://127.0.0.1/\x1b",
    "http://127.0.0.1/x\r\nX: y",
    "http:///x",
    "http://:80/x",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:0/x",
    "ftp://host/x",
    "x",
    "",
    "http://bücher.example/x",
    "http://user:secret@example.org/x",
]


@pytest.mark.parametrize("url", INVALID_URLS)
def test_an_invalid_url_is_refused_with_the_parameters(url: str) -> None:
    with pytest.raises(
        InputError, match=r"^params\.yaml: sources\.x\.url: expected a URL "
    ) as error:
        validated({"file": "x", "url": url, "sha256": SUM}, Download, "sources.x")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a%20b.csv?x=1&y=[2]",
        "http://[::1]:8080/x",
        "file:///data/x.csv",
        "https://example.org",
    ],
)
def test_a_valid_url_is_accepted(url: str) -> None:
    assert validated({"file": "x", "url": url, "sha256": SUM}, Download, "sources.x").url == url


def test_a_file_url_is_read_if_it_is_that_of_a_regular_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "with space").write_bytes(CONTENT)
    folder = tmp_path.as_uri()
    assert fetch(f"{folder}/with%20space") == CONTENT
    for url in ("file:///dev/zero", folder, f"{folder}/none", "file:///dev/stdin"):
        with pytest.raises(InputError, match="expected a file at"):
            fetch(url)
