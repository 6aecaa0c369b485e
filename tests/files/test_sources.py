"""Sources, with a server on the loopback interface that misbehaves."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import sources
from stages.files.sources import Download, Folder, Generated, Packaged, fetch
from stages.files.writing import sha256_of

CONTENT = bytes(range(256)) * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT. `failures` answers of 500 come first; the first good answer ends after `cut` bytes; `ranges` False ignores Range."""

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
    with pytest.raises(InputError, match=f"HTTP Error 500.*at attempt {sources.ATTEMPTS}.*{sources.MIRROR}"):
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


def test_a_mirror_is_read_in_place_of_the_network_and_checked_as_well(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Path("mirror/deep")
    mirror.mkdir(parents=True)
    monkeypatch.setenv(sources.MIRROR, "mirror")
    with pytest.raises(InputError, match=r"expected data\.bin in the mirror mirror"):
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
    found = sources._in_package(Packaged(file="co2.csv", package="statsmodels", path="datasets/co2/co2.csv", sha256=SUM))
    source = Packaged(file="co2.csv", package="statsmodels", path="datasets/co2/co2.csv", sha256=sha256_of(found))
    assert list(pd.read_csv(fetch(source, 0)).columns) == ["date", "co2"]
    for wrong in ({"package": "no_such_package"}, {"path": "no/such/file"}):
        with pytest.raises(InputError, match="expected the"):
            fetch(source.model_copy(update=wrong), 0)


def test_a_generated_file_follows_the_seed(server: Server) -> None:
    made = [fetch(Generated(file="x.csv", generator="seasonal", rows=50), seed).read_bytes() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    rows = pd.read_csv(fetch(Generated(file="x.csv", generator="sum_of_two", rows=9), 0))
    assert all(rows["y"][row] == rows["x"][row - 1] + rows["x"][row - 2] for row in range(2, 9))


@pytest.mark.parametrize("source", [{"file": "x"}, {"url": "http://x", "generator": "seasonal"}, "data.csv"])
def test_a_source_is_of_one_type(source: object) -> None:
    with pytest.raises(InputError, match="exactly one of the keys url, parts, package, generator"):
        sources.model_of(source, "sources.x")
