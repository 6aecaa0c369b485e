"""Nothing that comes from elsewhere is run, unpickled or written where it likes, and every package
is pinned."""

import ast
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import archives, examples, models
from stages.files.writing import write_json
from stages.networks.backend import keras
from tests.conftest import ROOT, Run

LOCK = (ROOT / "requirements.lock").read_text()


def test_no_code_unpickles_or_runs_what_it_reads() -> None:
    for path in [*(ROOT / "stages").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {name.split(".")[0] for name in names} & {
                    "pickle",
                    "joblib",
                    "dill",
                    "cloudpickle",
                    "shelve",
                    "marshal",
                }, path
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if (
                    called == "extract"
                    and getattr(getattr(node.func, "value", None), "attr", "") == "str"
                ):
                    continue  # of texts by a pattern, in pandas
                assert called not in {
                    "eval",
                    "exec",
                    "extractall",
                    "extract",
                    "unsafe_load",
                    "enable_unsafe_deserialization",
                }, path
                wrong = (
                    {("allow_pickle", True), ("safe_mode", False), ("shell", True)}
                    if path.parent.name != "tools"
                    else set()
                )
                assert (
                    not {(word.arg, getattr(word.value, "value", None)) for word in node.keywords}
                    & wrong
                ), path


def test_a_model_that_brings_code_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((2,))
    models.write(
        tmp_path / "model.keras", keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    )
    with pytest.raises(
        InputError, match=r"expected a Keras model .* received one that is refused: .*Lambda"
    ) as error:
        models.read(tmp_path / "model.keras")
    assert "safe_mode" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_a_model_that_is_none_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(
        InputError, match=r"model\.keras: expected a Keras model .*`dvc repro` makes it again"
    ) as error:
        models.read(tmp_path / "model.keras")
    assert len(str(error.value).splitlines()) == 1


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.array([{}], dtype=object), allow_pickle=True)
    write_json(tmp_path / "about.json", {"arrays": {"values": {"shape": [1], "dtype": "object"}}})
    with pytest.raises(ValueError, match=r"Python objects|pickle|object arrays"):
        examples.read_arrays(tmp_path)


ELSEWHERE = [
    ("../../x.txt", None),
    ("/x.txt", None),
    ("x.txt", "/etc/passwd"),
    ("x.txt", "../secret"),
]


@pytest.mark.parametrize(("name", "link"), ELSEWHERE)
def test_an_archive_cannot_write_or_read_elsewhere(
    name: str, link: str | None, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/data.tgz", "w:gz") as opened:
        entry = tarfile.TarInfo(name)
        if link is None:
            entry.size = 5
        else:
            entry.type, entry.linkname = tarfile.SYMTYPE, link
        opened.addfile(entry, io.BytesIO(b"hello"))
    before = set(tmp_path.rglob("*"))
    target = tmp_path / "in/data.txt"
    if link is None:
        # Its content goes where the source says, whatever the archive calls it.
        archives.unpack(tmp_path / "in/data.tgz", name, target, "url")
        assert target.read_text() == "hello"
    else:
        with pytest.raises(InputError, match=r"expected the file 'x.txt' in the archive"):
            archives.unpack(tmp_path / "in/data.tgz", name, target, "url")
        assert not target.exists()
    assert set(tmp_path.rglob("*")) - before <= {target}


def test_every_package_is_pinned_with_sums_and_no_host_is_named() -> None:
    pins = re.findall(
        r"^([a-z0-9._-]+)==\S+.*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n?)+)", LOCK, re.MULTILINE
    )
    assert len(pins) == len(re.findall(r"^[a-z]", LOCK, re.MULTILINE)) > 100
    assert "://" not in LOCK
    assert not re.search(r"^--(index|extra|find|trusted)", LOCK, re.MULTILINE)


@pytest.fixture
def service() -> Iterator[tuple[str, dict[str, str]]]:
    """A database of vulnerabilities on loopback, as osv.dev answers; the dictionary is its content:
    package -> vulnerability."""
    known: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            names = [query["package"]["name"] for query in asked]
            content = json.dumps(
                {
                    "results": [
                        {"vulns": [{"id": known[name]}]} if name in known else {} for name in names
                    ]
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", known
        server.shutdown()


def test_known_vulnerabilities_are_named(service: tuple[str, dict[str, str]], run: Run) -> None:
    address, known = service
    assert (
        "packages, no known vulnerability"
        in run(ROOT, "python", "-m", "tools.audit", "--service", address).stderr
    )
    known["numpy"] = "PYSEC-0000-1"
    done = run(ROOT, "python", "-m", "tools.audit", "--service", address, ok=False)
    assert done.returncode == 1
    assert re.search(r"^numpy \d[\d.]*: PYSEC-0000-1$", done.stderr, re.MULTILINE)


def test_without_a_network_the_audit_is_skipped_and_says_so(run: Run) -> None:
    done = run(ROOT, "python", "-m", "tools.audit", "--service", "http://127.0.0.1:9")
    assert "not audited: http://127.0.0.1:9 gives no answer" in done.stderr
