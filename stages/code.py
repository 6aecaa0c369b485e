"""Code -> data/code: which code every stage runs, for each kind of task, as hashes of its syntax.

Stages depend on these files instead of on the code. A file names the modules that the stage
imports for tasks of a kind, each with a hash, and the packages that these modules import from
outside, each with the versions that requirements.lock pins. Comments, docstrings, layout and
modules that a stage does not import are not counted, so that an edit re-runs nothing else.

Code is read as text, never imported. What no reading can see, such as a module that is imported
under a computed name, is refused when the stage runs: see `stages.watch`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from stages import command, kinds
from stages.errors import InputError
from stages.files import parameters
from stages.files.writing import write_text
from stages.syntax import hash_of, parsed

FOLDER = Path("data/code")
PINS = Path("requirements.lock")
# These stages run once for all tasks, so that they depend on the modules of all kinds.
ONCE = ("check", "fetch", "summarize")
# They tell whether a stage may run and change none of its results.
WATCHING = tuple(f"stages/{name}.py" for name in ("code", "syntax", "watch"))
# Packages that are imported under another name than they are installed by.
PACKAGES = {
    "pycrfsuite": "python-crfsuite",
    "ruamel.yaml": "ruamel-yaml",
    "sklearn": "scikit-learn",
}
# Functions that import a module by its name.
_IMPORTING = ("module", "import_module", "__import__")


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    files = contents(Path(), kinds_of_tasks(parameters.read_all()))
    for path in FOLDER.rglob("*.txt"):
        if path.relative_to(FOLDER).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def kinds_of_tasks(params: dict[str, Any]) -> dict[str, str]:
    """Returns the kind of each task in the content of params.yaml. What is wrong in there is left
    to the stage `check`."""
    tasks = params.get("tasks")
    if not isinstance(tasks, dict):
        return {}
    entries = {name: entry for name, entry in tasks.items() if isinstance(entry, dict)}
    return {name: str(entry.get("kind")) for name, entry in entries.items() if _is_name(name)}


def contents(root: Path, tasks: dict[str, str]) -> dict[str, str]:
    """Returns the text of every file in `data/code` by its name there.

    Args:
        root: the project's folder.
        tasks: the kind of each task, by the task's name.

    Raises:
        InputError: a file is not Python, or a package that it imports is not pinned.
    """
    files = {}
    every_kind = all_kinds(root)
    for path in sorted(root.glob("stages/*.py")):
        stage = path.stem
        if not _is_command(parsed(path)) or stage == "code":
            continue
        if stage in ONCE:
            files[f"{stage}.txt"] = content(root, stage, every_kind)
        elif stage in kinds.PREPARING:
            # DVC runs these over names of tasks, and knows no kind there.
            files |= {
                f"{stage}/{task}.txt": content(root, stage, [kind])
                for task, kind in tasks.items()
                if (root / f"stages/kinds/{kind}/{stage}.py").is_file()
            }
        else:
            files |= {f"{stage}/{kind}.txt": content(root, stage, [kind]) for kind in every_kind}
    return files


def current(root: Path, path: str, params: dict[str, Any]) -> str:
    """Returns what a file in `data/code` would hold if it were written now."""
    stage, _, name = path.removeprefix(f"{FOLDER.as_posix()}/").removesuffix(".txt").partition("/")
    tasks = kinds_of_tasks(params)
    of_kinds = all_kinds(root) if not name else [tasks[name] if stage in kinds.PREPARING else name]
    return content(root, stage, of_kinds)


def changes(before: str, after: str) -> list[str]:
    """Returns the modules and packages whose lines differ between two texts of one file."""
    lines = {*before.splitlines()} ^ {*after.splitlines()}
    return sorted({line.split()[-1] for line in lines})


def all_kinds(root: Path) -> list[str]:
    """Returns the names of the kinds of the project at `root`, read as text like its code."""
    return sorted(path.parent.name for path in root.glob("stages/kinds/*/__init__.py"))


def content(root: Path, stage: str, of_kinds: list[str]) -> str:
    """Returns the text of the file for `stage` and the kinds that it runs for: lines of a hash or
    versions, and what has them."""
    modules = imported(root, stage, of_kinds)
    packages = {package for module in modules for package in outside(root / module)}
    pins = pinned(root / PINS)
    missing = sorted(package for package in packages if package not in pins)
    if missing:
        importers = [module for module in modules if missing[0] in outside(root / module)]
        raise InputError(
            f"{importers[0]}: expected imports of packages that {PINS} pins, received "
            f"{missing[0]}: add it to pyproject.toml and run `make lock`"
        )
    lines = [f"{hash_of(root / module)}  {module}" for module in modules]
    return "".join(
        f"{line}\n" for line in [*lines, *(f"{pins[name]:16}  {name}" for name in sorted(packages))]
    )


def imported(root: Path, stage: str, of_kinds: list[str]) -> list[str]:
    """Returns the files that `python -m stages.STAGE` imports for tasks of some kinds, as sorted
    paths from the root.

    Imports inside functions count. `kinds.module(kind, "name")` imports that module of each kind;
    with a name that is no literal it imports all modules of the kinds.
    """
    files: set[str] = set()
    waiting = [f"stages.{stage}"]
    while waiting:
        module = waiting.pop()
        path = _path(root, module)
        if path is None or (name := path.relative_to(root).as_posix()) in files:
            continue
        files.add(name)
        waiting += _packages(module)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        if name not in WATCHING:
            waiting += _imports(root, path, package, of_kinds)
    return sorted(files - set(WATCHING))


def _imports(root: Path, path: Path, package: str, of_kinds: list[str]) -> Iterator[str]:
    """Yields the names of the project's modules that the file at `path` imports; of what stands
    after `from package import`, also names that may be modules."""
    for node in _import_nodes(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with suppress(ImportError):  # above the topmost package there are no stages
                source = resolve_name("." * node.level + (node.module or ""), package)
                yield from (source, *(f"{source}.{alias.name}" for alias in node.names))
        elif _name_of(node) == "module" and len(node.args) == 2:
            name = getattr(node.args[1], "value", None)
            for kind in of_kinds:
                folder = root / "stages/kinds" / kind
                names = [name] if isinstance(name, str) else [p.stem for p in folder.glob("*.py")]
                yield from (f"stages.kinds.{kind}.{name}" for name in names)
        elif node.args:
            yield str(getattr(node.args[0], "value", ""))


def outside(path: Path) -> set[str]:
    """Returns the packages, by the names that they are installed by, that a file imports and that
    are neither Python's nor the project's."""
    return _outside(parsed(path))


@cache
def _outside(tree: ast.Module) -> set[str]:
    modules = set()
    for node in _import_nodes(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(str(node.module))
    packages = set()
    for module in modules:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "stages":
            # Several packages share the name `ruamel`.
            name = ".".join(module.split(".")[:2]) if top == "ruamel" else top
            packages.add(PACKAGES.get(name, name))
    return packages


@cache
def pinned(path: Path) -> dict[str, str]:
    """Returns the version of each package in a lock file; where it depends on the version of
    Python, all of them, so that every Python writes the same files."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"expected {path}, found none: take it from Git") from None
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        versions.setdefault(name, []).append(version)
    return {name: " or ".join(several) for name, several in versions.items()}


@cache
def _import_nodes(tree: ast.Module) -> list[ast.Import | ast.ImportFrom | ast.Call]:
    """Returns what may import: statements, and calls of functions that import by name."""
    return [
        node
        for node in _walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Call) and _name_of(node) in _IMPORTING)
    ]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a tree but for the blocks `if TYPE_CHECKING`, which never run."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)


def _is_name(name: Any) -> bool:
    """Whether the name of a task can be that of a file."""
    return isinstance(name, str) and name.isidentifier()


def _is_command(tree: ast.Module) -> bool:
    """Whether a file has the block `if __name__ == "__main__"`."""
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in tree.body
    )


def _name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _packages(module: str) -> list[str]:
    """Returns the packages that a module is in, which are imported before it."""
    names = module.split(".")
    return [".".join(names[:end]) for end in range(1, len(names))]


def _path(root: Path, module: str) -> Path | None:
    if module.partition(".")[0] != "stages":
        return None
    base = root / module.replace(".", "/")
    paths = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in paths if path.is_file()), None)


if __name__ == "__main__":
    command.run(main)
