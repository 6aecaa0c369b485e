"""Files of installed packages: their data files and docstrings. None of their code runs."""

import ast
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from stages.errors import InputError

log = logging.getLogger("reprise")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def folder_of(package: str) -> Path:
    """Returns the folder of an installed package.

    A folder of the project does not count as one: DVC must know its files.
    """
    installed = [entry for entry in sys.path if Path(entry).resolve() != Path.cwd()]
    spec = PathFinder.find_spec(package, installed)
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        raise InputError(
            f"expected the installed package {package!r}, found none: run `make setup`"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def file_in(package: str, name: str) -> Path:
    """Returns a file of an installed package; `name` is its path in the package's folder."""
    folder = folder_of(package).resolve()
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder):
        raise InputError(f"expected the file {name!r} in the package {package!r}, found none")
    return path


def docstrings(folder: Path) -> Iterator[str]:
    """Yields a JSON line of `module` and `text` for each docstring below a folder, but for tests.

    Files are in the order of their names, and docstrings in that of their lines.
    """
    for module, _, text in _documented(folder):
        yield _line({"module": module, "text": text})


def summaries(packages: Sequence[str]) -> Iterator[str]:
    """Yields a JSON line of `module`, `text` and `summary` for the docstring of each class and
    function of installed packages that says more than its first paragraph, the summary.

    The text is the name of the class or function, as words, and what the docstring says behind its
    summary, in plain text up to the first section, field, directive or example. Summaries of 3 to
    30 words are taken that end with a point, with texts of 5 words and more. A docstring that
    several have is there once.
    """
    found: set[tuple[str, str]] = set()
    for package in packages:
        for module, node, docstring in _documented(folder_of(package)):
            first, *rest = re.split(r"\n\s*\n", docstring.strip(), maxsplit=1)
            summary, prose = _plain(first), _plain(_NO_PROSE.split(rest[0])[0] if rest else "")
            is_summary = summary.endswith(".") and 3 <= summary.count(" ") + 1 <= 30
            is_pair = is_summary and not _NO_PROSE.search(first) and prose.count(" ") >= 4
            if isinstance(node, ast.Module) or not is_pair:
                continue
            if (summary, prose) not in found:
                found.add((summary, prose))
                name = " ".join(_WORD.findall(node.name)).lower()
                text = f"{name}: {prose}" if name else prose
                yield _line({"module": f"{package}/{module}", "text": text, "summary": summary})


# Where the prose of a docstring ends: at a section of NumPy's or Google's style, a field or
# directive of Sphinx, or an example.
_NO_PROSE = re.compile(
    r"^(?:[^\n]+\n[ ]*(?:-{3,}|={3,}|~{3,})[ ]*$|[ ]*[A-Z]\w*(?: \w+){0,3}::?[ ]*$"
    r"|[ ]*(?::(?:param|type|returns?|rtype|raises|arg|keyword|[ic]?var)\b|@(?:param|return)"
    r"|>>>|\.\. |```))",
    re.MULTILINE,
)
# The marks around code, with the role that Sphinx gives it.
_MARKS = re.compile(r"(?::[A-Za-z:+-]+:)?`+~?")
_EMPHASIS = re.compile(r"\*{1,2}(\w+)\*{1,2}")
# A word of a name such as split_words, SplitWords or HTTPError2.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _plain(text: str) -> str:
    return " ".join(_EMPHASIS.sub(r"\1", _MARKS.sub("", text)).split())


def _line(entry: dict[str, str]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _documented(folder: Path) -> Iterator[tuple[str, _Documented, str]]:
    """Yields the path of each module below a folder, but for tests, with what has a docstring in
    it, and the docstring."""
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if "tests" in name.parts or path.name.startswith("test_"):
            continue
        try:
            # Third-party code may have invalid escape sequences.
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError) as error:
            version = sys.version_info.major
            log.warning("%s is left out: expected Python %d, received %s", path, version, error)
            continue
        nodes = [node for node in ast.walk(tree) if isinstance(node, _Documented)]
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            if text := ast.get_docstring(node):
                yield name.as_posix(), node, text
