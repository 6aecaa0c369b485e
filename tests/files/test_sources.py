"""Sources, with a server on the loopback interface that misbehaves."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import sources
from stages.files.parameters import validated
from stages.files.sources import Docstrings, Download, Folder, Generated, Packaged, fetch
from stages.files.writing import sha256_of

CONTENT = bytes(range(256)) * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT. `failures` answers of 500 come first; the first good answer ends after `cut`
    bytes; `ranges` False ignores Range."""

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
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
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


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.MIRROR, raising=False)
    monkeypatch.setenv("REPRISE_RETRY_SCALE", "0")
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def download(server: Server, sum_: str = SUM) -> Download:
    return Download(file="data.bin", url=server.url, sha256=sum_)


def files() -> list[str]:
    return sorted(path.name for path in Path("data/raw").iterdir())


def test_a_download_is_whole_and_checked(server: Server) -> None:
    path = fetch(download(server), 0)
    assert path.read_bytes() == CONTENT
    assert files() == ["data.bin"]


def test_a_cut_connection_is_resumed_where_it_ended(server: Server) -> None:
    server.cut = 300_000
    fetch(download(server), 0)
    assert server.starts == [0, 300_000]
    assert Path("data/raw/data.bin").read_bytes() == CONTENT


def test_a_killed_download_is_resumed_by_the_next_run(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path(f"data/raw/.{SUM[:16]}.download").write_bytes(CONTENT[:1000])
    fetch(download(server), 0)
    assert server.starts == [1000]
    assert files() == ["data.bin"]


def test_a_download_that_was_complete_when_killed_is_only_checked(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path(f"data/raw/.{SUM[:16]}.download").write_bytes(CONTENT)
    assert fetch(download(server), 0).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(server: Server) -> None:
    server.cut, server.ranges = 300_000, False
    assert fetch(download(server), 0).read_bytes() == CONTENT


def test_passing_failures_are_tried_again(server: Server) -> None:
    server.failures = sources.ATTEMPTS - 1
    assert fetch(download(server), 0).read_bytes() == CONTENT
    server.failures = sources.ATTEMPTS
    with pytest.raises(
        InputError, match=f"HTTP Error 500.*at attempt {sources.ATTEMPTS}.*{sources.MIRROR}"
    ):
        fetch(download(server), 0)


def test_what_is_not_there_is_an_error_at_once(server: Server) -> None:
    with pytest.raises(InputError, match=r"HTTP Error 404.*at attempt 1\."):
        fetch(Download(file="x", url=server.url + "x", sha256=SUM), 0)


def test_a_wrong_checksum_shows_both_sums_and_keeps_the_old_file(server: Server) -> None:
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/data.bin").write_bytes(b"old")
    with pytest.raises(InputError, match=f"expected sha256 {'0' * 64}, received {SUM}"):
        fetch(download(server, "0" * 64), 0)
    assert files() == ["data.bin"]
    assert Path("data/raw/data.bin").read_bytes() == b"old"


def test_a_mirror_is_read_in_place_of_the_network_and_checked_as_well(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Path("mirror/deep")
    mirror.mkdir(parents=True)
    monkeypatch.setenv(sources.MIRROR, "mirror")
    with pytest.raises(InputError, match=r"expected 'data\.bin' in the mirror mirror"):
        fetch(download(server), 0)
    (mirror / "data.bin").write_bytes(CONTENT)
    assert fetch(download(server), 0).read_bytes() == CONTENT
    (mirror / "data.bin").write_bytes(b"other")
    with pytest.raises(InputError, match=f"expected sha256 {SUM}, received"):
        fetch(download(server), 0)
    assert server.starts == []
    assert files() == ["data.bin"]


def test_a_folder_holds_all_its_parts(server: Server) -> None:
    parts = [Download(file=name, url=server.url, sha256=SUM) for name in ("a.bin", "b.bin")]
    folder = fetch(Folder(file="both", parts=parts), 0)
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin"]


def test_a_packaged_file_is_found_without_importing_the_package(server: Server) -> None:
    found = sources._in_package(
        Packaged(file="co2.csv", package="statsmodels", path="datasets/co2/co2.csv", sha256=SUM)
    )
    source = Packaged(
        file="co2.csv", package="statsmodels", path="datasets/co2/co2.csv", sha256=sha256_of(found)
    )
    assert list(pd.read_csv(fetch(source, 0)).columns) == ["date", "co2"]
    for wrong in ({"package": "no_such_package"}, {"path": "no/such/file"}):
        with pytest.raises(InputError, match="expected the"):
            fetch(source.model_copy(update=wrong), 0)


def test_a_generated_file_follows_the_seed(server: Server) -> None:
    made = [
        fetch(Generated(file="x.csv", generator="seasonal", rows=50), seed).read_bytes()
        for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]
    rows = pd.read_csv(fetch(Generated(file="x.csv", generator="sum_of_two", rows=9), 0))
    assert all(rows["y"][row] == rows["x"][row - 1] + rows["x"][row - 2] for row in range(2, 9))


@pytest.mark.parametrize(
    "source", [{"file": "x"}, {"url": "http://x", "generator": "seasonal"}, "data.csv"]
)
def test_a_source_is_of_one_type(source: object) -> None:
    with pytest.raises(InputError, match="exactly one of the keys url, parts, package, generator"):
        sources.model_of(source, "sources.x")


class Raw:
    """A server that says what it is told to, whatever that is: to each connection, the next of
    `answers`, or the last one again."""

    def __init__(self, *answers: bytes | Callable[[socket.socket], None]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
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
            self.asked.append(connection.recv(65536))
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
    "a length that is no number": (
        OK + b"Content-Length: abc\r\n\r\nhello",
        "the length 'abc' at attempt 5",
    ),
    "a length below 0": (OK + b"Content-Length: -5\r\n\r\nhello", "the length '-5' at attempt 5"),
    "a chunk that is cut": (
        OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhello",
        "IncompleteRead.* at attempt 5",
    ),
    "a chunk of no size": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello", "at attempt 5"),
    "no status": (b"HELLO WORLD\r\n\r\n", "HELLO WORLD at attempt 5"),
    "a status that steers a terminal": (b"\x1b[2J\r\n\r\n", "at attempt 5"),
    "nothing": (b"", "at attempt 5"),
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
    "a byte now and then": (trickling, r"bytes in \d seconds at attempt 2\. .*REPRISE_TIMEOUT"),
    "a redirection to itself": (
        b"HTTP/1.1 302 Found\r\nLocation: /data.bin\r\nContent-Length: 0\r\n\r\n",
        "HTTP Error 302.* at attempt 1",
    ),
    "a redirection to a file": (
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        "at attempt 1",
    ),
    "a redirection to no address": (
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1/x\r\nContent-Length: 0\r\n\r\n",
        "Invalid IPv6 URL",
    ),
    "another part than was asked for": (
        b"HTTP/1.1 206 OK\r\nContent-Length: 9\r\nContent-Range: bytes 7-15/16\r\n\r\nhe",
        "at attempt 5",
    ),
    "more than fits on the disk": (
        OK + b"Content-Length: 9999999999999999\r\n\r\n",
        "fits on the disk",
    ),
    "no end": (
        endless,
        "expected at most 3 MB, received more, and the server does not say how many: set "
        "`megabytes`",
    ),
}


@pytest.mark.parametrize("answer", WRONG)
def test_an_answer_that_is_none_is_one_line_and_leaves_nothing_of_no_use(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.MIRROR, raising=False)
    monkeypatch.setenv("REPRISE_RETRY_SCALE", "0")
    monkeypatch.setenv(sources.TIMEOUT, "0.5")
    said, message = WRONG[answer]
    server, since = Raw(said), time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        fetch(Download(file="data.bin", url=server.url, sha256=SUM, megabytes=3), 0)
    assert time.monotonic() - since < 10
    assert len(str(error.value).splitlines()) == 1
    assert [
        path
        for path in Path("data/raw").iterdir()
        if path.stat().st_size in (0, *range(3_000_000, 4_000_000))
    ] == []


def test_an_answer_that_is_wrong_once_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRISE_RETRY_SCALE", "0")
    monkeypatch.setenv(sources.TIMEOUT, "0.5")
    content = b"the content of the file"
    cut = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nthe c\r\nffff\r\n"
    rest = (
        b"HTTP/1.1 206 OK\r\nContent-Length: 18\r\nContent-Range: bytes 5-22/23\r\n\r\n"
        + content[5:]
    )
    server = Raw(b"HELLO\r\n\r\n", lambda connection: time.sleep(2), cut, rest)
    source = Download(file="x", url=server.url, sha256=hashlib.sha256(content).hexdigest())
    assert fetch(source, 0).read_bytes() == content
    assert b"Range: bytes=5-" in server.asked[-1]


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan", "inf"])
def test_a_timeout_that_is_none_is_one_line(
    value: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sources.TIMEOUT, value)
    with pytest.raises(
        InputError,
        match=r"the variable REPRISE_TIMEOUT: expected a number of seconds above 0, received "
        rf"'{value}'",
    ):
        fetch(download(server), 0)


URLS = [
    *(
        "http://exa mple/x",
        "http://[::1/x",
        "http://127.0.0.1:abc/x",
        "http://\x1b[2J/x",
        "http://127.0.0.1/\x1b",
        "http://127.0.0.1/x\r\nX: y",
    ),
    *(
        "http:///x",
        "http://:80/x",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1:0/x",
        "ftp://host/x",
        "x",
        "",
        "http://bücher.example/x",
    ),
    "http://user:secret@example.org/x",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_none_is_refused_with_the_parameters(url: str) -> None:
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
def test_a_url_that_is_one_is_taken(url: str) -> None:
    assert validated({"file": "x", "url": url, "sha256": SUM}, Download, "sources.x").url == url


def test_a_file_by_its_url_is_read_and_nothing_that_is_no_file(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "with space").write_bytes(CONTENT)
    source = Download(file="x", url=f"{tmp_path.as_uri()}/with%20space", sha256=SUM)
    assert fetch(source, 0).read_bytes() == CONTENT
    for wrong in (
        "file:///dev/zero",
        tmp_path.as_uri(),
        tmp_path.as_uri() + "/none",
        "file:///dev/stdin",
    ):
        with pytest.raises(InputError, match="expected a file at"):
            fetch(source.model_copy(update={"url": wrong}), 0)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../..", "../../x.py", "datasets/../../x", "", ".", "a//b", "a\nb"]
)
def test_a_path_out_of_a_package_is_refused(path: str) -> None:
    with pytest.raises(
        InputError,
        match=r"^params\.yaml: sources\.x\.path: expected a path that stays in its folder",
    ):
        validated(
            {"file": "x", "package": "numpy", "path": path, "sha256": SUM}, Packaged, "sources.x"
        )


@pytest.mark.parametrize(
    "package", ["__main__", "sys", "data", "json.tool", "../x", "", "-h", "ast"]
)
def test_what_is_no_installed_package_is_one_line(package: str, server: Server) -> None:
    Path("data").mkdir(exist_ok=True)  # a folder of the project is no package
    with pytest.raises(InputError, match=r"expected the (installed package|name by which)"):
        fetch(
            validated({"file": "x", "docstrings": package, "sha256": SUM}, Docstrings, "sources.x"),
            0,
        )


def test_code_that_cannot_be_read_is_left_out_of_the_docstrings(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text('"""Good."""\nx = "\\d"\n')
    (tmp_path / "old.py").write_text("print 'old'\n")
    (tmp_path / "odd.py").write_bytes(b"x = '\xff'\n")
    assert list(sources._docstrings(tmp_path)) == ['{"module": "good.py", "text": "Good."}\n']


@pytest.mark.parametrize("rows", [0, -1, 10**7 + 1, 10**12, 10**30, 1.5])
def test_a_generated_file_has_a_size_that_fits(rows: object) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: sources\.x\.rows: expected [^;]*$"):
        validated({"file": "x", "generator": "seasonal", "rows": rows}, Generated, "sources.x")


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 2000, b"\x1f\x8b\x08\x00 not gzip", b"BZh9 not bzip2", b"\xfd7zXZ\x00 not xz"],
)
def test_an_archive_that_is_none_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(
        InputError, match=r"url: expected (a tar archive|the file 'x' in the archive)"
    ):
        sources._unpack(tmp_path / "x.tgz", "x", tmp_path / "x", "url")
