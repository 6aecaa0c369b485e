"""Sources of raw files: which class each one has, and what it gives."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import downloads, packages, sources
from stages.files.parameters import validated
from stages.files.sources import (
    Docstrings,
    Download,
    Folder,
    Generated,
    PackageFile,
    Summaries,
    fetch,
)
from stages.files.writing import sha256_of

CONTENT = b"the content of a file"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(downloads.MIRROR, raising=False)


def test_a_folder_holds_all_its_downloads(tmp_path: Path) -> None:
    (tmp_path / "original").write_bytes(CONTENT)
    url = (tmp_path / "original").as_uri()
    files = [Download(file=name, url=url, sha256=SUM) for name in ("a.bin", "b.bin")]
    folder = fetch(Folder(file="both", parts=files), 0)
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin"]


def test_a_file_of_a_package_is_found_without_importing_the_package() -> None:
    original = packages.file_in("statsmodels", "datasets/co2/co2.csv")
    source = PackageFile(
        file="co2.csv",
        package="statsmodels",
        path="datasets/co2/co2.csv",
        sha256=sha256_of(original),
    )
    assert list(pd.read_csv(fetch(source, 0)).columns) == ["date", "co2"]
    for wrong in ({"package": "no_such_package"}, {"path": "no/such/file"}):
        with pytest.raises(InputError, match="expected the"):
            fetch(source.model_copy(update=wrong), 0)


def test_a_generated_file_follows_the_seed() -> None:
    contents = [
        fetch(Generated(file="x.csv", generator="seasonal", rows=50), seed).read_bytes()
        for seed in (1, 1, 2)
    ]
    assert contents[0] == contents[1] != contents[2]
    rows = pd.read_csv(fetch(Generated(file="x.csv", generator="sum_of_two", rows=9), 0))
    assert all(rows["y"][row] == rows["x"][row - 1] + rows["x"][row - 2] for row in range(2, 9))


@pytest.mark.parametrize(
    "source", [{"file": "x"}, {"url": "http://x", "generator": "seasonal"}, "data.csv"]
)
def test_a_source_has_one_class(source: object) -> None:
    with pytest.raises(InputError, match="exactly one of the keys url, parts, package, generator"):
        sources.model_of(source, "sources.x")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../..", "../../x.py", "datasets/../../x", "", ".", "a//b", "a\nb"]
)
def test_a_path_out_of_a_package_is_refused(path: str) -> None:
    with pytest.raises(
        InputError,
        match=r"^params\.yaml: sources\.x\.path: expected a path that stays in its folder",
    ):
        validated(
            {"file": "x", "package": "numpy", "path": path, "sha256": SUM}, PackageFile, "sources.x"
        )


@pytest.mark.parametrize(
    "package", ["__main__", "sys", "data", "json.tool", "../x", "", "-h", "ast"]
)
def test_a_package_that_is_not_installed_is_one_error(package: str) -> None:
    Path("data").mkdir(exist_ok=True)  # A folder of the project is not a package.
    with pytest.raises(InputError, match=r"expected the (installed package|name by which)"):
        fetch(
            validated({"file": "x", "docstrings": package, "sha256": SUM}, Docstrings, "sources.x"),
            0,
        )


def test_code_that_cannot_be_read_is_left_out_of_the_docstrings(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text('"""Good."""\nx = "\\d"\n')
    (tmp_path / "old.py").write_text("print 'old'\n")
    (tmp_path / "odd.py").write_bytes(b"x = '\xff'\n")
    assert list(packages.docstrings(tmp_path)) == ['{"module": "good.py", "text": "Good."}\n']


MODULE = '''"""What a module says is left out.

It stands here in five words."""

class HTTPServer2:
    """Serve ``files`` of a :class:`~http.Folder`.

    They are *read* when they are
    asked for, by `name`.

    Parameters
    ----------
    folder : str
    """

    def open_file(self):
        """Open a file
        of the folder.

        It is opened for reading alone.
        Args:
            none
        """

    def again(self):
        """Open a file of the folder.

        It is opened for reading alone.
        """

    async def _(self):
        """Wait for the next file.

        There is one in the end.

        >>> 1 + 1
        """

    def short(self):
        """Too short.

        But this is long enough, indeed."""

    def no_point(self):
        """Ends without a point

        But this is long enough, indeed."""

    def no_prose(self):
        """Has no prose to speak of.

        :param x: is not prose, of course
        """

    def few(self):
        """Has too few words behind.

        These are four words."""

    def heading(self):
        """
        Notes
        -----
        These are notes.

        And this is long enough, indeed."""
'''
SUMMARIES = [
    (
        "m.py",
        "http server 2: They are read when they are asked for, by name.",
        "Serve files of a http.Folder.",
    ),
    ("m.py", "open file: It is opened for reading alone.", "Open a file of the folder."),
    ("m.py", "There is one in the end.", "Wait for the next file."),
]


def test_the_summaries_of_docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site/own_package"
    (folder / "tests").mkdir(parents=True)
    for name in ("__init__.py", "a.py"):
        (folder / name).write_text("")
    for name in ("m.py", "tests/m.py", "test_m.py", "z.py"):
        (folder / name).write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    lines = [
        json.dumps({"module": f"own_package/{module}", "text": text, "summary": summary}) + "\n"
        for module, text, summary in SUMMARIES
    ]
    sum_of_lines = hashlib.sha256("".join(lines).encode()).hexdigest()
    source = {"file": "x.jsonl", "summaries": ["own_package"], "sha256": sum_of_lines}
    assert sources.model_of(source, "sources.x") is Summaries
    path = fetch(validated(source, Summaries, "sources.x"), 0)
    assert path.read_text().splitlines(keepends=True) == lines
    with pytest.raises(InputError, match="the summaries of packages"):
        fetch(Summaries(**{**source, "sha256": SUM}), 0)


@pytest.mark.parametrize("rows", [0, -1, 10**7 + 1, 10**12, 10**30, 1.5])
def test_a_generated_file_has_a_size_that_fits(rows: object) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: sources\.x\.rows: expected [^;]*$"):
        validated({"file": "x", "generator": "seasonal", "rows": rows}, Generated, "sources.x")
