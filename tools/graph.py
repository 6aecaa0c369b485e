"""What `dvc.yaml` must declare, found by reading the code: every file that a stage imports, every
parameter that it reads."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from stages.errors import InputError
from stages.kinds import PREPARED_BY


def declared(root: Path, stage: str, *, of_a_kind: bool) -> set[str]:
    """Returns the files of code that the stage has to declare, as they stand in `dvc.yaml`.

    A stage that runs for tasks of any kind declares what any of them imports: DVC has no lists of
    dependencies by kind.
    """
    if not of_a_kind:
        return files_of(root, stage, None)
    return {
        path.replace(f"kinds/{kind}/", "kinds/${item.kind}/")
        for kind in PREPARED_BY
        for path in files_of(root, stage, kind)
    }


def files_of(root: Path, stage: str, kind: str | None) -> set[str]:
    """Returns the files that `python -m stages.STAGE` imports for a task of `kind`, as paths from
    the root.

    Imports inside functions count. `kinds.module(kind, "name")` is an import of that part of the
    kind; with a name that is no literal it is an import of all parts of all kinds. `kind` None
    stands for a stage that runs for no one kind.
    """
    found: set[str] = set()
    waiting = [f"stages.{stage}"]
    while waiting:
        module = waiting.pop()
        path = _path(root, module)
        if path is None or (name := path.relative_to(root).as_posix()) in found:
            continue
        found.add(name)
        waiting += [package for package in _packages(module) if package != module]
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        waiting += _imports(root, parsed(path), package, kind)
    # Empty packages but for their docstring: nothing in them can change a result.
    return {
        name
        for name in found
        if not (name.endswith("__init__.py") and _is_only_docstring(root / name))
    }


def parameters_read(root: Path, stage: str, each: str) -> set[str]:
    """Returns the parameters that a stage's own file reads, as `dvc.yaml` names them; `each` stands
    for the task or source."""
    path = root / f"stages/{stage}.py"
    read = set()
    for function, call in _calls_of_parameters(parsed(path)):
        match function:
            case "seed":
                read.add("seed")
            case "kind":
                read.add(f"tasks.{each}.kind")
            case "section":
                read.add(f"tasks.{each}.{_section(call, path)}")
            case "read_all":
                # What is taken out of the whole file stands behind the call, or the whole of it is
                # checked.
                whole = {"seed", "sources", "tasks", *PREPARED_BY.values()}
                read |= {"fetch": {f"sources.{each}"}, "summarize": {"tasks"}}.get(stage, whole)
    return read


def parsed(path: Path) -> ast.Module:
    """Returns the syntax tree of a file of code. Raises `InputError` if it is no Python."""
    try:
        return _tree(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError(
            f"{path}{line}: expected valid Python, received: {getattr(error, 'msg', error)}"
        ) from None


@cache
def _tree(content: bytes) -> ast.Module:
    return ast.parse(content)


def _calls_of_parameters(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yields the calls of functions of `stages.files.parameters`, by whatever name they were
    imported."""
    modules, functions = {"parameters"}, {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(
                    "files.parameters"
                ):
                    functions[alias.asname or alias.name] = alias.name
                elif alias.asname and alias.name.endswith("parameters"):
                    modules.add(alias.asname)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and ast.unparse(called.value) in {
                *modules,
                "stages.files.parameters",
            }:
                yield called.attr, node
            elif isinstance(called, ast.Name) and called.id in functions:
                yield functions[called.id], node


def _section(call: ast.Call, path: Path) -> str:
    """Returns the name of the section that a call of `parameters.section` reads."""
    given = next(
        (word.value for word in call.keywords if word.arg == "stage"),
        call.args[1] if len(call.args) > 1 else None,
    )
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return given.value
    received = repr(ast.unparse(given)) if given else "none"
    expected = "expected the section's name as a literal, so that dvc.yaml can be compared with it"
    raise InputError(f"{path}, line {call.lineno}: {expected}; received {received}")


def _imports(root: Path, tree: ast.AST, package: str, kind: str | None) -> list[str]:
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            with suppress(
                ImportError
            ):  # of a place above the topmost package, where there are no stages
                module = resolve_name("." * node.level + (node.module or ""), package)
                out += [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called == "part" and len(node.args) == 2:
                part = node.args[1]
                out += (
                    [f"stages.kinds.{kind}.{part.value!s}"]
                    if isinstance(part, ast.Constant)
                    else _all_parts(root)
                )
            elif called in ("import_module", "__import__") and node.args:
                if isinstance(node.args[0], ast.Constant):
                    out.append(str(node.args[0].value))
                elif kind is None:
                    out += [
                        f"stages.{stage}" for stage in PREPARED_BY.values()
                    ]  # check imports the preparing stages by name
    return [name for name in out if name.split(".")[0] == "stages"]


def _all_parts(root: Path) -> list[str]:
    return [
        f"stages.kinds.{path.parent.name}.{path.stem}"
        for path in sorted(root.glob("stages/kinds/*/*.py"))
    ]


def _packages(module: str) -> list[str]:
    names = module.split(".")
    return [".".join(names[: end + 1]) for end in range(len(names))]


def _path(root: Path, module: str) -> Path | None:
    base = root / module.replace(".", "/")
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _is_only_docstring(path: Path) -> bool:
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in parsed(path).body
    )
