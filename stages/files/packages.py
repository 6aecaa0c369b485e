"""Files of installed packages: their data files and docstrings. None of their code runs."""

import ast
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from stages.errors import InputError

log = logging.getLogger("reprise")


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
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            if text := ast.get_docstring(node):
                entry = {"module": name.as_posix(), "text": text}
                yield json.dumps(entry, ensure_ascii=False) + "\n"
