"""Lets mypy hold the modules of every kind to their interfaces.

No code names all kinds, so the assignments that mypy checks are written for the folders that there
are. `make check` compares names and parameters alone, which takes no mypy: `faults`.
"""

import ast
import inspect
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages import command, kinds
from stages.code import all_kinds
from stages.kinds import interfaces
from stages.syntax import parsed


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "interfaces_of_kinds.py"
        path.write_text(assignments(Path.cwd()), encoding="utf-8")
        sys.exit(subprocess.run([sys.executable, "-m", "mypy", str(path)]).returncode)


def assignments(root: Path) -> str:
    """Returns the code of one assignment for each module of each kind."""
    lines = ["from stages.kinds import interfaces"]
    for number, (path, interface) in enumerate(_modules(root)):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        lines += [f"import {name}", f"module_{number}: interfaces.{interface.__name__} = {name}"]
    return "\n".join(lines) + "\n"


def faults(root: Path) -> Iterator[str]:
    """Yields one line for each module that a kind lacks, for each name that a module lacks, and for
    each function whose parameters are others than those of the interface."""
    for path, interface in _modules(root):
        where, says = (
            path.relative_to(root),
            f"as stages.kinds.interfaces.{interface.__name__} says",
        )
        if not path.is_file():
            yield f"{where}: expected this file, {says}, found none"
            continue
        own = _definitions(parsed(path))
        for name, member in _members(interface).items():
            if name not in own:
                yield f"{where}: expected {name}, {says}, found none"
            elif callable(member) and own[name] is not None:
                wanted = list(inspect.signature(member).parameters)[1:]
                if not _takes(own[name], wanted):
                    yield f"{where}: {name}: expected the parameters {', '.join(wanted)}, {says}"


def _modules(root: Path) -> Iterator[tuple[Path, type]]:
    """Yields the file of each module of each kind, with its interface."""
    for kind in all_kinds(root):
        package = root / "stages/kinds" / kind / "__init__.py"
        yield package, interfaces.Package
        preparing = [s for s in kinds.PREPARING if package.with_name(f"{s}.py").is_file()]
        for stage, interface in interfaces.MODULES.items():
            if stage not in kinds.PREPARING or stage in (preparing or kinds.PREPARING)[:1]:
                yield package.with_name(f"{stage}.py"), interface
        for name, interface in interfaces.OPTIONAL.items():
            if (path := package.with_name(f"{name}.py")).is_file():
                yield path, interface


def _members(interface: type) -> dict[str, object]:
    """Returns the functions and attributes that an interface asks for."""
    members = {
        name: value for base in reversed(interface.__mro__) for name, value in vars(base).items()
    }
    return {name: value for name, value in members.items() if not name.startswith("_")}


def _definitions(tree: ast.Module) -> dict[str, ast.arguments | None]:
    """Returns the names that a module defines or imports, and the parameters of its functions."""
    names: dict[str, ast.arguments | None] = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef():
                names[node.name] = node.args
            case ast.ClassDef():
                names[node.name] = None
            case ast.ImportFrom():
                names |= {alias.asname or alias.name: None for alias in node.names}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = None
    return names


def _takes(own: ast.arguments | None, wanted: list[str]) -> bool:
    """Whether a function takes the parameters `wanted`, and needs no others."""
    if own is None:
        return True
    names = [argument.arg for argument in (*own.posonlyargs, *own.args)]
    needed = len(names) - len(own.defaults)
    return names[: len(wanted)] == wanted and needed <= len(wanted) and None not in own.kw_defaults


if __name__ == "__main__":
    command.run(main)
